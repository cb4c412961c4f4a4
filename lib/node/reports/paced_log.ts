/**
 * Logs what may happen again and again. What its pace (log_pace.ts) omits is kept: the latest event of
 * each subject is logged once its pause is over, unless a newer one was. So the log always ends with the
 * present state, however fast that changed before.
 */
import { LogPace } from "./log_pace.ts";
import type { LogEvent, NodeHost } from "../api.ts";

export class PacedLog {
  readonly #host: Pick<NodeHost, "log">;
  readonly #pace = new LogPace();
  /** By subject. */
  readonly #held = new Map<string, { readonly what: string; readonly event: LogEvent }>();

  constructor(host: Pick<NodeHost, "log">) {
    this.#host = host;
  }

  /** `subject`, and the event's message within it, come from small sets: each is remembered. */
  log(subject: string, event: LogEvent, nowMs: number): void {
    const what = `${subject}/${event.message}`;
    const omitted = this.#pace.ask(what, nowMs);
    if (omitted === null) {
      this.#held.set(subject, { what, event });
      return;
    }
    this.#held.delete(subject);
    this.#write(event, omitted);
  }

  /** When something that was kept can be said; Infinity where nothing was. */
  nextDeadlineMs(): number {
    let earliestMs = Infinity;
    if (this.#held.size === 0) return earliestMs;
    for (const { what } of this.#held.values()) {
      earliestMs = Math.min(earliestMs, this.#pace.dueMs(what));
    }
    return earliestMs;
  }

  /** Says what is due. */
  elapse(nowMs: number): void {
    for (const [subject, { what, event }] of this.#held) {
      const omitted = this.#pace.askHeld(what, nowMs);
      if (omitted === null) continue;
      this.#held.delete(subject);
      this.#write(event, omitted);
    }
  }

  #write(event: LogEvent, omitted: number): void {
    this.#host.log(omitted === 0 ? event : { ...event, fields: { ...event.fields, omitted } });
  }
}
