/** Joins the simulator with the real server: node, data directory and log over the simulated disk. */
import { Node } from "../../lib/node/node.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { ByteReader } from "../../lib/util/bytes.ts";
import { decodeMessage } from "../../lib/wire/rpc_messages.ts";
import { FrameType } from "../../lib/wire/rpc_types.ts";
import { CHECKSUM_BYTES, LENGTH_BYTES } from "../../lib/wire/frame.ts";
import type { ServerProbe } from "./checks.ts";
import { clientPortOf } from "./client.ts";
import { FaultyDisk } from "./server_disk.ts";
import type { BuiltServer, ServerEnvironment, ServerFactory } from "./server_factory.ts";
import { SimCrash } from "./sim_disk.ts";

export const realServers: ServerFactory = {
  makeDisk: (environment) => new FaultyDisk(environment),
  makeServer,
  voteTermOf,
  isCrash: (error) => error instanceof SimCrash,
};

function makeServer(environment: ServerEnvironment): BuiltServer {
  const { options, serverId, disk, clock, rng, host } = environment;
  const hex = () => rng.u32().toString(16).padStart(8, "0");
  const directory = DataDirectory.open(disk, {
    path: "data",
    serverId,
    makeIncarnation: () => hex() + hex(),
    ...options.storage,
  });
  const servers = Array.from({ length: options.servers }, (_, at) => ({
    id: at + 1,
    hostname: `server-${at + 1}`,
    clientPort: clientPortOf(at + 1),
    logPort: 10_000 + at,
  }));
  const { timing, limits } = options;
  const node = new Node({
    config: { servers, timing, limits, storage: options.storage },
    serverId,
    directory,
    clock,
    rng,
    host,
    checkInvariants: options.checkInvariants,
  });
  return { node, probe: probeOf(node) };
}

function probeOf(node: Node): ServerProbe {
  const state = () => node.raft!.state;
  const log = () => node.raft!.state.log;
  const store = () => node.store!;
  return {
    isOpen: () => node.raft !== null,
    isLeader: () => state().role === "leader",
    isSuspect: () => state().suspect,
    term: () => state().term,
    votedFor: () => state().votedFor,
    commitIndex: () => state().commitIndex,
    appliedIndex: () => store().appliedIndex,
    snapshotIndex: () => log().snapshot.index,
    lastIndex: () => log().lastIndex,
    termAt: (index) => log().termAt(index),
    dataAt: (index) => log().at(index).data,
    durableIndex: () => log().durableIndex,
    voters: () => state().configurations.current.voters,
    digest: () => store().digest(),
  };
}

function voteTermOf(frame: Uint8Array): number {
  if (frame[LENGTH_BYTES] !== FrameType.voteResponse) return 0;
  const reader = new ByteReader(frame, LENGTH_BYTES + 1, frame.length - CHECKSUM_BYTES);
  const message = decodeMessage(FrameType.voteResponse, reader, true);
  const isVote = message.kind === "voteResponse" && message.granted && !message.preVote;
  return isVote ? message.term : 0;
}
