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
