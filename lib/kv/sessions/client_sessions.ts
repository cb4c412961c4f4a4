/**
 * All client sessions: a part of the replicated state, changed by entries of the log alone. Each has a number
 * that is never given twice. They are kept in the order of their numbers.
 *
 * As they stand in snapshots: u64 the last number given, u32 how many, then each (client_session.ts).
 */
import { ByteFormatError, ByteReader, ByteWriter, readU32 } from "../../util/bytes.ts";
import { ClientSession, decodeClientSession, ITEM_BYTES, SessionSum } from "./client_session.ts";
import { type KeptReply, REPLY_BYTES_MAX } from "./kept_reply.ts";
import { inOnePiece } from "../../util/pieces.ts";

export const CLIENT_SESSIONS_MAX = 10_000;
/** Of one user, where there are users: nobody takes all of them. */
export const USER_SESSIONS_MAX = 5_000;
/** Of all replies and bound keys, each counted with what it takes besides: one more may exceed it. */
export const CLIENT_SESSIONS_BYTES_MAX = 16_777_216;
/**
 * Where all together have used that up, a session that counts less than this is written in all the same, and
 * only short replies are kept: so nobody's replies keep others from counting.
 */
const SESSION_SHARE_BYTES = 1_024;
export const SHORT_REPLY_BYTES = 256;

const HEAD_BYTES = 12;
/** What of a session stands in a snapshot besides its replies and keys. */
const SESSION_HEAD_BYTES = 44;
/** So much is decoded in one piece, and one session more. */
const PIECE_BYTES = 32_768;
/** The most that `encode` comes to: what stands with a reply or key there is less than it counts. */
export const CLIENT_SESSIONS_ENCODED_BYTES_MAX = HEAD_BYTES +
  CLIENT_SESSIONS_MAX * (SESSION_HEAD_BYTES + SESSION_SHARE_BYTES + SHORT_REPLY_BYTES) +
  CLIENT_SESSIONS_BYTES_MAX + REPLY_BYTES_MAX + 0xffff;

/** How many client sessions there are in what `ClientSessions.encode` has made. */
export function encodedSessionCount(bytes: Uint8Array): number {
  return bytes.length < HEAD_BYTES ? 0 : readU32(bytes, HEAD_BYTES - 4);
}

export class ClientSessions {
  readonly #byId = new Map<number, ClientSession>();
  readonly #sum = new SessionSum();
  readonly #one = new SessionSum();
  /** Whose own fields are no part of the sum: they change with each write of an entry. */
  #touched: ClientSession[] = [];
  readonly #ofUser = new Map<number, number>();
  #lastId = 0;
  #bytes = 0;
  /** No session's deadline is before it; one may have been, and moved since. */
  earliestMs = Infinity;

  get count(): number {
    return this.#byId.size;
  }

  /** What replies and bound keys count, of all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** None was ever opened: they are no part of the digest, or of a snapshot. */
  get areUnused(): boolean {
    return this.#lastId === 0;
  }

