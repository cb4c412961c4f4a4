/**
 * Checks a snapshot's records (snapshot.ts has their bytes) without keeping any: each by itself, and all
 * of them by their number and the digest of the contents. Memory does not grow with the contents.
 */
import { ByteFormatError, ByteReader } from "../util/bytes.ts";
import { SHORT_BYTES_MAX, shortChecksum, viewChecksum } from "./memory/content_checksum.ts";
import type { WriteFields } from "./memory/contents.ts";
import { Digest } from "./memory/digest.ts";
import { hashBytes, HashKey } from "./memory/hash.ts";
import { RecordHead } from "./memory/record.ts";
import { LoadedScripts } from "./scripts/loaded_scripts.ts";
import { ClientSessions } from "./sessions/client_sessions.ts";
import type { SnapshotHead } from "./snapshot.ts";
import { Users } from "./users/users.ts";

export interface RecordFields extends WriteFields {
  /** Where the key begins; the value follows it, up to where the reader stands. */
  start: number;
}

/**
 * Reads one record into `fields`, up to its end; returns the length of its key. Throws
 * `ByteFormatError` where it is none, or is later than `indexMax`.
 */
export function readRecord(reader: ByteReader, indexMax: number, fields: RecordFields): number {
  const keyLength = reader.u16();
  fields.version = reader.u64();
  fields.index = reader.u64();
  fields.deadlineMs = reader.u64();
  const valueLength = reader.u32();
  if (keyLength === 0) throw new ByteFormatError("A record of the snapshot has no key");
  if (fields.version === 0 || fields.index > indexMax) {
    throw new ByteFormatError("A record of the snapshot has a version or index out of range");
  }
  fields.start = reader.offset;
  reader.skip(keyLength + valueLength);
  return keyLength;
}

/** The digest of contents, and their number of keys, from records as they come. */
export class RecordDigest {
  /** How many records came. */
  keys = 0;
  readonly #hashKey: HashKey;
  readonly #digest = new Digest();
  readonly #record = new RecordHead();

  /** `hashSeed`: the cluster's. */
  constructor(hashSeed: number) {
    this.#hashKey = new HashKey(hashSeed);
  }

  /** Counts the record in whose key and value are `bytes[fields.start, end)`. */
  add(bytes: Uint8Array, keyLength: number, end: number, fields: RecordFields): void {
    const { start, version, index, deadlineMs } = fields;
    const record = this.#record;
    record.prepare(keyLength, end - start - keyLength, version, index, deadlineMs !== 0);
    record.checksum = end - start <= SHORT_BYTES_MAX
      ? shortChecksum(bytes, start, end)
      : viewChecksum(bytes.subarray(start, end));
    this.#digest.add(hashBytes(this.#hashKey, bytes, start, keyLength), record, deadlineMs);
    this.keys++;
  }

  /** With these users, client sessions and scripts, 16 hexadecimal digits. */
  textWith(users: Users, sessions: ClientSessions, scripts: LoadedScripts): string {
    const sum = new Digest();
    sum.setSum(this.#digest, users, sessions, scripts);
    return sum.toString();
  }
}

export class RecordCheck {
  readonly #head: SnapshotHead;
  readonly #digest: RecordDigest;
  readonly #fields: RecordFields = { version: 0, index: 0, deadlineMs: 0, start: 0 };

  /** `hashSeed`: the cluster's, by which the digest was made. */
  constructor(hashSeed: number, head: SnapshotHead) {
    this.#digest = new RecordDigest(hashSeed);
    this.#head = head;
  }

  /** Takes in whole records. Throws `ByteFormatError` where they are none. */
  add(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes);
    const fields = this.#fields;
    while (reader.remaining > 0) {
      const keyLength = readRecord(reader, this.#head.index, fields);
      this.#digest.add(bytes, keyLength, reader.offset, fields);
    }
  }

  /**
   * Throws `ByteFormatError` where records, users, client sessions or scripts are missing or differ from what
   * the head names.
   */
  finish(): void {
    const { keys, digest, index } = this.#head;
    const users = Users.decode(this.#head.users, index);
    const sessions = ClientSessions.decode(this.#head.clientSessions);
    const scripts = LoadedScripts.decode(this.#head.loadedScripts, index);
    if (this.#digest.keys !== keys) {
      throw new ByteFormatError(`it has ${this.#digest.keys} keys, and its head names ${keys}`);
    }
    if (this.#digest.textWith(users, sessions, scripts) !== digest) {
      throw new ByteFormatError("its records don't have the digest that its head names");
    }
  }
}
