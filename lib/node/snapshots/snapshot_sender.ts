/**
 * Streams a snapshot to one follower that needs entries which are gone: a window of chunks, read from the
 * file as they leave, never more than the window in memory; where it is still being made, as it is made.
 * It begins by asking how much the follower holds, so a stream that a broken link cut off continues where
 * it was. What is read is checked on its way: the follower would refuse what this disk has spoiled, and be
 * sent the same again for ever.
 */
import type { Raft } from "../../raft/raft.ts";
import type { ServerId, SnapshotChunkResponse, SnapshotPosition } from "../../raft/types.ts";
import { DataDirectoryError } from "../../storage/errors.ts";
import { BodyChecker } from "../../storage/snapshots/body_checker.ts";
import type { SnapshotFile } from "../../storage/types.ts";
import { ByteFormatError } from "../../util/bytes.ts";
import type { MessageSender } from "../api.ts";
import type { RunningSnapshot } from "./snapshot_maker.ts";

/** Chunks sent and not answered: while the follower syncs some, others come. */
const WINDOW_CHUNKS = 16;
/** Without any progress for so long, what is unanswered is sent again. */
const STALL_MS = 1_000;

const NOTHING = new Uint8Array(0);

/** The body of a snapshot that is sent. */
export interface SentBody {
  readonly position: SnapshotPosition;
  /** How long it is; null while that is not known. */
  readonly bodyBytes: number | null;
  /** How much of it can be read by now. */
  readonly bytes: number;
  /** It will never be whole, and nothing of it may be read any more. */
  readonly isLost: boolean;
  readBody(offset: number, into: Uint8Array): number;
  close(): void;
}

export function bodyOfFile(file: SnapshotFile): SentBody {
  const { position, bodyBytes } = file;
  return {
    position,
    bodyBytes,
    bytes: bodyBytes,
    isLost: false,
    readBody: (offset, into) => file.readBody(offset, into),
    close: () => file.close(),
  };
}

export function bodyOfRunning({ position, body }: RunningSnapshot): SentBody {
  return {
    position,
    get bodyBytes() {
      return body.bodyBytes;
    },
    get bytes() {
      return body.bytes;
    },
    get isLost() {
      return body.isLost;
    },
    readBody: (offset, into) => body.readBody(offset, into),
    close: () => body.close(),
  };
}

export class SnapshotSender {
  readonly peerId: ServerId;
  readonly body: SentBody;
  readonly #links: MessageSender;
  readonly #chunkBytes: number;
  /** Made when it is needed, and used again for every chunk: the links copy what they are given. */
  #chunk = NOTHING;
  /** The follower holds the body up to here, by its last answer; -1 before the first. */
  #acknowledged = -1;
  #sent = 0;
  #progressMs: number;
  /** The most that it ever held, and since when. */
  #mostBytes = 0;
  #mostMs: number;
  /** Of the body from its beginning; not of a stream that continues in the middle. */
  #checker: BodyChecker;
  #checkedBytes = 0;

  constructor(
    peerId: ServerId,
    body: SentBody,
    chunkBytes: number,
    nowMs: number,
    links: MessageSender,
  ) {
    this.#chunkBytes = chunkBytes;
    this.peerId = peerId;
    this.body = body;
    this.#links = links;
    this.#progressMs = nowMs;
    this.#mostMs = nowMs;
    this.#checker = this.#newChecker();
  }

  /** Asks how much the follower holds. */
  begin(raft: Raft): void {
    this.#sendChunk(raft, 0, NOTHING);
  }

