/**
 * Bytes on their way to a connection, in two buffers that take turns: one is being written out while
 * the other fills. An idle one holds no memory worth naming.
 */
import { broken } from "./assert.ts";
import { ByteWriter } from "./bytes.ts";

const START_BYTES = 512;
/** A client's buffer that grew beyond this is given back to the collector once it is empty. */
const KEEP_BYTES = 65_536;

export class OutputBuffer {
  #filling = new ByteWriter(0);
  #spare: ByteWriter | null = null;
  #flying: ByteWriter | null = null;
  #flyingBytes = 0;
  readonly #keepBytes: number;

  /** Buffers of up to `keepBytes` are used again. */
  constructor(keepBytes: number = KEEP_BYTES) {
    this.#keepBytes = keepBytes;
  }

  /** Append here. Do not keep it: it changes with `take()`. */
  get writer(): ByteWriter {
    return this.#filling;
  }

  /** Bytes that are not known to be written out yet. */
  get pendingBytes(): number {
    return this.#filling.length + this.#flyingBytes;
  }

  /** Bytes of memory that the buffers take, used or not. */
  get heldBytes(): number {
    return this.#filling.bytes.length + (this.#spare?.bytes.length ?? 0) +
      (this.#flying?.bytes.length ?? 0);
  }

  /** True between `take()` and `written()`. */
  get isFlying(): boolean {
    return this.#flying !== null;
  }

  /**
   * The first `count` bytes of what is waiting (all unless said otherwise), or null where there are
   * none or the bytes taken before are not written out yet. Valid until `written()`.
   */
  take(count = this.#filling.length): Uint8Array | null {
    if (this.#flying !== null || count === 0) return null;
    const full = this.#filling;
    if (count > full.length) broken(`Cannot take ${count} of ${full.length} bytes`);
    const next = this.#spare ?? new ByteWriter(START_BYTES);
    this.#spare = null;
    if (count < full.length) next.slice(full.bytes, count, full.length);
    this.#filling = next;
    this.#flying = full;
    this.#flyingBytes = count;
    return full.bytes.subarray(0, count);
  }

  /** The bytes taken are written out. */
  written(): void {
    const flying = this.#flying;
    if (flying === null) return;
    this.#flying = null;
    this.#flyingBytes = 0;
    flying.clear();
    if (flying.bytes.length <= this.#keepBytes) this.#spare = flying;
  }

  /** Gives up the memory that is not in use: for connections that have become quiet. */
  giveBack(): void {
    this.#spare = null;
    if (this.#filling.length === 0) this.#filling = new ByteWriter(0);
  }

  /** Forgets what waits; what was taken stays taken. */
  clear(): void {
    this.#filling.clear();
  }

  /** Replaces all that waits by `replacement`'s bytes. */
  replace(replacement: ByteWriter): void {
    this.#filling = replacement;
  }
}
