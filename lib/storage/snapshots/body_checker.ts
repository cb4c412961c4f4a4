/**
 * Checks a snapshot's body that comes in pieces. A piece ends anywhere, so the checksum of the section
 * under way is carried on, and only the few bytes of the small sections are gathered.
 */
import { assert } from "../../util/assert.ts";
import { ByteFormatError, readU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import {
  SECTION_HEAD_BYTES,
  SectionOrder,
  SectionTag,
  STORE_SECTION_BYTES_MAX,
} from "./snapshot_format.ts";

export class BodyChecker {
  readonly order = new SectionOrder();
  readonly #bodyBytes: number;
  readonly #head = new Uint8Array(SECTION_HEAD_BYTES);
  /** Bytes of the head under way that are there. */
  #headHeld = 0;
  /** Bytes of the content under way, and how many are there. */
  #length = 0;
  #held = 0;
  #small = new Uint8Array(0);
  #sum = 0;
  #chain = 0;
  #offset = 0;

  /** `bodyBytes`: how long the body is; Infinity where that is not known before its end. */
  constructor(bodyBytes: number) {
    this.#bodyBytes = bodyBytes;
  }

  /** Where the section under way began, for messages. */
  get offset(): number {
    return this.#offset;
  }

  /** True once the last section came, and nothing after it. */
  get isComplete(): boolean {
    return this.order.ended && this.#headHeld === 0;
  }

  /** Throws `ByteFormatError` where these bytes can't come next. */
  add(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#headHeld < SECTION_HEAD_BYTES) {
        const count = Math.min(SECTION_HEAD_BYTES - this.#headHeld, bytes.length - at);
        this.#head.set(bytes.subarray(at, at + count), this.#headHeld);
        this.#headHeld += count;
        at += count;
        if (this.#headHeld === SECTION_HEAD_BYTES) this.#begin();
      } else {
        const count = Math.min(this.#length - this.#held, bytes.length - at);
        const piece = bytes.subarray(at, at + count);
        this.#sum = checksum(piece, this.#sum);
        if (this.#head[8] !== SectionTag.records) this.#small.set(piece, this.#held);
        this.#held += count;
        at += count;
        if (this.#held === this.#length) this.#end();
      }
    }
  }

  #begin(): void {
    const left = this.#bodyBytes - this.#offset - SECTION_HEAD_BYTES;
    this.#length = this.order.begin(this.#head, left);
    this.#held = 0;
    this.#sum = checksum(this.#head.subarray(4), this.#chain);
    if (this.#head[8] !== SectionTag.records) {
      assert(this.#length <= STORE_SECTION_BYTES_MAX, "A small section's length was not checked");
      this.#small = new Uint8Array(this.#length);
    }
    if (this.#length === 0) this.#end();
  }

  #end(): void {
    if (this.#sum !== readU32(this.#head, 0)) throw new ByteFormatError("a checksum is wrong");
    const tag = this.#head[8]!;
    if (tag === SectionTag.records) this.order.skip(this.#length);
    else this.order.end(tag, this.#small);
    this.#chain = this.#sum;
    this.#offset += SECTION_HEAD_BYTES + this.#length;
    this.#headHeld = 0;
  }
}
