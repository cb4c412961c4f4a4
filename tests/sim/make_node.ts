/** Joins the simulator with the real server: node, data directory and log over the simulated disk. */
import {
  CLUSTER_VERSION_FIRST,
  CLUSTER_VERSION_MAX,
  neededVersion,
} from "../../lib/kv/cluster_version.ts";
import { commandLength } from "../../lib/kv/commands/command.ts";
import { neededByEntries } from "../../lib/node/peers/peer_version.ts";
import { entryKind, ENVELOPE_BYTES } from "../../lib/raft/envelope.ts";
import { EntryKind } from "../../lib/raft/types.ts";
import { Node } from "../../lib/node/node.ts";
import { DataDirectory, DataDirectoryError } from "../../lib/storage/data_directory.ts";
import { ByteReader, readU64 } from "../../lib/util/bytes.ts";
import { keepView } from "../../lib/wire/rpc/entries.ts";
import { decodeMessage } from "../../lib/wire/rpc/rpc_messages.ts";
import { FrameType, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN } from "../../lib/wire/rpc/rpc_types.ts";
import { CHECKSUM_BYTES, LENGTH_BYTES } from "../../lib/wire/rpc/frame.ts";
import { NodeProbe } from "./node_probe.ts";
import { FaultyDisk } from "./server_disk.ts";
import { DATA_PATH, preparedDisk } from "./origin.ts";
import type {
  BuiltServer,
  DiskEnvironment,
  ServerDisk,
  ServerEnvironment,
  ServerFactory,
  Vote,
} from "./server_factory.ts";
import { SimCrash } from "./sim_disk.ts";
import { LuaEngine } from "../../lib/scripts/engine.ts";
import { FakePasswords } from "../node/fake_passwords.ts";

/** docs/protocol.md: where a frame has its term. */
const TERM_AT = 21;

export const realServers: ServerFactory = {
  makeDisk,
  makeServer,
  voteOf,
  ackOf,
  versionIn,
  takeOverTerm: (frame) =>
    frame[LENGTH_BYTES] === FrameType.timeoutNow ? readU64(frame, TERM_AT) : null,
  isRefusal: (error) => error instanceof DataDirectoryError,
  isCrash: (error) => error instanceof SimCrash,
};

function makeDisk(environment: DiskEnvironment): ServerDisk {
  const disk = new FaultyDisk(environment);
  const { options, serverId, isNew } = environment;
  if (options.origin.index > 0 && !isNew) disk.adopt(preparedDisk(options, serverId));
  return disk;
}

function makeServer(environment: ServerEnvironment): BuiltServer {
  const { options, serverId, places, disk, clock, rng, host, isOlder, joins, secret } = environment;
  const hex = () => rng.u32().toString(16).padStart(8, "0");
  const directory = DataDirectory.open(disk, {
    path: DATA_PATH,
    serverId,
    makeIncarnation: () => hex() + hex(),
    ...options.storage,
  });
  const servers = [...places].sort(([a], [b]) => a - b).map(([id, place]) => {
    // Which port a connection came to, the simulator says itself.
    return { id, ...place, ...(options.forwarding !== undefined && { forwardPort: 1 }) };
  });
  const { timing, limits } = options;
  const node = new Node({
    config: { servers, timing, limits, storage: options.storage },
    serverId,
    directory,
    clock,
    rng,
    passwords: new FakePasswords((run) => disk.defer(run)),
    scripts: { load: (done) => disk.defer(() => done(new LuaEngine())) },
    host,
    ...(joins === null ? {} : { join: { clusterId: joins } }),
    protocolVersionMax: isOlder ? PROTOCOL_VERSION_MIN : PROTOCOL_VERSION,
    clusterVersionMax: isOlder ? CLUSTER_VERSION_FIRST : CLUSTER_VERSION_MAX,
    checkInvariants: options.checkInvariants,
    secret,
  });
  const { identity: { incarnation } } = directory;
  const { members, links } = node;
  const secretExchanged = () => links.secretExchanged();
  return { node, probe: new NodeProbe(node, options), incarnation, members, secretExchanged };
}

function versionIn(frame: Uint8Array): number {
  const type = frame[LENGTH_BYTES]!;
  if (type !== FrameType.appendRequest) return 0;
  const reader = new ByteReader(frame, LENGTH_BYTES + 1, frame.length - CHECKSUM_BYTES);
  const message = decodeMessage(type, reader, keepView);
  if (message.kind !== "appendRequest") return 0;
  let needed = neededByEntries(message.entries);
  for (const entry of message.entries) {
    if (entryKind(entry) !== EntryKind.commands) continue;
    const { data } = entry;
    for (let at = ENVELOPE_BYTES; at < data.length; at += commandLength(data, at)) {
      needed = Math.max(needed, neededVersion(data, at));
    }
  }
  return needed;
}

function ackOf(frame: Uint8Array): number | null {
  const type = frame[LENGTH_BYTES]!;
  if (type !== FrameType.appendResponse) return null;
  const reader = new ByteReader(frame, LENGTH_BYTES + 1, frame.length - CHECKSUM_BYTES);
  const message = decodeMessage(type, reader, keepView);
  return message.kind === "appendResponse" && message.success ? message.index : null;
}

function voteOf(frame: Uint8Array): Vote | null {
  const type = frame[LENGTH_BYTES]!;
  if (type !== FrameType.voteResponse && type !== FrameType.voteRequest) return null;
  const reader = new ByteReader(frame, LENGTH_BYTES + 1, frame.length - CHECKSUM_BYTES);
  const message = decodeMessage(type, reader, keepView);
  if (message.kind === "voteRequest") {
    // A request of term 0 only asks for the term.
    if (message.preVote || message.term === 0) return null;
    return { term: message.term, candidateId: message.from, isOwn: true, isSuspect: false };
  }
  if (message.kind !== "voteResponse" || !message.granted || message.preVote) return null;
  const { term, to, suspect } = message;
  return { term, candidateId: to, isOwn: false, isSuspect: suspect };
}
