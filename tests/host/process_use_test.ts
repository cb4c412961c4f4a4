import { assert, assertEquals } from "@std/assert";
import { DenoDisk } from "../../lib/host/deno_disk.ts";
import { blockingCalls, processUse, timed } from "../../lib/host/process_use.ts";

function busy(ms: number): void {
  for (const untilMs = performance.now() + ms; performance.now() < untilMs;);
}

Deno.test("process use: time of the processor, and of calls that block, the longest by name", () => {
  const before = processUse();
  timed("read", "a", () => busy(30));
  blockingCalls.note("sync", "b", 6_000);
  blockingCalls.note("write", "c", 5_000);
  const after = processUse();
  assert(after.diskMs - before.diskMs >= 11_030, `${after.diskMs - before.diskMs}`);
  assertEquals(after.longestDiskCall, "sync b (6000 ms)");
  assertEquals(processUse().longestDiskCall, "", "asked once, it is over");
  // However little of the processor others leave to this process.
  for (let tries = 0; processUse().cpuMs <= before.cpuMs; tries++) {
    assert(tries < 1_000, "no time of the processor is counted");
    busy(1);
  }
});

Deno.test("process use: a call that fails counts, too", () => {
  const before = blockingCalls.totalMs;
  try {
    timed("write", "x", () => {
      busy(5);
      throw new Error("full");
    });
  } catch {
    // As wanted.
  }
  assert(blockingCalls.totalMs - before >= 5);
});

Deno.test("process use: whatever of the disk blocks is counted", () => {
  const root = Deno.makeTempDirSync({ prefix: "raftkv-use-" });
  try {
    const disk = new DenoDisk(root);
    const calls: (() => unknown)[] = [];
    const file = disk.open("x", { create: true });
    calls.push(() => file.write(0, new Uint8Array(1_000_000)), () => file.syncNow());
    calls.push(() => file.read(0, new Uint8Array(100_000)), () => file.size());
    calls.push(() => file.truncate(5), () => disk.syncDirectory("."), () => disk.list("."));
    calls.push(() => disk.exists("x"), () => disk.rename("x", "y"), () => disk.makeDirectory("d"));
    calls.push(() => disk.remove("y"));
    for (const call of calls) {
      const before = blockingCalls.totalMs;
      call();
      assert(blockingCalls.totalMs > before, `${call}`);
    }
    file.close();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
