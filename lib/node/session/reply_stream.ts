/**
 * A connection's composed replies: the first ones may leave; those after them wait until a read round
 * confirms them, and can still be rewritten. Positions count bytes since the connection began.
 *
 *   taken ≤ released ≤ composed
 */
import { ByteWriter } from "../../util/bytes.ts";
import { OutputBuffer } from "../../util/output_buffer.ts";

export class ReplyStream {
  readonly #output = new OutputBuffer();
  #taken = 0;
  #released = 0;

  /** Compose the next reply here; do not keep it. */
  get writer(): ByteWriter {
    return this.#output.writer;
  }

  /** The position after the last reply composed. */
  get composed(): number {
    return this.#taken + this.#output.writer.length;
  }

  /** Bytes composed and not known to be written out. */
  get pendingBytes(): number {
    return this.#output.pendingBytes;
  }

  /** Bytes of memory that the replies take. */
  get heldBytes(): number {
    return this.#output.heldBytes;
  }

  /** True where more may leave than was taken. */
  get hasReleased(): boolean {
    return this.#released > this.#taken;
  }

  get taken(): number {
    return this.#taken;
  }

  get released(): number {
    return this.#released;
  }

  /** All replies that end at `position` or before it may leave. */
  release(position: number): void {
    this.#released = position;
  }

  /** What may leave now, valid until `written()`; null where nothing may, or bytes are on their way. */
  take(): Uint8Array | null {
    const bytes = this.#output.take(this.#released - this.#taken);
    if (bytes !== null) this.#taken = this.#released;
    return bytes;
  }

  written(): void {
    this.#output.written();
  }

  /** Gives up memory that is not in use. */
  giveBack(): void {
    this.#output.giveBack();
  }

  /** True where a reply is composed that may not leave yet. */
  get isHeldUp(): boolean {
    return this.composed > this.#released;
  }

  /**
   * Composes again what is not released. `compose` gets a writer that holds the bytes that are released
   * and not taken, and `copy(from, to)`, which appends the old bytes between two positions.
   */
  rewrite(
    compose: (out: ByteWriter, copy: (from: number, to: number) => void) => void,
  ): void {
    const old = this.#output.writer;
    const base = this.#taken;
    const fresh = new ByteWriter(old.length + 256);
    const copy = (from: number, to: number) => fresh.slice(old.bytes, from - base, to - base);
    copy(base, this.#released);
    compose(fresh, copy);
    this.#output.replace(fresh);
  }

  /** The position after what `out`, given by `rewrite`, holds now. */
  positionOf(out: ByteWriter): number {
    return this.#taken + out.length;
  }
}
