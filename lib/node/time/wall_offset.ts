/**
 * How far the log's time is ahead of a server's wall clock, measured anew whenever it is asked for. A
 * deadline that a client gave has to read back as it was given, so what only jitters is left out:
 * differences of up to `JITTER_MS` count as none, and a measured one stays until it is off by more, or
 * below `AGREED_MS`. Between the two the one before holds: at a single bound it would flip with each
 * measurement.
 */
export const JITTER_MS = 100;
const AGREED_MS = 50;

export class WallOffset {
  #heldMs = 0;

  /** How far `logMs` is ahead of `wallMs`, both whole ms since 1970; negative where it is behind. */
  measure(logMs: number, wallMs: number): number {
    const measuredMs = logMs - wallMs;
    if (Math.abs(measuredMs) < AGREED_MS) this.#heldMs = 0;
    else if (Math.abs(measuredMs - this.#heldMs) > JITTER_MS) this.#heldMs = measuredMs;
    return this.#heldMs;
  }
}
