/** A stream of bytes cut into lines and pieces, with bounds on what is held. */
import type { InputStream } from "../../host/console.ts";

const READ_BYTES = 256 * 1024;
const LF = 10;
const CR = 13;

export class ByteSource {
  readonly #stream: InputStream;
  #buffer = new Uint8Array(READ_BYTES);
  #start = 0;
  #end = 0;
  #isOver = false;
  /** Bytes that were handed out. */
  taken = 0;

  constructor(stream: InputStream) {
    this.#stream = stream;
  }

  /** The next byte without taking it; null at the end. */
  async peek(): Promise<number | null> {
    while (this.#start === this.#end) if (!await this.#fill()) return null;
    return this.#buffer[this.#start]!;
  }

  /** Passes over `prefix` where it comes next. */
  async skip(prefix: Uint8Array): Promise<void> {
    while (this.#end - this.#start < prefix.length) if (!await this.#fill()) return;
    const isNext = prefix.every((byte, at) => this.#buffer[this.#start + at] === byte);
    if (isNext) this.#take(prefix.length);
  }

  /**
   * The next line without its end (LF or CR LF), valid until the next call; null at the end. The last one
   * needs no end. @throws {Error} where it is longer than `bytesMax`.
   */
  async line(bytesMax: number): Promise<Uint8Array | null> {
    let searched = 0;
    while (true) {
      const at = this.#buffer.subarray(this.#start + searched, this.#end).indexOf(LF);
      const length = at < 0 ? this.#end - this.#start : searched + at;
      if (length > bytesMax) throw new Error(`longer than ${bytesMax} bytes`);
      if (at >= 0) return withoutReturn(this.#take(length + 1).subarray(0, length));
      searched = length;
      if (await this.#fill()) continue;
      return length === 0 ? null : withoutReturn(this.#take(length));
    }
  }

  /** Exactly so many bytes, valid until the next call. @throws {Error} where there are fewer. */
  async exactly(count: number): Promise<Uint8Array> {
    while (this.#end - this.#start < count) {
      if (!await this.#fill()) throw new Error("the file ends in the middle of it");
    }
    return this.#take(count);
  }

  #take(count: number): Uint8Array {
    const bytes = this.#buffer.subarray(this.#start, this.#start + count);
    this.#start += count;
    this.taken += count;
    return bytes;
  }

  /** Reads more after what is there; false at the end. */
  async #fill(): Promise<boolean> {
    if (this.#isOver) return false;
    const held = this.#end - this.#start;
    if (this.#start > 0 && (held === 0 || this.#end === this.#buffer.length)) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#start = 0;
      this.#end = held;
    }
    if (this.#end === this.#buffer.length) {
      const larger = new Uint8Array(2 * this.#buffer.length);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    const read = await this.#stream.read(this.#buffer.subarray(this.#end));
    if (read === null) this.#isOver = true;
    else this.#end += read;
    return read !== null;
  }
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}
