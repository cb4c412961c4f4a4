/** When a node asks to be woken, and what it does where that comes late. */
import { assert, assertEquals } from "@std/assert";
import { DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { Alarm } from "../../lib/node/alarm.ts";
import { Standstill } from "../../lib/node/reports/standstill.ts";
import { fromBytes } from "../process/socket.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { Three } from "./three_nodes.ts";

const { electionTimeoutMs, heartbeatIntervalMs } = DEFAULT_TIMING;

Deno.test("waking: idle servers are woken by what is due alone, and stay together", () => {
  const three = new Three();
  three.form();
  const { leader } = three;
  const { term } = three.nodes[leader]!.raft!.state;
  three.wakings.fill(0);
  three.turns.fill(0);
  three.pass(10_000);
  assertEquals([three.leader, three.nodes[leader]!.raft!.state.term], [leader, term]);
  // By its own alarm a leader is woken ten times a second, for its heartbeats, and a follower five times. A
  // turn is for each heartbeat and each report: not for pongs, nor for answers that say no more than that a
  // follower is there.
  for (const at of three.nodes.keys()) {
    const [wakings, turns] = [three.wakings[at]!, three.turns[at]!];
    assert(wakings <= (at === leader ? 105 : 55), `${at + 1} is woken ${wakings} times in 10 s`);
    assert(turns <= 160, `server ${at + 1} takes ${turns} turns in 10 s`);
  }
});

Deno.test("waking: a follower that was stopped hears what has arrived before it campaigns", () => {
  const three = new Three();
  three.form();
  const { leader } = three;
  const follower = [0, 1, 2].find((at) => at !== leader)!;
  three.stop(follower);
  three.pass(2.1 * electionTimeoutMs); // longer than any election timeout, less than a link is silent
  assertEquals(three.leader, leader);
  three.continue(follower);
  // Its timer goes off first: every deadline is over, and nothing is read.
  three.wake(follower);
  assertEquals(three.role(follower), "follower");
  assert(three.wakeMs[follower]! <= three.nowMs, "it is not woken again at once");
  three.settle();
  three.wake(follower);
  three.settle();
  assertEquals([three.role(follower), three.nodes[follower]!.raft!.state.leaderId], [
    "follower",
    leader + 1,
  ]);
  // Its leader gone, it waits for its time and not for the time that it stood still as well.
  three.stop(leader);
  three.pass(2 * electionTimeoutMs + heartbeatIntervalMs);
  assert(three.leader !== leader || three.role(follower) !== "follower");
});

Deno.test("waking: a leader that is late each time still finds that nobody follows it", () => {
  const three = new Three();
  three.form();
  const { leader } = three;
  for (const at of [0, 1, 2]) if (at !== leader) three.stop(at);
  const startMs = three.nowMs;
  while (three.role(leader) === "leader") {
    const lateMs = 3 * heartbeatIntervalMs;
    three.nowMs = Math.max(three.nowMs, three.wakeMs[leader]!) + lateMs;
    three.wake(leader);
    if (three.wakeMs[leader]! <= three.nowMs) three.wake(leader);
    three.settle();
    assert(three.nowMs - startMs < 6 * electionTimeoutMs, "it leads on for ever");
  }
});

Deno.test("alarm: what is over is asked for once, however many turns there are until the timer goes off", () => {
  const told: number[] = [];
  const clock = { monotonicMs: () => 0, wallMs: () => 0 };
  const standstill = new Standstill({ clock, host: { log() {} }, electionTimeoutMs });
  const alarm = new Alarm({ wakeAt: (atMs) => told.push(atMs) }, standstill);
  alarm.set(500, 0);
  for (let i = 0; i < 10; i++) alarm.set(100, 200 + i / 10);
  assertEquals(told, [500, 200]);
  // And a deadline that a part names anew with each turn is tried at a pace.
  let wakings = 0;
  for (let nowMs = 1_000; nowMs < 2_000; nowMs += 0.5) {
    if (nowMs < told.at(-1)!) continue;
    wakings++;
    alarm.rang(nowMs);
    alarm.done(nowMs);
    alarm.set(nowMs + 0.1, nowMs + 0.1);
  }
  assert(wakings <= 100, `${wakings} in a second`);
});

Deno.test("alarm: moved only to what is earlier; what stays due is tried again later, not at once", () => {
  const told: number[] = [];
  const clock = { monotonicMs: () => 0, wallMs: () => 0 };
  const standstill = new Standstill({ clock, host: { log() {} }, electionTimeoutMs });
  const alarm = new Alarm({ wakeAt: (atMs) => told.push(atMs) }, standstill);
  alarm.set(Infinity, 0);
  alarm.set(500, 0);
  alarm.set(600, 1);
  alarm.set(400, 2);
  assertEquals(told, [500, 400]);
  assertEquals(alarm.rang(403), 0, "a little late is not late");
  assertEquals(told.length, 2);
  alarm.done(403);
  alarm.set(390, 403);
  assertEquals(told.at(-1), 413);
  assertEquals(alarm.rang(480), 67);
  // Lost: it never went off, and events come in all the same.
  alarm.set(1_000, 900);
  alarm.set(5_000, 1_900);
  assertEquals(told.length, 4);
  alarm.set(5_000, 2_100);
  assertEquals([told.length, told.at(-1)], [5, 2_100]);
});

Deno.test("alarm: a busy node is asked again every 10 ms, however far ahead the next deadline was", () => {
  const told: number[] = [];
  const clock = { monotonicMs: () => 0, wallMs: () => 0 };
  const standstill = new Standstill({ clock, host: { log() {} }, electionTimeoutMs });
  const alarm = new Alarm({ wakeAt: (atMs) => told.push(atMs) }, standstill);
  let asked = 0;
  let wakings = 0;
  const deadlineMs = (nowMs: number) => {
    asked++;
    return nowMs < 1_500 ? 1_800 : 1_510; // something comes up that is due earlier
  };
  for (let nowMs = 1_000; nowMs < 1_600; nowMs += 0.25) {
    if (told.length > 0 && nowMs >= told.at(-1)! && told.at(-1)! > 0) {
      wakings++;
      alarm.rang(nowMs);
      told.push(0);
      const nextMs = deadlineMs(nowMs);
      if (nextMs <= nowMs) {
        assert(nowMs - 1_510 <= 10, `done ${nowMs - 1_510} ms late`);
        return assert(asked < 400 && wakings < 60, `asked ${asked} times, woken ${wakings}`);
      }
      alarm.set(nextMs, nowMs);
    }
    alarm.set(alarm.turned(nowMs) ? Infinity : deadlineMs(nowMs), nowMs);
  }
  throw new Error("the deadline was never done");
});

Deno.test("alarm: a busy node's turns leave it alone while it is near, but for the first after it went off", () => {
  const clock = { monotonicMs: () => 0, wallMs: () => 0 };
  const standstill = new Standstill({ clock, host: { log() {} }, electionTimeoutMs });
  const alarm = new Alarm({ wakeAt() {} }, standstill);
  alarm.turned(1_000);
  assertEquals(alarm.isNear(1_000), false, "it is not set");
  alarm.set(1_011, 1_000);
  assertEquals([alarm.isNear(1_000), alarm.isNear(1_001)], [false, true], "it is far, then near");
  // What it is set to as it goes off is no answer to what is due: the turn gives that.
  alarm.rang(1_011);
  alarm.done(1_011);
  alarm.set(1_020, 1_011);
  alarm.turned(1_011);
  assertEquals(alarm.isNear(1_012), false, "the turn after it went off");
  alarm.set(1_015, 1_012);
  alarm.turned(1_013);
  assertEquals(alarm.isNear(1_013), true);
  assertEquals(alarm.isNear(2_020), false, "it is lost");
});

Deno.test("alarm: a node that was busy is so in the next span from its first turn on, and no longer", () => {
  const clock = { monotonicMs: () => 0, wallMs: () => 0 };
  const standstill = new Standstill({ clock, host: { log() {} }, electionTimeoutMs });
  const alarm = new Alarm({ wakeAt() {} }, standstill);
  for (let turn = 1; turn <= 5; turn++) alarm.turned(1_000);
  assertEquals([alarm.turned(1_010), alarm.turned(1_019)], [true, true]);
  assertEquals(alarm.turned(1_020), false, "two turns in a span are few");
  for (let turn = 1; turn <= 5; turn++) alarm.turned(1_020);
  assertEquals(alarm.turned(1_040), false, "a span without any lies between");
});

Deno.test("alarm: a busy node that falls quiet is not busy once the span is over", () => {
  const told: number[] = [];
  const clock = { monotonicMs: () => 0, wallMs: () => 0 };
  const standstill = new Standstill({ clock, host: { log() {} }, electionTimeoutMs });
  const alarm = new Alarm({ wakeAt: (atMs) => told.push(atMs) }, standstill);
  for (let turn = 1; turn <= 5; turn++) assertEquals(alarm.turned(1_000), turn > 4);
  alarm.set(5_000, 1_009);
  alarm.rang(1_019);
  alarm.set(5_000, 1_019);
  assertEquals(told, [1_019, 5_000]);
});

Deno.test("alarm: a node with a few turns now and then is not busy", () => {
  const clock = { monotonicMs: () => 0, wallMs: () => 0 };
  const standstill = new Standstill({ clock, host: { log() {} }, electionTimeoutMs });
  const alarm = new Alarm({ wakeAt() {} }, standstill);
  for (let nowMs = 0; nowMs < 1_000; nowMs += 50) {
    for (let turn = 0; turn < 4; turn++) assertEquals(alarm.turned(nowMs + turn), false);
  }
});

/** Sets a key, one command at a time, and takes the replies. */
function sets(three: Three, count: number): void {
  const session = three.nodes[three.leader]!.openSession("test")!;
  for (let i = 0; i < count; i++) {
    const bytes = new TextEncoder().encode(fromBytes(requestBytes([["SET", `key:${i}`, "v"]])));
    session.inputSpace().set(bytes);
    session.received(bytes.length);
    for (let batch = session.nextBatch(); batch !== null; batch = session.nextBatch()) {
      session.submit(batch);
    }
    three.settle();
    const output = session.takeOutput();
    assertEquals(output && new TextDecoder().decode(output), "+OK\r\n");
    session.outputWritten();
  }
  session.disconnected();
}

Deno.test("waking: what a set costs in turns, in looks at the clock and in timers", () => {
  const three = new Three();
  three.form();
  sets(three, 50);
  const { leader } = three;
  three.looks.fill(0);
  three.timers.fill(0);
  three.turns.fill(0);
  sets(three, 100);
  const looks = three.looks.map((count) => count / 100);
  // Of these the persister makes five, and one or two tell how long it takes to apply.
  const most = three.looks.map((_, at) => at === leader ? 11 : 8);
  assert(looks.every((count, at) => count <= most[at]!), `${looks} looks at the clock for a set`);
  // A leader's: the entry leaves, it is written, it is committed and answered. What says nothing new takes
  // none, nor does the answer to a client in the turn that it comes from. A follower's: it is written and
  // acknowledged, and what is committed is applied.
  const turns = three.turns.map((count) => count / 100);
  const mostTurns = three.turns.map((_, at) => at === leader ? 3.1 : 2.1);
  assert(turns.every((count, at) => count <= mostTurns[at]!), `${turns} turns for a set`);
  const timers = three.timers.reduce((sum, count) => sum + count, 0);
  assert(timers <= 20, `${timers} timers for a hundred sets`);
});

Deno.test("waking: a server that is stopped between its waking and the turn notices that", () => {
  const three = new Three();
  three.form();
  const follower = [0, 1, 2].find((at) => at !== three.leader)!;
  three.nowMs = Math.max(three.nowMs, three.wakeMs[follower]!);
  three.wake(follower);
  three.stop(follower);
  three.pass(2.5 * electionTimeoutMs);
  three.continue(follower);
  // The turn that was asked for, then the timer, and nothing is read before.
  three.nodes[follower]!.turn();
  three.wake(follower);
  assertEquals(three.role(follower), "follower");
  three.settle();
  three.pass(heartbeatIntervalMs);
  assertEquals(three.nodes[follower]!.raft!.state.leaderId, three.leader + 1);
});
