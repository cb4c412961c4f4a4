/** What compiled code runs in. */
import type { Value } from "./values.ts";

/** A variable that more than one function sees. */
export class Cell {
  value: Value;

  constructor(value: Value) {
    this.value = value;
  }
}

/** One call of a function of the script. */
export class Frame {
  readonly slots: (Value | Cell)[];
  readonly outers: readonly Cell[];
  /** What came beyond the parameters. */
  readonly rest: Value[];
  /** What it returns, once a `return` was done. */
  results: Value[] = NOTHING;

  constructor(slots: number, outers: readonly Cell[], rest: Value[]) {
    this.slots = new Array(slots).fill(undefined);
    this.outers = outers;
    this.rest = rest;
  }
}

export const NOTHING: Value[] = [];

/** One value. */
export type Evaluate = (frame: Frame) => Value;
/** All values of a call, or of `...`. */
export type EvaluateAll = (frame: Frame) => Value[];
/** What becomes of the block that the statement stands in. */
export type Execute = (frame: Frame) => Flow;

export const Flow = { next: 0, stop: 1, back: 2 } as const;
export type Flow = typeof Flow[keyof typeof Flow];
