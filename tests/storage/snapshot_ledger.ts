/**
 * What a life with snapshots promised, and whether what a crash left of it keeps that: shared by the
 * sweeps over such lives.
 */
import { assert, assertEquals } from "@std/assert";
import type { Entry, HardState, PersistBatch } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, entry, FORMED, options, persist, PREPARED, vote } from "./helpers.ts";
import { bodyOf, contentsOf, Loaded, takeSnapshot } from "./snapshot_helpers.ts";

export const SMALL = { segmentBytesMax: 700, reserveBytes: 600 };
export const RECEIVED = { index: 40, term: 2 };

/** What the cluster commits: term 1 up to entry 20, then term 2. */
export const HISTORY: Entry[] = Array.from({ length: 60 }, (_, i) => entry(i + 1, i < 20 ? 1 : 2));
export const BODY = makeBody();

function makeBody(): Uint8Array {
  const disk = new SimDisk();
  const directory = DataDirectory.open(disk, options(SMALL));
  directory.saveFormation(PREPARED);
  directory.saveFormation(FORMED);
  const { log } = directory.openLog();
  persist(disk, log, batch(vote(2, 0), ...HISTORY.slice(0, 40)));
  takeSnapshot(disk, directory, RECEIVED, contentsOf(HISTORY, 40), undefined, 2);
  return bodyOf(directory, RECEIVED);
}

/** What may be there after a crash: all entries from 1 on, those in the snapshot included. */
export interface Ledger {
  formed: boolean;
  logs: (readonly Entry[])[];
  hardStates: HardState[];
}

export function newLedger(): Ledger {
  return { formed: false, logs: [[]], hardStates: [vote(0, 0)] };
}

/** Notes what is about to be written; `keep` is called once it was acknowledged. */
export function promise(ledger: Ledger, one: PersistBatch): { keep: () => void } {
  const before = ledger.logs.at(-1)!;
  const first = one.entries[0]?.index ?? before.length + 1;
  const next = [...before.slice(0, first - 1), ...one.entries];
  ledger.logs.push(next);
  if (one.hardState !== null) ledger.hardStates.push(one.hardState);
  return {
    keep() {
      ledger.logs = [next];
      ledger.hardStates = [ledger.hardStates.at(-1)!];
    },
  };
}

/** Opens what is left and holds it against the ledger. Returns the index of the snapshot loaded. */
export function check(disk: SimDisk, ledger: Ledger, note: string): number {
  let directory = DataDirectory.open(disk, options(SMALL));
  if (directory.formation?.stage !== "formed") {
    assert(!ledger.formed, note);
    return 0;
  }
  const loaded = new Loaded();
  const { recovered, log } = directory.openLog(loaded.options);
  const index = recovered.snapshot?.position.index ?? 0;
  assertEquals(loaded.text, contentsOf(HISTORY, index), note);
  assertEquals(recovered.notes, [], note);
  const first = recovered.entries[0]?.index ?? index + 1;
  assert(first <= index + 1, note);
  // What the snapshot has must not be there a second time as something else.
  for (const one of recovered.entries) {
    if (one.index <= index) assertEquals(one, HISTORY[one.index - 1], note);
  }
  const found = [...HISTORY.slice(0, first - 1), ...recovered.entries];
  assert(ledger.logs.some((expected) => same(found, expected)), `${note}: other entries`);
  const { term, votedFor } = recovered.hardState;
  assert(ledger.hardStates.some((one) => one.term === term && one.votedFor === votedFor), note);
  const next = entry(found.length + 1, 9);
  persist(disk, log, batch(vote(9, 1), next));
  directory.close();
  directory = DataDirectory.open(disk, options(SMALL));
  const second = directory.openLog().recovered;
  assertEquals(second.entries.at(-1), next, note);
  assertEquals(second.snapshot, recovered.snapshot, note);
  directory.close();
  return index;
}

function same(found: readonly Entry[], expected: readonly Entry[]): boolean {
  return found.length === expected.length && found.every((one, i) => {
    const other = expected[i]!;
    return one.index === other.index && one.term === other.term &&
      one.data.length === other.data.length &&
      one.data.every((byte, at) => byte === other.data[at]);
  });
}
