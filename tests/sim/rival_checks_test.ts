import { assertThrows } from "@std/assert";
import { checkRivals, type RivalLog } from "./rival_checks.ts";
import { Votings } from "./votings.ts";
import { CheckFailure } from "./world.ts";

type Log = Omit<RivalLog, "votings">;

/** A log of term 1 up to `lastIndex`, all durable; the checksum of an entry is its index. */
function logUpTo(lastIndex: number, lost: readonly number[] | null = null): Log {
  const indexes = Array.from({ length: lastIndex + 1 }, (_, index) => index);
  const terms = indexes.map((index) => Math.min(index, 1));
  return { lastIndex, durableIndex: lastIndex, terms, chain: indexes, lost };
}

const ENTRY = { index: 3, link: 3 };

function commit(...logs: Log[]): void {
  const voters = logs.map((_, at) => at + 1);
  const all = logs.map((log) => ({ ...log, votings: new Votings(voters, () => null) }));
  checkRivals(1, voters, ENTRY, (id) => all[id - 1]!);
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

Deno.test("in a joint configuration who could be elected needs both halves", () => {
  const logs = [logUpTo(3), logUpTo(3), logUpTo(2), logUpTo(2)];
  const commitIn = (voters: readonly number[], outgoing: readonly number[]) => {
    const all = logs.map((log) => {
      const votings = new Votings(voters, () => null);
      votings.list.push({ ...votings.current, index: 1, outgoing });
      return { ...log, votings };
    });
    checkRivals(1, [1, 2, 3, 4], ENTRY, (id) => all[id - 1]!);
  };
  commitIn([2, 3, 4], [1, 2, 3]);
  assertThrows(() => commitIn([2, 3, 4], [3, 4]), CheckFailure, "servers 3, 4");
});
