/**
 * The thorough checker: a search for one order of all operations of a key that a plain register with
 * compare-and-set and delete could have answered in the same way (Wing and Gong 1993, with Lowe's
 * memory of states seen, as in Porcupine). It knows nothing of versions: a cas compares with the
 * value that its client had seen under the version it named.
 *
 * An operation of unknown outcome may be placed anywhere behind its invocation, or nowhere: see
 * open_writes.ts for how that is kept from exploding.
 */
import { Random } from "../../lib/util/random.ts";
import { ABSENT, byKey, describeOperation, type Operation } from "./history.ts";
import { type OpenWrite, OpenWrites } from "./open_writes.ts";
import { REFUSED, stepOf } from "./register.ts";

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

/** A call or a return, in one doubly linked list in the order of time. */
class Mark {
  previous: Mark | null = null;
  next: Mark | null = null;
  /** The return that belongs to a call; null for a return. */
  match: Mark | null = null;
  readonly op: Operation;
  readonly high: number;
  readonly low: number;

  constructor(op: Operation, high: number, low: number) {
    this.op = op;
    this.high = high;
    this.low = low;
  }
}

/** One step of the search: helpers of unknown outcome, then an operation of known outcome. */
interface Placed {
  readonly mark: Mark;
  /** The ways to place it, and which one is taken. */
  readonly moves: readonly (readonly OpenWrite[])[];
  move: number;
  /** What was before it. */
  readonly held: number;
  readonly high: number;
  readonly low: number;
}

/** The one way to place an operation that changes nothing. */
const IDLE: readonly (readonly OpenWrite[])[] = [[]];

/** Searches one key. */
export function searchKey(operations: readonly Operation[], statesMax: number): SearchVerdict {
  const known = operations.filter((op) => op.outcome !== "nothing" && op.outcome !== "unknown");
  const open = new OpenWrites(operations);
  const head = link(known);
  const seen = new Set<number>();
  const placed: Placed[] = [];
  let [held, high, low] = [ABSENT, 0, 0];
  let deepest = -1;
  let stuckAt: Operation | null = null;
  let mark = nextOf(head, held);
  let left = known.length;
  /** Goes on with the first way from `move` on that leads to a state not seen; false without one. */
  const take = (step: Placed): boolean => {
    for (; step.move < step.moves.length; step.move++) {
      const helpers = step.moves[step.move]!;
      let [after, newHigh, newLow] = [
        step.held,
        step.high ^ step.mark.high,
        step.low ^ step.mark.low,
      ];
      for (const helper of helpers) {
        after = stepOf(helper.op, after);
        newHigh ^= helper.high;
        newLow ^= helper.low;
      }
      after = stepOf(step.mark.op, after);
      const key = fingerprint(newHigh >>> 0, newLow >>> 0, after);
      if (after === REFUSED || seen.has(key)) continue;
      seen.add(key);
      for (const helper of helpers) helper.isUsed = true;
      [held, high, low] = [after, newHigh >>> 0, newLow >>> 0];
      placed.push(step);
      lift(step.mark);
      left--;
      return true;
    }
    return false;
  };
  while (left > 0) {
    if (seen.size >= statesMax) return { result: "unknown", states: seen.size };
    if (mark !== null && mark.match !== null) {
      const moves = stepOf(mark.op, held) === held
        ? IDLE
        : open.moves(mark.op, held, barrierOf(head));
      const isTaken = take({ mark, moves, move: 0, held, high, low });
      mark = isTaken ? nextOf(head, held) : moves === IDLE ? null : mark.next;
      continue;
    }
    // A return was met: what must come before it can't be placed. Step back.
    if (placed.length > deepest) [deepest, stuckAt] = [placed.length, firstReturn(head)];
    const last = placed.pop();
    if (last === undefined) {
      const why = stuckAt === null
        ? "no legal order"
        : `no legal order has ${describeOperation(stuckAt)}`;
      return { result: "illegal", states: seen.size, why };
    }
    for (const helper of last.moves[last.move]!) helper.isUsed = false;
    [held, high, low] = [last.held, last.high, last.low];
    unlift(last.mark);
    left++;
    last.move++;
    // What changes nothing had no alternative: where it leads nowhere, so does what was before it.
    const isIdle = last.moves === IDLE;
    mark = !isIdle && take(last) ? nextOf(head, held) : isIdle ? null : last.mark.next;
  }
  return { result: "legal", states: seen.size };
}

/**
 * Where to go on: an operation that changes nothing and fits now can as well be placed now, so it is
 * tried first and alone; else from the front.
 */
function nextOf(head: Mark, held: number): Mark | null {
  for (let mark = head.next; mark !== null && mark.match !== null; mark = mark.next) {
    if (stepOf(mark.op, held) === held) return mark;
  }
  return head.next;
}

/** When the first of the operations not yet placed returned: a later invocation must wait for it. */
function barrierOf(head: Mark): number {
  return firstReturn(head)?.returnedAt ?? Infinity;
}

function firstReturn(head: Mark): Operation | null {
  let mark = head.next;
  while (mark !== null && mark.match !== null) mark = mark.next;
  return mark?.op ?? null;
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
    const call = new Mark(op, random.u32(), random.u32());
    call.match = new Mark(op, 0, 0);
    marks.push({ at: op.invokedAt, isReturn: 0, mark: call });
    marks.push({ at: op.returnedAt, isReturn: 1, mark: call.match });
  }
  // At equal times calls come first: such operations count as concurrent.
  marks.sort((a, b) => a.at - b.at || a.isReturn - b.isReturn || a.mark.op.id - b.mark.op.id);
  const head = new Mark(NO_OPERATION, 0, 0);
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
  for (const mark of [call, call.match!]) {
    mark.previous!.next = mark.next;
    if (mark.next !== null) mark.next.previous = mark.previous;
  }
}

/** Undoes the last `lift`: strictly in reverse order. */
function unlift(call: Mark): void {
  for (const mark of [call.match!, call]) {
    mark.previous!.next = mark;
    if (mark.next !== null) mark.next.previous = mark;
  }
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
