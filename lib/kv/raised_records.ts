/**
 * The records of a snapshot (snapshot.ts has their bytes) for a new cluster that continues an older one:
 * every version is raised by a gap. The old cluster may have given later versions to values that are
 * lost. If the new one gave them again, a `cas` with a version that a client read in the old cluster
 * could take another value for the one that it read. The floor, which new keys start above, is raised by
 * whoever writes the snapshot's head.
 *
 * A digest rests on the cluster's hash seed and on the versions, so it is added up anew.
 */
import { ByteReader, writeU64 } from "../util/bytes.ts";
import type { LoadedScripts } from "./scripts/loaded_scripts.ts";
import type { ClientSessions } from "./sessions/client_sessions.ts";
import type { Users } from "./users/users.ts";
import { readRecord, RecordDigest, type RecordFields } from "./record_check.ts";

const VERSION_OFFSET = 2;

export class RaisedRecords {
  readonly #gap: number;
  readonly #versionMax: number;
  readonly #digest: RecordDigest;
  readonly #fields: RecordFields = { version: 0, index: 0, deadlineMs: 0, start: 0 };

  /** `hashSeed`: the new cluster's. `versionMax`: no raised version is above it; at most 2^53 - 1. */
  constructor(hashSeed: number, gap: number, versionMax = Number.MAX_SAFE_INTEGER) {
    this.#gap = gap;
    this.#versionMax = versionMax;
    this.#digest = new RecordDigest(hashSeed);
  }

  /** How many records came. */
  get keys(): number {
    return this.#digest.keys;
  }

  /** The digest of all records so far, with these users, sessions and scripts: 16 hexadecimal digits. */
  digestWith(users: Users, sessions: ClientSessions, scripts: LoadedScripts): string {
    return this.#digest.textWith(users, sessions, scripts);
  }

  /**
   * Raises the versions in whole records, in place. Throws `ByteFormatError` where the bytes are no
   * records, and `RangeError` where a version would be above `versionMax`.
   */
  raise(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes);
    const fields = this.#fields;
    while (reader.remaining > 0) {
      const at = reader.offset;
      const keyLength = readRecord(reader, Number.MAX_SAFE_INTEGER, fields);
      const raised = fields.version + this.#gap;
      if (raised > this.#versionMax) {
        throw new RangeError(`version ${fields.version} and a gap of ${this.#gap}`);
      }
      fields.version = raised;
      writeU64(bytes, at + VERSION_OFFSET, raised);
      this.#digest.add(bytes, keyLength, reader.offset, fields);
    }
  }
}
