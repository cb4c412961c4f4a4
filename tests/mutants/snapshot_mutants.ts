/** Bugs of snapshots on their way that no seed meets, and the test that is meant to find each. */
import { tested, type TestedMutant } from "./security_mutants.ts";

export const SNAPSHOTS: readonly TestedMutant[] = [
  tested([
    "snapshot-gap",
    "A snapshot is streamed though the log behind it is gone",
    "node/snapshot_streams_test.ts",
    "a snapshot after which the log has a gap is nothing to begin with",
  ], [
    "node/snapshots/snapshot_streams.ts",
    "    return index >= raft.state.log.firstIndex - 1 || reader.reaches(index);",
    "    return index >= 0;",
  ]),
];
