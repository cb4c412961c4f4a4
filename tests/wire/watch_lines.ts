/** What a watch tells in lines, read back: groups of events, and why it is over. */

export interface SeenEvent {
  readonly kind: string;
  readonly key: string;
  readonly version: number;
  /** Null of what is no set, and where values are left out. */
  readonly value: string | null;
}

export type SeenLine =
  | { readonly kind: "events"; readonly revision: number; readonly events: readonly SeenEvent[] }
  /** Any line that begins no group. */
  | { readonly kind: "line"; readonly text: string };

const decoder = new TextDecoder("latin1");

/** What is whole in `bytes`, and how many bytes that takes. Throws where it is no output of a watch. */
export function readWatchLines(bytes: Uint8Array): { seen: SeenLine[]; length: number } {
  const reader = new Lines(bytes);
  const seen: SeenLine[] = [];
  let length = 0;
  for (let one = readOne(reader); one !== null; one = readOne(reader)) {
    seen.push(one);
    length = reader.at;
  }
  return { seen, length };
}

class Lines {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next line without its end; null where it is not whole. */
  line(): string | null {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) return null;
    if (this.#bytes[end - 1] !== 0x0d) throw new Error("A line ends without a carriage return");
    const text = decoder.decode(this.#bytes.subarray(this.at, end - 1));
    this.at = end + 1;
    return text;
  }

  /** So many bytes and a line end. */
  text(count: number): string | null {
    const end = this.at + count;
    if (end + 2 > this.#bytes.length) return null;
    if (this.#bytes[end] !== 0x0d || this.#bytes[end + 1] !== 0x0a) {
      throw new Error(`No line end after ${count} bytes`);
    }
    const text = decoder.decode(this.#bytes.subarray(this.at, end));
    this.at = end + 2;
    return text;
  }
}

function readOne(reader: Lines): SeenLine | null {
  const head = reader.line();
  if (head === null) return null;
  const [word, revision, count] = head.split(" ");
  if (word !== "EVENTS") return { kind: "line", text: head };
  const events: SeenEvent[] = [];
  for (let left = Number(count); left > 0; left--) {
    const event = readEvent(reader);
    if (event === null) return null;
    events.push(event);
  }
  return { kind: "events", revision: Number(revision), events };
}

function readEvent(reader: Lines): SeenEvent | null {
  const head = reader.line();
  if (head === null) return null;
  const words = head.split(" ");
  const kind = words[0]!;
  if (kind === "flush" && words.length === 1) return { kind, key: "", version: 0, value: null };
  const [version, keyBytes, valueBytes] = words.slice(1).map(Number);
  if (!["set", "delete", "expire"].includes(kind) || !(keyBytes! >= 0)) {
    throw new Error(`This is no event: ${head}`);
  }
  const key = reader.text(keyBytes!);
  if (key === null) return null;
  if (valueBytes === undefined) return { kind, key, version: version!, value: null };
  const value = reader.text(valueBytes);
  return value === null ? null : { kind, key, version: version!, value };
}
