/** The state of the network between servers: who is cut off from whom, what is clogged, and delays. */
import type { Random } from "../../lib/util/random.ts";
import { LENGTH_BYTES } from "../../lib/wire/rpc/frame.ts";
import type { NetworkOptions } from "./options.ts";
import type { World } from "./world.ts";

/** More than a world has servers, those that were replaced and those that were removed included. */
export const SERVERS_MAX = 32;

export class Fabric {
  readonly world: World;
  /** May be replaced while the world runs: healing takes the losses away. */
  options: NetworkOptions;
  readonly random: Random;
  /** Sees every frame that leaves a server. */
  onFrame: ((from: number, to: number, frame: Uint8Array) => void) | null = null;
  /** How many faults cut the direction from one server to another. */
  readonly #cuts = new Uint16Array(SERVERS_MAX ** 2);
  readonly #clogUntilUs = new Float64Array(SERVERS_MAX ** 2);

  constructor(world: World, options: NetworkOptions, random: Random) {
    this.world = world;
    this.options = options;
    this.random = random;
  }

  #at(from: number, to: number): number {
    return from * SERVERS_MAX + to;
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts[this.#at(from, to)]! > 0;
  }

  cut(from: number, to: number): void {
    this.#cuts[this.#at(from, to)]!++;
  }

  mend(from: number, to: number): void {
    const at = this.#at(from, to);
    if (this.#cuts[at]! > 0) this.#cuts[at]!--;
  }

  mendAll(): void {
    this.#cuts.fill(0);
    this.#clogUntilUs.fill(0);
  }

  clog(from: number, to: number, untilUs: number): void {
    this.#clogUntilUs[this.#at(from, to)] = untilUs;
  }

  isLost(): boolean {
    return this.options.loss > 0 && this.random.chance(this.options.loss);
  }

  /** Whether the connections of a process that ends now stay half open. */
  isHalfOpenNow(): boolean {
    return this.options.halfOpen > 0 && this.random.chance(this.options.halfOpen);
  }

  /** Mostly the same bytes; sometimes others, with a bit flipped. */
  damageSome(frame: Uint8Array): Uint8Array {
    const { damaged } = this.options;
    if (damaged === 0 || !this.random.chance(damaged)) return frame;
    this.world.counters.add("frames damaged");
    const changed = frame.slice();
    // Not the length: what follows would be swallowed until so many bytes have come.
    const at = this.random.between(Math.min(LENGTH_BYTES, changed.length - 1), changed.length - 1);
    changed[at]! ^= 1 << this.random.between(0, 7);
    return changed;
  }

  /** A delay in microseconds, an exponential one on top of the least. */
  delayUs(): number {
    const { delayMinMs, delayMeanMs } = this.options;
    const drawn = -Math.log(1 - this.random.unit()) * delayMeanMs;
    return Math.floor((delayMinMs + Math.min(drawn, delayMeanMs * 8)) * 1000) + 1;
  }

  /** How much later than others a frame comes, in microseconds; mostly not at all, `more` times as often. */
  latenessUs(more = 1): number {
    const { late, lateMaxMs } = this.options;
    if (late === 0 || !this.random.chance(late * more)) return 0;
    this.world.counters.add("frames late");
    return this.random.unit() * lateMaxMs * 1000;
  }

  /** When something sent now arrives: after its delay, and after a clog is gone. */
  arrivalUs(from: number, to: number): number {
    const at = this.world.now + this.delayUs();
    const clogUntil = this.#clogUntilUs[this.#at(from, to)]!;
    return clogUntil > at ? clogUntil + this.random.between(0, 2_000) : at;
  }
}
