/** Bytes as a receiver sees them: in pieces, in a buffer that is soon another's. */
import type { Random } from "../../lib/util/random.ts";
import type { Fabric } from "./fabric.ts";

/** What the buffer holds after its bytes were read. */
const STALE = 0xa5;

/** Mostly a few bytes, often one. */
export function pieceBytes(random: Random, length: number): number {
  return random.chance(0.5) ? random.between(1, 8) : random.between(1, Math.max(1, length));
}

/**
 * Hands bytes over in a buffer that is overwritten afterwards (what keeps a view of it will see that), sometimes
 * in several pieces.
 */
export class ReadBuffer {
  readonly #fabric: Fabric;
  #scratch = new Uint8Array(4_096);

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  readInto(link: { receive(bytes: Uint8Array): void }, bytes: Uint8Array): void {
    const fabric = this.#fabric;
    const { fragment } = fabric.options;
    if (this.#scratch.length < bytes.length) this.#scratch = new Uint8Array(bytes.length * 2);
    const scratch = this.#scratch;
    if (fragment === 0 || !fabric.random.chance(fragment)) {
      scratch.set(bytes);
      link.receive(scratch.subarray(0, bytes.length));
    } else {
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + pieceBytes(fabric.random, bytes.length));
        scratch.set(bytes.subarray(at, end));
        link.receive(scratch.subarray(0, end - at));
        scratch.fill(STALE, 0, end - at);
        at = end;
      }
    }
    scratch.fill(STALE, 0, bytes.length);
  }
}
