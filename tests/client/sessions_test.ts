/** Writes in client sessions: what is sent again, and what is known of it. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { NotDone, open, Unknown } from "../../client/mod.ts";
import { type FakeServer, FakeSessions, withServers } from "./fake_server.ts";
import { errorOf, pauseMs, test } from "./runtime.ts";

/** Servers with the same sessions. */
function withSessions(
  count: number,
  run: (sessions: FakeSessions, ...servers: FakeServer[]) => Promise<void>,
): Promise<void> {
  const sessions = new FakeSessions();
  return withServers(count, async (...servers) => {
    for (const server of servers) server.sessions = sessions;
    await run(sessions, ...servers);
  });
}

test("client sessions: an incr whose reply is lost is sent again, and counts once", () =>
  withSessions(1, async (sessions, leader) => {
    let losses = 0;
    leader.answer = (request, peer) => {
      if (request[1] !== "RUN" || losses === 3) return undefined;
      losses++;
      // It is done; the reply is lost, and the connection with it.
      sessions.answer([...request], () => {
        leader.store.set("n", "1");
        return ":1\r\n";
      });
      peer.socket.destroy();
      return null;
    };
    using client = open({ servers: [leader.address] });
    deepStrictEqual(await client.incr("n"), 1n);
    deepStrictEqual([losses, sessions.opened], [3, 1]);
    deepStrictEqual(leader.store.get("n"), "1");
    deepStrictEqual(await client.incr("n"), 2n);
  }));

test("client sessions: each write carries the lowest sequence that is not settled", () =>
  withSessions(1, async (_, leader) => {
    using client = open({ servers: [leader.address] });
    await Promise.all([client.set("a", "1"), client.incr("n"), client.delete("a")]);
    await client.text.get("a");
    await client.transact((transaction) => void transaction.incr("n"));
    const runs = leader.seen.filter(([, verb]) => verb === "RUN").map((words) => words.slice(2, 6));
    deepStrictEqual(runs, [
      ["1", "1", "1", "RAFTKV.SET"],
      ["1", "2", "1", "INCRBY"],
      ["1", "3", "1", "DEL"],
      ["1", "4", "4", "EXEC"],
    ]);
  }));

test("client sessions: what was given up is acknowledged, and so is never done after it", () =>
  withSessions(1, async (_, leader) => {
    let isSilent = true;
    leader.answer = (request) => request[1] === "RUN" && isSilent ? null : undefined;
    using client = open({ servers: [leader.address], silenceMs: 10_000 });
    await errorOf(Unknown, client.incr("n", 1, { timeoutMs: 50 }));
    isSilent = false;
    const other = client.incr("n");
    const last = await Promise.race([other, pauseMs(200)]);
    // The connection answers in order: what is lost there is not made up for.
    deepStrictEqual(last, undefined);
    leader.cut();
    deepStrictEqual(await other, 1n);
    const [, first, second] = leader.seen.filter(([, verb]) => verb === "RUN" || verb === "OPEN");
    deepStrictEqual([first?.slice(3, 5), second?.slice(3, 5)], [["1", "1"], ["2", "2"]]);
  }));

test("client sessions: an outcome that the server does not know is asked for again", () =>
  withSessions(1, async (sessions, leader) => {
    let asked = 0;
    leader.answer = (request) => {
      if (request[1] !== "RUN" || ++asked > 2) return undefined;
      if (asked === 1) sessions.answer([...request], () => ":7\r\n");
      return "-ERR outcome unknown: the command is in the log and was not confirmed in time\r\n";
    };
    using client = open({ servers: [leader.address] });
    deepStrictEqual(await client.incr("n"), 7n);
    deepStrictEqual([asked, sessions.again], [3, 1]);
  }));

test("client sessions: where the session is over, what was sent once goes in another one", () =>
  withSessions(1, async (sessions, leader) => {
    using client = open({ servers: [leader.address] });
    deepStrictEqual(await client.incr("n"), 1n);
    sessions.over.add("1");
    deepStrictEqual(await client.incr("n"), 2n);
    deepStrictEqual(sessions.opened, 2);
    // What was sent before, and is not known by anybody now, is told so.
    leader.answer = (request, peer) => {
      if (request[1] !== "RUN") return undefined;
      leader.answer = () => undefined;
      sessions.over.add("2");
      peer.socket.destroy();
      return null;
    };
    const error = await errorOf(Unknown, client.incr("n"));
    deepStrictEqual(error.code, "session");
    deepStrictEqual(await client.incr("n"), 3n);
  }));

test("client sessions: a leader without them, or with none to spare, is written to all the same", () =>
  withSessions(2, async (sessions, leader, next) => {
    leader.answer = (request) => {
      return request[1] === "OPEN"
        ? "-TRYAGAIN too many client sessions, replies that are not acknowledged, or bound keys\r\n"
        : undefined;
    };
    using client = open({ servers: [leader.address, next.address] });
    deepStrictEqual(await client.incr("n"), 1n);
    deepStrictEqual([sessions.opened, leader.count("INCRBY")], [0, 1]);
    // Then the outcome of a lost reply is unknown, as without.
    leader.answer = (request, peer) => {
      if (request[0] !== "INCRBY") return undefined;
      peer.socket.destroy();
      return null;
    };
    await errorOf(Unknown, client.incr("n"));
  }));

test("client sessions: none is opened for reads, for other commands, or where they are not wanted", () =>
  withSessions(1, async (sessions, leader) => {
    using client = open({ servers: [leader.address] });
    await client.get("a");
    await client.command(["INCRBY", "n", "1"]);
    using without = open({ servers: [leader.address], sessions: false });
    await without.incr("n");
    deepStrictEqual([sessions.opened, leader.store.get("n")], [0, "2"]);
  }));

test("client sessions: sent again and refused before it is decided, a write may have been done", () =>
  withSessions(1, async (_, leader) => {
    let asked = 0;
    leader.answer = (request, peer) => {
      if (request[1] !== "RUN") return undefined;
      if (++asked > 1) return "-MISCONF The disk is full: nothing was done\r\n";
      peer.socket.destroy();
      return null;
    };
    using client = open({ servers: [leader.address] });
    const error = await errorOf(Unknown, client.incr("n"));
    deepStrictEqual(error.code, "MISCONF");
    // Sent once, the same words mean that nothing was done.
    const refused = await errorOf(NotDone, client.incr("n"));
    ok(!(refused instanceof Unknown));
  }));
