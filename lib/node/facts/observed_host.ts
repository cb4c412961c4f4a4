/** The node's host, with an ear on what it logs, and an eye on what it was asked for. */
import type { ProcessUse } from "../../host/ports.ts";
import type { LogEvent, MachineFacts, WakingHost } from "../api.ts";
import type { EventRing } from "./event_ring.ts";

/** `write`: a turn that begins to write the batch that waits, and does nothing else. */
export type AskedTurn = "none" | "write" | "whole";

/** Is told that a turn was asked for. */
export interface TurnClock {
  begin(): void;
}

export class ObservedHost implements WakingHost {
  readonly #host: WakingHost;
  readonly #events: EventRing;
  readonly #clock: TurnClock;
  /** The turn that was asked for and has not begun. */
  #asked: AskedTurn = "none";

  constructor(host: WakingHost, events: EventRing, clock: TurnClock) {
    this.#host = host;
    this.#events = events;
    this.#clock = clock;
  }

  get isTurnAsked(): boolean {
    return this.#asked !== "none";
  }

  scheduleTurn(): void {
    if (this.#asked === "none") this.#ask();
    this.#asked = "whole";
  }

  /** Asks for a turn of the kind `write`, unless one is coming anyway. */
  scheduleWrite(): void {
    if (this.#asked !== "none") return;
    this.#ask();
    this.#asked = "write";
  }

  /** A turn begins. Returns what was asked for: `none` where its shell runs one unasked. */
  turnBegins(): AskedTurn {
    const asked = this.#asked;
    this.#asked = "none";
    return asked;
  }

  #ask(): void {
    this.#clock.begin();
    this.#host.scheduleTurn();
  }

  wakeAt(atMs: number): void {
    this.#host.wakeAt(atMs);
  }

  fatal(error: Error): void {
    this.#host.fatal(error);
  }

  log(event: LogEvent): void {
    this.#events.note(event);
    this.#host.log(event);
  }

  use(): ProcessUse {
    return this.#host.use?.() ?? NO_USE;
  }

  machine(): MachineFacts {
    return this.#host.machine?.() ?? UNKNOWN;
  }
}

const NO_USE: ProcessUse = { cpuMs: 0, diskMs: 0, longestDiskCall: "" };
const UNKNOWN: MachineFacts = {
  memoryBytes: null,
  freeDescriptors: null,
  certificates: [],
  adminPort: 0,
  cpuMs: null,
  diskMs: null,
};
