/** When a scheduled backup is due. What becomes of it: process/scheduled_backup_test.ts. */
import { assertEquals } from "@std/assert";
import type { LogEvent } from "../lib/node/api.ts";
import { makeBackupMeters } from "../lib/node/facts/meters.ts";
import { schedule } from "../lib/scheduled_backups.ts";
import { type BackupSource, LATER } from "../lib/wire/backup.ts";
import { eventually } from "./process/patience.ts";
import { assemble, HEAD, makeBody } from "./storage/backup_helpers.ts";
import { makeRoot } from "./storage/temporary.ts";

Deno.test("a backup from a time when the clock was ahead does not put the next one off for as long", async () => {
  const path = makeRoot();
  const name = `raftkv-${HEAD.clusterId.slice(0, 8)}-${`${HEAD.position.index}`.padStart(16, "0")}`;
  const wallMs = HEAD.takenMs - 10 * 365 * 86_400_000;
  Deno.writeFileSync(`${path}/${name}.backup`, assemble(makeBody(), 1_000));
  const meters = makeBackupMeters();
  // It has no room for a backup, so each attempt is a failure that can be counted.
  const source: Pick<BackupSource, "facts" | "begin"> = {
    facts: () => ({ ...HEAD, appliedIndex: HEAD.position.index, keys: 12 }),
    begin: () => null,
  };
  const logged: LogEvent[] = [];
  const beganMs = performance.now();
  const scheduled = schedule({
    schedule: { everyMs: 1_000, path, keep: 2 },
    server: { isWriter: () => true, meters: () => meters, source: () => source as BackupSource },
    clock: {
      monotonicMs: () => performance.now(),
      wallMs: () => wallMs + performance.now() - beganMs,
    },
    log: (event) => logged.push(event),
  });
  try {
    await eventually("an attempt", () => Promise.resolve(meters.failed > 0), 20_000);
    assertEquals(logged.map(({ level, message }) => [level, message]).at(-1), [
      "error",
      "The scheduled backup failed",
    ]);
    assertEquals(meters.failure, "as many backups as may be are taken of this server already");
  } finally {
    await scheduled.stop();
  }
});

/** A backup of which one piece is there, and nothing more comes. */
function halfOfOne(): BackupSource & { ended: number } {
  let given = 0;
  const { position: { index, term } } = HEAD;
  return {
    ended: 0,
    facts: () => ({ ...HEAD, appliedIndex: index, keys: 12 }),
    begin: () => 1,
    state: () => ({
      ...{ isReady: true, index, term, takenMs: HEAD.takenMs },
      ...{ bytes: 2_000, madeBytes: 1_000 },
    }),
    next: () => given++ === 0 ? makeBody().slice(0, 200) : LATER,
    end() {
      this.ended++;
    },
  };
}

Deno.test("a stop in the middle of a backup leaves nothing of it", async () => {
  const path = makeRoot();
  const source = halfOfOne();
  const meters = makeBackupMeters();
  const logged: LogEvent[] = [];
  const scheduled = schedule({
    schedule: { everyMs: 1_000, path, keep: 2 },
    server: { isWriter: () => true, meters: () => meters, source: () => source },
    clock: { monotonicMs: () => performance.now(), wallMs: () => Date.now() },
    log: (event) => logged.push(event),
  });
  const parts = () => [...Deno.readDirSync(path)].map(({ name }) => name.split(".").at(-1));
  await eventually("half of a backup", () => Promise.resolve(parts().length > 0), 20_000);
  assertEquals(parts(), ["part"]);
  await scheduled.stop();
  assertEquals([parts(), source.ended, logged], [[], 1, []]);
});
