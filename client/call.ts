/** One call of the client, from the moment it is made until its promise is settled. */
import { NotDone, type Phase, Refused, Unknown } from "./errors.ts";
import { type Reply, ReplyError } from "./reply_parser.ts";
import { type Argument, requestBytes } from "./request_writer.ts";

export const CallState = {
  /** Not sent, or answered in words that say that nothing was done. */
  waiting: 0,
  /** Sent, and not answered. */
  sent: 1,
  settled: 2,
} as const;
export type CallState = typeof CallState[keyof typeof CallState];

export interface CallSettings {
  /** The requests that are sent together; all but the last are answered before the last is decided. */
  readonly requests: readonly (readonly Argument[])[];
  /** What the call is called in errors. */
  readonly name: string;
  readonly isWrite: boolean;
  /** When it is given up, by performance.now(). */
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** From the last request's reply; throws `ProtocolProblem` or `BadValue`. */
  readonly decode: (reply: Reply) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Call {
  readonly requests: readonly (readonly Argument[])[];
  readonly name: string;
  readonly isWrite: boolean;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly decode: (reply: Reply) => unknown;
  readonly bytes: number;
  state: CallState = CallState.waiting;
  /** Where it was sent last. */
  server: string | null = null;
  /** Replies that are still to come, of its requests. */
  repliesLeft = 0;
  /** The first error among the replies before the last. */
  problem: ReplyError | null = null;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  #onAbort: (() => void) | null = null;

  constructor(settings: CallSettings) {
    this.requests = settings.requests;
    this.name = settings.name;
    this.isWrite = settings.isWrite;
    this.deadlineMs = settings.deadlineMs;
    this.timeoutMs = settings.timeoutMs;
    this.decode = settings.decode;
    this.#resolve = settings.resolve;
    this.#reject = settings.reject;
    this.#signal = settings.signal;
    let bytes = 0;
    for (const request of this.requests) bytes += requestBytes(request);
    this.bytes = bytes;
    if (this.#signal !== undefined) this.#listen(this.#signal);
  }

  /** Takes this one's place where its replies may still come, and does nothing with them. */
  ghost(): Call {
    const nothing = () => {};
    const { requests, name, isWrite, deadlineMs, timeoutMs } = this;
    const common = { requests, name, isWrite, deadlineMs, timeoutMs, signal: undefined };
    const ghost = new Call({ ...common, decode: nothing, resolve: nothing, reject: nothing });
    ghost.repliesLeft = this.repliesLeft;
    ghost.state = CallState.settled;
    return ghost;
  }

  get isSettled(): boolean {
    return this.state === CallState.settled;
  }

  sentTo(server: string): void {
    this.state = CallState.sent;
    this.server = server;
    this.repliesLeft = this.requests.length;
    this.problem = null;
  }

  /** A reply before the last: only an error matters. */
  noteReply(reply: Reply): void {
    if (this.problem === null && reply instanceof ReplyError) this.problem = reply;
  }

  /** It surely was not done where it was sent: it may be sent again. */
  wasNotDone(): void {
    if (!this.isSettled) this.state = CallState.waiting;
  }

  resolve(value: unknown): void {
    if (this.#settle()) this.#resolve(value);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  /** Refuses it in the server's own words. */
  refuse(text: string): void {
    const space = text.indexOf(" ");
    const code = space < 0 ? text : text.slice(0, space);
    const message = `${this.name} was refused by ${this.server}: ${text}`;
    this.reject(new Refused(message, { code, server: this.server, phase: "reply" }));
  }

  /**
   * Gives it up, with an error that says whether it may have been done. `why` continues the sentence
   * "set was given up: …".
   */
  giveUp(code: string, why: string, phase: Phase, cause?: unknown): void {
    if (this.isSettled) return;
    const wasSent = this.state === CallState.sent;
    const failure = { code, server: this.server, phase: wasSent ? "reply" : phase, cause } as const;
    if (wasSent && this.isWrite) {
      const advice = "it may have been done, or be done yet: read before you call again";
      this.reject(new Unknown(`${this.name}: outcome unknown: ${why}; ${advice}`, failure));
    } else {
      const outcome = this.isWrite ? "nothing was done, so it may be called again" : "";
      const tail = outcome === "" ? "" : `; ${outcome}`;
      this.reject(new NotDone(`${this.name} failed: ${why}${tail}`, failure));
    }
  }

  #listen(signal: AbortSignal): void {
    const onAbort = () => {
      const reason: unknown = signal.reason;
      const said = reason instanceof Error ? `: ${reason.message}` : "";
      this.giveUp("aborted", `its signal was aborted${said}`, "queue", reason);
    };
    if (signal.aborted) return onAbort();
    this.#onAbort = onAbort;
    signal.addEventListener("abort", onAbort);
  }

  #settle(): boolean {
    if (this.isSettled) return false;
    this.state = CallState.settled;
    if (this.#onAbort !== null) this.#signal!.removeEventListener("abort", this.#onAbort);
    return true;
  }
}
