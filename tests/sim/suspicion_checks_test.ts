/** The check of suspicions can fail: it is shown what it has to refuse. */
import { assertThrows } from "@std/assert";
import { SuspicionChecks } from "./suspicion_checks.ts";
import { CheckFailure } from "./world.ts";

const SUSPECT = { isSuspect: true, isRepairing: false };
const REPAIRING = { isSuspect: true, isRepairing: true };
const SETTLING = { isSuspect: false, isRepairing: true };
const SOUND = { isSuspect: false, isRepairing: false };
/** What is committed: a checksum at each index. */
const COMMITTED = [0, 11, 12, 13];

/** Server 1, which acknowledged `index` of a log that ended there, and lost what is behind `kept`. */
function afterLoss(index: number, kept: number) {
  const checks = new SuspicionChecks();
  const logUpTo = (last: number, durable = last) => ({
    lastIndex: last,
    durableIndex: durable,
    chain: COMMITTED.slice(0, last + 1),
  });
  checks.acknowledged(1, index);
  checks.check(1, logUpTo(index), SOUND, COMMITTED);
  checks.started(1);
  return { checks, logUpTo, kept };
}

Deno.test("a suspicion that ends without what was acknowledged is refused", () => {
  const { checks, logUpTo, kept } = afterLoss(3, 1);
  checks.check(1, logUpTo(kept), SUSPECT, COMMITTED);
  const end = () => checks.check(1, logUpTo(2), SOUND, COMMITTED);
  assertThrows(end, CheckFailure, "acknowledged entry 3");
});

Deno.test("one that ends with all of it passes, and what was never committed may be gone", () => {
  const whole = afterLoss(3, 1);
  whole.checks.check(1, whole.logUpTo(1), SUSPECT, COMMITTED);
  whole.checks.check(1, whole.logUpTo(3), SOUND, COMMITTED);
  const uncommitted = afterLoss(3, 1);
  const other = [...COMMITTED.slice(0, 3), 99];
  uncommitted.checks.check(1, uncommitted.logUpTo(1), SUSPECT, other);
  uncommitted.checks.check(1, uncommitted.logUpTo(2), SOUND, other);
});

Deno.test("a repair that ends before what it fetched is durable is refused", () => {
  const { checks, logUpTo } = afterLoss(3, 1);
  checks.check(1, logUpTo(1), REPAIRING, COMMITTED);
  checks.check(1, logUpTo(3, 2), SETTLING, COMMITTED);
  assertThrows(() => checks.check(1, logUpTo(3, 2), SOUND, COMMITTED), CheckFailure, "entry 3");
  const again = afterLoss(3, 1);
  again.checks.check(1, again.logUpTo(1), REPAIRING, COMMITTED);
  again.checks.check(1, again.logUpTo(3, 2), SETTLING, COMMITTED);
  again.checks.check(1, again.logUpTo(3, 3), SOUND, COMMITTED);
});
