import { assertEquals, assertRejects } from "@std/assert";
import { clientListener } from "../../lib/net/client_listener.ts";
import { ConnectionWatch } from "../../lib/net/connection_watch.ts";
import { dataWriter } from "../../lib/net/data_writer.ts";
import { evaluator } from "../../lib/net/evaluator.ts";
import { activityOf, Signal } from "../../lib/net/signal.ts";
import { FakeConnection, FakeSession, settle } from "./fakes.ts";

const clock = { monotonicMs: () => 0, wallMs: () => 0 };

Deno.test("signal: one set wakes all who wait, once", async () => {
  const signal = new Signal();
  const woken: string[] = [];
  signal.set();
  const waiters = ["a", "b"].map((name) => signal.wait().then(() => woken.push(name)));
  await settle();
  assertEquals(woken, []);
  signal.set();
  await Promise.all(waiters);
  assertEquals(woken, ["a", "b"]);
  let again = false;
  const last = signal.wait().then(() => again = true);
  await settle();
  assertEquals(again, false);
  signal.end();
  await last;
  assertEquals(signal.ended, true);
});

Deno.test("clientListener: yields what arrives as batches, and ends with the stream", async () => {
  const connection = new FakeConnection();
  const session = new FakeSession();
  const batches = clientListener(connection, session, activityOf(session));
  connection.arrive("abc");
  const first = await batches.next();
  assertEquals(new TextDecoder().decode(first.value!.bytes.view()), "abc");
  connection.arrive("a chunk longer than the space");
  const texts: string[] = [];
  connection.arrive(null);
  for await (const batch of batches) texts.push(new TextDecoder().decode(batch.bytes.view()));
  assertEquals(texts, ["a chunk ", "longer t", "han the ", "space"]);
});

Deno.test("clientListener: reads nothing while the session wants no input", async () => {
  const connection = new FakeConnection();
  const session = new FakeSession();
  session.wantsInput = false;
  const batches = clientListener(connection, session, activityOf(session));
  connection.arrive("abc");
  const next = batches.next();
  await settle();
  assertEquals(connection.reads, 0);
  session.letIn(true);
  assertEquals((await next).done, false);
  assertEquals(connection.reads, 1);
});

Deno.test("evaluator: submits the next batch before the replies of the one before", async () => {
  const connection = new FakeConnection();
  const session = new FakeSession();
  const activity = activityOf(session);
  const replies = evaluator(clientListener(connection, session, activity), session, activity);
  const first = replies.next();
  connection.arrive("ab");
  await settle();
  connection.arrive("cd");
  await settle();
  assertEquals(session.submitted, ["ab", "cd"], "both, with no reply out yet");
  session.reply("AB");
  assertEquals(new TextDecoder().decode((await first).value!), "AB");
  session.outputWritten();
  connection.arrive(null);
  session.reply("CD");
  assertEquals(new TextDecoder().decode((await replies.next()).value!), "CD");
  session.outputWritten();
  assertEquals((await replies.next()).done, true);
});

Deno.test("evaluator: fails where the connection fails", async () => {
  const connection = new FakeConnection();
  const session = new FakeSession();
  const activity = activityOf(session);
  const replies = evaluator(clientListener(connection, session, activity), session, activity);
  const next = replies.next();
  await settle();
  connection.failReads(new Error("Connection reset by peer"));
  await assertRejects(() => next, Error, "reset");
});

Deno.test("dataWriter: takes no further chunk while the connection takes none", async () => {
  const connection = new FakeConnection();
  const watch = new ConnectionWatch(clock, { idleTimeoutMs: 0, writeTimeoutMs: 1_000 });
  const watched = watch.open(connection);
  const session = new FakeSession();
  connection.isBlocked = true;
  const activity = activityOf(session);
  const replies = evaluator(clientListener(connection, session, activity), session, activity);
  const done = dataWriter(replies, watched, session);
  session.reply("one ");
  await settle();
  session.reply("two ");
  session.reply("three");
  await settle();
  assertEquals(connection.written, "");
  connection.unblock();
  await settle();
  assertEquals(connection.written, "one two three");
  assertEquals(watched.writingSinceMs, -1, "no write is under way");
  connection.arrive(null);
  await done;
  watched.close();
});

Deno.test("dataWriter: repeats a write of which the system takes a few bytes at a time", async () => {
  const connection = new FakeConnection();
  connection.takesAtMost = 3;
  const watch = new ConnectionWatch(clock, { idleTimeoutMs: 0, writeTimeoutMs: 1_000 });
  const watched = watch.open(connection);
  const session = new FakeSession();
  const activity = activityOf(session);
  const replies = evaluator(clientListener(connection, session, activity), session, activity);
  const done = dataWriter(replies, watched, session);
  session.reply("12345678");
  await settle();
  assertEquals(connection.written, "12345678");
  assertEquals(watched.writingSinceMs, -1, "no write is under way");
  connection.arrive(null);
  await done;
  watched.close();
});
