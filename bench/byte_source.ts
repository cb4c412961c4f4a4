/** A connection's bytes by lines and by counts. */

const READ_BYTES = 1 << 18;
const LF = 0x0a;
const decoder = new TextDecoder();

export class ByteSource {
  readonly #conn: Deno.Conn;
  readonly #name: string;
  #buffer: Uint8Array<ArrayBuffer>;
  #start = 0;
  #end = 0;

  /** `name`: the other end, for errors. `readBytes`: read at a time; the buffer grows where it has to. */
  constructor(conn: Deno.Conn, name = "The server", readBytes = READ_BYTES) {
    this.#conn = conn;
    this.#name = name;
    this.#buffer = new Uint8Array(readBytes);
  }

  /** The next line without its end. */
  async line(): Promise<string> {
    for (let seen = 0;;) {
      const at = this.#buffer.subarray(0, this.#end).indexOf(LF, this.#start + seen);
      if (at >= 0) {
        const line = decoder.decode(this.#buffer.subarray(this.#start, at));
        this.#start = at + 1;
        return line.endsWith("\r") ? line.slice(0, -1) : line;
      }
      seen = this.#end - this.#start;
      await this.#more();
    }
  }

  /** The next `count` bytes; valid until more is asked for. The line end behind them is passed over. */
  async bytesAndLineEnd(count: number): Promise<Uint8Array> {
    while (this.#end - this.#start < count + 2) await this.#more();
    const bytes = this.#buffer.subarray(this.#start, this.#start + count);
    this.#start += count + 2;
    return bytes;
  }

  async #more(): Promise<void> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (this.#end === this.#buffer.length) {
      const larger = new Uint8Array(this.#buffer.length * 2);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    const count = await this.#conn.read(this.#buffer.subarray(this.#end));
    if (count === null) throw new Error(`${this.#name} closed the connection`);
    this.#end += count;
  }
}
