/** Servers whose wall clocks were wrong once, or are: what becomes of keys that expire. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Clocks } from "../../lib/node/time/clocks.ts";
import { LeaderClock } from "../../lib/node/time/leader_clock.ts";
import { FollowerTime } from "../../lib/node/time/follower_time.ts";
import type { ClientSession } from "../../lib/node/api.ts";
import { parseReply, type Reply } from "../process/redis_socket.ts";
import { fromBytes } from "../process/socket.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { OneServer, replies } from "./one_server.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const YEAR = 365 * 24 * HOUR;
/** 2027-01-15, a whole second. */
const NOW = 1_800_000_000_000;

class Client {
  readonly server: OneServer;
  readonly #session: ClientSession;

  constructor(server: OneServer) {
    this.server = server;
    this.#session = server.node.openSession("test")!;
  }

  ask(...args: string[]): Reply {
    this.server.send(this.#session, fromBytes(requestBytes([args])));
    this.server.settle();
    return parseReply(replies(this.#session));
  }

  /** The key's time to live by the log, in whole seconds. */
  ttl(key: string): number {
    return Math.round(Number(this.ask("PTTL", key)) / SECOND);
  }
}

/** Seconds since 1970, `seconds` from what the server's wall clock shows now. */
function wallIn(server: OneServer, seconds: number): string {
  return `${Math.floor(server.wallMs / SECOND) + seconds}`;
}

/** A server whose log was led by a clock that was `aheadMs` ahead, restarted with a right one. */
function ledAhead(aheadMs: number): OneServer {
  const wrong = new OneServer(undefined, NOW + aheadMs);
  assertEquals(new Client(wrong).ask("SET", "old", "v", "EX", "100000"), "OK");
  wrong.settle();
  wrong.disk.kill();
  return new OneServer(wrong.disk, NOW + 60 * SECOND);
}

/** Every command that takes an absolute time, for `seconds` from now on, each on a key of its own. */
function setAbsolute(client: Client, seconds: number): string[] {
  const at = wallIn(client.server, seconds);
  const ms = `${at}000`;
  client.ask("MSET", "expireat", "v", "pexpireat", "v", "getex", "v", "getpx", "v", "multi", "v");
  assertEquals(client.ask("SET", "exat", "v", "EXAT", at), "OK");
  assertEquals(client.ask("SET", "pxat", "v", "PXAT", ms), "OK");
  assertEquals(client.ask("SET", "setget", "v", "GET", "EXAT", at), null);
  assertEquals(client.ask("EXPIREAT", "expireat", at), 1);
  assertEquals(client.ask("PEXPIREAT", "pexpireat", ms), 1);
  assertEquals(client.ask("GETEX", "getex", "EXAT", at), "v");
  assertEquals(client.ask("GETEX", "getpx", "PXAT", ms), "v");
  client.ask("WATCH", "multi");
  client.ask("MULTI");
  client.ask("MSET", "x", "1", "y", "2");
  client.ask("SET", "inside", "v", "EXAT", at);
  client.ask("EXPIREAT", "multi", at);
  client.ask("EXPIRETIME", "multi");
  assertEquals(client.ask("EXEC"), ["OK", "OK", 1, Number(at)]);
  const keys = "exat pxat setget expireat pexpireat getex getpx inside multi".split(" ");
  for (const key of keys) {
    assertEquals(client.ask("EXPIRETIME", key), Number(at), key);
    assertEquals(client.ask("PEXPIRETIME", key), Number(ms), key);
    assert(Math.abs(client.ttl(key) - seconds) <= 1, `${key}: ${client.ttl(key)} s left`);
  }
  return keys;
}

for (const [name, aheadMs] of [["an hour", HOUR], ["a year", YEAR]] as const) {
  Deno.test(`clocks: after a leader that was ${name} ahead, absolute times are those of the wall`, () => {
    const server = ledAhead(aheadMs);
    const client = new Client(server);
    const keys = setAbsolute(client, 30);
    client.ask("SET", "relative", "v", "EX", "30");
    server.pass(28 * SECOND);
    for (const key of [...keys, "relative"]) assertEquals(client.ask("GET", key), "v", key);
    server.pass(3 * SECOND);
    for (const key of [...keys, "relative"]) assertEquals(client.ask("GET", key), null, key);
  });
}

Deno.test("clocks: what is past by the wall is past, however far the log is ahead", () => {
  const client = new Client(ledAhead(HOUR));
  client.ask("SET", "k", "v");
  assertEquals(client.ask("EXPIREAT", "k", wallIn(client.server, -1)), 1);
  assertEquals(client.ask("EXISTS", "k"), 0);
  assertEquals(client.ask("SET", "k", "v", "PXAT", "1"), "OK");
  assertEquals(client.ask("EXISTS", "k"), 0);
});

Deno.test("clocks: booted an hour behind and put right while it leads, absolute times are right at once", () => {
  const server = new OneServer(undefined, NOW - HOUR);
  const client = new Client(server);
  const before = wallIn(server, 30);
  assertEquals(client.ask("SET", "before", "v", "EXAT", before), "OK");
  client.ask("SET", "relative", "v", "EX", "30");
  server.wallStartMs += HOUR;
  const keys = setAbsolute(client, 3);
  server.pass(4 * SECOND);
  for (const key of keys) assertEquals(client.ask("GET", key), null, key);
  // A correction moves no deadline that was set before it: this one shows where it now stands.
  assertEquals(client.ask("GET", "before"), "v");
  assertEquals(client.ask("EXPIRETIME", "before"), Number(before) + HOUR / SECOND);
  server.pass(27 * SECOND);
  assertEquals([client.ask("GET", "before"), client.ask("GET", "relative")], [null, null]);
});

Deno.test("clocks: the log keeps its rate while it is ahead: a minute is a minute", () => {
  const client = new Client(ledAhead(HOUR));
  client.ask("SET", "k", "v", "PX", "60000");
  client.server.pass(30 * SECOND);
  assertEquals(client.ttl("k"), 30);
});

Deno.test("clocks: options that compare deadlines see equal ones as equal", () => {
  const client = new Client(ledAhead(HOUR));
  const at = wallIn(client.server, 1_000);
  client.ask("SET", "k", "v", "EXAT", at);
  client.server.pass(50);
  assertEquals(client.ask("EXPIREAT", "k", at, "GT"), 0);
  assertEquals(client.ask("EXPIREAT", "k", at, "LT"), 0);
  assertEquals(client.ask("EXPIREAT", "k", `${Number(at) + 1}`, "GT"), 1);
});

Deno.test("clocks: a difference of more than a second is a warning that repeats, ever more rarely", () => {
  const server = ledAhead(HOUR);
  const warnings = () => server.events.filter(({ message }) => /wall clock/.test(message));
  server.pass(100);
  assertEquals(warnings().length, 1);
  const { level, message, fields } = warnings()[0]!;
  assertEquals(level, "warning");
  assertMatch(message, /^The log's time is 3\d{3}\.\d s ahead of this server's wall clock, since /);
  assertMatch(
    message,
    /time to live is right, whoever leads; after a restart of all .*; absolute times .*EXPIREAT/,
  );
  assert(Math.abs(Number(fields.logAheadOfWallMs) - HOUR) < 61 * SECOND);
  server.pass(59 * SECOND);
  assertEquals(warnings().length, 1);
  server.pass(2 * SECOND);
  assertEquals(warnings().length, 2);
  server.pass(110 * SECOND);
  assertEquals(warnings().length, 2);
  server.pass(11 * SECOND);
  assertEquals(warnings().length, 3);
  server.wallStartMs += Number(warnings()[2]!.fields.logAheadOfWallMs);
  server.pass(100);
  assertEquals(
    warnings().at(-1)!.message,
    "This server's wall clock and the log's time agree again",
  );
  server.pass(100);
  assertEquals(warnings().length, 4);
});

Deno.test("clocks: a log that is behind its leader's wall clock jumps at a restart of all servers, which the warning says before", () => {
  const server = new OneServer(undefined, NOW - HOUR);
  const client = new Client(server);
  assertEquals(client.ask("SET", "k", "v", "EX", "1800"), "OK");
  assertEquals(client.ask("SET", "long", "v", "EX", "7200"), "OK");
  server.wallStartMs += HOUR;
  server.pass(100);
  const { message } = server.events.find(({ message }) => /wall clock/.test(message))!;
  assertMatch(
    message,
    /behind this server's wall clock, .*; at a restart of all servers at once the log's time would jump/,
  );
  assertMatch(message, / would go 3600\.0 s early; /);
  assertEquals(client.ttl("k"), 1_800);
  server.settle();
  server.disk.kill();
  const next = new Client(new OneServer(server.disk, server.wallMs));
  assertEquals(next.ask("GET", "k"), null);
  assertEquals(next.ttl("long"), 3_600);
});

Deno.test("clocks: a log that is ahead is set back to its last entry at a restart of all servers: time that was idle counts anew", () => {
  const server = ledAhead(HOUR);
  const client = new Client(server);
  client.ask("SET", "k", "v", "EX", "60");
  server.pass(50 * SECOND);
  assertEquals(client.ttl("k"), 10);
  server.settle();
  server.disk.kill();
  assertEquals(new Client(new OneServer(server.disk, server.wallMs)).ttl("k"), 60);
});

/** Three servers' clocks, and what the leader's status tells the others. */
function threeClocks() {
  const servers = [0, 1, 2].map(() => {
    const clock = {
      mono: 1_000,
      wall: NOW,
      monotonicMs: () => clock.mono,
      wallMs: () => clock.wall,
    };
    return { clock, clocks: new Clocks(clock, { log() {} }), isUp: true };
  });
  let [term, leaderAt, reports] = [0, 0, true];
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 50) {
      const { isUp: isLed, clocks: { leader } } = servers[leaderAt]!;
      const logTimeMs = reports && isLed ? leader.nowMs() : 0;
      for (const [at, { clock, clocks, isUp }] of servers.entries()) {
        const report = logTimeMs === 0 ? null : { logTimeMs, receivedMs: clock.mono };
        clock.mono += 50;
        clock.wall += 50;
        if (isUp) clocks.elapse(clock.mono, term, at === leaderAt, report);
      }
    }
  };
  /** The next leader's time as it begins, over a log whose last entry is the last term's first. */
  const lead = (at: number, lastStampMs: number) => {
    servers[at]!.clocks.beginTerm(lastStampMs, term);
    [term, leaderAt] = [term + 1, at];
    return servers[at]!.clocks.leader.nowMs();
  };
  return { servers, pass, lead, tellNothing: () => reports = false };
}

for (const [name, offMs] of [["behind", -HOUR], ["ahead", HOUR]] as const) {
  Deno.test(`clocks: a log that is an hour ${name} continues at a change of leader: a minute is a minute`, () => {
    const { servers, pass, lead } = threeClocks();
    servers[0]!.clock.wall += offMs;
    const first = lead(0, 0);
    assertEquals(first, NOW + offMs);
    pass(10 * 60 * SECOND); // nothing is written meanwhile
    servers[0]!.clock.wall -= offMs;
    servers[0]!.isUp = false;
    pass(2 * SECOND); // nobody leads meanwhile
    const second = lead(1, first);
    const betweenMs = second - first;
    assert(Math.abs(betweenMs - 602 * SECOND) <= 50, `${betweenMs} ms`);
    assert(betweenMs <= 602 * SECOND, "never further ahead than what has passed");
    pass(60 * SECOND);
    // And once more, by what the second one has told.
    assert(Math.abs(lead(2, second) - first - 662 * SECOND) <= 100);
  });
}

Deno.test("clocks: whoever comes to lead long after the last report continues by its own clock", () => {
  const { servers, pass, lead } = threeClocks();
  servers[0]!.clock.wall -= HOUR;
  const first = lead(0, 0);
  pass(1 * SECOND);
  servers[0]!.isUp = false;
  pass(3_600 * SECOND);
  assert(Math.abs(lead(1, first) - first - 3_601 * SECOND) <= 50);
});

Deno.test("clocks: where the last entry's leader has told nothing, a term begins at the wall clock", () => {
  const { servers, pass, lead, tellNothing } = threeClocks();
  servers[0]!.clock.wall -= HOUR;
  const first = lead(0, 0);
  pass(1 * SECOND);
  // A build before leads, by its own wall clock.
  tellNothing();
  const second = lead(2, NOW + 9 * SECOND);
  assert(second > first);
  servers[1]!.clock.wall += 10 * SECOND;
  assertEquals(lead(1, second), servers[1]!.clock.wall);
});

Deno.test("clocks: no word is said of a difference of up to a second, and none counts below 100 ms", () => {
  const server = new OneServer(undefined, NOW);
  server.wallStartMs -= 999;
  server.pass(100);
  assertEquals(server.events.filter(({ message }) => /wall clock/.test(message)), []);
  const clock = { mono: 0, wall: NOW, monotonicMs: () => clock.mono, wallMs: () => clock.wall };
  const leader = new LeaderClock(clock);
  leader.beginTerm(0, null);
  const offsetsOf = (steps: number[]) =>
    steps.map((ms) => {
      clock.wall += ms;
      return leader.aheadOfWallMs();
    });
  // Jitter is left out: what was set reads back as it was set.
  assertEquals(offsetsOf([100, -200, -1, -50, 99, -150]), [0, 0, 101, 101, 101, 202]);
  // Once it counts, it does so down to half of that: it does not flip at the bound.
  clock.wall = NOW;
  assertEquals(leader.aheadOfWallMs(), 0);
  assertEquals(offsetsOf([-101, 1, -1, 1, -1, 51, 1]), [101, 101, 101, 101, 101, 101, 0]);
});

Deno.test("clocks: a follower's time passes between reports, and is never earlier than its store's", () => {
  const clock = { mono: 5_000, wall: NOW, monotonicMs: () => clock.mono, wallMs: () => clock.wall };
  const time = new FollowerTime(clock);
  const pass = (ms: number) => {
    clock.mono += ms;
    clock.wall += ms;
  };
  time.applied(NOW - HOUR);
  pass(250);
  assertEquals([time.nowMs(), time.aheadOfWallMs()], [NOW - HOUR + 250, 0]);
  // The log stood still for an hour; the leader says so.
  time.heard({ logTimeMs: NOW + 2 * HOUR, receivedMs: clock.mono - 10 }, 1);
  assertEquals(time.nowMs(), NOW + 2 * HOUR + 10);
  assertEquals(time.aheadOfWallMs(), 2 * HOUR + 10 - 250);
  pass(500);
  assertEquals(time.nowMs(), NOW + 2 * HOUR + 510);
  assertEquals(time.aheadOfWallMs(), 2 * HOUR + 10 - 250);
  time.applied(NOW + 3 * HOUR);
  assertEquals(time.nowMs(), NOW + 3 * HOUR);
  time.heard({ logTimeMs: NOW + 2 * HOUR, receivedMs: clock.mono }, 1);
  assertEquals(time.nowMs(), NOW + 3 * HOUR);
  time.heard({ logTimeMs: 0, receivedMs: clock.mono }, 1);
  time.heard(null, 1);
  assertEquals(time.nowMs(), NOW + 3 * HOUR);
});

Deno.test("clocks: who stood still and comes to lead continues what it read, unless the wall clock may be right", () => {
  for (
    const [stoodMs, behindMs, beginsAtWall] of [
      // An hour behind the wall: put right since. Keys would go early by the wall.
      [1_300, HOUR, false],
      [60_000, HOUR, false],
      // What was read may have lain there for as long as it stood still.
      [60_000, 59_000, true],
      [60_000, 300, true],
    ] as const
  ) {
    const clock = { mono: 100_000, wall: NOW };
    const asks = { monotonicMs: () => clock.mono, wallMs: () => clock.wall };
    const clocks = new Clocks(asks, { log: () => {} });
    clocks.elapse(clock.mono, 2, false, null);
    clock.mono += stoodMs;
    clock.wall += stoodMs;
    clocks.noteStandstill(clock.mono, stoodMs);
    const report = { logTimeMs: clock.wall - behindMs, receivedMs: clock.mono + 1 };
    clock.mono += 500;
    clock.wall += 500;
    clocks.elapse(clock.mono, 2, false, report);
    clocks.beginTerm(clock.wall - HOUR - SECOND, 2);
    const wanted = beginsAtWall ? clock.wall : report.logTimeMs + 499;
    assertEquals(clocks.leader.nowMs(), wanted, `${stoodMs} ms, ${behindMs} ms behind`);
  }
});

Deno.test("clocks: what was heard of a leader before a standstill tells its time afterwards", () => {
  const clock = { mono: 100_000, wall: NOW };
  const asks = { monotonicMs: () => clock.mono, wallMs: () => clock.wall };
  const clocks = new Clocks(asks, { log: () => {} });
  clocks.elapse(clock.mono, 2, false, null);
  clocks.elapse(clock.mono, 2, false, { logTimeMs: NOW - HOUR, receivedMs: clock.mono });
  clock.mono += 30_000;
  clock.wall += 30_000;
  clocks.noteStandstill(clock.mono, 30_000);
  // Sent as it began to stand still.
  const old = { logTimeMs: NOW - HOUR + 100, receivedMs: clock.mono + 1 };
  clock.mono += 2;
  clocks.elapse(clock.mono, 2, false, old);
  clocks.beginTerm(NOW - HOUR, 2);
  assertEquals(clocks.leader.nowMs(), NOW - HOUR + 30_002);
});

Deno.test("clocks: who led, stood still and comes to lead again continues its own time, whatever the wall says", () => {
  const clock = { mono: 100_000, wall: NOW };
  const asks = { monotonicMs: () => clock.mono, wallMs: () => clock.wall };
  const clocks = new Clocks(asks, { log: () => {} });
  const pass = (ms: number) => {
    clock.mono += ms;
    clock.wall += ms;
  };
  // A log that is two seconds behind the wall, as the leader before told.
  clocks.elapse(clock.mono, 2, false, null);
  clocks.elapse(clock.mono, 2, false, { logTimeMs: NOW - 2 * SECOND, receivedMs: clock.mono });
  clocks.beginTerm(NOW - HOUR, 2);
  clocks.elapse(clock.mono, 3, true, null);
  pass(50);
  clocks.elapse(clock.mono, 3, true, null);
  pass(1_500);
  clocks.noteStandstill(clock.mono, 1_500);
  clocks.elapse(clock.mono, 3, false, null);
  pass(300);
  clocks.beginTerm(NOW - HOUR, 3);
  assertEquals(clocks.leader.nowMs(), clock.wall - 2 * SECOND);
});
