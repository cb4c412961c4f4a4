/** What the charts show. */
import { assertEquals } from "@std/assert";
import { Sampler, Samples, SAMPLES_MAX } from "../../page/samples.ts";
import { facts, leaderTwo, seenServer, statusWith, WALL_MS } from "./statuses.ts";

Deno.test("samples: rates come from two facts of one process, summed over the servers", () => {
  const sampler = new Sampler();
  const at = (uptimeMs: number, writesTotal: number, readsTotal: number) =>
    sampler.take(statusWith([
      seenServer(1, facts({ leaderId: 2, uptimeMs, readsTotal, writesTotal: 0 })),
      seenServer(2, leaderTwo({ uptimeMs, writesTotal, readsTotal: 0 })),
    ]));
  assertEquals(at(1_000, 100, 10).writesPerSecond, null);
  const second = at(3_000, 500, 30);
  assertEquals([second.writesPerSecond, second.readsPerSecond, second.refusedPerSecond], [
    200,
    10,
    0,
  ]);
  // The same facts again tell nothing new.
  assertEquals(at(3_000, 500, 30).writesPerSecond, 200);
  // Another process counts from zero.
  assertEquals(at(500, 3, 1).writesPerSecond, null);
  assertEquals(at(1_500, 13, 1).writesPerSecond, 10);
});

Deno.test("samples: lag is the leader's word, and unknown without one", () => {
  const sampler = new Sampler();
  assertEquals(sampler.take(statusWith()).lagMs, { 1: 0, 3: 0 });
  assertEquals(sampler.take(statusWith(undefined, { leaderId: 0 })).lagMs, {});
});

Deno.test("samples: who is not heard counts for nothing", () => {
  const lost = seenServer(2, leaderTwo({ fsyncP99Ms: 900 }), { reach: "lost" });
  const sample = new Sampler().take(statusWith([seenServer(1, facts({ writeP99Ms: 7 })), lost]));
  assertEquals(sample.fsyncP99Ms, { 1: 1.5 });
  assertEquals(sample.writeP99Ms, 7);
});

Deno.test("samples: five minutes are kept, and no line crosses a gap", () => {
  const samples = new Samples();
  const sampler = new Sampler();
  const add = (second: number) =>
    samples.add(sampler.take(statusWith(undefined, { wallMs: WALL_MS + second * 1_000 })));
  for (let second = 0; second < 400; second++) add(second);
  assertEquals(samples.list.length, SAMPLES_MAX);
  add(410);
  assertEquals(samples.list.at(-2)!.fsyncP99Ms, {});
  // A wall clock that went back: what was drawn has no place any more.
  add(10);
  assertEquals(samples.list.length, 1);
});
