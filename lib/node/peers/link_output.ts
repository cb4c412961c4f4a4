/**
 * What waits to be written to a peer, in memory that is kept while much flows and given back after. Large
 * pieces of frames are not copied: they leave from where they are, in their place among the bytes.
 */
import { Deque } from "../../util/deque.ts";
import { hold, release } from "../../util/free_now.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { OutputBuffer } from "../../util/output_buffer.ts";
import type { PieceTaker } from "../../wire/rpc/rpc.ts";

/** So much memory the output keeps for reuse while messages flow. */
const KEEP_BYTES = 2_097_152;
/** A link that sent nothing but heartbeats for so long gives that memory back. */
const QUIET_MS = 1_000;
const QUIET_BYTES = 4_096;

/** Bytes that leave after the first `at` of those that wait in the buffer. */
interface Piece {
  at: number;
  readonly bytes: Uint8Array;
}

/** Times are in listening time. */
export class LinkOutput implements PieceTaker {
  #buffer = new OutputBuffer(KEEP_BYTES);
  #pieces = new Deque<Piece>(4);
  #pieceBytes = 0;
  /** The first piece is taken, and not known to be written out. */
  #isPieceFlying = false;
  /** Since when at most a few bytes waited at a time; Infinity: nothing is kept. */
  #quietSinceMs = Infinity;

  get writer(): ByteWriter {
    return this.#buffer.writer;
  }

  get pendingBytes(): number {
    return this.#buffer.pendingBytes + this.#pieceBytes;
  }

  /** Another connection: nothing waits. */
  restart(nowMs: number): void {
    this.#dropPieces();
    this.#buffer = new OutputBuffer(KEEP_BYTES);
    this.#quietSinceMs = nowMs;
  }

  /** True where so much waits that the memory for it is being used. */
  get isBusy(): boolean {
    return this.#buffer.pendingBytes > QUIET_BYTES;
  }

  noteBusy(nowMs: number): void {
    this.#quietSinceMs = nowMs;
  }

  /** Gives back the memory of a burst that is long over: whenever time passes, that wakes nobody. */
  rest(nowMs: number): void {
    if (nowMs - this.#quietSinceMs < QUIET_MS) return;
    this.#quietSinceMs = Infinity;
    this.#buffer.giveBack();
  }

  piece(at: number, bytes: Uint8Array): void {
    hold(bytes);
    this.#pieces.push({ at, bytes });
    this.#pieceBytes += bytes.length;
  }

  /** What leaves next, in the order in which it came; the rest is to be asked for once it is written. */
  take(): Uint8Array | null {
    const first = this.#pieces.at(0);
    if (first === undefined) return this.#buffer.take();
    if (this.#isPieceFlying || this.#buffer.isFlying) return null;
    if (first.at === 0) {
      this.#isPieceFlying = true;
      return first.bytes;
    }
    const { at } = first;
    for (let i = 0; i < this.#pieces.length; i++) this.#pieces.at(i)!.at -= at;
    return this.#buffer.take(at);
  }

  written(): void {
    if (this.#isPieceFlying) this.#dropFirst();
    else this.#buffer.written();
  }

  clear(): void {
    this.#dropPieces();
    this.#buffer.clear();
  }

  #dropFirst(): void {
    const piece = this.#pieces.shift();
    this.#isPieceFlying = false;
    if (piece === undefined) return;
    this.#pieceBytes -= piece.bytes.length;
    release(piece.bytes);
  }

  #dropPieces(): void {
    while (this.#pieces.length > 0) this.#dropFirst();
  }
}
