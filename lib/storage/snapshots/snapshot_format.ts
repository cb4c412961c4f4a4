/**
 * `snapshot/<index, 16 digits>-<term, 16 digits>.snap`: everything up to that entry.
 *
 *   0  40  head (file_head.ts, kind "SN")
 *  40      the body: sections, end to end. It is what travels to other servers, byte for byte.
 *
 * A section:
 *
 *   0  4  checksum of bytes 4.. to the section's end, continued from the section before it (0 in
 *         front of the first), so the last one is the checksum of all
 *   4  4  length of the content
 *   8  1  tag
 *   9  3  zero
 *  12     content
 *
 * The sections, in this order; one with an unknown tag is refused:
 *
 *   1 position       cluster id (16 bytes), index u64, term u64
 *   2 configuration  as raft/configuration.ts encodes it
 *   3 store          index u64, clock in ms u64, floor u64, keys u64, digest (length u16, text); from
 *                    file version 2 on: cluster version u16, which is 2 or more; in a file of version 3:
 *                    the users, up to the end, as kv/users/users.ts encodes them; in one of version 4 or
 *                    5, whose cluster version is 4 or more, in place of that parts up to the end, each
 *                    u8 tag, u32 length, content, in the order of their tags and each at most once:
 *                    1 the users, 2 the client sessions (kv/sessions/client_sessions.ts), in one of
 *                    version 5 also 3 the scripts that were loaded (kv/scripts/loaded_scripts.ts)
 *   4 records        whole records of kv/snapshot.ts; any number of these sections
 *  15 end            how many sections came before u64, how many bytes they have u64
 *
 * The file's version is 1 as long as the cluster's is: builds that know no other read it. A later one
 * makes it 2, users make it 3, and cluster versions 4 and 5 make it 4 and 5. It must: to a build that does
 * not know a section, or what stands at its end, a snapshot of version 1 is damaged, and it would go back to
 * an older one and repair what is whole.
 */
