/** The simulated disk as the simulator's faults use it: slow syncs, stalls, errors, an end, crashes. */
import type { Random } from "../../lib/util/random.ts";
import type { DiskEnvironment, ServerDisk } from "./server_factory.ts";
import { type Completion, SimDisk } from "./sim_disk.ts";

/** Operations within which `crashSoon` takes effect. */
const CRASH_WITHIN_OPERATIONS = 12;
/** Bytes that still fit on a disk that is set full. */
const FULL_BYTES_LEFT_MAX = 3_000;

export class FaultyDisk extends SimDisk implements ServerDisk {
  readonly #environment: DiskEnvironment;
  readonly #random: Random;
  #stalledUntilMs = 0;
  #failsNext = false;
  /** Completions behind a stall. */
  readonly #held = new Set<{ readonly complete: () => void }>();

  constructor(environment: DiskEnvironment) {
    super({ schedule: (completion) => this.#complete(completion) });
    this.#environment = environment;
    this.#random = environment.random;
    this.faults.syncFails = () => {
      const fails = this.#failsNext;
      this.#failsNext = false;
      return fails;
    };
  }

  #complete(completion: Completion): void {
    const { schedule, options, nowMs } = this.#environment;
    if (completion.kind === "defer") return schedule(0, completion.complete);
    const { syncMinMs, syncMeanMs } = options.disk;
    const drawn = syncMinMs - Math.log(1 - this.#random.unit()) * syncMeanMs;
    const stalledMs = this.#stalledUntilMs - nowMs();
    if (stalledMs <= drawn) return schedule(drawn, completion.complete);
    // Held until the stall ends or is healed, whichever comes first.
    const held = { complete: completion.complete };
    this.#held.add(held);
    schedule(stalledMs, () => {
      if (this.#held.delete(held)) held.complete();
    });
  }

  /** Mostly the machine loses power; sometimes only the process dies and the page cache stays. */
  crash(): void {
    if (this.#random.chance(0.75)) this.powerLoss(this.#random);
    else this.kill();
    this.#failsNext = false;
    this.#held.clear();
  }

  crashSoon(): void {
    this.crashAtOperation = this.operations + this.#random.between(1, CRASH_WITHIN_OPERATIONS);
  }

  stall(durationMs: number): void {
    this.#stalledUntilMs = this.#environment.nowMs() + durationMs;
  }

  failNextSync(): void {
    this.#failsNext = true;
  }

  setFull(isFull: boolean): void {
    this.capacityBytes = isFull
      ? this.usedBytes() + this.#random.between(0, FULL_BYTES_LEFT_MAX)
      : Infinity;
  }

  heal(): void {
    this.#stalledUntilMs = 0;
    this.#failsNext = false;
    this.crashAtOperation = Infinity;
    this.capacityBytes = Infinity;
    const held = [...this.#held];
    this.#held.clear();
    for (const { complete } of held) this.#environment.schedule(1, complete);
  }
}
