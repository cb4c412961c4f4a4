/**
 * A whole life of a server, from an empty directory on, ended by a power loss at every single
 * operation of its disk, each with several outcomes of what was not synced. Whatever was acknowledged
 * has to be there afterwards, and a second life continues from it.
 */
import { assert, assertEquals } from "@std/assert";
import type { Entry, HardState, PersistBatch } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { livesThrough, remainsOf } from "./crashes.ts";
import {
  batch,
  entry,
  FORMED,
  INCARNATION,
  openFormed,
  options,
  persist,
  PREPARED,
  vote,
} from "./helpers.ts";

const SMALL = { segmentBytesMax: 1100, reserveBytes: 600 };

/** What the outside was told, and what it may have seen begun. */
interface Ledger {
  incarnation: string | null;
  prepared: boolean;
  formed: boolean;
  /** Acknowledged. */
  entries: Entry[];
  hardState: HardState;
  /** Under way when the process ended, or null. */
  pending: PersistBatch | null;
}

function newLedger(): Ledger {
  return {
    incarnation: null,
    prepared: false,
    formed: false,
    entries: [],
    hardState: vote(0, 0),
    pending: null,
  };
}

/** Votes, appends, replacements, large entries, idle markers, a clean restart: about 12 segments. */
function makeWorkload(): (PersistBatch | "idle" | "restart")[] {
  const steps: (PersistBatch | "idle" | "restart")[] = [batch(vote(1, 1)), batch(vote(2, 2))];
  let index = 1;
  let term = 2;
  for (let i = 0; i < 26; i++) {
    if (i % 9 === 4) {
      term++;
      index = Math.max(1, index - 3);
      steps.push(batch(vote(term, i % 3)));
    }
    const entries: Entry[] = [];
    for (let n = 0; n <= i % 3; n++) entries.push(entry(index++, term, `${i}.`.repeat(5 + i * 7)));
    steps.push(batch(i % 5 === 0 ? vote(term, 1) : null, ...entries));
    if (i % 6 === 5) steps.push("idle");
    if (i === 14) steps.push("restart");
  }
  return steps;
}

function acknowledge(ledger: Ledger, done: PersistBatch): void {
  const first = done.entries[0];
  if (first !== undefined) ledger.entries.length = first.index - 1;
  ledger.entries.push(...done.entries);
  if (done.hardState !== null) ledger.hardState = done.hardState;
  ledger.pending = null;
}

/** Lives until the workload is done or the disk says to die. */
function live(disk: SimDisk, ledger: Ledger): void {
  let directory = DataDirectory.open(disk, options(SMALL));
  ledger.incarnation = directory.identity.incarnation;
  directory.saveFormation(PREPARED);
  ledger.prepared = true;
  directory.saveFormation(FORMED);
  ledger.formed = true;
  let { log } = directory.openLog();
  for (const step of makeWorkload()) {
    if (step === "restart") {
      directory.close();
      directory = DataDirectory.open(disk, options(SMALL));
      const opened = directory.openLog();
      assertEquals(opened.recovered.entries, ledger.entries);
      assertEquals(opened.recovered.hardState, ledger.hardState);
      log = opened.log;
    } else if (step === "idle") {
      log.markSynced(() => {});
      disk.completeAll();
    } else {
      ledger.pending = step;
      log.persist(step, (error) => {
        assertEquals(error, null);
        acknowledge(ledger, step);
      });
      disk.completeAll();
    }
  }
  directory.close();
}

/** Opens what is left and holds it against the ledger. */
function check(disk: SimDisk, ledger: Ledger, note: string): void {
  const again = options({ ...SMALL, makeIncarnation: () => INCARNATION });
  const directory = DataDirectory.open(disk, again);
  if (ledger.prepared) assert(directory.formation !== null, note);
  if (ledger.formed) assertEquals(directory.formation?.stage, "formed", note);
  if (directory.formation?.stage !== "formed") {
    directory.close();
    return;
  }
  const { recovered, log } = directory.openLog();
  const { pending } = ledger;
  const kept = pending !== null && matches(recovered.entries, after(ledger, pending));
  if (!kept) assertEquals(recovered.entries, ledger.entries, note);
  const { term, votedFor } = recovered.hardState;
  const promised = [ledger.hardState, pending?.hardState ?? ledger.hardState];
  assert(promised.some((one) => one.term === term && one.votedFor === votedFor), note);
  if (kept && pending.hardState !== null && pending.entries.length > 0) {
    assertEquals(term, pending.hardState.term, note);
  }
  const next = recovered.entries.length + 1;
  persist(disk, log, batch(vote(99, 1), entry(next, 99)));
  directory.close();
  const second = openFormed(disk, SMALL);
  assertEquals(second.recovered.entries.length, next, note);
  assertEquals(second.recovered.hardState.term, 99, note);
  second.directory.close();
}

