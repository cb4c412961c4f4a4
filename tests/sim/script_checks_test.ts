/** What the checks of scripts find wrong, and what they do not. */
import { assertEquals, assertMatch } from "@std/assert";
import type { CounterOperation } from "./redis_checks.ts";
import { checkDenial, checkHolds, checkTransfers, type ScriptTransfer } from "./script_checks.ts";

function transfer(
  count: number | null,
  from: string,
  to: string,
  amount: number,
  after: readonly [number, number] = [0, 0],
): ScriptTransfer {
  const operation: CounterOperation = {
    key: "transfers",
    kind: "increment",
    connection: 1,
    beganAt: 0,
    endedAt: 1,
    value: count ?? 0,
    outcome: count === null ? "unknown" : "done",
  };
  return { operation, from, to, amount, after };
}

Deno.test("script checks: each transfer finds what those before it have left", () => {
  const accounts = ["a", "b", "c"];
  const first = transfer(1, "a", "b", 5, [95, 105]);
  assertEquals(checkTransfers([transfer(2, "b", "c", 10, [95, 110]), first], accounts, 100), null);
  // Both keep the sum, and the second one has not seen the first.
  assertMatch(
    checkTransfers([transfer(2, "b", "c", 10, [90, 110]), first], accounts, 100)!,
    /transfer 2 left 90 in b, which held 105/,
  );
});

Deno.test("script checks: a transfer without an outcome leaves unknown what it may have touched", () => {
  const accounts = ["a", "b", "c"];
  const unknown = transfer(null, "a", "b", 5);
  const later = transfer(2, "a", "c", 1, [94, 101]);
  assertEquals(checkTransfers([later, unknown], accounts, 100), null);
  assertMatch(
    checkTransfers([transfer(2, "a", "c", 1, [94, 102]), unknown], accounts, 100)!,
    /transfer 2 left 102 in c/,
  );
  assertMatch(
    checkTransfers([unknown, later, transfer(3, "a", "b", 1, [90, 1])], accounts, 100)!,
    /transfer 3 left 90 in a, which held 94/,
  );
});

Deno.test("script checks: nobody holds a lock while another does", () => {
  const hold = (token: string, from: number, to: number) => ({ lock: "l", token, from, to });
  assertEquals(checkHolds([hold("b", 5, 9), hold("a", 1, 5), hold("c", 9, Infinity)]), null);
  assertMatch(checkHolds([hold("a", 1, 6), hold("b", 5, 9)])!, /b had it at 5, which a had/);
  assertMatch(
    checkHolds([hold("a", 1, 20), hold("b", 21, 22), hold("c", 2, 3)])!,
    /c had it at 2, which a/,
  );
});

Deno.test("script checks: a script is denied to nobody once its load is acknowledged, until a flush", () => {
  const loads = [{ hash: "a", beganAt: 10, endedAt: 20 }];
  assertMatch(checkDenial("a", 20, 30, loads, [])!, /a was denied at 30, .* acknowledged at 20/);
  assertEquals(checkDenial("a", 19, 30, loads, []), null);
  assertEquals(checkDenial("b", 20, 30, loads, []), null);
  const denied = (beganAt: number, endedAt: number) =>
    checkDenial("a", 20, 30, loads, [{ beganAt, endedAt }]) !== null;
  assertEquals([denied(1, 9), denied(31, 40)], [true, true]);
  assertEquals([denied(1, 10), denied(15, 16), denied(30, 40), denied(21, Infinity)], [
    false,
    false,
    false,
    false,
  ]);
  // One that nothing was done of is none.
  assertEquals(denied(21, -Infinity), true);
});
