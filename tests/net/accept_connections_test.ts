import { assertEquals, assertStringIncludes } from "@std/assert";
import { acceptConnections } from "../../lib/net/accept_connections.ts";
import { ConnectionWatch } from "../../lib/net/connection_watch.ts";
import { FakeClock, FakeConnection, FakeListener, FakeSession, logInto, settle } from "./fakes.ts";

const LIMITS = { idleTimeoutMs: 0, writeTimeoutMs: 1_000 };

function setUp(limits = LIMITS) {
  const listener = new FakeListener();
  const clock = new FakeClock();
  const watch = new ConnectionWatch(clock, limits);
  const sessions: FakeSession[] = [];
  const lines: string[] = [];
  const node = {
    sessionsMax: 100,
    turnedAwayWith: "-ERR max number of clients reached",
    turnedAwayBecause: "limits.connectionsMax is 1",
    openSession() {
      if (sessions.length >= this.sessionsMax) return null;
      const session = new FakeSession();
      sessions.push(session);
      return session;
    },
  };
  const done = acceptConnections(listener, node, watch, logInto(lines));
  const connect = async () => {
    const connection = new FakeConnection();
    listener.arrive(connection);
    await settle();
    return { connection, session: sessions.at(-1)! };
  };
  return { listener, clock, watch, sessions, lines, node, done, connect };
}

Deno.test("acceptConnections: commands come in, replies go out, the end is orderly", async () => {
  const { listener, watch, done, connect, lines } = setUp();
  const { connection, session } = await connect();
  connection.arrive("ab");
  await settle();
  session.reply("AB");
  connection.arrive(null);
  await settle();
  assertEquals(session.submitted, ["ab"]);
  assertEquals(connection.written, "AB");
  assertEquals([connection.isWriteClosed, connection.isClosed], [true, true]);
  assertEquals(session.isDisconnected, true);
  assertEquals(watch.size, 0);
  assertStringIncludes(lines.join(), "the client ended the connection");
  listener.close();
  await done;
});

Deno.test("acceptConnections: a session that closes flushes its reply, then takes what still comes", async () => {
  const { listener, done, connect } = setUp();
  const { connection, session } = await connect();
  connection.arrive("a!");
  await settle();
  assertEquals(connection.written, "bye");
  assertEquals([connection.isWriteClosed, connection.isClosed], [true, false], "it lingers");
  connection.arrive("more that nobody wants");
  await settle();
  assertEquals(session.submitted, ["a!"]);
  connection.arrive(null);
  await settle();
  assertEquals(connection.isClosed, true);
  assertEquals(session.isDisconnected, true);
  listener.close();
  await done;
});

Deno.test("acceptConnections: an end that the system does not take is not waited for", async () => {
  const { listener, watch, done, connect } = setUp();
  const { connection, session } = await connect();
  connection.closeWrite = () => new Promise(() => {});
  connection.arrive("a!");
  await settle();
  assertEquals(connection.isClosed, false, "it lingers");
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assertEquals([connection.isClosed, session.isDisconnected, watch.size], [true, true, 0]);
  listener.close();
  await done;
});

Deno.test("acceptConnections: a session that is killed is closed at once, in the midst of a reply too", async () => {
  const { listener, watch, done, connect, lines } = setUp();
  const { connection, session } = await connect();
  connection.isBlocked = true;
  connection.writesOutliveClosing = true;
  session.reply("much");
  await settle();
  session.isKilled = true;
  session.reply("", "it was killed");
  await settle();
  assertEquals([connection.isClosed, connection.isWriteClosed], [true, false]);
  assertEquals([session.isDisconnected, watch.size, connection.written], [true, 0, ""]);
  assertStringIncludes(lines.join(), "it was killed");
  listener.close();
  await done;
});

Deno.test("acceptConnections: an error on one connection leaves the others and the loop alone", async () => {
  const { listener, watch, sessions, done, connect, lines } = setUp();
  const first = await connect();
  const second = await connect();
  first.connection.failReads(new Error("Connection reset by peer"));
  await settle();
  assertEquals([first.connection.isClosed, sessions[0]!.isDisconnected], [true, true]);
  assertStringIncludes(lines.join(), "Connection reset by peer");
  second.session.throwOnSubmit = new Error("a fault of ours");
  second.connection.arrive("x");
  await settle();
  assertEquals(sessions[1]!.isDisconnected, true);
  const third = await connect();
  third.connection.arrive("c");
  await settle();
  assertEquals(third.session.submitted, ["c"]);
  watch.closeAll("the server stops");
  await settle();
  assertEquals(third.session.isDisconnected, true);
  listener.close();
  await done;
});

Deno.test("acceptConnections: a failed write ends the pipeline, commands that wait are left alone", async () => {
  const { listener, done, connect } = setUp();
  const { connection, session } = await connect();
  session.letIn(false);
  connection.arrive("a");
  connection.isBlocked = true;
  session.reply("reply");
  await settle();
  connection.close();
  await settle();
  session.wantsInput = true;
  await settle();
  assertEquals(session.isDisconnected, true);
  assertEquals(session.submitted, []);
  listener.close();
  await done;
});

