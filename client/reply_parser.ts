/**
 * Replies of the Redis protocol, version 3, out of bytes that come in any pieces. What comes from a
 * server is not trusted: lengths are bounded before anything is allocated, memory grows with what has
 * arrived and not with what was announced (beyond a MiB), and anything that is no reply ends the
 * connection.
 */
import { ProtocolProblem } from "./errors.ts";

/** An error that the server answered, as it stands in the reply, without the "-". */
export class ReplyError {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** Its first word. */
  get code(): string {
    const space = this.text.indexOf(" ");
    return space < 0 ? this.text : this.text.slice(0, space);
  }
}

/** One reply. Whole numbers are bigints only where a number would not be exact. */
export type Reply =
  | null
  | boolean
  | number
  | bigint
  /** A simple string. */
  | string
  /** A bulk string: a view of the bytes that were received. Copy what is kept. */
  | Uint8Array
  | ReplyError
  | Reply[]
  | Map<string, Reply>;

export interface ReplyLimits {
  /** The most bytes of one whole reply. */
  readonly replyBytesMax: number;
}

/** The most elements of all arrays and maps of one reply. */
const ITEMS_MAX = 2_000_000;
const DEPTH_MAX = 8;
const LINE_BYTES_MAX = 65_536;
/** Of what was announced, so much has room made at once; beyond it room grows with what has arrived. */
const AT_ONCE_BYTES = 1_048_576 + 64;

const CR = 0x0d;
const LF = 0x0a;
const decoder = new TextDecoder();

/** An array or map whose elements have not all come. */
interface Frame {
  readonly items: Reply[];
  left: number;
  readonly isMap: boolean;
}

export class ReplyParser {
  readonly #limits: ReplyLimits;
  /** What has come of an element that is not whole, in a buffer of our own. */
  #kept = new Uint8Array(0);
  #keptLength = 0;
  /** How many bytes the element at the front needs at least. */
  #needed = 0;
  readonly #frames: Frame[] = [];
  /** Of the reply that is being read: bytes and elements so far. */
  #replyBytes = 0;
  #items = 0;
  // What reading one element came to.
  #value: Reply = null;
  #next = 0;

  constructor(limits: ReplyLimits) {
    this.#limits = limits;
  }

  /** Whether a reply has begun and is not whole. */
  get isInside(): boolean {
    return this.#keptLength > 0 || this.#frames.length > 0;
  }

