import { assertThrows } from "@std/assert";
import { checkRivals, type RivalLog } from "./rival_checks.ts";
import { CheckFailure } from "./world.ts";

/** A log of term 1 up to `lastIndex`, all durable; the checksum of an entry is its index. */
function logUpTo(lastIndex: number, lost: readonly number[] | null = null): RivalLog {
  const indexes = Array.from({ length: lastIndex + 1 }, (_, index) => index);
  const terms = indexes.map((index) => Math.min(index, 1));
  return { lastIndex, durableIndex: lastIndex, terms, chain: indexes, lost };
}

const ENTRY = { index: 3, link: 3 };

function commit(...logs: RivalLog[]): void {
  const voters = logs.map((_, at) => at + 1);
  checkRivals(1, voters, ENTRY, (id) => logs[id - 1]!);
}

Deno.test("a commit on a majority has no rivals", () => {
  commit(logUpTo(3), logUpTo(3), logUpTo(2));
});

Deno.test("a commit that a majority lacks could be undone", () => {
  assertThrows(() => commit(logUpTo(3), logUpTo(2), logUpTo(2)), CheckFailure, "servers 2, 3");
});

Deno.test("who may have forgotten an ack elects nobody, and stands for no election by a majority", () => {
  const damaged = logUpTo(1, [0, 1, 2, 3]);
  commit(logUpTo(3), damaged, logUpTo(2));
  assertThrows(() => commit(logUpTo(3), damaged, logUpTo(2), logUpTo(2), logUpTo(2)), CheckFailure);
});