  /** Both halves of a sum over all sessions, as signed 32-bit numbers; 0 while none was ever opened. */
  get digestLow(): number {
    this.#sumTouched();
    return (this.#sum.low + Math.imul(this.#lastId, 0x9e3779b1)) | 0;
  }

  get digestHigh(): number {
    this.#sumTouched();
    return (this.#sum.high + Math.imul(this.#lastId, 0x85ebca77)) | 0;
  }

  /** All of them, in the order of their numbers. */
  all(): IterableIterator<ClientSession> {
    return this.#byId.values();
  }

  /** The session, if it is there, is not over at `clockMs` and is this user's; else null. */
  find(id: number, userId: number, clockMs: number): ClientSession | null {
    const session = this.byId(id);
    if (session === null || session.deadlineMs <= clockMs) return null;
    return session.userId === userId ? session : null;
  }

  byId(id: number): ClientSession | null {
    return this.#byId.get(id) ?? null;
  }

  /** The user, or nobody (0), may open another one. */
  hasRoomForOne(userId: number): boolean {
    if (this.#byId.size >= CLIENT_SESSIONS_MAX) return false;
    return userId === 0 || (this.#ofUser.get(userId) ?? 0) < USER_SESSIONS_MAX;
  }

  /** All together have used up what they have. */
  get areFull(): boolean {
    return this.#bytes >= CLIENT_SESSIONS_BYTES_MAX;
  }

  /** A write of the session may be done: its reply can be kept, if only a short one, and its key. */
  hasRoom(session: ClientSession, binds: boolean): boolean {
    if (!session.hasRoom(binds)) return false;
    return !this.areFull || (!binds && session.bytes < SESSION_SHARE_BYTES);
  }

  open(userId: number, ttlMs: number, clockMs: number): ClientSession {
    const session = new ClientSession(++this.#lastId, userId, ttlMs, clockMs + ttlMs);
    this.#put(session);
    return session;
  }

  end(session: ClientSession): void {
    this.#sumTouched();
    this.#byId.delete(session.id);
    this.#countOfUser(session.userId, -1);
    this.#bytes -= session.bytes;
    this.#sum.subtract(this.#one.ofFields(session));
    for (const [sequence, reply] of session.replies) {
      this.#sum.subtract(this.#one.ofReply(session, sequence, reply));
    }
    for (const [key, version] of session.keys) {
      this.#sum.subtract(this.#one.ofKey(session, key, version));
    }
  }

  /** It is alive at `clockMs`, and all its writes below `lowest` are acknowledged. */
  touch(session: ClientSession, clockMs: number, lowest = session.lowest): void {
    if (!session.isTouched) {
      this.#sum.subtract(this.#one.ofFields(session));
      session.isTouched = true;
      this.#touched.push(session);
    }
    const first = session.lowest;
    session.deadlineMs = clockMs + session.ttlMs;
    session.lowest = Math.max(first, lowest);
    if (session.lowest === first || session.replies.size === 0) return;
    if (session.lowest - first > session.replies.size) {
      for (const sequence of session.replies.keys()) this.#acknowledge(session, sequence);
    } else {
      for (let sequence = first; sequence < session.lowest; sequence++) {
        this.#acknowledge(session, sequence);
      }
    }
  }

  /** Makes `earliestMs` exact. */
  findEarliest(): void {
    let earliestMs = Infinity;
    for (const { deadlineMs } of this.#byId.values()) earliestMs = Math.min(earliestMs, deadlineMs);
    this.earliestMs = earliestMs;
  }

  /** Keeps what the write of that sequence came to. */
  keepReply(session: ClientSession, sequence: number, reply: KeptReply): void {
    session.replies.set(sequence, reply);
    this.#count(session, reply.length + ITEM_BYTES);
    this.#sum.add(this.#one.ofReply(session, sequence, reply));
  }

  /** The key, a letter a byte, goes with the session, if it still has `version` then. */
  bind(session: ClientSession, key: string, version: number): void {
    const before = session.keys.get(key);
    if (before === undefined) this.#count(session, key.length + ITEM_BYTES);
    else this.#sum.subtract(this.#one.ofKey(session, key, before));
    session.keys.set(key, version);
    this.#sum.add(this.#one.ofKey(session, key, version));
  }

  /** What stands in a snapshot; null while none was ever opened. */
  encode(): Uint8Array | null {
    if (this.areUnused) return null;
    const out = new ByteWriter(HEAD_BYTES + SESSION_HEAD_BYTES * this.count + this.#bytes);
    out.u64(this.#lastId);
    out.u32(this.count);
    for (const session of this.#byId.values()) session.encode(out);
    return out.copy();
  }

  /**
   * Of a new cluster that continues an older one: what the older one has given since, numbers of sessions and
   * versions of keys, lies within the gap.
   */
  raise(gap: number): void {
    this.#lastId += gap;
    for (const session of this.#byId.values()) {
      for (const [key, version] of session.keys) this.bind(session, key, version + gap);
    }
  }

  /** From what stands in a snapshot; none for null. Throws `ByteFormatError` where the bytes are none. */
  static decode(bytes: Uint8Array | null): ClientSessions {
    return inOnePiece(ClientSessions.decodeInPieces(bytes));
  }

  /** The same a piece at a time: yields how many bytes each piece had. */
  static *decodeInPieces(bytes: Uint8Array | null): Generator<number, ClientSessions, void> {
    const sessions = new ClientSessions();
    if (bytes === null) return sessions;
    const reader = new ByteReader(bytes);
    sessions.#lastId = reader.u64();
    const count = reader.u32();
    if (count > CLIENT_SESSIONS_MAX) throw new ByteFormatError(`there are ${count} sessions`);
    let before = 0;
    let pieceAt = 0;
    for (let i = 0; i < count; i++) {
      if (reader.offset - pieceAt >= PIECE_BYTES) {
        yield reader.offset - pieceAt;
        pieceAt = reader.offset;
      }
      const session = decodeClientSession(reader);
      if (session.id <= before) throw new ByteFormatError("sessions are out of their order");
      before = session.id;
      sessions.#put(session);
    }
    reader.finish();
    if (before > sessions.#lastId || sessions.#lastId === 0) {
      throw new ByteFormatError("sessions are not as any changes could have made them");
    }
    return sessions;
  }

  #put(session: ClientSession): void {
    this.#byId.set(session.id, session);
    this.#countOfUser(session.userId, 1);
    this.#bytes += session.bytes;
    this.earliestMs = Math.min(this.earliestMs, session.deadlineMs);
    this.#sum.add(this.#one.ofFields(session));
    for (const [sequence, reply] of session.replies) {
      this.#sum.add(this.#one.ofReply(session, sequence, reply));
    }
    for (const [key, version] of session.keys) {
      this.#sum.add(this.#one.ofKey(session, key, version));
    }
  }

  /** Makes the sum one of all sessions as they are. */
  #sumTouched(): void {
    if (this.#touched.length === 0) return;
    for (const session of this.#touched) {
      session.isTouched = false;
      this.#sum.add(this.#one.ofFields(session));
    }
    this.#touched = [];
  }

  #acknowledge(session: ClientSession, sequence: number): void {
    const reply = session.replies.get(sequence);
    if (reply === undefined || sequence >= session.lowest) return;
    session.replies.delete(sequence);
    this.#count(session, -reply.length - ITEM_BYTES);
    this.#sum.subtract(this.#one.ofReply(session, sequence, reply));
  }

  #countOfUser(userId: number, more: number): void {
    const count = (this.#ofUser.get(userId) ?? 0) + more;
    if (count === 0) this.#ofUser.delete(userId);
    else this.#ofUser.set(userId, count);
  }

  #count(session: ClientSession, bytes: number): void {
    session.bytes += bytes;
    this.#bytes += bytes;
  }
}
