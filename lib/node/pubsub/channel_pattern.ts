/** A pattern of channels that somebody subscribes to, compiled once. */
import { Glob } from "../../kv/commands/glob.ts";
import { latin1Bytes } from "../../util/latin1.ts";
import type { Subscriber } from "./subscriber.ts";

const STAR = 0x2a;
/** What is more than a byte that stands for itself. */
const SPECIAL: ReadonlySet<number> = new Set([STAR, 0x3f, 0x5b, 0x5c]);

/** A byte of a channel costs a word of work for so many bytes of a pattern, see glob.ts. */
const WORD_BYTES = 32;

/** How many short patterns a pattern costs as much as. */
export function patternWeight({ length }: string): number {
  return 1 + Math.floor(length / WORD_BYTES);
}

export class ChannelPattern {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly subscribers = new Set<Subscriber>();
  /** So many bytes at its beginning stand for themselves. */
  readonly #literalBytes: number;
  /** For what follows those; null where that is a star alone. */
  readonly #glob: Glob | null;

  constructor(name: string) {
    this.name = name;
    this.bytes = latin1Bytes(name);
    const { bytes } = this;
    const special = bytes.findIndex((byte) => SPECIAL.has(byte));
    this.#literalBytes = special < 0 ? bytes.length : special;
    const isPrefix = special === bytes.length - 1 && bytes[special] === STAR;
    this.#glob = isPrefix ? null : new Glob(bytes, 0, bytes.length);
  }

  /** Whether some channel that begins with `prefix` may match. */
  mayMatchAfter(prefix: Uint8Array): boolean {
    const count = Math.min(prefix.length, this.#literalBytes);
    for (let i = 0; i < count; i++) if (prefix[i] !== this.bytes[i]) return false;
    return true;
  }

  /** Whether the channel `channel[0, length)` matches. */
  matches(channel: Uint8Array, length: number): boolean {
    if (length < this.#literalBytes) return false;
    // An empty pattern matches the empty name alone, which `Glob` has otherwise.
    if (this.bytes.length === 0) return length === 0;
    for (let i = 0; i < this.#literalBytes; i++) if (channel[i] !== this.bytes[i]) return false;
    return this.#glob === null || this.#glob.matches(channel, 0, length);
  }
}
