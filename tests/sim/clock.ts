/** A server's clocks: the monotonic one drifts and freezes, the wall clock is off and steps as well. */
import type { Clock } from "../../lib/host/ports.ts";
import type { World } from "./world.ts";

/** 2026-01-01, in ms since 1970: where simulated wall clocks begin. */
const WALL_START_MS = 1_767_225_600_000;

export class SimClock implements Clock {
  readonly #world: World;
  /** What this clock showed at `#anchorUs`; it went on from there at `#rate`. */
  #shownUs = 0;
  #anchorUs = 0;
  #rate = 1;
  #wallOffsetMs: number;
  #frozenUntilUs = 0;
  #frozenAtUs = 0;
  #suspendedAtUs = 0;

  constructor(world: World, wallOffsetMs: number, rate: number) {
    this.#world = world;
    this.#wallOffsetMs = wallOffsetMs;
    this.#rate = rate;
    this.#anchorUs = world.now;
  }

  #runningUs(): number {
    return this.#shownUs + (this.#world.now - this.#anchorUs) * this.#rate;
  }

  #us(): number {
    return this.#world.now < this.#frozenUntilUs ? this.#frozenAtUs : this.#runningUs();
  }

  monotonicMs(): number {
    return this.#us() / 1000;
  }

  wallMs(): number {
    return Math.floor(WALL_START_MS + this.#wallOffsetMs + this.#us() / 1000);
  }

  /** Whole microseconds until this clock shows `atMs`, as far as can be told now. */
  untilUs(atMs: number): number {
    if (atMs <= this.monotonicMs()) return 0;
    // At least one: as numbers go, what is to come may be less than nothing away.
    const leftUs = Math.max(1, Math.ceil((atMs * 1000 - this.#runningUs()) / this.#rate));
    const frozenUs = this.isFrozen ? Math.ceil(this.#frozenUntilUs - this.#world.now) : 0;
    return Math.max(leftUs, frozenUs);
  }

  get isFrozen(): boolean {
    return this.#world.now < this.#frozenUntilUs;
  }

  /** When the last freeze ends or ended, in microseconds of the world. */
  get frozenUntilUs(): number {
    return this.#frozenUntilUs;
  }

  /** The machine is suspended: the monotonic clock stands still until `resume`. */
  suspend(): void {
    this.#suspendedAtUs = this.#us();
  }

  /** It goes on where it stood, whatever drift began or ended meanwhile; the wall clock has run. */
  resume(): void {
    const wallMs = this.wallMs();
    this.#shownUs = this.#suspendedAtUs;
    this.#anchorUs = this.#world.now;
    this.#frozenUntilUs = Math.min(this.#frozenUntilUs, this.#world.now);
    this.#wallOffsetMs += wallMs - this.wallMs();
  }

  /** How fast time passes here: 0.9 to 1.1. */
  get rate(): number {
    return this.#rate;
  }

  setRate(rate: number): void {
    this.#shownUs = this.#runningUs();
    this.#anchorUs = this.#world.now;
    this.#rate = rate;
  }

  /** Moves the wall clock by `ms`, forwards or backwards. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Both clocks show the same time for `durationUs`, then jump to where they would be. */
  freeze(durationUs: number): void {
    this.#frozenAtUs = this.#us();
    this.#frozenUntilUs = this.#world.now + durationUs;
  }
}
