/** The client's half of the line protocol: replies out of bytes in any pieces. */

import { fromBytes } from "../process/socket.ts";

export interface Reply {
  /** The first word of the line: `OK`, `VALUE`, `DELETED`, `ERR_...`. */
  readonly word: string;
  /** The other words of the line. */
  readonly words: readonly string[];
  /** What follows a `VALUE` line; null with others. */
  readonly value: string | null;
}

const EMPTY = new Uint8Array(0);

export class ReplyParser {
  #bytes: Uint8Array = EMPTY;
  #at = 0;

  add(bytes: Uint8Array): void {
    if (this.#at === this.#bytes.length) this.#bytes = bytes;
    else {
      const rest = this.#bytes.length - this.#at;
      const joined = new Uint8Array(rest + bytes.length);
      joined.set(this.#bytes.subarray(this.#at));
      joined.set(bytes, rest);
      this.#bytes = joined;
    }
    this.#at = 0;
  }

  /** The next whole reply, or null. Throws where the bytes are none. */
  next(): Reply | null {
    const bytes = this.#bytes;
    const end = bytes.indexOf(0x0a, this.#at);
    if (end < 0) return null;
    if (end === this.#at || bytes[end - 1] !== 0x0d) throw new Error("A reply line lacks its \\r");
    const words = fromBytes(bytes.subarray(this.#at, end - 1)).split(" ");
    const word = words.shift()!;
    if (word !== "VALUE") {
      this.#at = end + 1;
      return { word, words, value: null };
    }
    const length = Number(words[words.length - 1]);
    if (!Number.isSafeInteger(length)) throw new Error(`A VALUE line has no length: ${words}`);
    const valueEnd = end + 1 + length;
    if (bytes.length < valueEnd + 2) return null;
    if (bytes[valueEnd] !== 0x0d || bytes[valueEnd + 1] !== 0x0a) {
      throw new Error("A value is not followed by a line end");
    }
    this.#at = valueEnd + 2;
    return { word, words, value: fromBytes(bytes.subarray(end + 1, valueEnd)) };
  }
}