  /**
   * Takes in `chunk`, which must not change later, and calls `take` for each reply that is whole with it.
   * @throws {ProtocolProblem} where the bytes are no replies, or too large a one.
   */
  push(chunk: Uint8Array, take: (reply: Reply) => void): void {
    let bytes = chunk;
    if (this.#keptLength > 0) {
      this.#append(chunk);
      if (this.#keptLength < this.#needed) return;
      bytes = this.#kept.subarray(0, this.#keptLength);
      this.#kept = new Uint8Array(0);
      this.#keptLength = 0;
    }
    let at = 0;
    const end = bytes.length;
    while (at < end) {
      const outcome = this.#element(bytes, at, end);
      if (outcome === Outcome.more) break;
      this.#count(this.#next - at);
      at = this.#next;
      if (outcome === Outcome.opened) continue;
      const reply = this.#close(this.#value);
      if (reply === undefined) continue;
      this.#replyBytes = 0;
      this.#items = 0;
      take(reply);
    }
    if (at === end) return;
    // A copy: the rest of the chunk is let go, and nobody else has a view of what is appended to.
    this.#kept = bytes.slice(at);
    this.#keptLength = end - at;
  }

  #append(chunk: Uint8Array): void {
    const length = this.#keptLength + chunk.length;
    if (length > this.#kept.length) {
      const room = Math.min(this.#needed, Math.max(2 * length, AT_ONCE_BYTES));
      const grown = new Uint8Array(Math.max(length, room));
      grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    this.#kept.set(chunk, this.#keptLength);
    this.#keptLength = length;
  }

  #count(bytes: number): void {
    this.#replyBytes += bytes;
    this.#checkSize(0);
  }

  #checkSize(more: number): void {
    const { replyBytesMax } = this.#limits;
    if (this.#replyBytes + more <= replyBytesMax) return;
    throw new ProtocolProblem(`a reply has more than ${replyBytesMax} bytes (replyBytesMax)`);
  }

  /** Puts `value` where it belongs; gives the whole reply where that ends it. */
  #close(value: Reply): Reply | undefined {
    let done = value;
    for (;;) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) return done;
      frame.items.push(done);
      if (--frame.left > 0) return undefined;
      this.#frames.pop();
      done = frame.isMap ? toMap(frame.items) : frame.items;
    }
  }

  /** Reads the element at `at`: into `#value`, and where the next one begins into `#next`. */
  #element(bytes: Uint8Array, at: number, end: number): Outcome {
    const lineFeed = bytes.indexOf(LF, at + 1);
    if (lineFeed < 0) {
      if (end - at > LINE_BYTES_MAX) throw new ProtocolProblem("a line of a reply has no end");
      this.#needed = end - at + 1;
      return Outcome.more;
    }
    if (bytes[lineFeed - 1] !== CR || lineFeed - at > LINE_BYTES_MAX) {
      throw new ProtocolProblem("a line of a reply ends wrongly");
    }
    this.#next = lineFeed + 1;
    const from = at + 1;
    const to = lineFeed - 1;
    switch (bytes[at]) {
      case 0x24: // $
        return this.#bulk(bytes, at, from, to, end, 0);
      case 0x3d: // = with a kind of three letters and a colon before the text
        return this.#bulk(bytes, at, from, to, end, 4);
      case 0x3a: // :
        this.#value = integer(bytes, from, to);
        return Outcome.value;
      case 0x2a: // *
        return this.#open(bytes, from, to, false);
      case 0x25: // %
        return this.#open(bytes, from, to, true);
      case 0x5f: // _
        this.#value = null;
        return Outcome.value;
      case 0x2b: // +
        this.#value = decoder.decode(bytes.subarray(from, to));
        return Outcome.value;
      case 0x2d: // -
        this.#value = new ReplyError(decoder.decode(bytes.subarray(from, to)));
        return Outcome.value;
      case 0x23: // #
        this.#value = bytes[from] === 0x74;
        return Outcome.value;
      case 0x2c: // ,
        this.#value = Number(decoder.decode(bytes.subarray(from, to)));
        return Outcome.value;
      default:
        throw new ProtocolProblem(
          isHttp(bytes, at)
            ? "it answers in HTTP: an admin port, where a client port belongs"
            : `a reply begins with byte ${bytes[at]}`,
        );
    }
  }

  #bulk(
    bytes: Uint8Array,
    at: number,
    from: number,
    to: number,
    end: number,
    kindBytes: number,
  ): Outcome {
    const length = count(bytes, from, to);
    if (length === -1) {
      this.#value = null;
      return Outcome.value;
    }
    const start = to + 2;
    const stop = start + length;
    this.#checkSize(stop + 2 - at);
    if (stop + 2 > end) {
      this.#needed = stop + 2 - at;
      return Outcome.more;
    }
    if (bytes[stop] !== CR || bytes[stop + 1] !== LF || length < kindBytes) {
      throw new ProtocolProblem("a string of a reply ends wrongly");
    }
    this.#value = bytes.subarray(start + kindBytes, stop);
    this.#next = stop + 2;
    return Outcome.value;
  }

  #open(bytes: Uint8Array, from: number, to: number, isMap: boolean): Outcome {
    const length = count(bytes, from, to);
    if (length <= 0) {
      this.#value = length < 0 ? null : isMap ? new Map() : [];
      return Outcome.value;
    }
    const left = isMap ? 2 * length : length;
    this.#items += left;
    if (this.#items > ITEMS_MAX || this.#frames.length === DEPTH_MAX) {
      throw new ProtocolProblem("a reply has too many parts");
    }
    this.#frames.push({ items: [], left, isMap });
    return Outcome.opened;
  }
}

function isHttp(bytes: Uint8Array, at: number): boolean {
  return decoder.decode(bytes.subarray(at, at + 5)) === "HTTP/";
}

const Outcome = { value: 0, opened: 1, more: 2 } as const;
type Outcome = typeof Outcome[keyof typeof Outcome];

/** A length: digits, or -1 for none. */
function count(bytes: Uint8Array, from: number, to: number): number {
  if (to - from === 2 && bytes[from] === 0x2d && bytes[from + 1] === 0x31) return -1;
  if (to === from || to - from > 10) throw new ProtocolProblem("a length of a reply is no number");
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) throw new ProtocolProblem("a length of a reply is no number");
    value = 10 * value + digit;
  }
  return value;
}

/** A whole number of up to 64 bits. */
function integer(bytes: Uint8Array, from: number, to: number): number | bigint {
  const isNegative = bytes[from] === 0x2d;
  const first = isNegative ? from + 1 : from;
  if (to === first || to - first > 20) throw new ProtocolProblem("a number of a reply is none");
  let value = 0;
  for (let at = first; at < to; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) throw new ProtocolProblem("a number of a reply is none");
    value = 10 * value + digit;
  }
  if (value <= Number.MAX_SAFE_INTEGER) return isNegative ? -value : value;
  return BigInt(decoder.decode(bytes.subarray(from, to)));
}

function toMap(items: readonly Reply[]): Map<string, Reply> {
  const map = new Map<string, Reply>();
  for (let i = 0; i < items.length; i += 2) map.set(textOf(items[i]!), items[i + 1]!);
  return map;
}

/** A simple or bulk string as text. @throws {ProtocolProblem} where it is neither. */
export function textOf(reply: Reply | undefined): string {
  if (typeof reply === "string") return reply;
  if (reply instanceof Uint8Array) return decoder.decode(reply);
  throw new ProtocolProblem("a reply has something else where a text belongs");
}
