/**
 * What clients of the Redis protocol saw, and whether it can be true. Increments show their place in
 * the order themselves, so that one pass over them decides linearizability, without a search.
 */

/** An increment by one, or a read, of one counter. */
export interface CounterOperation {
  readonly key: string;
  /** An increment that found its counter at the limit was a read of it. */
  kind: "increment" | "read";
  readonly connection: number;
  readonly beganAt: number;
  /** Infinity where no reply came that says what was done. */
  endedAt: number;
  /** The counter behind it; meaningful only where the outcome is "done". */
  value: number;
  outcome: "done" | "nothing" | "unknown";
}

/** A read of all accounts at once. */
export interface SumRead {
  readonly beganAt: number;
  readonly endedAt: number;
  /** Null for an account that is not there. */
  readonly balances: readonly (number | null)[];
}

/**
 * What is wrong with the operations on one counter, or null. Exact: null means that there is a legal
 * order that respects real time, with every unknown increment done once or never.
 */
export function checkCounter(operations: readonly CounterOperation[]): string | null {
  const done = operations.filter(({ outcome }) => outcome === "done");
  return doubledOrBackwards(done) ?? realTimeProblem(withUnknown(operations, done));
}

function doubledOrBackwards(done: readonly CounterOperation[]): string | null {
  const values = new Set<number>();
  const lastOf = new Map<number, number>();
  for (const { key, kind, value, connection } of done) {
    const last = lastOf.get(connection) ?? 0;
    lastOf.set(connection, value);
    if (!Number.isSafeInteger(value) || value < (kind === "read" ? 0 : 1)) {
      return `${key}: a reply says ${value}`;
    }
    if (kind === "increment" ? value <= last : value < last) {
      return `${key}: connection ${connection} saw ${value} behind ${last}`;
    }
    if (kind === "read") continue;
    if (values.has(value)) return `${key}: two increments were answered ${value}`;
    values.add(value);
  }
  return null;
}

/** An operation with its place: behind `value` increments of which it may be the last. */
interface Placed {
  readonly operation: CounterOperation;
  readonly value: number;
}

/**
 * Fills values that nobody was told with unknown increments, the earliest begun first: no other choice
 * can do better. Text where there are too few.
 */
function withUnknown(
  operations: readonly CounterOperation[],
  done: readonly CounterOperation[],
): Placed[] | string {
  const placed: Placed[] = done.map((operation) => ({ operation, value: operation.value }));
  const told = new Set(
    done.filter(({ kind }) => kind === "increment").map(({ value }) => value),
  );
  const unknown = operations
    .filter(({ kind, outcome }) => kind === "increment" && outcome === "unknown")
    .sort((a, b) => a.beganAt - b.beganAt);
  const most = done.reduce((highest, { value }) => Math.max(highest, value), 0);
  if (most > told.size + unknown.length) {
    return `${operations[0]!.key}: ${most} was reached by ${told.size} acknowledged and ` +
      `${unknown.length} unknown increments`;
  }
  let next = 0;
  for (let value = 1; value <= most; value++) {
    if (!told.has(value)) placed.push({ operation: unknown[next++]!, value });
  }
  return placed;
}

/** Nothing may end before something begins that stands ahead of it. */
function realTimeProblem(placed: Placed[] | string): string | null {
  if (typeof placed === "string") return placed;
  const rank = ({ operation }: Placed) => operation.kind === "increment" ? 0 : 1;
  // Reads of one value come behind the increment to it, and among each other as they began.
  placed.sort((a, b) =>
    a.value - b.value || rank(a) - rank(b) || a.operation.beganAt - b.operation.beganAt
  );
  let latest: Placed | null = null;
  for (const next of placed) {
    if (latest !== null && latest.operation.beganAt > next.operation.endedAt) {
      return `${next.operation.key}: ${next.value} was answered at ${next.operation.endedAt}, and ` +
        `${latest.value} belongs to a command that began later, at ${latest.operation.beganAt}`;
    }
    if (latest === null || next.operation.beganAt > latest.operation.beganAt) latest = next;
  }
  return null;
}

/** What is wrong with one read of all accounts, or null. `openedAt`: since when they surely exist. */
export function checkSum(read: SumRead, sum: number, openedAt: number): string | null {
  const { balances } = read;
  if (balances.every((balance) => balance === null)) {
    return read.beganAt < openedAt
      ? null
      : `all accounts are gone, which were there at ${openedAt}`;
  }
  const found = balances.reduce<number>((total, balance) => total + (balance ?? NaN), 0);
  if (found === sum) return null;
  return `the accounts have ${balances.join(" + ")} = ${found}, and not ${sum}`;
}
