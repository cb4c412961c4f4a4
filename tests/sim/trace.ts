/**
 * The trace of a run: a rolling hash over every event, always, and aligned lines where somebody reads
 * along. Two runs of one seed must have the same hash; the first line that differs shows where not.
 */
import { checksum } from "../../lib/util/checksum.ts";

/** Two 32-bit lanes of an FNV-like mix: each number is xored in, then multiplied by an odd constant. */
export class RollingHash {
  #a = 0x811c9dc5;
  #b = 0x1b873593;

  add(value: number): void {
    const low = value | 0;
    const high = Math.floor(value / 0x1_0000_0000) | 0;
    this.#a = Math.imul(this.#a ^ low, 0x01000193) ^ high;
    this.#b = Math.imul(this.#b ^ (low + (this.#a >>> 15)), 0x85ebca6b) ^ (this.#b >>> 13);
  }

  addBytes(bytes: Uint8Array): void {
    this.add(bytes.length);
    this.add(checksum(bytes));
  }

  hex(): string {
    const part = (n: number) => (n >>> 0).toString(16).padStart(8, "0");
    return part(this.#a) + part(this.#b);
  }
}

/** Where lines go; null where nobody reads along. */
export type LineSink = ((line: string) => void) | null;

export class Trace {
  readonly hash = new RollingHash();
  readonly sink: LineSink;
  /** Show the bytes of messages as well. */
  readonly verbose: boolean;

  constructor(sink: LineSink, verbose: boolean) {
    this.sink = sink;
    this.verbose = verbose;
  }

  /** Whether lines are wanted: test this before composing one. */
  get on(): boolean {
    return this.sink !== null;
  }

  /** One aligned line: time, who, what, details. */
  line(timeUs: number, who: string, what: string, detail: string): void {
    if (this.sink === null) return;
    const seconds = (timeUs / 1e6).toFixed(6).padStart(13);
    this.sink(`${seconds}  ${who.padEnd(9)} ${what.padEnd(14)} ${detail}`);
  }

  /** Bytes for people: printable ones as they are, others in hexadecimal. */
  bytes(bytes: Uint8Array): string {
    if (!this.verbose) return `${bytes.length} bytes`;
    let text = "";
    for (const byte of bytes.subarray(0, 400)) {
      text += byte >= 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`;
    }
    return `${bytes.length} bytes ${text}${bytes.length > 400 ? " ..." : ""}`;
  }
}
