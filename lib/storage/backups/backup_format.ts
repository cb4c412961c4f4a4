/**
 * A backup: the contents of a cluster as they were at one index, in one file (docs/backup.md).
 *
 *   0   40  head (file_head.ts, kind "BK"): cluster id, and the server that it was taken from
 *  40    8  index: all entries up to this one are in it, and nothing of a later one
 *  48    8  term of that entry
 *  56    8  when it was taken, by that server's clock, ms since 1970
 *  64    4  the seed by which the digest of the contents was made
 *  68    1  length of the version that follows
 *  69   55  raftkv's version on that server; zeroes after it
 * 124    4  checksum of bytes 40..123
 * 128       the body: that of a snapshot, byte for byte (snapshot_format.ts), each section with a
 *           checksum that continues the one before it
 *           the end:
 *   0    8  "RAFTKVBE"
 *   8    8  bytes that come before the end
 *  16   32  SHA-256 of them
 *  48    4  checksum of bytes 0..47 of the end
 */
import { createHash, type Hash } from "node:crypto";
import type { ServerId, SnapshotPosition } from "../../raft/types.ts";
import { readU32, readU64, writeU32, writeU64 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { BackupDamageError } from "../errors.ts";
import { FILE_HEAD_BYTES, fileHeadProblem, writeFileHead } from "../files/file_head.ts";
import { bytesToHex } from "../../util/hex.ts";
import type { ClusterId } from "../types.ts";

export const BACKUP_HEAD_BYTES = 128;
export const BACKUP_END_BYTES = 52;
const VERSION_AT = 69;
const VERSION_BYTES_MAX = 55;
const HEAD_SUM_AT = 124;
const END_MAGIC = "RAFTKVBE";
const END_SUM_AT = 48;

/** What a backup says of itself before its contents. */
export interface BackupHead {
  readonly clusterId: ClusterId;
  /** The server that it was taken from. */
  readonly serverId: ServerId;
  readonly position: SnapshotPosition;
  /** By that server's clock, ms since 1970. */
  readonly takenMs: number;
  /** Of the digest of the contents. */
  readonly hashSeed: number;
  /** raftkv's version on that server. */
  readonly version: string;
}

/** The head's bytes. A version that is too long is cut. */
export function encodeBackupHead(head: BackupHead): Uint8Array {
  const bytes = new Uint8Array(BACKUP_HEAD_BYTES);
  writeFileHead(bytes, "BK", head);
  writeU64(bytes, 40, head.position.index);
  writeU64(bytes, 48, head.position.term);
  writeU64(bytes, 56, Math.floor(head.takenMs));
  writeU32(bytes, 64, head.hashSeed);
  const { written } = new TextEncoder().encodeInto(
    head.version,
    bytes.subarray(VERSION_AT, VERSION_AT + VERSION_BYTES_MAX),
  );
  bytes[VERSION_AT - 1] = written;
  writeU32(bytes, HEAD_SUM_AT, checksum(bytes.subarray(FILE_HEAD_BYTES, HEAD_SUM_AT)));
  return bytes;
}

/** Throws `BackupDamageError` where `bytes`, the first of the file at `path`, are no such head. */
export function decodeBackupHead(path: string, bytes: Uint8Array): BackupHead {
  const problem = fileHeadProblem(bytes, "BK", "");
  if (problem !== null) {
    throw backupDamage(path, 0, FILE_HEAD_BYTES, problem.replace(/\.$/, ""));
  }
  const own = (reason: string) => backupDamage(path, FILE_HEAD_BYTES, BACKUP_HEAD_BYTES, reason);
  if (bytes.length < BACKUP_HEAD_BYTES) throw own("it ends within its head");
  if (checksum(bytes.subarray(FILE_HEAD_BYTES, HEAD_SUM_AT)) !== readU32(bytes, HEAD_SUM_AT)) {
    throw own("the checksum of its head is wrong");
  }
  const [index, term, takenMs] = [readU64(bytes, 40), readU64(bytes, 48), readU64(bytes, 56)];
  const versionBytes = bytes[VERSION_AT - 1]!;
  const isSafe = [index, term, takenMs].every(Number.isSafeInteger);
  if (!isSafe || versionBytes > VERSION_BYTES_MAX) throw own("its head makes no sense");
  return {
    clusterId: bytesToHex(bytes, 12, 16),
    serverId: readU64(bytes, 28),
    position: { index, term },
    takenMs,
    hashSeed: readU32(bytes, 64),
    version: new TextDecoder().decode(bytes.subarray(VERSION_AT, VERSION_AT + versionBytes)),
  };
}

/** Gathers what the end says of all that comes before it. */
export class BackupSum {
  readonly #hash: Hash = createHash("sha256");
  #bytes = 0;

  /** How many it has taken in. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes in the next bytes of the file. */
  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
  }

  /** The end of the file; nothing can be added any more. */
  encodeEnd(): Uint8Array {
    const bytes = new Uint8Array(BACKUP_END_BYTES);
    for (let i = 0; i < 8; i++) bytes[i] = END_MAGIC.charCodeAt(i);
    writeU64(bytes, 8, this.#bytes);
    bytes.set(this.#hash.digest(), 16);
    writeU32(bytes, END_SUM_AT, checksum(bytes.subarray(0, END_SUM_AT)));
    return bytes;
  }

  /** Throws `BackupDamageError` unless `found`, at `offset` of the file at `path`, is that end. */
  checkEnd(path: string, offset: number, found: Uint8Array): void {
    const end = this.encodeEnd();
    if (end.every((byte, i) => byte === found[i])) return;
    const isWhole = found.length === BACKUP_END_BYTES &&
      checksum(found.subarray(0, END_SUM_AT)) === readU32(found, END_SUM_AT);
    if (isWhole) {
      const reason =
        "its SHA-256 is not the one that stands at its end, though each checksum is right";
      throw backupDamage(path, 0, offset, reason);
    }
    throw backupDamage(path, offset, offset + BACKUP_END_BYTES, "its end is damaged");
  }
}

export function backupDamage(
  path: string,
  from: number,
  to: number,
  reason: string,
): BackupDamageError {
  const message = `${path} is damaged at bytes ${from} to ${to - 1}: ${reason}. ` +
    "This backup can't be used.";
  return new BackupDamageError(message, from, to);
}
