/**
 * The thorough checker: a search for one order of all operations of a key that a plain register with
 * compare-and-set and delete could have answered in the same way (Wing and Gong 1993, with Lowe's
 * memory of states seen, as in Porcupine). It knows nothing of versions: a cas compares with the
 * value that its client had seen under the version it named.
 *
 * An operation of unknown outcome may be placed anywhere behind its invocation, or nowhere.
 */
import { Random } from "../../lib/util/random.ts";
import { ABSENT, byKey, describeOperation, NO_KNOWN_VALUE, type Operation } from "./history.ts";

export type SearchVerdict =
  | { readonly result: "legal"; readonly states: number }
  | { readonly result: "illegal"; readonly states: number; readonly why: string }
  /** The bound on states was reached: nothing is known. */
  | { readonly result: "unknown"; readonly states: number };

/** Searches every key for which `include` holds; stops at the first that has no legal order. */
export function searchHistory(
  history: readonly Operation[],
  statesMax: number,
  include: (key: string) => boolean = () => true,
): SearchVerdict {
  let states = 0;
  let unknown = false;
  for (const [key, operations] of byKey(history)) {
    if (!include(key)) continue;
    const verdict = searchKey(operations, statesMax);
    states += verdict.states;
    if (verdict.result === "illegal") {
      return { result: "illegal", states, why: `key ${key}: ${verdict.why}` };
    }
    if (verdict.result === "unknown") unknown = true;
  }
  return { result: unknown ? "unknown" : "legal", states };
}

/** What the register holds after `op`, or `REFUSED` where `op` could not have been answered so. */
const REFUSED = -2;

function step(op: Operation, held: number): number {
  switch (op.kind) {
    case "set":
      return op.value;
    case "get":
      return (op.outcome === "ok" ? op.seen : ABSENT) === held ? held : REFUSED;
    case "delete":
      if (op.outcome === "unknown") return ABSENT;
      return (op.outcome === "ok") === (held !== ABSENT) ? ABSENT : REFUSED;
    case "cas":
      return stepCas(op, held);
  }
}

function stepCas(op: Operation, held: number): number {
  const creates = op.expectedVersion === 0;
  if (!creates && op.expectedValue === NO_KNOWN_VALUE) return stepGuess(op, held);
  const matches = creates ? held === ABSENT : held !== ABSENT && held === op.expectedValue;
  if (op.outcome === "unknown") return matches ? op.value : held;
  if (op.outcome === "ok") return matches ? op.value : REFUSED;
  if (op.outcome === "notFound") return !creates && held === ABSENT ? held : REFUSED;
  return !matches && held !== ABSENT ? held : REFUSED;
}

/** A cas with a version that its client never saw: it may match whatever is held. */
function stepGuess(op: Operation, held: number): number {
  if (op.outcome === "notFound") return held === ABSENT ? held : REFUSED;
  if (op.outcome === "unknown") return held === ABSENT ? held : op.value;
  if (held === ABSENT) return REFUSED;
  return op.outcome === "ok" ? op.value : held;
}

/** A call or a return, in one doubly linked list in the order of time. */
class Mark {
  previous: Mark | null = null;
  next: Mark | null = null;
  /** The return that belongs to a call; null for a return, and for a call that stays open. */
  match: Mark | null = null;
  readonly op: Operation;
  readonly isCall: boolean;
  readonly high: number;
  readonly low: number;

  constructor(op: Operation, isCall: boolean, high: number, low: number) {
    this.op = op;
    this.isCall = isCall;
    this.high = high;
    this.low = low;
  }
}