function after(ledger: Ledger, pending: PersistBatch): Entry[] {
  const first = pending.entries[0];
  if (first === undefined) return ledger.entries;
  return [...ledger.entries.slice(0, first.index - 1), ...pending.entries];
}

function matches(found: readonly Entry[], expected: readonly Entry[]): boolean {
  return found.length === expected.length &&
    found.every((one, i) =>
      one.data.length === expected[i]!.data.length &&
      one.data.every((byte, at) => byte === expected[i]!.data[at])
    );
}

/** Runs until `operation`, with what the outside knows by then. */
function runUntil(operation: number): { disk: SimDisk; ledger: Ledger; finished: boolean } {
  const disk = new SimDisk();
  const ledger = newLedger();
  const finished = livesThrough(disk, operation, () => live(disk, ledger));
  return { disk, ledger, finished };
}

Deno.test("a power loss at every operation keeps what was acknowledged", () => {
  let operation = 0;
  for (let finished = false; !finished;) {
    operation++;
    const run = runUntil(operation);
    finished = run.finished;
    for (const { remains, note } of remainsOf(run.disk, operation, 8)) {
      check(remains, run.ledger, note);
    }
  }
  assert(operation > 200, `only ${operation} operations`);
});

Deno.test("a second power loss at any operation of the start after the first keeps it too", () => {
  for (let operation = 3; operation < 400; operation += 23) {
    const { disk, ledger, finished } = runUntil(operation);
    if (finished) break;
    for (let seed = 0; seed < 3; seed++) {
      const first = disk.clone();
      first.powerLoss(new Random(operation * 100 + seed));
      for (let second = 1; second < 40; second++) {
        const copy = first.clone();
        const through = livesThrough(copy, second, () => openFormed(copy, SMALL));
        copy.powerLoss(new Random(second));
        check(copy, ledger, `operations ${operation} and ${second}, outcome ${seed}`);
        if (through) break;
      }
    }
  }
});

Deno.test("a crash while the disk is full keeps what was acknowledged", () => {
  for (let sectors = 1; sectors < 26; sectors++) {
    const disk = new SimDisk();
    const { log } = openFormed(disk, SMALL);
    disk.capacityBytes = disk.usedBytes() + sectors * 512;
    const ledger = newLedger();
    ledger.formed = true;
    for (const step of makeWorkload()) {
      if (typeof step === "string") continue;
      // A batch after a refused one would leave a gap.
      const first = step.entries[0];
      if (first !== undefined && first.index > ledger.entries.length + 1) break;
      ledger.pending = step;
      log.persist(step, (error) => {
        if (error === null) acknowledge(ledger, step);
        else assertEquals(error.name, "DiskFullError");
      });
      disk.completeAll();
    }
    for (let seed = 0; seed < 8; seed++) {
      const copy = disk.clone();
      copy.powerLoss(new Random(sectors * 100 + seed));
      copy.capacityBytes = Infinity;
      check(copy, ledger, `${sectors} sectors, outcome ${seed}`);
    }
  }
});

Deno.test("what startup after a kill reported survives a power loss directly after it", () => {
  let reported = 0;
  for (let operation = 1;; operation++) {
    const { disk, finished } = runUntil(operation);
    disk.kill();
    const directory = DataDirectory.open(disk, options(SMALL));
    const { formation, identity } = directory;
    const found = formation?.stage === "formed" ? directory.openLog().recovered : null;
    if (found !== null) reported++;
    for (let seed = 0; seed < 8; seed++) {
      const copy = disk.clone();
      copy.powerLoss(new Random(operation * 100 + seed));
      const note = `operation ${operation}, outcome ${seed}`;
      const again = DataDirectory.open(copy, options({ ...SMALL, makeIncarnation: () => "" }));
      assertEquals(again.identity, identity, note);
      assertEquals(again.formation, formation, note);
      if (found !== null) assertEquals(again.openLog().recovered, { ...found, cutBytes: 0 }, note);
    }
    if (finished) break;
  }
  assert(reported > 150, `only ${reported} starts had a log`);
});
