/**
 * One client session: which of its client's writes were done, and what they came to, until the client has
 * acknowledged that (thesis §6.3). As it stands in snapshots:
 *
 *   u64  id                u32  the user's id, 0 for nobody's
 *   u64  time to live, ms  u64  deadline, ms since 1970 by the log's time
 *   u64  lowest sequence that is not acknowledged
 *   u32  how many replies, each: u64 sequence, u32 length, reply (kept_reply.ts); by their sequence
 *   u32  how many bound keys, each: u64 version, u16 length, key; in the order in which they were bound
 */
import { ByteFormatError, ByteReader, type ByteWriter } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { Result } from "../commands/result.ts";
import { latin1, latin1Bytes } from "../../util/latin1.ts";
import { decodeReply, KeptReply, REPLY_BYTES_MAX } from "./kept_reply.ts";
import { SESSION_TTL_MS_MAX, SESSION_TTL_MS_MIN } from "./operations.ts";

/** The most replies that one session has open, and keys that are bound to it. */
export const SESSION_REPLIES_MAX = 1_000;
const SESSION_KEYS_MAX = 1_000;
/** The most bytes of both, each counted with what it takes besides: one more reply may exceed it. */
const SESSION_BYTES_MAX = 1_048_576;
/** What a reply, or a bound key, counts beyond its own bytes. */
export const ITEM_BYTES = 64;

export class ClientSession {
  readonly id: number;
  /** Whose it is; 0 where it was opened by nobody that was authenticated. */
  readonly userId: number;
  readonly ttlMs: number;
  /** By the log's time: it is over from then on. */
  deadlineMs: number;
  /** All of its writes below this one are answered, and acknowledged. */
  lowest = 1;
  /** Of writes that were done and are not acknowledged, by sequence. */
  readonly replies: Map<number, KeptReply> = new Map();
  /** Bound keys, a letter a byte, with the version that each had when it was bound. */
  readonly keys: Map<string, number> = new Map();
  /** What replies and keys count. */
  bytes = 0;
  /** Its own fields are no part of the sum over all sessions now: see `ClientSessions.touch`. */
  isTouched = false;

  constructor(id: number, userId: number, ttlMs: number, deadlineMs: number) {
    this.id = id;
    this.userId = userId;
    this.ttlMs = ttlMs;
    this.deadlineMs = deadlineMs;
  }

  /** It has room for one more reply, and, if the write binds its key, for one more of those. */
  hasRoom(binds: boolean): boolean {
    return this.replies.size < SESSION_REPLIES_MAX && this.bytes < SESSION_BYTES_MAX &&
      (!binds || this.keys.size < SESSION_KEYS_MAX);
  }

  encode(out: ByteWriter): void {
    out.u64(this.id);
    out.u32(this.userId);
    for (const number of [this.ttlMs, this.deadlineMs, this.lowest]) out.u64(number);
    out.u32(this.replies.size);
    for (const sequence of [...this.replies.keys()].sort((a, b) => a - b)) {
      const reply = this.replies.get(sequence)!;
      out.u64(sequence);
      out.u32(reply.length);
      reply.encode(out);
    }
    out.u32(this.keys.size);
    for (const [key, version] of this.keys) {
      out.u64(version);
      out.u16(key.length);
      out.raw(latin1Bytes(key));
    }
  }
}

/** Reads one session. Throws `ByteFormatError` where the bytes are none. */
export function decodeClientSession(reader: ByteReader): ClientSession {
  const [id, userId, ttlMs, deadlineMs] = [reader.u64(), reader.u32(), reader.u64(), reader.u64()];
  const session = new ClientSession(id, userId, ttlMs, deadlineMs);
  session.lowest = reader.u64();
  const isPossible = id >= 1 && ttlMs >= SESSION_TTL_MS_MIN && ttlMs <= SESSION_TTL_MS_MAX &&
    session.lowest >= 1;
  if (!isPossible) throw new ByteFormatError("A client session can't be as the bytes say");
  decodeReplies(reader, session);
  decodeKeys(reader, session);
  return session;
}

function decodeReplies(reader: ByteReader, session: ClientSession): void {
  const count = reader.u32();
  if (count > SESSION_REPLIES_MAX) throw new ByteFormatError(`A session has ${count} replies`);
  let before = session.lowest - 1;
  for (let i = 0; i < count; i++) {
    const sequence = reader.u64();
    if (sequence <= before) throw new ByteFormatError("A session's replies are out of their order");
    before = sequence;
    const length = reader.u32();
    if (length > REPLY_BYTES_MAX) throw new ByteFormatError(`A kept reply has ${length} bytes`);
    const reply = reader.copy(length);
    const whole = new ByteReader(reply);
    decodeReply(whole, new Result());
    whole.finish();
    session.replies.set(sequence, KeptReply.of(reply));
    session.bytes += length + ITEM_BYTES;
  }
}

function decodeKeys(reader: ByteReader, session: ClientSession): void {
  const count = reader.u32();
  if (count > SESSION_KEYS_MAX) throw new ByteFormatError(`A session has ${count} bound keys`);
  for (let i = 0; i < count; i++) {
    const version = reader.u64();
    const key = latin1(reader.view(reader.u16()));
    if (version === 0 || key === "" || session.keys.has(key)) {
      throw new ByteFormatError("A bound key has no version or no name, or is there twice");
    }
    session.keys.set(key, version);
    session.bytes += key.length + ITEM_BYTES;
  }
}

/**
 * Sums of 64 bits over all that sessions are, in two halves: what changes is taken off and added again, so
 * that it costs the same however much there is.
 */
export class SessionSum {
  low = 0;
  high = 0;

  add(one: SessionSum): void {
    this.low = (this.low + one.low) | 0;
    this.high = (this.high + one.high) | 0;
  }

  subtract(one: SessionSum): void {
    this.low = (this.low - one.low) | 0;
    this.high = (this.high - one.high) | 0;
  }

  /** Becomes the hash of a session without its replies and keys. */
  ofFields({ id, userId, ttlMs, deadlineMs, lowest }: ClientSession): this {
    this.#begin(1);
    this.#word(id);
    this.#word(userId);
    this.#word(ttlMs);
    this.#word(deadlineMs);
    this.#word(lowest);
    return this;
  }

  /** Becomes the hash of one of its replies. */
  ofReply(session: ClientSession, sequence: number, reply: KeptReply): this {
    this.#begin(2);
    this.#word(session.id);
    this.#word(sequence);
    this.#word(reply.checksum);
    this.#word(reply.length);
    return this;
  }

  /** Becomes the hash of one of its bound keys. */
  ofKey(session: ClientSession, key: string, version: number): this {
    this.#begin(3);
    this.#word(session.id);
    this.#word(checksum(latin1Bytes(key)));
    this.#word(key.length);
    this.#word(version);
    return this;
  }

  #begin(kind: number): void {
    this.low = kind;
    this.high = ~kind;
  }

  #word(number: number): void {
    this.#half(number | 0);
    this.#half((number / 0x1_0000_0000) | 0);
  }

  /** A bijection of each half for a fixed number, so one that differs always shows. */
  #half(number: number): void {
    this.low = Math.imul(this.low ^ number, 0x9e3779b1);
    this.low ^= this.low >>> 15;
    this.high = Math.imul(this.high + number, 0x85ebca77);
    this.high ^= this.high >>> 13;
  }
}
