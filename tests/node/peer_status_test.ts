/** What servers tell each other of themselves. */
import { assertEquals } from "@std/assert";
import { type PeerStatus, PeerStatuses } from "../../lib/node/peers/peer_status.ts";
import type { StatusNotice } from "../../lib/wire/rpc/rpc.ts";
import { ELECTION_TIMEOUT_MS, form, heartbeat } from "./linked_servers.ts";

const WELL: StatusNotice = {
  hasRoom: true,
  canWrite: true,
  isSuspect: false,
  isRepairing: false,
  appliedIndex: 5,
  logTimeMs: 0,
};

function setUp() {
  const sent: StatusNotice[] = [];
  const bench = {
    own: WELL as StatusNotice | null,
    sent,
    nowMs: 0,
    statuses: null! as PeerStatuses,
  };
  bench.statuses = new PeerStatuses(ELECTION_TIMEOUT_MS, {
    monotonicMs: () => bench.nowMs,
  }, {
    ownStatus: () => bench.own,
    sendStatusToAll: (status) => sent.push(status),
  });
  const run = (forMs: number, each = () => {}) => {
    for (const untilMs = bench.nowMs + forMs; bench.nowMs < untilMs;) {
      each();
      bench.statuses.elapse(bench.nowMs += 10);
    }
  };
  return { bench, run };
}

Deno.test("status: told again in less than an election timeout, and not at all while there is nothing to tell", () => {
  const { bench, run } = setUp();
  bench.own = null;
  run(1_000);
  assertEquals(bench.sent, []);
  bench.own = WELL;
  run(10 * ELECTION_TIMEOUT_MS);
  // After three fifths where time is told to pass all the time, as here; after three quarters at the latest.
  assertEquals(bench.sent.length, 17);
  const lastMs = bench.nowMs;
  assertEquals(bench.statuses.nextDeadlineMs() <= lastMs + 0.75 * ELECTION_TIMEOUT_MS, true);
});

Deno.test("status: a change is told soon, one back and forth no more often than every 50 ms", () => {
  const { bench, run } = setUp();
  run(100);
  bench.own = { ...WELL, hasRoom: false };
  run(50);
  assertEquals(bench.sent.at(-1)!.hasRoom, false);
  bench.sent.length = 0;
  run(1_000, () => bench.own = { ...WELL, hasRoom: !bench.own!.hasRoom });
  assertEquals(bench.sent.length <= 20, true, `${bench.sent.length}`);
  bench.own = WELL;
  run(50);
  bench.sent.length = 0;
  run(100, () => bench.own = { ...WELL, appliedIndex: bench.nowMs });
  assertEquals(bench.sent.length <= 1, true, "applying entries is no news");
});

Deno.test("status: the first entry applied, and the begin of a leadership, are told soon", () => {
  const { bench, run } = setUp();
  bench.own = { ...WELL, appliedIndex: 0 };
  run(100);
  bench.sent.length = 0;
  bench.own = WELL;
  run(50);
  assertEquals(bench.sent.map((status) => status.appliedIndex), [5]);
  bench.own = { ...WELL, logTimeMs: 7 };
  run(50, () => bench.own = { ...WELL, logTimeMs: bench.nowMs + 1 });
  assertEquals(bench.sent.length, 2);
  assertEquals(bench.sent[1]!.logTimeMs > 0, true);
});

Deno.test("status: a report counts for two election timeouts, then its server is unknown", () => {
  const { bench, run } = setUp();
  assertEquals(bench.statuses.of(2), null);
  run(100);
  bench.statuses.receive(2, { ...WELL, hasRoom: false }, bench.nowMs);
  const expected: PeerStatus = { ...WELL, hasRoom: false, receivedMs: 100 };
  assertEquals(bench.statuses.of(2), expected);
  run(2 * ELECTION_TIMEOUT_MS);
  assertEquals(bench.statuses.of(2), expected);
  run(10);
  assertEquals(bench.statuses.of(2), null);
  assertEquals(bench.statuses.of(3), null);
});

Deno.test("status: servers of a cluster know each other's, and a changed one at once", () => {
  const { servers, wires } = form(3);
  const [first, second, third] = servers;
  const run = (fromMs: number, forMs: number) => {
    for (let nowMs = fromMs; nowMs < fromMs + forMs; nowMs += 10) {
      for (const server of servers) {
        server.nowMs = nowMs;
        server.elapse(nowMs);
      }
      for (const server of servers) server.links.wake();
      for (const wire of wires) wire.pump();
    }
  };
  run(2_000, 500);
  assertEquals(first!.links.statuses.of(2)?.hasRoom, true);
  second!.status = { ...WELL, hasRoom: false, appliedIndex: 99 };
  run(2_500, 60);
  for (const server of [first!, third!]) {
    const { receivedMs, ...status } = server.links.statuses.of(2)!;
    assertEquals(status, second!.status);
    assertEquals(receivedMs >= 2_500, true);
  }
});

Deno.test("status: what arrives after a standstill, before the next tick, has arrived now", () => {
  const { servers, wires } = form(3);
  const [first, second] = servers;
  for (const server of servers) server.elapse(2_000);
  for (const wire of wires) wire.pump();
  second!.elapse(2_500);
  second!.links.wake();
  // The first one has stood still for ten seconds since; its sockets are read before its timer runs.
  first!.nowMs = 12_000;
  for (const wire of wires) wire.pump();
  first!.elapse(12_010);
  assertEquals(first!.links.statuses.of(2)?.receivedMs, 12_000);
});

Deno.test("status: a report that is due soon goes along with what else is sent", () => {
  const { servers, wires } = form(3);
  const [first, second, third] = servers;
  for (const server of servers) {
    server.nowMs = 2_000;
    server.elapse(2_000);
  }
  for (const wire of wires) wire.pump();
  second!.received.length = 0;
  const sendAt = (nowMs: number) => {
    for (const server of servers) server.nowMs = nowMs;
    first!.links.send(heartbeat(1, 2));
    first!.links.wake();
    for (const wire of wires) wire.pump();
    return [second!, third!].map((server) => server.links.statuses.of(1)!.receivedMs);
  };
  const sentMs = second!.links.statuses.of(1)!.receivedMs;
  assertEquals(sendAt(sentMs + 0.5 * ELECTION_TIMEOUT_MS), [sentMs, sentMs]);
  const soonMs = sentMs + 0.65 * ELECTION_TIMEOUT_MS;
  assertEquals(sendAt(soonMs), [soonMs, soonMs]);
  assertEquals(second!.received.length, 2);
});

Deno.test("status: whoever is woken by its deadline alone tells a change within 50 ms, too", () => {
  for (const electionTimeoutMs of [300, 3_000]) {
    let nowMs = 1_000;
    let own: StatusNotice = { ...WELL, isSuspect: true, appliedIndex: 0 };
    const sentMs: number[] = [];
    const statuses = new PeerStatuses(electionTimeoutMs, { monotonicMs: () => nowMs }, {
      ownStatus: () => own,
      sendStatusToAll: () => sentMs.push(nowMs),
    });
    const passUntil = (ms: number) => {
      for (; nowMs < ms; nowMs++) if (nowMs >= statuses.nextDeadlineMs()) statuses.elapse(nowMs);
    };
    passUntil(1_010);
    own = { ...own, isSuspect: false };
    passUntil(1_100);
    own = { ...own, appliedIndex: 7 };
    passUntil(1_200);
    assertEquals(sentMs.slice(0, 3), [1_000, 1_050, 1_100]);
  }
});
