import { assertEquals } from "@std/assert";
import { directoryBound } from "../../bench/disk_bound.ts";
import { bytesUnder } from "../../bench/directory_bytes.ts";

const LIMITS = { logBytes: 100, segmentBytes: 10, reserveBytes: 7 };

Deno.test("disk bound: a small snapshot leaves the log limit to decide, a large one as much as itself", () => {
  const small = directoryBound({ snapshotBytes: 40, logBytesDuringSnapshot: 5 }, LIMITS);
  assertEquals(small, 3 * 40 + 2 * 100 + 5 + 2 * 10 + 7);
  const large = directoryBound({ snapshotBytes: 1_000, logBytesDuringSnapshot: 5 }, LIMITS);
  assertEquals(large, 3 * 1_000 + 2 * 1_000 + 5 + 2 * 10 + 7);
  const fast = directoryBound({ snapshotBytes: 40, logBytesDuringSnapshot: 300 }, LIMITS);
  assertEquals(fast, 3 * 40 + 3 * 300 + 2 * 10 + 7);
});

Deno.test("disk bound: holes count as length, not as room; a directory that is not there takes nothing", () => {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${directory}/wal`);
    Deno.writeFileSync(`${directory}/wal/full`, new Uint8Array(8_192).fill(1));
    const file = Deno.openSync(`${directory}/wal/hole`, { write: true, create: true });
    file.truncateSync(1 << 24);
    file.close();
    const { allocated, apparent, largest, files } = bytesUnder(directory);
    assertEquals([apparent, largest, files], [8_192 + (1 << 24), 1 << 24, 2]);
    assertEquals(allocated < 1 << 20, true);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  assertEquals(bytesUnder(directory).files, 0);
});
