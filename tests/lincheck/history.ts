/**
 * What clients did and saw, as both linearizability checkers read it. Every written value is unique,
 * so a value's number says which operation wrote it.
 */

/** What a client learned about an operation. */
export type Outcome =
  /** A write was done, a read found its key. */
  | "ok"
  /** Decided: no such key. */
  | "notFound"
  /** Decided: a cas met another version. */
  | "versionDiffers"
  /** Refused before it could have any effect; must never have happened. */
  | "nothing"
  /** No answer, or one that leaves it open: it may happen at any later time, once, or never. */
  | "unknown";

/** The number of no value: what an absent key holds. */
export const ABSENT = 0;
/** A cas compared with a version that the client has no value for: matches nothing that is known. */
export const NO_KNOWN_VALUE = -1;

/** One operation of one client. Times are in any unit, but one and the same throughout. */
export interface Operation {
  readonly id: number;
  readonly client: number;
  /** Operations of one connection were sent in the order of their ids. */
  readonly connection: number;
  readonly kind: "set" | "get" | "cas" | "delete";
  readonly key: string;
  /** The number of the value that a set or cas writes; 0 with others. */
  readonly value: number;
  /** The version a cas compares with, and the value that the client saw under it. */
  readonly expectedVersion: number;
  readonly expectedValue: number;
  readonly invokedAt: number;
  /** Infinity while open, and for ever where the outcome is unknown. */
  returnedAt: number;
  outcome: Outcome;
  /** The version that a write was answered, or that a read showed; 0 where none was shown. */
  version: number;
  /** The value that a read showed. */
  seen: number;
}

/** The verdict on one history: a sentence with the operations at fault, or null where it is legal. */
export type Verdict = string | null;

/** One line for people. */
export function describeOperation(op: Operation): string {
  const argument = op.kind === "set"
    ? ` value ${op.value}`
    : op.kind === "cas"
    ? ` version ${op.expectedVersion} (value ${op.expectedValue}) -> value ${op.value}`
    : "";
  const shown = op.outcome !== "ok"
    ? ""
    : op.kind === "get"
    ? ` saw value ${op.seen}${op.version > 0 ? ` version ${op.version}` : ""}`
    : op.version > 0
    ? ` version ${op.version}`
    : "";
  return `#${op.id} client ${op.client} connection ${op.connection} ${op.kind} ${op.key}${argument}` +
    ` [${op.invokedAt}, ${op.returnedAt}] ${op.outcome}${shown}`;
}

/** Splits a history by key: sound, because every operation names exactly one. */
export function byKey(history: readonly Operation[]): Map<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  for (const op of history) {
    const list = keys.get(op.key);
    if (list === undefined) keys.set(op.key, [op]);
    else list.push(op);
  }
  return keys;
}
