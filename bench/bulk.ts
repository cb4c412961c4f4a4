/**
 * Many writes as fast as a server takes them, over one connection, for any protocol whose writes are
 * answered by one line each: raftkv's lines and Redis's. Nothing is measured; a benchmark fills
 * stores with it.
 */
import { writeAll } from "./line_client.ts";

/** Requests without a reply yet: deep enough to keep a server busy, and bounded. */
const IN_FLIGHT_MAX = 2_048;
const WRITE_BYTES_MAX = 262_144;
const READ_BYTES = 65_536;
const LF = 0x0a;
const LETTER_E = 0x45;
const MINUS = 0x2d;

/** Writes the next request at `at` and returns its end, or returns -1 where no more is wanted. */
export type EncodeNext = (into: Uint8Array, at: number) => number;

/**
 * Sends all that `encodeNext` makes and waits for the replies; returns how many there were.
 * @throws {Error} at the first reply that is an error: a store that is not full measures nothing.
 */
export async function sendBulk(
  conn: Deno.Conn,
  encodeNext: EncodeNext,
  requestBytesMax: number,
): Promise<number> {
  const out = new Uint8Array(WRITE_BYTES_MAX + requestBytesMax);
  const replies = new ReplyLines(conn);
  let sent = 0;
  for (let isDry = false; !isDry;) {
    let end = 0;
    while (end < WRITE_BYTES_MAX && sent - replies.count < IN_FLIGHT_MAX) {
      const next = encodeNext(out, end);
      if (next < 0) {
        isDry = true;
        break;
      }
      end = next;
      sent++;
    }
    // The server takes what comes while it answers, up to a bound: reading must go on meanwhile.
    await Promise.all([
      end > 0 ? writeAll(conn, out.subarray(0, end)) : undefined,
      replies.until(isDry ? sent : sent - IN_FLIGHT_MAX / 2),
    ]);
  }
  return sent;
}

/** Counts lines; one that is an error ends it all. */
class ReplyLines {
  readonly #conn: Deno.Conn;
  readonly #into = new Uint8Array(READ_BYTES);
  #isLineStart = true;
  count = 0;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  async until(count: number): Promise<void> {
    while (this.count < count) {
      const read = await this.#conn.read(this.#into);
      if (read === null) throw new Error("The server closed the connection");
      for (let at = 0; at < read; at++) {
        const byte = this.#into[at]!;
        if (this.#isLineStart && (byte === LETTER_E || byte === MINUS)) {
          const line = new TextDecoder().decode(this.#into.subarray(at, Math.min(read, at + 80)));
          throw new Error(`Write ${this.count + 1} was answered ${line.split("\r")[0]}`);
        }
        this.#isLineStart = byte === LF;
        if (byte === LF) this.count++;
      }
    }
  }
}
