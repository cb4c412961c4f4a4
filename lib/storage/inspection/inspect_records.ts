/** The log record by record, damage and torn tails included. */
import type { Disk } from "../../host/ports.ts";
import { memberIds } from "../../raft/configuration.ts";
import { decodeConfiguration } from "../../raft/configuration_codec.ts";
import { entryKind, ENVELOPE_BYTES } from "../../raft/envelope.ts";
import { type Configuration, type Entry, EntryKind } from "../../raft/types.ts";
import { ByteReader, readU32 } from "../../util/bytes.ts";
import {
  checkRecord,
  decodeHardState,
  decodeRecordEntries,
  findMarker,
  isZero,
  MARKER_BYTES,
  readMarker,
  RECORD_HEAD_BYTES,
  RecordType,
} from "../segments/records.ts";
import { listSegments, readSegmentHead } from "../recovery/scan_log.ts";
import {
  type LogOwner,
  SEGMENT_HEAD_BYTES,
  segmentGeneration,
  segmentName,
} from "../segments/segment_head.ts";

export interface RecordReport {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly kind: "entries" | "hardState" | "marker" | "unknown" | "damaged";
  /** In words and numbers. */
  readonly text: string;
  /** Of entries: the index of the first, and what the last configuration among them says. */
  readonly firstIndex?: number;
  readonly configuration?: ConfigurationAt;
}

/** What one entry of the log says of the members. */
interface ConfigurationAt {
  readonly index: number;
  readonly configuration: Configuration;
}

/**
 * The newest configuration in the log; null where the log has none. Records that later ones replaced don't
 * count.
 */
export function newestConfigurationIn(records: readonly RecordReport[]): Configuration | null {
  let found: ConfigurationAt[] = [];
  for (const { firstIndex = Infinity, configuration } of records) {
    found = found.filter(({ index }) => index < firstIndex);
    if (configuration !== undefined) found.push(configuration);
  }
  return found.at(-1)?.configuration ?? null;
}

export function inspectRecords(disk: Disk, directory: string, owner: LogOwner): RecordReport[] {
  const reports: RecordReport[] = [];
  for (const sequence of listSegments(disk, directory)) {
    const path = `${directory}/${segmentName(sequence)}`;
    const head = readSegmentHead(disk, directory, owner, sequence);
    if (typeof head === "string") {
      reports.push({ path, offset: 0, bytes: 0, kind: "damaged", text: head });
      continue;
    }
    const file = disk.open(path, { readOnly: true });
    try {
      const bytes = new Uint8Array(Math.min(file.size(), head.length));
      const count = file.read(0, bytes);
      const generation = segmentGeneration(owner, sequence);
      walk(path, bytes.subarray(0, count), generation, head.recycled, reports);
    } finally {
      file.close();
    }
  }
  return reports;
}

function walk(
  path: string,
  bytes: Uint8Array,
  generation: number,
  recycled: boolean,
  reports: RecordReport[],
): void {
  let offset = SEGMENT_HEAD_BYTES;
  let chain = readU32(bytes, SEGMENT_HEAD_BYTES - 4);
  while (offset < bytes.length) {
    let end = checkRecord(bytes, offset, chain);
    if (end !== 0 && readMarker(bytes, offset, generation)?.endOfLog === true) {
      reports.push(describe(path, bytes, offset, end, generation));
      offset = end;
      if (findMarker(bytes, offset, generation) === -1) return;
      end = 0;
    }
    if (end === 0) {
      if (!recycled && isZero(bytes, offset, bytes.length)) return;
      const marker = findMarker(bytes, offset, generation);
      const stop = marker === -1 ? bytes.length : marker;
      const text = marker === -1
        ? "no records from here to the end of the file"
        : "no records from here to the next marker";
      reports.push({ path, offset, bytes: stop - offset, kind: "damaged", text });
      if (marker === -1) return;
      offset = marker;
      end = marker + MARKER_BYTES;
    }
    reports.push(describe(path, bytes, offset, end, generation));
    const marker = readMarker(bytes, offset, generation);
    if (marker !== null && (marker.endOfSegment || marker.endOfLog)) return;
    chain = readU32(bytes, offset);
    offset = end;
  }
}

function describe(
  path: string,
  bytes: Uint8Array,
  offset: number,
  end: number,
  generation: number,
): RecordReport {
  const type = bytes[offset + 8]!;
  const body = new ByteReader(bytes, offset + RECORD_HEAD_BYTES, end);
  const at = { path, offset, bytes: end - offset };
  if (type === RecordType.entries) {
    const entries = decodeRecordEntries(body);
    const [first, last] = [entries[0], entries.at(-1)];
    const terms = first?.term === last?.term
      ? `term ${first?.term}`
      : `terms ${first?.term} to ${last?.term}`;
    const text = `${first?.index} to ${last?.index}, ${terms}`;
    const configuration = configurationIn(entries);
    return {
      ...at,
      kind: "entries",
      text: configuration === null ? text : `${text}, members ${membersText(configuration)}`,
      ...(first !== undefined && { firstIndex: first.index }),
      ...(configuration !== null && { configuration }),
    };
  }
  if (type === RecordType.hardState) {
    const { term, votedFor, suspect } = decodeHardState(body);
    const text = `term ${term}, voted for ${votedFor || "nobody"}${suspect ? ", suspect" : ""}`;
    return { ...at, kind: "hardState", text };
  }
  const marker = type === RecordType.marker ? readMarker(bytes, offset, generation) : null;
  if (marker === null) return { ...at, kind: "unknown", text: `a record of type ${type}` };
  const what = marker.endOfSegment ? ", the last here" : "";
  const text = marker.endOfLog ? "the log's end" : `synced up to byte ${marker.synced}${what}`;
  return { ...at, kind: "marker", text };
}

function membersText({ configuration }: ConfigurationAt): string {
  return memberIds(configuration).sort((a, b) => a - b).join(", ");
}

function configurationIn(entries: readonly Entry[]): ConfigurationAt | null {
  const entry = entries.findLast((one) => entryKind(one) === EntryKind.configuration);
  if (entry === undefined) return null;
  const configuration = decodeConfiguration(entry.data.subarray(ENVELOPE_BYTES));
  return { index: entry.index, configuration };
}
