/** Writes one snapshot under a temporary name. */
import type { Configuration, SnapshotPosition } from "../../raft/types.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import type { Disk } from "../../host/ports.ts";
import { assert } from "../../util/assert.ts";
import { FILE_HEAD_BYTES, type FileOwner, writeFileHead } from "../files/file_head.ts";
import { NewFile, type NewFileEnd, type RecycledFile } from "../files/new_file.ts";
import {
  encodeConfiguration,
  encodePosition,
  encodeStoreHead,
  SECTION_HEAD_BYTES,
  SectionOrder,
  SectionTag,
  writeSectionHead,
} from "./snapshot_format.ts";
import type { Done, SnapshotWriter } from "../types.ts";

export class SnapshotFileWriter implements SnapshotWriter {
  readonly position: SnapshotPosition;
  readonly isReserved: boolean;
  readonly #file: NewFile;
  readonly #order = new SectionOrder();
  readonly #sectionHead = new Uint8Array(SECTION_HEAD_BYTES);
  #chain = 0;

  /** `path` is the file's name once it is whole, `temporary` until then. Throws what the disk throws. */
  constructor(
    disk: Disk,
    path: string,
    temporary: string,
    owner: FileOwner,
    position: SnapshotPosition,
    configuration: Configuration,
    onEnd: (end: NewFileEnd) => void,
    over: RecycledFile | null = null,
  ) {
    this.position = position;
    this.isReserved = over !== null;
    this.#file = new NewFile(disk, path, temporary, onEnd, over);
    const fileHead = new Uint8Array(FILE_HEAD_BYTES);
    writeFileHead(fileHead, "SN", owner);
    this.#file.append(fileHead);
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
    assert(this.#order.head !== null, "A snapshot's records come behind its head");
    if (bytes.length > 0) this.#section(SectionTag.records, bytes);
  }

  flush(done: Done): void {
    this.#file.flush(done);
  }

  finish(done: Done): void {
    assert(this.#order.head !== null, "A snapshot without a head can't be finished");
    this.#section(SectionTag.end, this.#order.encodeEnd());
    this.#file.finish(done);
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
