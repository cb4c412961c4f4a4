/** The simulated disk as the simulator's faults use it: slow syncs, stalls, errors, an end, crashes. */
import type { Random } from "../../lib/util/random.ts";
import type { DiskEnvironment, FailingOperation, ServerDisk } from "./server_factory.ts";
import { type Completion, type OperationKind, SimDisk } from "./sim_disk.ts";
import { SECTOR_BYTES } from "./sim_inode.ts";
import { CheckFailure } from "./world.ts";

/** So many batches are remembered: the last ones are those that a server has acknowledged last. */
const LAST_BATCHES = 3;
/** Operations within which `crashSoon` takes effect. */
const CRASH_WITHIN_OPERATIONS = 12;
/** How long a write or a change of names takes beside the event loop, as a share of a sync. */
const BESIDE_SHARE = 0.2;
/** Bytes that still fit on a disk that is set full. */
const FULL_BYTES_LEFT_MAX = 3_000;

export class FaultyDisk extends SimDisk implements ServerDisk {
  readonly #environment: DiskEnvironment;
  readonly #random: Random;
  #stalledUntilMs = 0;
  #failsNext: FailingOperation | null = null;
  /** What failed in the life of the process that uses this disk now, and when. */
  #failed: { readonly what: string; readonly atMs: number } | null = null;
  /** Completions behind a stall. */
  readonly #held = new Set<{ readonly complete: () => void }>();
  /** A write of this process found no room, and left what fitted: until that is erased, a torn tail. */
  #leftPart = false;
  /** The last batches that went to the log, the latest last. */
  #batches: { readonly path: string; readonly from: number; readonly to: number }[] = [];
  /** Events at the end of a stall that was healed before: they do nothing any more. */
  #voidEvents = 0;