import type { Configuration, SnapshotPosition } from "../../raft/types.ts";
import { decodeConfiguration, encodeConfiguration } from "../../raft/configuration_codec.ts";
import { CLUSTER_VERSION_FIRST, NEEDED_VERSION } from "../../kv/cluster_version.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import { LOADED_SCRIPTS_ENCODED_BYTES_MAX } from "../../kv/scripts/loaded_scripts.ts";
import { CLIENT_SESSIONS_ENCODED_BYTES_MAX } from "../../kv/sessions/client_sessions.ts";
import { USERS_ENCODED_BYTES_MAX } from "../../kv/users/users.ts";
import { assert } from "../../util/assert.ts";
import { ByteFormatError, ByteReader, ByteWriter, readU32, writeU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import type { ClusterId } from "../types.ts";

export const SECTION_HEAD_BYTES = 12;
/** The most that one section holds; a record is never split over two. */
export const SECTION_BYTES_MAX = 0x1000_0000;
/** The most that any other section than one of records holds. */
const SMALL_SECTION_BYTES_MAX = 65_536;
/** The most that the store's section holds: with its users, client sessions and scripts. */
export const STORE_SECTION_BYTES_MAX = SMALL_SECTION_BYTES_MAX + USERS_ENCODED_BYTES_MAX +
  CLIENT_SESSIONS_ENCODED_BYTES_MAX + LOADED_SCRIPTS_ENCODED_BYTES_MAX;
const DIGEST_LETTERS_MAX = 128;

/** What stands at the end of the store's section in a file of version 4 or 5; the last in 5 alone. */
const PartTag = { users: 1, clientSessions: 2, loadedScripts: 3 } as const;
/** From this cluster version on there may be parts: none is written before. */
const PARTS_FROM_VERSION = 4;

export const SectionTag = { position: 1, configuration: 2, store: 3, records: 4, end: 15 } as const;

/** The file name of the snapshot at `position`. */
export function snapshotName({ index, term }: SnapshotPosition): string {
  return `${String(index).padStart(16, "0")}-${String(term).padStart(16, "0")}.snap`;
}

/** The position that a file name stands for, or null where it names no snapshot. */
export function snapshotPosition(name: string): SnapshotPosition | null {
  const match = /^(\d{16})-(\d{16})\.snap$/.exec(name);
  if (match === null) return null;
  const [index, term] = [Number(match[1]), Number(match[2])];
  return Number.isSafeInteger(index) && Number.isSafeInteger(term) && index > 0 && term > 0
    ? { index, term }
    : null;
}

export function samePosition(a: SnapshotPosition, b: SnapshotPosition): boolean {
  return a.index === b.index && a.term === b.term;
}

/** Writes a section's head for `content` into `head`; returns its checksum, for the next one. */
export function writeSectionHead(
  head: Uint8Array,
  tag: number,
  content: Uint8Array,
  chain: number,
): number {
  assert(content.length <= SECTION_BYTES_MAX, `A section of ${content.length} bytes is too long`);
  writeU32(head, 4, content.length);
  writeU32(head, 8, tag << 24);
  const sum = checksum(content, checksum(head.subarray(4, SECTION_HEAD_BYTES), chain));
  writeU32(head, 0, sum);
  return sum;
}

/** Checks that a body's sections are the right ones, as they come: by their heads, then contents. */
export class SectionOrder {
  position: SnapshotPosition | null = null;
  clusterId: ClusterId | null = null;
  configuration: Configuration | null = null;
  head: SnapshotHead | null = null;
  ended = false;
  #count = 0;
  #bytes = 0;

  /**
   * The length of the content after the section head `bytes`, of which `left` bytes can follow.
   * Throws `ByteFormatError` where there can't be such a section here.
   */
  begin(bytes: Uint8Array, left: number): number {
    const length = readU32(bytes, 4);
    const tag = bytes[8]!;
    if (this.ended) throw new ByteFormatError("something follows its last section");
    if (!Object.values<number>(SectionTag).includes(tag)) {
      throw new ByteFormatError(`a section's tag is ${tag}, which this build does not know`);
    }
    if ((readU32(bytes, 8) & 0x00ff_ffff) !== 0) {
      throw new ByteFormatError("a section's head is not zero where it has to be");
    }
    const expected = this.#count < 3 ? tag === this.#count + 1 : tag >= SectionTag.records;
    if (!expected) throw new ByteFormatError(`a section of tag ${tag} is out of its place`);
    const most = sectionBytesMax(tag);
    if (length > most) throw new ByteFormatError(`a section's length is ${length}, above ${most}`);
    if (length > left) {
      throw new ByteFormatError(`a section of ${length} bytes begins where ${left} are left`);
    }
    return length;
  }

  /** Takes in a section whose checksum is right. Throws `ByteFormatError` where it makes no sense. */
  end(tag: number, content: Uint8Array): void {
    const reader = new ByteReader(content);
    if (tag === SectionTag.position) {
      this.clusterId = bytesToHex(reader.view(16), 0, 16);
      this.position = { index: reader.u64(), term: reader.u64() };
      reader.finish();
    } else if (tag === SectionTag.configuration) {
      this.configuration = decodeConfiguration(content);
    } else if (tag === SectionTag.store) {
      this.head = decodeStoreHead(reader);
      if (this.head.index !== this.position?.index) {
        throw new ByteFormatError("its store head names another index than its position");
      }
    } else if (tag === SectionTag.end) {
      if (reader.u64() !== this.#count || reader.u64() !== this.#bytes) {
        throw new ByteFormatError("its last section counts other sections or bytes");
      }
      reader.finish();
      this.ended = true;
    }
    this.skip(content.length);
  }

  /** Counts a section of records whose content was looked at elsewhere. */
  skip(length: number): void {
    this.#count++;
    this.#bytes += SECTION_HEAD_BYTES + length;
  }

  /** The content of the last section. */
  encodeEnd(): Uint8Array {
    const out = new ByteWriter(16);
    out.u64(this.#count);
    out.u64(this.#bytes);
    return out.copy();
  }
}

export function encodePosition(clusterId: ClusterId, position: SnapshotPosition): Uint8Array {
  const out = new ByteWriter(32);
  out.raw(hexToBytes(clusterId));
  out.u64(position.index);
  out.u64(position.term);
  return out.copy();
}

export { encodeConfiguration };

export function encodeStoreHead(head: SnapshotHead): Uint8Array {
  const out = new ByteWriter(64);
  for (const number of [head.index, head.clockMs, head.floor, head.keys]) out.u64(number);
  const digest = new TextEncoder().encode(head.digest);
  assert(digest.length <= DIGEST_LETTERS_MAX, `A digest of ${digest.length} letters is too long`);
  out.u16(digest.length);
  out.raw(digest);
  if (head.clusterVersion > CLUSTER_VERSION_FIRST) out.u16(head.clusterVersion);
  const mayHaveScripts = head.clusterVersion >= NEEDED_VERSION.loadedScripts;
  assert(mayHaveScripts || head.loadedScripts === null, "Scripts before their cluster version");
  if (head.clusterVersion < PARTS_FROM_VERSION) {
    assert(head.clientSessions === null, "There are client sessions before their cluster version");
    if (head.users !== null) out.raw(head.users);
    return out.copy();
  }
  if (head.users !== null) encodePart(out, PartTag.users, head.users);
  if (head.clientSessions !== null) encodePart(out, PartTag.clientSessions, head.clientSessions);
  if (head.loadedScripts !== null) encodePart(out, PartTag.loadedScripts, head.loadedScripts);
  return out.copy();
}

function encodePart(out: ByteWriter, tag: number, content: Uint8Array): void {
  out.u8(tag);
  out.u32(content.length);
  out.raw(content);
}

/** What of its head a snapshot's file version depends on. */
export type VersionedHead = Pick<SnapshotHead, "clusterVersion" | "users">;

/** The version of the file that a snapshot is in. */
export function snapshotFileVersion({ clusterVersion, users }: VersionedHead): number {
  if (clusterVersion >= NEEDED_VERSION.loadedScripts) return 5;
  if (clusterVersion >= PARTS_FROM_VERSION) return 4;
  if (users !== null) return 3;
  return clusterVersion > CLUSTER_VERSION_FIRST ? 2 : 1;
}

function sectionBytesMax(tag: number): number {
  if (tag === SectionTag.records) return SECTION_BYTES_MAX;
  return tag === SectionTag.store ? STORE_SECTION_BYTES_MAX : SMALL_SECTION_BYTES_MAX;
}

function decodeStoreHead(reader: ByteReader): SnapshotHead {
  const [index, clockMs, floor, keys] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()];
  const digest = new TextDecoder().decode(reader.view(reader.u16()));
  const clusterVersion = reader.remaining === 0 ? CLUSTER_VERSION_FIRST : reader.u16();
  const fields = { index, clockMs, floor, keys, digest, clusterVersion };
  return { ...fields, ...decodeParts(reader, clusterVersion) };
}

function decodeParts(
  reader: ByteReader,
  clusterVersion: number,
): Pick<SnapshotHead, "users" | "clientSessions" | "loadedScripts"> {
  const parts = new Map<number, Uint8Array>();
  if (clusterVersion < PARTS_FROM_VERSION) {
    if (reader.remaining > 0) parts.set(PartTag.users, reader.copy(reader.remaining));
  } else {
    for (let before = 0; reader.remaining > 0;) {
      const tag = reader.u8();
      const tagMax = clusterVersion >= NEEDED_VERSION.loadedScripts
        ? PartTag.loadedScripts
        : PartTag.clientSessions;
      if (tag <= before || tag > tagMax) {
        throw new ByteFormatError(`a part of its store head has tag ${tag} after ${before}`);
      }
      before = tag;
      parts.set(tag, reader.copy(reader.u32()));
    }
  }
  return {
    users: parts.get(PartTag.users) ?? null,
    clientSessions: parts.get(PartTag.clientSessions) ?? null,
    loadedScripts: parts.get(PartTag.loadedScripts) ?? null,
  };
}
