/** What waits to be written to a peer, in memory that is kept while much flows and given back after. */
import type { ByteWriter } from "../../util/bytes.ts";
import { OutputBuffer } from "../../util/output_buffer.ts";

/** So much memory the output keeps for reuse while messages flow. */
const KEEP_BYTES = 2_097_152;
/** A link that sent nothing but heartbeats for so long gives that memory back. */
const QUIET_MS = 1_000;
const QUIET_BYTES = 4_096;

/** Times are in listening time. */
export class LinkOutput {
  #buffer = new OutputBuffer(KEEP_BYTES);
  /** Since when at most a few bytes waited at a time; Infinity: nothing is kept. */
  #quietSinceMs = Infinity;

  get writer(): ByteWriter {
    return this.#buffer.writer;
  }

  get pendingBytes(): number {
    return this.#buffer.pendingBytes;
  }

  /** Another connection: nothing waits. */
  restart(nowMs: number): void {
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

  take(): Uint8Array | null {
    return this.#buffer.take();
  }

  written(): void {
    this.#buffer.written();
  }

  clear(): void {
    this.#buffer.clear();
  }
}
