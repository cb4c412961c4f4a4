/**
 * Writes of unknown outcome in the search. Each may take place at any time behind its invocation, or
 * never, so trying them all everywhere would explode. It need not: an open write that nothing observes
 * before the next change can be left out, and one that the next operation does not need can be moved
 * behind it. So in some legal order, if there is one, each open write that takes place stands directly
 * in front of an operation that is impossible without it (or of another open write with such an end).
 *
 * Open deletes do the same as each other, and so do open sets of values that nothing ever names: of
 * each of these classes the first will do.
 */
import { Random } from "../../lib/util/random.ts";
import { ABSENT, NO_KNOWN_VALUE, type Operation } from "./history.ts";
import { REFUSED, stepOf } from "./register.ts";

/** One write of unknown outcome, with its share of the fingerprint. */
export interface OpenWrite {
  readonly op: Operation;
  readonly high: number;
  readonly low: number;
  /** Something names its value. */
  isNamed: boolean;
  isUsed: boolean;
}

type Move = readonly OpenWrite[];
const WITHOUT_HELP: readonly Move[] = [[]];
const IMPOSSIBLE: readonly Move[] = [];
/** Open compare-and-sets may need one another; chains beyond this are not followed. */
const CHAIN_MAX = 6;

export class OpenWrites {
  readonly #sets: OpenWrite[] = [];
  readonly #deletes: OpenWrite[] = [];
  readonly #byValue = new Map<number, OpenWrite>();

  constructor(operations: readonly Operation[]) {
    const random = new Random(operations.length + 1);
    const inTime = operations.filter((op) => op.outcome === "unknown" && op.kind !== "get")
      .sort((a, b) => a.invokedAt - b.invokedAt || a.id - b.id);
    for (const op of inTime) {
      const open = { op, high: random.u32(), low: random.u32(), isNamed: false, isUsed: false };
      (op.kind === "delete" ? this.#deletes : this.#sets).push(open);
      if (op.value > 0) this.#byValue.set(op.value, open);
    }
    for (const op of operations) {
      for (const value of [op.seen, op.expectedValue]) {
        const open = this.#byValue.get(value);
        if (open !== undefined) open.isNamed = true;
      }
    }
  }

  /**
   * The ways to place `op` (of known outcome) on what is `held`: which open writes go in front of it.
   * None may be used that was invoked after `barrier`.
   */
  moves(op: Operation, held: number, barrier: number): readonly Move[] {
    if (stepOf(op, held) !== REFUSED) return WITHOUT_HELP;
    const moves = this.#helpers(op, held, barrier);
    return moves.filter((move) => {
      let after = held;
      for (const open of move) after = stepOf(open.op, after);
      return stepOf(op, after) !== REFUSED;
    });
  }

  #helpers(op: Operation, held: number, barrier: number): readonly Move[] {
    if (op.outcome === "notFound") return this.#toAbsent(held, barrier);
    switch (op.kind) {
      case "set":
        return IMPOSSIBLE;
      case "get":
        return this.#toValue(op.seen, held, barrier, 0);
      case "delete":
        return this.#toSomething(held, barrier);
      case "cas":
        if (op.outcome === "versionDiffers" || op.expectedValue === NO_KNOWN_VALUE) {
          return this.#toSomething(held, barrier);
        }
        if (op.expectedVersion === 0) return this.#toAbsent(held, barrier);
        return this.#toValue(op.expectedValue, held, barrier, 0);
    }
  }

  #isFree(open: OpenWrite | undefined, barrier: number): open is OpenWrite {
    return open !== undefined && !open.isUsed && open.op.invokedAt <= barrier;
  }

  #toAbsent(held: number, barrier: number): readonly Move[] {
    if (held === ABSENT) return WITHOUT_HELP;
    const open = this.#deletes.find((candidate) => !candidate.isUsed);
    return this.#isFree(open, barrier) ? [[open]] : IMPOSSIBLE;
  }

  #toValue(value: number, held: number, barrier: number, depth: number): readonly Move[] {
    if (held === value) return WITHOUT_HELP;
    const open = this.#byValue.get(value);
    if (!this.#isFree(open, barrier) || depth >= CHAIN_MAX) return IMPOSSIBLE;
    const { op } = open;
    if (op.kind === "set") return [[open]];
    const before = op.expectedVersion === 0
      ? this.#toAbsent(held, barrier)
      : op.expectedValue !== NO_KNOWN_VALUE
      ? this.#toValue(op.expectedValue, held, barrier, depth + 1)
      : held !== ABSENT
      ? WITHOUT_HELP
      : this.#toSomething(held, barrier, depth + 1);
    return before.filter((move) => !move.includes(open)).map((move) => [...move, open]);
  }

  /** Any value, other than the one that is held. */
  #toSomething(held: number, barrier: number, depth = 0): readonly Move[] {
    const moves: Move[] = [];
    let hasUnnamed = false;
    for (const open of this.#sets) {
      if (open.op.invokedAt > barrier) break;
      if (open.isUsed) continue;
      // Within a chain, only what does it at once: or chains of guesses would multiply.
      if (depth > 0 && stepOf(open.op, held) === held) continue;
      const isPlain = open.op.kind === "set" && !open.isNamed;
      if (isPlain && hasUnnamed) continue;
      if (isPlain) hasUnnamed = true;
      moves.push(...this.#toValue(open.op.value, held, barrier, depth));
    }
    return moves;
  }
}