/** Searches one key. */
export function searchKey(operations: readonly Operation[], statesMax: number): SearchVerdict {
  const relevant = operations.filter((op) =>
    op.outcome !== "nothing" && !(op.kind === "get" && op.outcome === "unknown")
  );
  const head = link(relevant);
  let left = relevant.filter((op) => op.outcome !== "unknown").length;
  const seen = new Set<number>();
  const placed: { mark: Mark; held: number; high: number; low: number }[] = [];
  let held = ABSENT;
  let high = 0;
  let low = 0;
  let deepest = 0;
  let stuckAt: Operation | null = null;
  let mark = head.next;
  while (left > 0) {
    if (mark !== null && mark.isCall) {
      const after = step(mark.op, held);
      if (after !== REFUSED) {
        const newHigh = (high ^ mark.high) >>> 0;
        const newLow = (low ^ mark.low) >>> 0;
        const key = fingerprint(newHigh, newLow, after);
        if (!seen.has(key)) {
          if (seen.size >= statesMax) return { result: "unknown", states: seen.size };
          seen.add(key);
          placed.push({ mark, held, high, low });
          [held, high, low] = [after, newHigh, newLow];
          lift(mark);
          if (mark.match !== null) left--;
          mark = head.next;
          continue;
        }
      }
      mark = mark.next;
      continue;
    }
    // A return was met (or the end): whatever must come before it can't be placed; step back.
    if (placed.length >= deepest) {
      deepest = placed.length;
      stuckAt = mark?.op ?? null;
    }
    const last = placed.pop();
    if (last === undefined) {
      const why = stuckAt === null
        ? "no legal order"
        : `no legal order has ${describeOperation(stuckAt)}`;
      return { result: "illegal", states: seen.size, why };
    }
    [held, high, low] = [last.held, last.high, last.low];
    unlift(last.mark);
    if (last.mark.match !== null) left++;
    mark = last.mark.next;
  }
  return { result: "legal", states: seen.size };
}

/** Which operations are placed and what is held, in 53 bits; collisions are a matter of 2^-53. */
function fingerprint(high: number, low: number, held: number): number {
  const mixed = Math.imul(held + 0x7f4a7c15, 0x9e3779b1);
  const a = (high ^ mixed) >>> 11;
  const b = (low ^ Math.imul(mixed, 0x85ebca6b)) >>> 0;
  return a * 0x1_0000_0000 + b;
}

function link(operations: readonly Operation[]): Mark {
  const random = new Random(operations.length);
  const marks: { at: number; isReturn: number; mark: Mark }[] = [];
  for (const op of operations) {
    const call = new Mark(op, true, random.u32(), random.u32());
    marks.push({ at: op.invokedAt, isReturn: 0, mark: call });
    if (op.outcome === "unknown") continue;
    call.match = new Mark(op, false, 0, 0);
    marks.push({ at: op.returnedAt, isReturn: 1, mark: call.match });
  }
  // At equal times calls come first: such operations count as concurrent.
  marks.sort((a, b) => a.at - b.at || a.isReturn - b.isReturn || a.mark.op.id - b.mark.op.id);
  const head = new Mark(NO_OPERATION, false, 0, 0);
  let tail = head;
  for (const { mark } of marks) {
    tail.next = mark;
    mark.previous = tail;
    tail = mark;
  }
  return head;
}

/** Takes a call and its return out of the list; both remember their places. */
function lift(call: Mark): void {
  call.previous!.next = call.next;
  if (call.next !== null) call.next.previous = call.previous;
  const end = call.match;
  if (end === null) return;
  end.previous!.next = end.next;
  if (end.next !== null) end.next.previous = end.previous;
}

/** Undoes the last `lift`: strictly in reverse order. */
function unlift(call: Mark): void {
  const end = call.match;
  if (end !== null) {
    end.previous!.next = end;
    if (end.next !== null) end.next.previous = end;
  }
  call.previous!.next = call;
  if (call.next !== null) call.next.previous = call;
}

const NO_OPERATION: Operation = {
  id: -1,
  client: 0,
  connection: 0,
  kind: "get",
  key: "",
  value: 0,
  expectedVersion: 0,
  expectedValue: 0,
  invokedAt: -Infinity,
  returnedAt: -Infinity,
  outcome: "nothing",
  version: 0,
  seen: 0,
};
