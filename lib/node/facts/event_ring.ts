/** The last lines of this server's log, for who asks how it is: bounded, without those for debugging. */
import type { Clock } from "../../host/ports.ts";
import type { EventFacts } from "../../wire/status.ts";
import type { LogEvent } from "../api.ts";

/** So many are kept of each server. */
const EVENTS_MAX = 64;
/** So long they are told again and again: a link to another server may come up a moment later. */
const NEWS_MS = 10_000;
/** Texts are cut to so many characters. */
const MESSAGE_LENGTH_MAX = 200;
const DETAIL_LENGTH_MAX = 300;

export class EventRing {
  readonly #serverId: number;
  readonly #clock: Pick<Clock, "wallMs">;
  #events: EventFacts[] = [];
  #number = 0;

  constructor(serverId: number, clock: Pick<Clock, "wallMs">) {
    this.#serverId = serverId;
    this.#clock = clock;
  }

  note({ level, message, fields }: LogEvent): void {
    if (level === "debug") return;
    const detail = Object.entries(fields).map(([name, value]) => `${name}=${value}`).join(" ");
    this.#events.push({
      serverId: this.#serverId,
      number: ++this.#number,
      atMs: Math.floor(this.#clock.wallMs()),
      level,
      message: message.slice(0, MESSAGE_LENGTH_MAX),
      detail: detail.slice(0, DETAIL_LENGTH_MAX),
    });
    if (this.#events.length >= 2 * EVENTS_MAX) this.#events = this.#events.slice(-EVENTS_MAX);
  }

  /** The last ones, the oldest first. */
  last(most: number = EVENTS_MAX): EventFacts[] {
    return this.#events.slice(-most);
  }

  /** The last ones, for who may have heard them before; none where the newest is old. */
  news(most: number): EventFacts[] {
    const newest = this.#events.at(-1);
    if (newest === undefined || this.#clock.wallMs() - newest.atMs > NEWS_MS) return [];
    return this.last(most);
  }
}
