/** Writes one snapshot under a temporary name. */
import type { Configuration, SnapshotPosition } from "../../raft/types.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import { assert } from "../../util/assert.ts";
import type { Disk } from "../../host/ports.ts";
import { FILE_HEAD_BYTES, type FileOwner } from "../files/file_head.ts";
import type { NewFile } from "../files/new_file.ts";
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
  readonly #owner: FileOwner;
  readonly #disk: Disk;
  readonly #temporary: string;
  readonly #file: NewFile;
  readonly #order = new SectionOrder();
  readonly #sectionHead = new Uint8Array(SECTION_HEAD_BYTES);
  #chain = 0;

  /** Throws what the disk throws. */
  constructor(snapshot: NewSnapshot, configuration: Configuration) {
    const { owner, position, over } = snapshot;
    this.position = position;
    this.isReserved = over !== null;
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
    this.#file.flush(done);
  }

  finish(done: Done): void {
    const { head } = this.#order;
    assert(head !== null, "A snapshot without a head can't be finished");
    this.#section(SectionTag.end, this.#order.encodeEnd());
    finishSnapshotFile(this.#file, this.#owner, head, done);
  }

  openBody(): WrittenBody {
    const written = this.#file;
    const file = this.#disk.open(this.#temporary, { readOnly: true });
    return {
      get bytes() {
        return Math.max(0, written.presentLength - FILE_HEAD_BYTES);
      },
      readBody(offset, into) {
        const left = Math.max(0, this.bytes - offset);
        const part = into.length > left ? into.subarray(0, left) : into;
        return file.read(FILE_HEAD_BYTES + offset, part);
      },
      close: () => file.close(),
    };
  }

  abort(): void {
    this.#file.abort();
  }

  #section(tag: number, content: Uint8Array): void {
    this.#chain = writeSectionHead(this.#sectionHead, tag, content, this.#chain);
    this.#file.append(this.#sectionHead);
    this.#file.append(content);
    this.#order.end(tag, content);
  }
}
