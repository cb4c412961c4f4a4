/** The node's host, with an ear on what it logs. */
import type { ProcessUse } from "../../host/ports.ts";
import type { LogEvent, MachineFacts, WakingHost } from "../api.ts";
import type { EventRing } from "./event_ring.ts";

export class ObservedHost implements WakingHost {
  readonly #host: WakingHost;
  readonly #events: EventRing;

  constructor(host: WakingHost, events: EventRing) {
    this.#host = host;
    this.#events = events;
  }

  scheduleTurn(): void {
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
