/** The history that all clients write: what was asked, when, and what came of it. */
import type { Operation, Outcome } from "../lincheck/history.ts";
import { CheckFailure } from "./world.ts";

export interface AskedFor {
  readonly client: number;
  readonly connection: number;
  readonly kind: Operation["kind"];
  readonly key: string;
  readonly withVersion: boolean;
  readonly expectedVersion: number;
  readonly expectedValue: number;
  readonly exptime: number;
  readonly noreply: boolean;
  readonly valueBytes: number;
}

/** An operation with what only the simulator's own checks need. */
export interface SimOperation extends Operation {
  readonly exptime: number;
  readonly noreply: boolean;
  readonly withVersion: boolean;
}

export class History {
  readonly operations: SimOperation[] = [];
  /** Answered with a success or a decided error. */
  acknowledged = 0;
  /** Acknowledged changes. */
  acknowledgedWrites = 0;
  readonly #lengths: number[] = [];

  begin(asked: AskedFor, nowUs: number): SimOperation {
    const id = this.operations.length;
    const { valueBytes, ...rest } = asked;
    const writes = asked.kind === "set" || asked.kind === "cas";
    const operation: SimOperation = {
      ...rest,
      id,
      value: writes ? id + 1 : 0,
      invokedAt: nowUs,
      returnedAt: Infinity,
      outcome: "unknown",
      version: 0,
      seen: 0,
    };
    this.operations.push(operation);
    this.#lengths.push(valueBytes);
    return operation;
  }

  end(operation: SimOperation, outcome: Outcome, nowUs: number, version = 0, seen = 0): void {
    operation.outcome = outcome;
    operation.version = version;
    operation.seen = seen;
    if (outcome === "unknown") return;
    operation.returnedAt = nowUs;
    if (outcome === "nothing") return;
    this.acknowledged++;
    if (outcome === "ok" && operation.kind !== "get") this.acknowledgedWrites++;
  }

  /** The text of a value: its number, then a filling that depends on it. */
  valueText(value: number): string {
    const head = `${value}:`;
    const filling = String.fromCharCode(97 + value % 26);
    return head + filling.repeat(Math.max(0, this.#lengths[value - 1]! - head.length));
  }

  /** The number of a value that was read; every byte of it has to be right. */
  valueNumber(text: string): number {
    const value = parseInt(text, 10);
    const isKnown = value >= 1 && value <= this.operations.length;
    if (!isKnown || this.valueText(value) !== text) {
      throw new CheckFailure(
        "wrong bytes",
        `a value was read that nobody wrote: ${JSON.stringify(text.slice(0, 80))}`,
      );
    }
    return value;
  }
}
