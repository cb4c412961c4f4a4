/**
 * Log entries inside a frame:
 *
 *   u64  index of the first entry: always prevIndex + 1, also where there is none
 *   u32  how many entries
 *   each: u64 term, u32 length of its data, data (raft/envelope.ts)
 *
 * Everything that raft, the log and the store take on trust later is checked here, once.
 */
import { clusterVersionProblem } from "../../kv/cluster_version.ts";
import { commandsProblem } from "../../kv/commands/command_check.ts";
import { decodeConfiguration } from "../../raft/configuration_codec.ts";
import { ENVELOPE_BYTES, envelopeProblem } from "../../raft/envelope.ts";
import { type Entry, EntryKind } from "../../raft/types.ts";
import { AssertionError, broken } from "../../util/assert.ts";
import { ByteReader, type ByteWriter } from "../../util/bytes.ts";
import type { PlacedPiece } from "./frame.ts";
import { ProtocolError } from "./rpc_types.ts";

/** What an entry takes in a frame besides its data. */
const ENTRY_HEAD_BYTES = 12;

/** Data of at least so many bytes cost more to copy than another write to the socket does. */
const PIECE_BYTES_MIN = 131_072;

/** All of an append request's frame that is not entries: length, head, counts, checksum. */
const APPEND_FRAME_BYTES = 128;

/**
 * A frame size that holds every append request of a leader that puts entries of `appendBytesMax`
 * bytes of data in all, or one larger entry of up to `entryBytesMax`, into it. An entry's data is
 * never shorter than its head, so the heads at most double the sum.
 */
export function appendFrameBytesMax(appendBytesMax: number, entryBytesMax: number): number {
  return APPEND_FRAME_BYTES + 2 * Math.max(appendBytesMax, entryBytesMax);
}

/**
 * Appends entries, the first of which must be entry `firstIndex`. Where there is a `placed`, large data go
 * there instead.
 */
export function encodeEntries(
  out: ByteWriter,
  firstIndex: number,
  entries: readonly Entry[],
  placed: PlacedPiece[] | null = null,
): void {
  out.u64(firstIndex);
  out.u32(entries.length);
  let index = firstIndex;
  for (const entry of entries) {
    if (entry.index !== index) broken(`Cannot send entry ${entry.index} in the place of ${index}`);
    index++;
    out.u64(entry.term);
    out.u32(entry.data.length);
    if (placed !== null && entry.data.length >= PIECE_BYTES_MIN) {
      placed.push({ at: out.length, bytes: entry.data });
    } else out.raw(entry.data);
  }
}

/**
 * Takes the next bytes of a reader for good: as a view of them where they belong to this message alone,
 * else as a copy.
 */
export type Keep = (reader: ByteReader, count: number) => Uint8Array;

/** Of a frame whose bytes nobody else has. */
export const keepView: Keep = (reader, count) => reader.view(count);

/** What the entries have to fit to: the entry before them, and the sender's term. */
export interface EntriesContext {
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly term: number;
  readonly keep: Keep;
}

/** Reads entries up to the reader's end, and checks each. */
export function decodeEntries(reader: ByteReader, context: EntriesContext): Entry[] {
  const firstIndex = reader.u64();
  const count = reader.u32();
  if (firstIndex !== context.prevIndex + 1) {
    throw new ProtocolError(`entry ${firstIndex} comes after entry ${context.prevIndex}`);
  }
  // Bounds the array by the bytes that are really there.
  if (count * (ENTRY_HEAD_BYTES + ENVELOPE_BYTES) > reader.remaining) {
    throw new ProtocolError(`${count} entries are announced in ${reader.remaining} bytes`);
  }
  if (!Number.isSafeInteger(firstIndex + count)) {
    throw new ProtocolError("an index is above 2^53 - 1");
  }
  if (count === 0) return [];
  const rest = context.keep(reader, reader.remaining);
  const own = new ByteReader(rest);
  const entries: Entry[] = [];
  let lastTerm = context.prevTerm;
  for (let i = 0; i < count; i++) {
    const term = own.u64();
    if (term < lastTerm || term > context.term) {
      throw new ProtocolError(
        `entry ${
          firstIndex + i
        } has term ${term}, between ${lastTerm} and ${context.term} is right`,
      );
    }
    lastTerm = term;
    const data = own.view(own.u32());
    const problem = entryProblem(data);
    if (problem !== null) throw new ProtocolError(`entry ${firstIndex + i}: ${problem}`);
    entries.push({ index: firstIndex + i, term, data });
  }
  own.finish();
  return entries;
}

/** What is wrong with an entry's data, or null. */
function entryProblem(data: Uint8Array): string | null {
  const problem = envelopeProblem(data);
  if (problem !== null) return problem;
  switch (data[0]) {
    case EntryKind.commands:
      return commandsProblem(data, ENVELOPE_BYTES);
    case EntryKind.configuration:
      return configurationProblem(data);
    case EntryKind.clusterVersion:
      return clusterVersionProblem(data, ENVELOPE_BYTES);
    default:
      return data.length === ENVELOPE_BYTES ? null : "a no-op carries something";
  }
}

function configurationProblem(data: Uint8Array): string | null {
  try {
    const { voters, learners } = decodeConfiguration(data.subarray(ENVELOPE_BYTES));
    if (voters.length === 0) return "a configuration without voters";
    if (voters.includes(0) || learners.includes(0)) return "a server's id is 0";
    return null;
  } catch (error) {
    if (error instanceof AssertionError || !(error instanceof Error)) throw error;
    return `no configuration: ${error.message}`;
  }
}
