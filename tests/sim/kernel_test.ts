/** The simulator itself, over the fake node: order, determinism, and that flaws are found. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { SimClock } from "./clock.ts";
import { fakeFactory, type Flaw } from "./fake_node.ts";
import { withoutOutside } from "./globals.ts";
import { EventHeap, type Handler, SimEvent } from "./heap.ts";
import { drawOptions, FAULTS, type SimOptions } from "./options.ts";
import { cutsOf } from "./partitions.ts";
import { ReplyParser } from "./reply_parser.ts";
import { shrink } from "./shrink.ts";
import { simulate } from "./simulate.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

const NOBODY: Handler = { handle: () => {} };

/** The fake node speaks lines alone, and knows no sessions, watches or scripts. */
const LINES = {
  redis: null,
  members: null,
  sessions: null,
  watches: null,
  scripts: null,
  subscribers: null,
};
const lineOptions = (seed: number) => drawOptions(seed, LINES);

Deno.test("events come in the order of time, and of making where times are equal", () => {
  const random = new Random(1);
  const heap = new EventHeap();
  for (let i = 0; i < 2_000; i++) {
    heap.push(new SimEvent(random.between(0, 50), i, NOBODY, 0, 0, 0, null, null));
  }
  let before = heap.pop()!;
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) {
    assert(
      next.time > before.time || (next.time === before.time && next.sequence > before.sequence),
    );
    before = next;
  }
});

Deno.test("the same seed gives the same trace, another seed another", () => {
  const run = (seed: number) => simulate(lineOptions(seed), fakeFactory());
  const [first, again, other] = [run(3), run(3), run(4)];
  assertEquals(first.check, null, first.message);
  assertEquals(first, again);
  assert(first.hash !== other.hash);
});

Deno.test("reading along does not change a run", () => {
  let lines = 0;
  const quiet = simulate(lineOptions(8), fakeFactory());
  const told = simulate(lineOptions(8), fakeFactory(), () => lines++, true);
  assertEquals(told, quiet);
  assert(lines > 100);
});

for (const flaw of ["staleReads", "lostWrites", "appliesTwice", "ignoresCas"] as Flaw[]) {
  Deno.test(`a store with the flaw ${flaw} is found within a few seeds`, () => {
    const fired: (string | null)[] = [];
    for (let seed = 1; seed <= 6; seed++) {
      fired.push(simulate(lineOptions(seed), fakeFactory(flaw)).check);
    }
    assert(fired.some((check) => check?.startsWith("linearizability")), fired.join(", "));
  });
}

Deno.test("a failing run is made smaller, and the same check still fires", () => {
  const options = drawOptions(6, {
    faultsMs: 10_000,
    operationsMin: 0,
    ...LINES,
  });
  const run = (changed: SimOptions) => simulate(changed, fakeFactory("lostWrites"));
  const result = run(options);
  assert(result.check !== null && result.strikes.length > 0, `${result.check}`);
  const shrunk = shrink(options, result, { run, triesMax: 40, say: () => {} });
  assertEquals(shrunk.result.check, result.check);
  assert(shrunk.options.schedule!.length < result.strikes.length);
  assertEquals(run(shrunk.options).hash, shrunk.result.hash);
});

Deno.test("a flawless store passes many seeds", () => {
  for (let seed = 100; seed < 105; seed++) {
    const result = simulate(lineOptions(seed), fakeFactory());
    assertEquals(result.check, null, `seed ${seed}: ${result.message}`);
    assert(result.acknowledged >= 500);
  }
});

Deno.test("each fault is off in at least 30 % of the seeds, and on in at least 30 %", () => {
  const seeds = 1_000;
  for (const name of FAULTS) {
    let on = 0;
    for (let seed = 0; seed < seeds; seed++) {
      if (drawOptions(seed).faults[name] !== undefined) on++;
    }
    assert(on >= 0.3 * seeds && on <= 0.7 * seeds, `${name} is on in ${on} of ${seeds}`);
  }
});

Deno.test("real time, real randomness and timers throw while a world runs, and work again after", () => {
  const calls: (() => unknown)[] = [
    () => Date.now(),
    () => new Date(),
    () => performance.now(),
    () => Math.random(),
    () => crypto.randomUUID(),
    () => crypto.getRandomValues(new Uint8Array(1)),
    () => setTimeout(() => {}, 0),
    () => setInterval(() => {}, 1_000),
    () => queueMicrotask(() => {}),
    () => Deno.cwd(),
  ];
  withoutOutside(() => {
    for (const call of calls) assertThrows(call, Error, "in the simulator");
    assertEquals(new Date(0).getTime(), 0);
  });
  assert(Date.now() > 0 && performance.now() > 0 && Math.random() >= 0);
  assert(crypto.randomUUID().length === 36);
});

Deno.test("the monotonic clock never goes back, over drift, freezes, sleep; the wall clock may", () => {
  const world = new World(new Trace(null, false));
  const clock = new SimClock(world, 0, 1.1);
  let before = clock.monotonicMs();
  const random = new Random(5);
  let asleepMs = -1;
  for (let i = 0; i < 2_000; i++) {
    world.now += random.between(0, 50_000);
    if (asleepMs < 0 && random.chance(0.05)) {
      clock.suspend();
      asleepMs = clock.monotonicMs();
    } else if (asleepMs >= 0 && random.chance(0.1)) {
      const wall = clock.wallMs();
      clock.resume();
      // Where it stood, to the microsecond, and after it on from there.
      assertEquals(clock.monotonicMs(), asleepMs);
      assert(Math.abs(clock.wallMs() - wall) <= 1, "the wall clock ran meanwhile");
      asleepMs = -1;
    }
    const roll = random.unit();
    if (roll < 0.1) clock.setRate(0.9 + random.unit() * 0.2);
    else if (roll < 0.2) clock.freeze(random.between(1, 500_000));
    else if (roll < 0.3) clock.stepWall(random.between(-1000, 1000));
    if (asleepMs >= 0) continue;
    const now = clock.monotonicMs();
    assert(now >= before, `${now} after ${before}`);
    before = now;
  }
  const wall = clock.wallMs();
  clock.stepWall(-3_600_000);
  assertEquals(clock.wallMs(), wall - 3_600_000);
});

Deno.test("partitions name other servers only, and cut somebody off", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const ids = Array.from({ length: random.between(2, 7) }, (_, at) => at + 1);
    const cuts = cutsOf(random.pick(ids), ids, seed % 2 === 0, random);
    assert(cuts.length > 0);
    for (const [from, to] of cuts) assert(from !== to && ids.includes(from) && ids.includes(to));
  }
});

Deno.test("replies are found in pieces of any size", () => {
  const bytes = new TextEncoder().encode(
    "OK 7\r\nVALUE 3 0 5\r\na\r\nbc\r\nDELETED\r\nERR_REDIRECT server-2 9002\r\n",
  );
  for (const size of [1, 2, 3, 7, 100]) {
    const parser = new ReplyParser();
    const found: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      parser.add(bytes.slice(at, at + size));
      for (let reply = parser.next(); reply !== null; reply = parser.next()) {
        found.push(`${reply.word} ${reply.words.join(",")} ${reply.value}`);
      }
    }
    assertEquals(found, [
      "OK 7 null",
      "VALUE 3,0,5 a\r\nbc",
      "DELETED  null",
      "ERR_REDIRECT server-2,9002 null",
    ]);
  }
});
