import { assertEquals } from "@std/assert";
import { SyncPace } from "../../lib/host/sync_pace.ts";

Deno.test("a sync may block only after eight quick ones in a row", () => {
  const pace = new SyncPace();
  for (let i = 0; i < 7; i++) pace.note(0.3);
  assertEquals(pace.isQuick, false);
  pace.note(4);
  assertEquals(pace.isQuick, true);
  pace.note(4.1);
  assertEquals(pace.isQuick, false);
  for (let i = 0; i < 7; i++) pace.note(0.3);
  assertEquals(pace.isQuick, false);
  pace.note(0.3);
  assertEquals(pace.isQuick, true);
});
