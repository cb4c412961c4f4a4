/** A connection that speaks the Redis protocol and keeps replies as the bytes that came. */
import { assert } from "../../lib/util/assert.ts";
import { REPLY_DEADLINE_MS, within } from "./patience.ts";
import { connectTo, fromBytes, toBytes } from "./socket.ts";

/** What a reply says: errors as `Error`, nil as null, integers as numbers or, beyond 2^53, text. */
export type Reply = string | number | null | Error | readonly Reply[];

export class RedisSocket {
  readonly #connection: Deno.TcpConn;
  #bytes = new Uint8Array(65_536);
  #start = 0;
  #end = 0;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async connect(port: number): Promise<RedisSocket> {
    return new RedisSocket(await connectTo(port, REPLY_DEADLINE_MS));
  }

  /** Sends one command and gives what its reply says. */
  async ask(...args: string[]): Promise<Reply> {
    await this.write(encodeRequest(args));
    const raw = await this.readRaw();
    if (raw === "") throw new Error(`The server closed instead of answering ${args[0]}`);
    return parseReply(raw);
  }

  async write(bytes: Uint8Array): Promise<void> {
    const writing = async () => {
      for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    };
    await within(REPLY_DEADLINE_MS, `sending ${bytes.length} bytes`, writing());
  }

  /** One whole reply, as latin-1 text; "" where the connection ended. */
  async readRaw(deadlineMs = REPLY_DEADLINE_MS): Promise<string> {
    while (true) {
      const length = replyLength(this.#bytes, this.#start, this.#end);
      if (length > 0) {
        const text = fromBytes(this.#bytes.subarray(this.#start, this.#start + length));
        this.#start += length;
        return text;
      }
      if (!await this.#fill(deadlineMs)) return "";
    }
  }

  /** What comes until the other side closes, as latin-1 text. */
  async readToEnd(deadlineMs = REPLY_DEADLINE_MS): Promise<string> {
    while (await this.#fill(deadlineMs));
    return fromBytes(this.#bytes.subarray(this.#start, this.#end));
  }

  close(): void {
    try {
      this.#connection.close();
    } catch {
      // The other side was faster.
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #fill(deadlineMs: number): Promise<boolean> {
    if (this.#end === this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = grown;
      this.#end -= this.#start;
      this.#start = 0;
    }
    const read = this.#connection.read(this.#bytes.subarray(this.#end)).catch(() => null);
    let count: number | null;
    try {
      count = await within(deadlineMs, "a reply of the Redis protocol", read);
    } catch (error) {
      this.close();
      await read;
      throw error;
    }
    if (count === null) return false;
    this.#end += count;
    return true;
  }
}

/** A request as an array of bulk strings; a character above 0x7F is one byte of that number. */
export function encodeRequest(args: readonly string[]): Uint8Array {
  return toBytes(requestText(args));
}

/** The same as a text of which every character is one byte. */
export function requestText(args: readonly string[]): string {
  let text = `*${args.length}\r\n`;
  for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`;
  return text;
}

/** The length of the reply that begins at `bytes[start]`; 0 where it is not whole. */
export function replyLength(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  for (let left = 1; left > 0; left--) {
    let lineEnd = at;
    while (lineEnd < end && bytes[lineEnd] !== 0x0d) lineEnd++;
    if (lineEnd + 2 > end) return 0;
    const type = String.fromCharCode(bytes[at]!);
    const number = Number(fromBytes(bytes.subarray(at + 1, lineEnd)));
    at = lineEnd + 2;
    if (type === "$" || type === "=") {
      if (number >= 0) at += number + 2;
      if (at > end) return 0;
    } else if (type === "*" || type === "~" || type === ">") left += Math.max(0, number);
    else if (type === "%") left += 2 * number;
    else assert("+-:_#,(".includes(type), `A reply begins with ${JSON.stringify(type)}`);
  }
  return at - start;
}

/** What a raw reply says. */
export function parseReply(raw: string): Reply {
  let at = 0;
  const next = (): Reply => {
    const lineEnd = raw.indexOf("\r\n", at);
    const type = raw[at];
    const rest = raw.slice(at + 1, lineEnd);
    at = lineEnd + 2;
    switch (type) {
      case "+":
        return rest;
      case "-":
        return new Error(rest);
      case ":":
        return Number.isSafeInteger(Number(rest)) ? Number(rest) : rest;
      case "$":
      case "=": {
        if (rest === "-1") return null;
        const text = raw.slice(at, at + Number(rest));
        at += Number(rest) + 2;
        return text;
      }
      case "*":
      case "~":
      case ">":
      case "%": {
        if (rest === "-1") return null;
        const count = Number(rest) * (type === "%" ? 2 : 1);
        return Array.from({ length: count }, next);
      }
      default:
        return null;
    }
  };
  return next();
}
