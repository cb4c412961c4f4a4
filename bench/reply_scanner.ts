/**
 * Counts replies of the line protocol in whatever pieces they arrive. It looks at as few bytes as it
 * can: a reply is told by its first bytes, a value is skipped by its announced length, and only the
 * line of an error is ever turned into a string.
 */

export const ReplyKind = {
  /** `OK <version>` or `DELETED`. */
  done: 0,
  /** `VALUE …` with its value. */
  value: 1,
  /** `ERR_NOT_FOUND`: an answer like any other. */
  notFound: 2,
  /** Every other line. */
  error: 3,
} as const;
export type ReplyKind = typeof ReplyKind[keyof typeof ReplyKind];

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const LETTER_D = 0x44;
const LETTER_E = 0x45;
const LETTER_O = 0x4f;
const LETTER_V = 0x56;
/** Longer lines than any the protocol has are cut in reports. */
const LINE_BYTES_MAX = 320;
const NOT_FOUND = "ERR_NOT_FOUND";

const decoder = new TextDecoder();

/** Hears of each whole reply, in order; `line` is the text of an error's line, else empty. */
export type OnReply = (kind: ReplyKind, line: string) => void;

/** Fed chunk by chunk; keeps no byte of a chunk but the beginning of an error's line. */
export class ReplyScanner {
  readonly #onReply: OnReply;
  /** The first byte of the line that is being read; 0 between replies. */
  #first = 0;
  /** The number that ends with the last digit seen: a VALUE line ends with the value's length. */
  #number = 0;
  /** Bytes of a value, and of its line end, that are still to come. */
  #valueLeft = 0;
  readonly #line = new Uint8Array(LINE_BYTES_MAX);
  #lineLength = 0;

  constructor(onReply: OnReply) {
    this.#onReply = onReply;
  }

  /** True where the last chunk ended with the end of a reply. */
  get isBetweenReplies(): boolean {
    return this.#first === 0;
  }

  /** Scans `bytes[0, end)`. */
  scan(bytes: Uint8Array, end: number): void {
    let at = 0;
    while (at < end) {
      if (this.#valueLeft > 0) at = this.#skipValue(at, end);
      else at = this.#readLine(bytes, at, end);
    }
  }

  #skipValue(at: number, end: number): number {
    const skipped = Math.min(this.#valueLeft, end - at);
    this.#valueLeft -= skipped;
    if (this.#valueLeft === 0) this.#finish(ReplyKind.value, "");
    return at + skipped;
  }

  /** Reads on until the line's end or the chunk's; returns where it stopped. */
  #readLine(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    if (this.#first === 0) this.#first = bytes[at]!;
    const first = this.#first;
    const isValue = first === LETTER_V;
    const isKept = !isValue && first !== LETTER_O && first !== LETTER_D;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === LF) {
        this.#endLine(first);
        return at + 1;
      }
      if (isValue) {
        if (byte === SPACE) this.#number = 0;
        else if (byte !== CR) this.#number = this.#number * 10 + (byte - 0x30);
      } else if (isKept && this.#lineLength < LINE_BYTES_MAX) {
        this.#line[this.#lineLength++] = byte;
      }
    }
    return at;
  }

  #endLine(first: number): void {
    if (first === LETTER_V) {
      // The value's own line end belongs to the reply.
      this.#valueLeft = this.#number + 2;
    } else if (first === LETTER_O || first === LETTER_D) {
      this.#finish(ReplyKind.done, "");
    } else {
      const line = decoder.decode(this.#line.subarray(0, this.#lineLength)).trimEnd();
      const isMiss = first === LETTER_E && line === NOT_FOUND;
      this.#finish(isMiss ? ReplyKind.notFound : ReplyKind.error, isMiss ? "" : line);
    }
  }

  #finish(kind: ReplyKind, line: string): void {
    this.#first = 0;
    this.#number = 0;
    this.#lineLength = 0;
    this.#onReply(kind, line);
  }
}
