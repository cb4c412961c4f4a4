/**
 * Logs what may happen again and again. What is left out for its pace (log_pace.ts) is kept: the last
 * of each subject is still said once its pause is over, unless something newer was. So the log ends
 * with what is so, however fast it changed before.
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
  say(subject: string, event: LogEvent, nowMs: number): void {
    const what = `${subject}/${event.message}`;
    const unsaid = this.#pace.ask(what, nowMs);
    if (unsaid === null) {
      this.#held.set(subject, { what, event });
      return;
    }
    this.#held.delete(subject);
    this.#log(event, unsaid);
  }

  tick(nowMs: number): void {
    for (const [subject, { what, event }] of this.#held) {
      const unsaid = this.#pace.askHeld(what, nowMs);
      if (unsaid === null) continue;
      this.#held.delete(subject);
      this.#log(event, unsaid);
    }
  }

  #log(event: LogEvent, unsaid: number): void {
    this.#host.log(unsaid === 0 ? event : { ...event, fields: { ...event.fields, unsaid } });
  }
}