  /** The follower tells how much it holds. Throws what reading the snapshot throws. */
  answered(raft: Raft, answer: SnapshotChunkResponse, nowMs: number): void {
    const { position, bytes } = this.body;
    if (answer.index !== position.index || answer.snapshotTerm !== position.term) return;
    if (answer.offset > bytes || answer.offset === this.#acknowledged) return;
    // Less than before: it began again. More: what was on its way has arrived.
    this.#sent = this.#acknowledged < 0 || answer.offset < this.#acknowledged
      ? answer.offset
      : Math.max(this.#sent, answer.offset);
    this.#acknowledged = answer.offset;
    this.#progressMs = nowMs;
    if (answer.offset > this.#mostBytes) {
      this.#mostBytes = answer.offset;
      this.#mostMs = nowMs;
    }
    this.#fill(raft);
  }

  /** The follower holds so much of the body. */
  get acknowledgedBytes(): number {
    return Math.max(0, this.#acknowledged);
  }

  /** For how long the follower has held no more than before; 0 while there is no more for it. */
  stillMs(nowMs: number): number {
    return this.#hasAll ? 0 : nowMs - this.#mostMs;
  }

  /** It has what it could be sent: all, or what is made by now. */
  get #hasAll(): boolean {
    return this.#acknowledged >= 0 && this.#acknowledged === this.#sent && this.#nextBytes === 0;
  }

  nextDeadlineMs(): number {
    return this.#progressMs + STALL_MS;
  }

  /** More of the body may be there. Throws what reading the snapshot throws. */
  grown(raft: Raft, nowMs: number): void {
    if (this.#acknowledged < 0) return;
    const hadAll = this.#hasAll;
    this.#fill(raft);
    if (hadAll && !this.#hasAll) this.#progressMs = this.#mostMs = nowMs;
  }

  /** Throws what reading the snapshot throws. */
  elapse(raft: Raft, nowMs: number): void {
    if (nowMs - this.#progressMs < STALL_MS) return;
    this.#progressMs = nowMs;
    if (this.#acknowledged < 0 || this.#hasAll) this.begin(raft);
    else {
      this.#sent = this.#acknowledged;
      this.#fill(raft);
    }
  }

  close(): void {
    this.body.close();
  }

  /** How long the next chunk is; 0 where there is none yet: while more comes, none is short. */
  get #nextBytes(): number {
    const { bodyBytes, bytes } = this.body;
    const left = bytes - this.#sent;
    return left < this.#chunkBytes && bytes !== bodyBytes ? 0 : Math.min(left, this.#chunkBytes);
  }

  #fill(raft: Raft): void {
    const windowBytes = WINDOW_CHUNKS * this.#chunkBytes;
    while (this.#nextBytes > 0 && this.#sent - this.#acknowledged < windowBytes) {
      if (this.#chunk.length === 0) this.#chunk = new Uint8Array(this.#chunkBytes);
      const data = this.#chunk.subarray(0, this.#nextBytes);
      const count = this.body.readBody(this.#sent, data);
      if (count === 0) {
        const { index } = this.body.position;
        throw new DataDirectoryError(`Snapshot ${index} became shorter while it was sent`);
      }
      const bytes = count < data.length ? data.subarray(0, count) : data;
      this.#check(bytes);
      this.#sendChunk(raft, this.#sent, bytes);
      this.#sent += count;
    }
  }

  #newChecker(): BodyChecker {
    return new BodyChecker(this.body.bodyBytes ?? Infinity);
  }

  /** Checks what is about to be sent, where all that comes before it was. Throws where it is damaged. */
  #check(bytes: Uint8Array): void {
    if (this.#sent === 0) {
      this.#checker = this.#newChecker();
      this.#checkedBytes = 0;
    }
    const isNext = this.#sent <= this.#checkedBytes;
    const news = bytes.subarray(this.#checkedBytes - this.#sent);
    if (!isNext || news.length === 0) return;
    try {
      this.#checker.add(news);
      const isLast = this.#sent + bytes.length === this.body.bodyBytes;
      if (isLast && !this.#checker.isComplete) {
        throw new ByteFormatError("it ends before its last section");
      }
    } catch (error) {
      if (!(error instanceof ByteFormatError)) throw error;
      const { index } = this.body.position;
      throw new DataDirectoryError(
        `Snapshot ${index} is damaged at byte ${this.#checker.offset} of its body: ` +
          error.message,
      );
    }
    this.#checkedBytes += news.length;
  }

  #sendChunk(raft: Raft, offset: number, data: Uint8Array): void {
    const { position, bodyBytes } = this.body;
    this.#links.send({
      kind: "snapshotChunk",
      from: raft.state.id,
      to: this.peerId,
      term: raft.state.term,
      index: position.index,
      snapshotTerm: position.term,
      offset,
      totalBytes: bodyBytes,
      data,
    });
  }
}
