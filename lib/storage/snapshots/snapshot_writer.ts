/** Writes one snapshot under a temporary name; or a spool, which gets no other. */
import type { Configuration, SnapshotPosition } from "../../raft/types.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import { assert } from "../../util/assert.ts";
import type { Disk } from "../../host/ports.ts";
import { FILE_HEAD_BYTES, type FileOwner } from "../files/file_head.ts";
import type { NewFile } from "../files/new_file.ts";
import { NewFileReader } from "../files/new_file_reader.ts";
import { beginSnapshotFile, finishSnapshotFile, type NewSnapshot } from "./new_snapshot.ts";
import {
  encodeConfiguration,
  encodePosition,
  encodeStoreHead,
  SECTION_HEAD_BYTES,
  SectionOrder,
  SectionTag,
  writeSectionHead,
} from "./snapshot_format.ts";
import type { Done, SnapshotWriter, WrittenBody } from "../types.ts";

export class SnapshotFileWriter implements SnapshotWriter {
  readonly position: SnapshotPosition;
  readonly isReserved: boolean;
  readonly isSpool: boolean;
  readonly #owner: FileOwner;
  readonly #disk: Disk;
  readonly #temporary: string;
  readonly #file: NewFile;
  readonly #order = new SectionOrder();
  readonly #sectionHead = new Uint8Array(SECTION_HEAD_BYTES);
  #chain = 0;
  /** Null before the last section. */
  #bodyBytes: number | null = null;
  #isWhole = false;
  #isLost = false;

  /** Throws what the disk throws. */
  constructor(snapshot: NewSnapshot, configuration: Configuration, isSpool: boolean) {
    const { owner, position, over } = snapshot;
    this.position = position;
    this.isReserved = over !== null;
    this.isSpool = isSpool;
    this.#owner = owner;
    this.#disk = snapshot.disk;
    this.#temporary = snapshot.temporary;
    this.#file = beginSnapshotFile(snapshot);
    this.#section(SectionTag.position, encodePosition(owner.clusterId, position));
    this.#section(SectionTag.configuration, encodeConfiguration(configuration));
  }

  get bytes(): number {
    return this.#file.length;
  }

  head(head: SnapshotHead): void {
    assert(this.#order.head === null, "A snapshot has one head");
    assert(head.index === this.position.index, `A head of ${head.index} is not this snapshot's`);
    this.#section(SectionTag.store, encodeStoreHead(head));
  }

  records(bytes: Uint8Array): void {
    assert(this.#order.head !== null, "A snapshot's records come after its head");
    if (bytes.length > 0) this.#section(SectionTag.records, bytes);
  }

  flush(done: Done): void {
    if (this.isSpool) this.#file.write(this.#noting(done));
    else this.#file.flush(this.#noting(done));
  }

  flushSome(done: Done): void {
    if (this.isSpool) this.#file.write(this.#noting(done));
    else this.#file.flushSome(this.#noting(done));
  }

  finish(done: Done): void {
    const { head } = this.#order;
    assert(head !== null, "A snapshot without a head can't be finished");
    this.#section(SectionTag.end, this.#order.encodeEnd());
    this.#bodyBytes = this.#file.length - FILE_HEAD_BYTES;
    const noted = this.#noting(done);
    if (!this.isSpool) return finishSnapshotFile(this.#file, this.#owner, head, noted);
    this.#file.finishNameless((error) => {
      this.#isWhole = error === null;
      noted(error);
    });
  }

  /** Where the disk has no room for the file, nothing of it is good any more. */
  #noting(done: Done): Done {
    return (error) => {
      if (error !== null) this.#isLost = true;
      done(error);
    };
  }

  openBody(): WrittenBody | null {
    const written = this.#file;
    if (!written.hasTemporaryName) return null;
    const state = () => ({
      isWhole: this.#isWhole,
      isLost: this.#isLost,
      bodyBytes: this.#bodyBytes,
    });
    const reader = new NewFileReader(this.#disk, this.#temporary, written);
    return {
      get isWhole() {
        return state().isWhole;
      },
      get isLost() {
        return state().isLost;
      },
      get bodyBytes() {
        return state().bodyBytes;
      },
      get bytes() {
        return Math.max(0, reader.length - FILE_HEAD_BYTES);
      },
      readBody: (offset, into) => reader.read(FILE_HEAD_BYTES + offset, into),
      close: () => reader.close(),
    };
  }

  abort(): void {
    this.#isLost = true;
    this.#file.abort();
  }

  #section(tag: number, content: Uint8Array): void {
    this.#chain = writeSectionHead(this.#sectionHead, tag, content, this.#chain);
    this.#file.append(this.#sectionHead);
    this.#file.append(content);
    this.#order.end(tag, content);
  }
}