  constructor(environment: DiskEnvironment) {
    super({ schedule: (completion) => this.#complete(completion) });
    this.#environment = environment;
    this.#random = environment.random;
    this.faults.syncFails = (path) => this.#fails("sync", path);
    this.faults.writeFails = (path) => this.#fails("write", path);
    this.faults.readFails = (path) => this.#fails("read", path);
    this.faults.spoilsRead = (_path, bytes) => {
      if (!this.#random.chance(environment.options.spoiledReads)) return;
      bytes[this.#random.between(0, bytes.length - 1)]! ^= 1 << this.#random.between(0, 7);
    };
    this.faults.keepsPart = () => {
      if (!environment.mayTear()) return false;
      environment.torn();
      this.#leftPart = true;
      return true;
    };
  }

  #fails(operation: FailingOperation, path: string): boolean {
    if (this.#failsNext !== operation) return false;
    this.#failsNext = null;
    // What could not be read is on the disk as it was: who needs it is given something else.
    if (operation !== "read") {
      this.#failed = { what: `${operation} of ${path}`, atMs: this.#environment.nowMs() };
    }
    return true;
  }

  /**
   * What is on the disk after a write or a sync that failed nobody knows: a process that saw one has to end
   * at once, and to read its files anew. It may end its turn, and clear up what it was making.
   */
  protected override onOperation(path: string, what: OperationKind): void {
    if (this.#failed === null || what !== "change") return;
    if (this.#environment.nowMs() === this.#failed.atMs) return;
    throw new CheckFailure(
      "input or output after a failure",
      `${path} was used by a process whose ${this.#failed.what} had failed`,
    );
  }

  protected override onWrite(path: string, offset: number, bytes: Uint8Array): void {
    if (!path.endsWith(".log") || isZero(bytes)) return;
    this.#batches.push({ path, from: offset, to: offset + bytes.length });
    if (this.#batches.length > LAST_BATCHES) this.#batches.shift();
  }

  override kill(): void {
    super.kill();
    this.#failed = null;
    this.#leftPart = false;
    this.#held.clear();
    this.#voidEvents = 0;
  }

  #complete(completion: Completion): void {
    const { schedule, options, nowMs } = this.#environment;
    if (completion.kind === "defer") return schedule(0, completion.complete);
    const { syncMinMs, syncMeanMs } = options.disk;
    const syncMs = syncMinMs - Math.log(1 - this.#random.unit()) * syncMeanMs;
    const drawn = completion.kind === "sync" ? syncMs : syncMs * BESIDE_SHARE;
    const stalledMs = this.#stalledUntilMs - nowMs();
    if (stalledMs <= drawn) return schedule(drawn, completion.complete);
    // Held until the stall ends or is healed, whichever comes first.
    const held = { complete: completion.complete };
    this.#held.add(held);
    schedule(stalledMs, () => {
      if (this.#held.delete(held)) held.complete();
      else this.#voidEvents--;
    });
  }

  /**
   * Mostly the machine loses power; sometimes only the process dies and the page cache stays. What
   * was being written at that moment is half there then, which tears a log as well.
   */
  crash(): void {
    const leftPart = this.#leftPart;
    const losesPower = this.#random.chance(0.75);
    const mayTear = this.#environment.mayTear();
    if (!mayTear) { for (const undo of this.halfWrites) undo(); }
    const tears = mayTear && (losesPower || this.halfWrites.size > 0);
    if (losesPower && mayTear) this.powerLoss(this.#random);
    else this.kill();
    if (tears || leftPart) this.#environment.torn();
    this.#failsNext = null;
  }

  get voidEvents(): number {
    return this.#voidEvents;
  }

  crashSoon(): void {
    this.crashAtOperation = this.operations + this.#random.between(1, CRASH_WITHIN_OPERATIONS);
  }

  stall(durationMs: number): void {
    this.#stalledUntilMs = this.#environment.nowMs() + durationMs;
  }

  failNext(operation: FailingOperation): void {
    this.#failsNext = operation;
  }

  setFull(isFull: boolean, isGreedy = false): void {
    this.hasGreedyNeighbour = isFull && isGreedy;
    this.capacityBytes = isFull
      ? this.usedBytes() + this.#random.between(0, FULL_BYTES_LEFT_MAX)
      : Infinity;
  }

  get isBounded(): boolean {
    return this.capacityBytes < Infinity;
  }

  wipe(): void {
    for (const name of this.list(".")) this.vanish(name);
  }

  damage(random: Random): string {
    const files = this.files().filter((path) => this.contents(path).length > 0);
    if (files.length === 0) return "nothing to damage";
    // The log is where most of the bytes are, and most of what matters.
    const logs = files.filter((path) => path.includes("/wal/"));
    const path = random.pick(logs.length > 0 && random.chance(0.7) ? logs : files);
    if (random.chance(0.1)) {
      this.vanish(path);
      return `${path} is gone`;
    }
    return `${path}: ${harmFile(this, path, random)}`;
  }

  damageEnd(random: Random): string {
    const there = this.#batches.filter(({ path, to }) =>
      this.exists(path) && this.contents(path).length >= to
    );
    if (there.length === 0) return this.damage(random);
    const { path, from, to } = random.pick(there);
    const bytes = this.contents(path);
    const at = random.between(from, to - 1);
    const end = random.chance(0.5) ? at + 1 : to;
    for (let i = at; i < end; i++) bytes[i]! ^= random.between(1, 255);
    this.corrupt(path, () => bytes);
    return `${path}: other bytes at ${at} to ${end}, of the batch at ${from} to ${to}`;
  }

  heal(): void {
    this.#stalledUntilMs = 0;
    this.#failsNext = null;
    this.crashAtOperation = Infinity;
    this.capacityBytes = Infinity;
    this.hasGreedyNeighbour = false;
    const held = [...this.#held];
    this.#held.clear();
    this.#voidEvents += held.length;
    for (const { complete } of held) this.#environment.schedule(1, complete);
  }
}

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Changes some bytes of a file, or its length, durably. */
function harmFile(disk: SimDisk, path: string, random: Random): string {
  const bytes = disk.contents(path);
  let used = bytes.length;
  while (used > 0 && bytes[used - 1] === 0) used--;
  const sectors = Math.ceil(used / SECTOR_BYTES);
  const at = random.between(0, Math.max(0, sectors - 1)) * SECTOR_BYTES;
  const end = Math.min(bytes.length, at + SECTOR_BYTES * random.between(1, 3));
  const shape = random.between(0, 4);
  if (shape === 0) {
    const size = random.between(0, bytes.length - 1);
    disk.corrupt(path, (all) => all.slice(0, size));
    return `cut to ${size} bytes`;
  }
  if (shape === 1 && used > 0) {
    const where = random.between(0, used - 1);
    bytes[where]! ^= 1 << random.between(0, 7);
    disk.corrupt(path, () => bytes);
    return `a bit flipped at ${where}`;
  }
  if (shape === 2) bytes.fill(0, at, end);
  else if (shape === 3) { for (let i = at; i < end; i++) bytes[i] = random.between(0, 255); }
  else {
    const from = random.between(0, Math.max(0, sectors - 1)) * SECTOR_BYTES;
    bytes.copyWithin(at, from, from + end - at);
  }
  // A file that ends in front of what is gone, and shows nothing of it, was never longer for all that
  // its server can tell. That kind of loss is left out: see "What it can't see" in docs/simulator.md.
  if (bytes.subarray(at, used).every((byte) => byte === 0)) bytes.fill(0xa5, at, used);
  disk.corrupt(path, () => bytes);
  return `${["", "", "zeroes", "noise", "other sectors"][shape]} at ${at} to ${end}`;
}
