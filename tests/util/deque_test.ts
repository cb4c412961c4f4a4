import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AssertionError } from "../../lib/util/assert.ts";
import { Deque } from "../../lib/util/deque.ts";

Deno.test("deque: as an array that is pushed at the back and shifted from the front", () => {
  const steps = fc.array(fc.oneof(fc.nat(99), fc.constant("shift"), fc.constant("clear")), {
    maxLength: 200,
  });
  fc.assert(fc.property(steps, fc.constantFrom(1, 2, 16), (all, capacity) => {
    const deque = new Deque<number | string>(capacity);
    let model: (number | string)[] = [];
    for (const step of all) {
      if (step === "shift") assertEquals(deque.shift(), model.shift());
      else if (step === "clear") {
        deque.clear();
        model = [];
      } else {
        deque.push(step);
        model.push(step);
      }
      assertEquals(deque.length, model.length);
      for (let at = -1; at <= model.length; at++) assertEquals(deque.at(at), model[at]);
    }
  }));
});

Deno.test("deque: room for no power of two is refused", () => {
  for (const capacity of [3, 12, 100]) assertThrows(() => new Deque(capacity), AssertionError);
});
