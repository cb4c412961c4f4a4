/**
 * What clients did and were told, in places of the log of writes: each command has the place where the
 * log ended when it was sent, and where it ended once its answer was there. A cut between the two leaves
 * its outcome open; after the second place it has to be there.
 */

export interface Write {
  readonly key: string;
  /** Grows by one with each write of a key. */
  readonly number: number;
  /** Null deletes. */
  readonly value: string | null;
  readonly sentAt: number;
  /** Infinity where it was never acknowledged; null where it was refused, so that it was never done. */
  ackedAt: number | null;
}

export class PowerLedger {
  readonly #writes = new Map<string, Write[]>();

  get keys(): string[] {
    return [...this.#writes.keys()];
  }

  /** Begins a write. Each key has one writer, and one write under way. */
  begin(key: string, value: string | null, sentAt: number): Write {
    let writes = this.#writes.get(key);
    if (writes === undefined) this.#writes.set(key, writes = []);
    const write: Write = { key, number: writes.length, value, sentAt, ackedAt: Infinity };
    writes.push(write);
    return write;
  }

  /** Writes that were acknowledged before the cut at `position`. */
  acknowledgedBy(position: number): number {
    let count = 0;
    for (const writes of this.#writes.values()) {
      for (const { ackedAt } of writes) if (ackedAt !== null && ackedAt <= position) count++;
    }
    return count;
  }

  /** Why `value` can't be what `key` has after a cut at `position`; null where it can. */
  fault(key: string, value: string | null, position: number): string | null {
    const writes = this.#writes.get(key)!.filter(({ ackedAt, sentAt }) =>
      ackedAt !== null && sentAt <= position
    );
    const lastAcked = writes.findLastIndex(({ ackedAt }) => ackedAt! <= position);
    const possible = writes.slice(Math.max(0, lastAcked)).map((write) => write.value);
    if (lastAcked === -1) possible.push(null);
    if (possible.includes(value)) return null;
    const found = writes.find((write) => write.value === value);
    const what = value === null
      ? "nothing"
      : found === undefined
      ? `${value.length} bytes that nobody wrote`
      : `write ${found.number}`;
    return `${key} has ${what}, acknowledged is write ${writes[lastAcked]?.number}`;
  }
}
