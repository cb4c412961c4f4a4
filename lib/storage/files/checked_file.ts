/**
 * The small files that are checked as a whole (identity, formation, repairing):
 *
 *   0  40  head (file_head.ts)
 *  40      body
 *       4  checksum of everything before it
 *
 * They are replaced at once (small_file.ts), so a crash leaves a whole one; any other is damaged.
 */
import type { ServerId } from "../../raft/types.ts";
import type { Disk } from "../../host/ports.ts";
import { ByteFormatError, ByteReader, ByteWriter, readU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { type ClusterSize, restoreAdvice } from "../advice.ts";
import { DataDirectoryError } from "../errors.ts";
import {
  checkFileHead,
  FILE_HEAD_BYTES,
  type FileKind,
  type FileOwner,
  writeFileHead,
} from "./file_head.ts";
import { readSmallFile, replaceFile } from "./small_file.ts";
import type { ClusterId } from "../types.ts";

const CHECKSUM_BYTES = 4;

/** One kind of these files. */
export interface CheckedFile {
  readonly name: string;
  readonly kind: FileKind;
  /** A longer one is refused before it is read. */
  readonly bytesMax: number;
  /** A sentence for people: what this server can't do without it. */
  readonly purpose: string;
}

/** What a file is expected to say about itself. */
export interface Expected {
  readonly serverId: ServerId;
  /** Null: any cluster. */
  readonly clusterId: ClusterId | null;
  /** For the advice where it is damaged. */
  readonly size: ClusterSize;
}

/** Makes a file with `body` durable in `directory`; blocking. Throws what the disk throws. */
export function writeCheckedFile(
  disk: Disk,
  directory: string,
  { name, kind }: CheckedFile,
  owner: FileOwner,
  body: ByteWriter,
  version?: number,
): void {
  const head = new Uint8Array(FILE_HEAD_BYTES);
  writeFileHead(head, kind, owner, version);
  const out = new ByteWriter(FILE_HEAD_BYTES + body.length + CHECKSUM_BYTES);
  out.raw(head);
  out.raw(body.view());
  out.u32(checksum(out.view()));
  replaceFile(disk, directory, name, out.view());
}

/**
 * What `decode` makes of the file's body and the cluster id in its head; null where there is no file.
 * Throws `DataDirectoryError` where it is damaged or another server's or cluster's. `decode` reads all
 * of the body, and throws `ByteFormatError` where it makes no sense.
 */
export function readCheckedFile<T>(
  disk: Disk,
  directory: string,
  { name, kind, bytesMax, purpose }: CheckedFile,
  { serverId, clusterId, size }: Expected,
  decode: (body: ByteReader, clusterId: ClusterId) => T,
): T | null {
  const path = `${directory}/${name}`;
  const bytes = readSmallFile(disk, path, bytesMax);
  if (bytes === null) return null;
  const advice = restoreAdvice(size);
  const foundCluster = checkFileHead(path, bytes, kind, serverId, clusterId, advice);
  try {
    const end = bytes.length - CHECKSUM_BYTES;
    if (end < FILE_HEAD_BYTES || checksum(bytes.subarray(0, end)) !== readU32(bytes, end)) {
      throw new ByteFormatError("its checksum or its length is wrong");
    }
    const body = new ByteReader(bytes.subarray(0, end), FILE_HEAD_BYTES);
    const contents = decode(body, foundCluster);
    body.finish();
    return contents;
  } catch (error) {
    if (!(error instanceof ByteFormatError)) throw error;
    throw new DataDirectoryError(`${path} is damaged: ${error.message}. ${purpose} ${advice}`);
  }
}