Deno.test("acceptConnections: at the bound connections are closed and it is logged once", async () => {
  const { listener, done, connect, lines, node, watch } = setUp();
  node.sessionsMax = 1;
  await connect();
  for (let i = 0; i < 3; i++) {
    const { connection } = await connect();
    assertEquals(connection.written, "-ERR max number of clients reached\r\n");
    assertEquals(
      [connection.isWriteClosed, connection.isClosed],
      [true, false],
      "it is to read it",
    );
    connection.arrive(null);
    await settle();
    assertEquals(connection.isClosed, true);
  }
  assertEquals(lines.filter((line) => line.startsWith("warning")).length, 1);
  assertStringIncludes(lines[0]!, "Clients are turned away: limits.connectionsMax is 1");
  assertStringIncludes(lines[0]!, "remote");
  // Another reason is another line, though nobody was let in meanwhile.
  for (const why of ["this server is stopping", "no user exists yet", "no user exists yet"]) {
    node.turnedAwayBecause = why;
    (await connect()).connection.arrive(null);
  }
  assertEquals(
    lines.filter((line) => line.startsWith("warning")).map((line) =>
      /away: ([^{"]*\w)/.exec(line)![1]
    ),
    ["limits.connectionsMax is 1", "this server is stopping", "no user exists yet"],
  );
  listener.close();
  await done;
  watch.closeAll("the server stops");
  await settle();
});

Deno.test("acceptConnections: of those that are turned away few are waited for, and all are told", async () => {
  const { listener, done, connect, node, watch } = setUp();
  node.sessionsMax = 1;
  await connect();
  const turnedAway = [];
  for (let i = 0; i < 40; i++) turnedAway.push((await connect()).connection);
  assertEquals(turnedAway.filter(({ isClosed }) => !isClosed).length, 16);
  assertEquals(turnedAway.filter(({ written }) => written.endsWith("reached\r\n")).length, 40);
  for (const connection of turnedAway) connection.arrive(null);
  await settle();
  assertEquals(turnedAway.filter(({ isClosed }) => !isClosed).length, 0);
  const { connection } = await connect();
  assertEquals(connection.isClosed, false, "there is room for one to be waited for again");
  connection.arrive(null);
  listener.close();
  await done;
  watch.closeAll("the server stops");
  await settle();
});

Deno.test("acceptConnections: where descriptors run out, few wait for their line to be written", async () => {
  const { listener, done, watch } = setUp();
  listener.room = false;
  const clients: FakeConnection[] = [];
  for (let i = 0; i < 40; i++) {
    const connection = new FakeConnection();
    connection.isBlocked = true;
    clients.push(connection);
    listener.arrive(connection);
  }
  await settle();
  const open = clients.filter(({ isClosed }) => !isClosed);
  assertEquals(open.length, 4, "what is kept for files stays free");
  for (const connection of open) connection.unblock();
  await settle();
  assertEquals(clients.filter(({ isClosed }) => !isClosed).length, 0);
  assertEquals(clients.filter(({ written }) => written.endsWith("descriptors left\r\n")).length, 4);
  const next = new FakeConnection();
  listener.arrive(next);
  await settle();
  assertStringIncludes(next.written, "no descriptors left", "there is room for a line again");
  listener.close();
  await done;
  watch.closeAll("the server stops");
  await settle();
});

Deno.test("acceptConnections: where descriptors run out clients are closed, with a reason of its own", async () => {
  const { listener, clock, done, connect, lines, sessions, watch } = setUp();
  await connect();
  for (let i = 0; i < 3; i++) {
    listener.room = false;
    assertEquals((await connect()).connection.isClosed, true);
    listener.room = true;
    assertEquals((await connect()).connection.isClosed, false);
  }
  assertEquals(sessions.length, 4);
  const warnings = () => lines.filter((line) => line.startsWith("warning"));
  assertEquals(warnings().length, 1, "not once for each that comes and goes");
  assertStringIncludes(warnings()[0]!, "file descriptors");
  clock.nowMs += 1_000;
  listener.room = false;
  await connect();
  assertEquals(warnings().length, 2);
  listener.close();
  await done;
  watch.closeAll("the server stops");
  await settle();
});

Deno.test("acceptConnections: a client that takes no bytes, or is idle, is disconnected in time", async () => {
  const { listener, clock, watch, done, connect, lines } = setUp({
    idleTimeoutMs: 5_000,
    writeTimeoutMs: 1_000,
  });
  const slow = await connect();
  slow.connection.isBlocked = true;
  slow.session.reply("a reply");
  const idle = await connect();
  const busy = await connect();
  clock.nowMs = 999;
  watch.sweep();
  assertEquals(slow.connection.isClosed, false);
  clock.nowMs = 1_000;
  watch.sweep();
  assertEquals(slow.connection.isClosed, true);
  clock.nowMs = 4_000;
  busy.connection.arrive("b");
  await settle();
  clock.nowMs = 5_000;
  watch.sweep();
  await settle();
  assertEquals([idle.connection.isClosed, busy.connection.isClosed], [true, false]);
  assertStringIncludes(lines.join(), "it took no bytes for 1000 ms");
  assertStringIncludes(lines.join(), "it was idle for 5000 ms");
  listener.close();
  watch.closeAll("the server stops");
  await done;
  await settle();
  assertEquals(busy.session.isDisconnected, true);
});
