/** The sequential model: one register with compare-and-set and delete. */
import { ABSENT, NO_KNOWN_VALUE, type Operation } from "./history.ts";

/** What the register holds after `op`, or `REFUSED` where `op` could not have been answered so. */
export const REFUSED = -2;

export function stepOf(op: Operation, held: number): number {
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
