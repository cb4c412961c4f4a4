/** Whether a node starts on a damaged log: by who its members are, not by how many founded its cluster. */
import { assert, assertEquals } from "@std/assert";
import { DEFAULT_LIMITS, DEFAULT_STORAGE_LIMITS, DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { Node } from "../../lib/node/node.ts";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { type Configuration, EntryKind } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { Random } from "../../lib/util/random.ts";
import { describeMembers, incarnation } from "../raft/members.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import {
  batch,
  CLUSTER,
  markSynced,
  persist,
  refusal,
  segmentPath,
  setEntry,
  vote,
} from "../storage/helpers.ts";
import { FakePasswords } from "./fake_passwords.ts";

const STORAGE = { ...DEFAULT_STORAGE_LIMITS, segmentBytesMax: 100_000, reserveBytes: 1_000 };

function open(disk: SimDisk): DataDirectory {
  const makeIncarnation = () => incarnation(1);
  return DataDirectory.open(disk, { path: "1", serverId: 1, makeIncarnation, ...STORAGE });
}

/** Server 1 of a cluster that `founders` founded; its log says later who votes, and entry 2 is damaged. */
function damaged(founders: number[], ...changes: Configuration[]): SimDisk {
  const disk = new SimDisk();
  const directory = open(disk);
  const members = founders.map((serverId) => ({ serverId, incarnation: incarnation(serverId) }));
  directory.saveFormation({ stage: "prepared", clusterId: CLUSTER, members });
  directory.saveFormation({ stage: "formed", clusterId: CLUSTER, members });
  const { log } = directory.openLog();
  persist(disk, log, batch(vote(1, 1)), batch(null, setEntry(1, 1)), batch(null, setEntry(2, 1)));
  const at = disk.contents(segmentPath(1)).findLastIndex((byte) => byte !== 0) - 8;
  markSynced(disk, log);
  changes.forEach((configuration, i) => {
    const payload = encodeConfiguration(configuration);
    const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
    writeEnvelope(data, EntryKind.configuration, 10);
    data.set(payload, ENVELOPE_BYTES);
    persist(disk, log, batch(null, { index: 3 + i, term: 1, data }));
  });
  directory.close();
  disk.completeAll();
  disk.kill();
  disk.corrupt(segmentPath(1), (bytes) => {
    bytes[at]! ^= 1;
    return bytes;
  });
  return disk;
}

function start(disk: SimDisk): Node {
  return new Node({
    config: {
      servers: [{ id: 1, hostname: "a", clientPort: 1, logPort: 2 }],
      timing: DEFAULT_TIMING,
      limits: DEFAULT_LIMITS,
      storage: STORAGE,
    },
    serverId: 1,
    directory: open(disk),
    clock: { monotonicMs: () => 0, wallMs: () => 1_000 },
    rng: new Random(1),
    passwords: new FakePasswords(() => {}),
    host: { scheduleTurn() {}, wakeAt() {}, fatal() {}, log() {} },
    checkInvariants: true,
  });
}

Deno.test("one server whose cluster grew to three repairs its log by the others", () => {
  const node = start(damaged(
    [1],
    describeMembers({ voters: [1], learners: [2, 3] }),
    describeMembers({ voters: [1, 2, 3], votersOutgoing: [1] }),
    describeMembers({ voters: [1, 2, 3] }),
  ));
  assertEquals([node.raft!.repairing, node.raft!.state.log.lastIndex], [true, 1]);
});

Deno.test("the last server of three that shrank refuses: nobody else has what it lost", () => {
  const disk = damaged(
    [1, 2, 3],
    describeMembers({ voters: [1], votersOutgoing: [1, 2, 3] }),
    describeMembers({ voters: [1] }),
  );
  const said = refusal(() => start(disk));
  assert(
    said?.includes("whole cluster") && said.includes("Nothing was changed"),
    said ?? "started",
  );
});
