/** What the storage tests share. */
import { assert, assertEquals } from "@std/assert";
import type { Entry, HardState, PersistBatch } from "../../lib/raft/types.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { EntryKind } from "../../lib/raft/types.ts";
import { DataDirectory, type DataDirectoryOptions } from "../../lib/storage/data_directory.ts";
import type { Disk } from "../../lib/host/ports.ts";
import { segmentName } from "../../lib/storage/segments/segment_head.ts";
import type { FormationRecord, LogStorage, RecoveredLog } from "../../lib/storage/types.ts";
import { Op } from "../../lib/kv/commands/command.ts";
import { encodeCommand } from "../kv/model.ts";
import type { SimDisk } from "../sim/sim_disk.ts";

export const CLUSTER = "0123456789abcdef0123456789abcdef";
export const INCARNATION = "00112233445566ff";

export const FORMED: FormationRecord = {
  stage: "formed",
  clusterId: CLUSTER,
  members: [
    { serverId: 1, incarnation: INCARNATION },
    { serverId: 2, incarnation: "aaaaaaaaaaaaaaaa" },
  ],
};
export const PREPARED: FormationRecord = { ...FORMED, stage: "prepared" };

export function options(changes: Partial<DataDirectoryOptions> = {}): DataDirectoryOptions {
  return {
    path: "1",
    serverId: 1,
    makeIncarnation: () => INCARNATION,
    segmentBytesMax: 4096,
    reserveBytes: 4096,
    ...changes,
  };
}

/** An entry whose payload tells which one it is. */
export function entry(index: number, term: number, payload = `${index}/${term}`): Entry {
  const text = new TextEncoder().encode(payload);
  const data = new Uint8Array(ENVELOPE_BYTES + text.length);
  writeEnvelope(data, EntryKind.commands, index);
  data.set(text, ENVELOPE_BYTES);
  return { index, term, data };
}

/** An entry that sets `key <index>` to `value <index>`. */
export function setEntry(index: number, term: number): Entry {
  const command = encodeCommand({ op: Op.set, key: `key ${index}`, value: `value ${index}` });
  const data = new Uint8Array(ENVELOPE_BYTES + command.length);
  writeEnvelope(data, EntryKind.commands, index);
  data.set(command, ENVELOPE_BYTES);
  return { index, term, data };
}

export function batch(hardState: HardState | null, ...entries: Entry[]): PersistBatch {
  return { hardState, entries, messagesAfterSync: [] };
}

export function vote(term: number, votedFor: number, suspect = false): HardState {
  return { term, votedFor, suspect };
}

export interface Opened {
  directory: DataDirectory;
  log: LogStorage;
  recovered: RecoveredLog;
}

/** Opens a directory, forming it where it is new, and its log. */
export function openFormed(disk: Disk, changes: Partial<DataDirectoryOptions> = {}): Opened {
  const directory = DataDirectory.open(disk, options(changes));
  if (directory.formation === null) directory.saveFormation(PREPARED);
  if (directory.formation?.stage === "prepared") directory.saveFormation(FORMED);
  return { directory, ...directory.openLog() };
}

/** Persists and completes; throws what `done` gets. */
export function persist(disk: SimDisk, log: LogStorage, ...batches: PersistBatch[]): void {
  for (const one of batches) settle(disk, (done) => log.persist(one, done));
}

export function markSynced(disk: SimDisk, log: LogStorage): void {
  settle(disk, (done) => log.markSynced(done));
}

/** Looks for room for ten seconds that end at `untilMs`, as a node does with its ticks. */
export function seekRoom(disk: SimDisk, log: LogStorage, untilMs: number): void {
  for (let nowMs = untilMs - 10_000; nowMs <= untilMs; nowMs += 100) {
    log.seekRoom(nowMs);
    disk.completeAll();
  }
}

function settle(disk: SimDisk, start: (done: (error: Error | null) => void) => void): void {
  let result: Error | null | undefined;
  start((error) => result = error);
  assert(result === undefined, "done was called from within the call");
  disk.completeAll();
  assert(result !== undefined, "done was not called");
  if (result !== null) throw result;
}

/** Compares recovered entries with the expected ones, bytes included. */
export function assertEntries(recovered: RecoveredLog, expected: readonly Entry[]): void {
  assertEquals(recovered.entries, expected);
}

export function segmentPath(sequence: number): string {
  return `1/wal/${segmentName(sequence)}`;
}

/** What the process would say, or null where it starts. */
export function refusal(run: () => void): string | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof Error && error.name === "DataDirectoryError") return error.message;
    throw error;
  }
}
