import { assertEquals } from "@std/assert";
import { ConnectionWatch } from "../../lib/net/connection_watch.ts";
import { FakeConnection } from "./fakes.ts";

const clock = { monotonicMs: () => 0, wallMs: () => 0 };

Deno.test("a write of which the system takes a few bytes at a time is repeated until all is out", async () => {
  const fake = new FakeConnection();
  fake.takesAtMost = 3;
  const watch = new ConnectionWatch(clock, { idleTimeoutMs: 0, writeTimeoutMs: 1_000 });
  const connection = watch.open(fake);
  assertEquals(await connection.write(new TextEncoder().encode("12345678")), 8);
  assertEquals(fake.written, "12345678");
  assertEquals(connection.writingSinceMs, -1, "no write is under way");
  watch.closeAll("done");
});

Deno.test("a large write is handed to the system in pieces, whole and in order", async () => {
  const fake = new FakeConnection();
  const watch = new ConnectionWatch(clock, { idleTimeoutMs: 0, writeTimeoutMs: 1_000 });
  const text = "0123456789abcdef".repeat(40_000);
  const connection = watch.open(fake);
  assertEquals(await connection.write(new TextEncoder().encode(text)), text.length);
  assertEquals(fake.written === text, true);
  assertEquals(fake.writes, 3, "640,000 bytes in pieces of 262,144");
  watch.closeAll("done");
});

Deno.test("work on a connection that is closed already may fail: nobody waits, and nothing ends of it", async () => {
  const watch = new ConnectionWatch(clock, { idleTimeoutMs: 0, writeTimeoutMs: 1_000 });
  const connection = watch.open(new FakeConnection());
  connection.close("it was idle");
  // An unhandled rejection would fail this test, as it ends a server.
  await connection.untilClosed(Promise.reject(new Error("Bad resource ID")));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(connection.closedBecause, "it was idle");
});

Deno.test("who waits to be told something may be silent for long, and whoever does not is closed", () => {
  const time = { nowMs: 0 };
  const machine = { monotonicMs: () => time.nowMs, wallMs: () => 0 };
  const watch = new ConnectionWatch(machine, { idleTimeoutMs: 1_000, writeTimeoutMs: 1_000 });
  const [told, other] = [watch.open(new FakeConnection()), watch.open(new FakeConnection())];
  let listens = true;
  told.listens = () => listens;
  time.nowMs = 1_000;
  watch.sweep();
  assertEquals([told.closedBecause, other.closedBecause], [null, "it was idle for 1000 ms"]);
  listens = false;
  watch.sweep();
  assertEquals(told.closedBecause, "it was idle for 1000 ms");
});
