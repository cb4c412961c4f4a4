/**
 * Streams the newest snapshot to one follower that needs entries which are gone: a window of chunks,
 * read from the file as they leave, never more than the window in memory. It begins by asking how much
 * the follower holds, so a stream that a broken link cut off continues where it was.
 */
import type { Raft } from "../../raft/raft.ts";
import type { ServerId, SnapshotChunkResponse } from "../../raft/types.ts";
import type { SnapshotFile } from "../../storage/types.ts";
import type { MessageSender } from "../api.ts";

/** Chunks sent and not answered. */
const WINDOW_CHUNKS = 4;
/** Without any progress for so long, what is unanswered is sent again. */
const STALL_MS = 1_000;

const NOTHING = new Uint8Array(0);

export class SnapshotSender {
  readonly peerId: ServerId;
  readonly file: SnapshotFile;
  readonly #links: MessageSender;
  readonly #chunkBytes: number;
  /** The follower holds the body up to here, by its last answer; -1 before the first. */
  #acknowledged = -1;
  #sent = 0;
  #progressMs: number;

  constructor(
    peerId: ServerId,
    file: SnapshotFile,
    chunkBytes: number,
    nowMs: number,
    links: MessageSender,
  ) {
    this.#chunkBytes = chunkBytes;
    this.peerId = peerId;
    this.file = file;
    this.#links = links;
    this.#progressMs = nowMs;
  }

  /** Asks how much the follower holds. */
  begin(raft: Raft): void {
    this.#sendChunk(raft, 0, NOTHING);
  }

  /** The follower tells how much it holds. */
  answered(raft: Raft, answer: SnapshotChunkResponse, nowMs: number): void {
    const { position, bodyBytes } = this.file;
    if (answer.index !== position.index || answer.snapshotTerm !== position.term) return;
    if (answer.offset > bodyBytes || answer.offset === this.#acknowledged) return;
    // Less than before: it began again. More: what was on its way has arrived.
    this.#sent = this.#acknowledged < 0 || answer.offset < this.#acknowledged
      ? answer.offset
      : Math.max(this.#sent, answer.offset);
    this.#acknowledged = answer.offset;
    this.#progressMs = nowMs;
    this.#fill(raft);
  }

  /** The follower holds so much of the body. */
  get acknowledgedBytes(): number {
    return Math.max(0, this.#acknowledged);
  }

  nextDeadlineMs(): number {
    return this.#progressMs + STALL_MS;
  }

  elapse(raft: Raft, nowMs: number): void {
    if (nowMs - this.#progressMs < STALL_MS) return;
    this.#progressMs = nowMs;
    if (this.#acknowledged < 0 || this.#acknowledged === this.file.bodyBytes) this.begin(raft);
    else {
      this.#sent = this.#acknowledged;
      this.#fill(raft);
    }
  }

  close(): void {
    this.file.close();
  }

  #fill(raft: Raft): void {
    const { bodyBytes } = this.file;
    const windowBytes = WINDOW_CHUNKS * this.#chunkBytes;
    while (this.#sent < bodyBytes && this.#sent - this.#acknowledged < windowBytes) {
      const data = new Uint8Array(Math.min(this.#chunkBytes, bodyBytes - this.#sent));
      const count = this.file.readBody(this.#sent, data);
      if (count === 0) return;
      this.#sendChunk(raft, this.#sent, count < data.length ? data.subarray(0, count) : data);
      this.#sent += count;
    }
  }

  #sendChunk(raft: Raft, offset: number, data: Uint8Array): void {
    const { position, bodyBytes } = this.file;
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
