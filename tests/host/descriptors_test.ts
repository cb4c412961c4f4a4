import { assertEquals } from "@std/assert";
import { DescriptorMargin, freeDescriptors } from "../../lib/host/descriptors.ts";

/** A process with so many descriptors left; connections take one each. */
function processWith(free: number) {
  const state = { free, trials: 0 };
  const countFree = (atMost: number) => {
    state.trials++;
    return Math.min(atMost, state.free);
  };
  return { state, countFree };
}

Deno.test("descriptors: connections are kept until only the spare ones are left", () => {
  for (const free of [0, 9, 10, 11, 17, 18, 19, 200]) {
    const { state, countFree } = processWith(free);
    const margin = new DescriptorMargin(10, countFree);
    let kept = 0;
    for (let i = 0; i < 300; i++) {
      state.free--;
      if (margin.hasRoom()) kept++;
      else state.free++;
    }
    assertEquals(kept, Math.max(0, free - 10), `${free} free at the beginning`);
  }
});

Deno.test("descriptors: there is room again once some are given back", () => {
  const { state, countFree } = processWith(9);
  const margin = new DescriptorMargin(10, countFree);
  assertEquals(margin.hasRoom(), false);
  state.free = 12;
  assertEquals([margin.hasRoom(), margin.hasRoom(), margin.hasRoom()], [true, true, true]);
});

Deno.test("descriptors: most connections need no trial, and none is made without a margin", () => {
  const { state, countFree } = processWith(1_000);
  const margin = new DescriptorMargin(10, countFree);
  for (let i = 0; i < 90; i++) margin.hasRoom();
  assertEquals(state.trials, 10);
  assertEquals(new DescriptorMargin(0, countFree).hasRoom(), true);
  assertEquals(state.trials, 10);
});

Deno.test("descriptors: counting leaves nothing open, and what can't be tried counts as free", () => {
  for (let i = 0; i < 200; i++) assertEquals(freeDescriptors(".", 100), 100);
  assertEquals(freeDescriptors("no such file", 100), 100);
});
