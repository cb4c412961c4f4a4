/** One call of the client, from the moment it is made until its promise is settled. */
import { NotDone, type Phase, ProtocolProblem, Refused, Unknown } from "./errors.ts";
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
  /** A write that the server can keep account of in a client session (write_ledger.ts). */
  readonly isSessionWrite?: boolean;
  /** A write whose request itself says which write of which client session it is (lease.ts). */
  readonly namesItsPlace?: boolean;
  /** When it is given up, by performance.now(). */
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** From the last request's reply; throws `ProtocolProblem` or `BadValue`. */
  readonly decode: (reply: Reply) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Which write of which client session a call is. */
export interface SessionPlace {
  readonly id: number;
  readonly sequence: number;
  /** All writes of the session below this one were settled when it was sent last; never above `sequence`. */
  lowest: number;
}

/** By these a server refuses before anything is decided: what was sent before may be done all the same. */
const BEFORE_DECIDED = /^(MISCONF|NOAUTH|NOPERM|SESSION|ERR not before)\b/;

export class Call {
  readonly requests: readonly (readonly Argument[])[];
  readonly name: string;
  readonly isWrite: boolean;
  readonly isSessionWrite: boolean;
  readonly namesItsPlace: boolean;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly decode: (reply: Reply) => unknown;
  readonly bytes: number;
  state: CallState = CallState.waiting;
  /** Where it was sent last. */
  server: string | null = null;
  /** Replies that are still to come, of its requests. */
  repliesLeft = 0;
  /** What the server said that refused it for the moment; null where it did not come to that. */
  delay: string | null = null;
  /** The first error among the replies before the last. */
  problem: ReplyError | null = null;
  /** Given once it is first sent in a client session: that stands before its last request then. */
  place: SessionPlace | null = null;
  /** It was sent, is not answered, and may be sent again: what comes of that says what it came to. */
  mayBeDone = false;
  onSettled: ((call: Call) => void) | null = null;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  #onAbort: (() => void) | null = null;

  constructor(settings: CallSettings) {
    this.requests = settings.requests;
    this.name = settings.name;
    this.isWrite = settings.isWrite;
    this.isSessionWrite = settings.isSessionWrite === true;
    this.namesItsPlace = settings.namesItsPlace === true;
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

  /** Sent twice it is done once: the servers know it by its place in a client session. */
  get hasPlace(): boolean {
    return this.namesItsPlace || this.place !== null;
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

  /**
   * Settles it by its last reply, which is no error.
   * @throws {ProtocolProblem} where that is no reply to it.
   */
  take(reply: Reply): void {
    try {
      this.resolve(this.decode(reply));
    } catch (error) {
      if (error instanceof ProtocolProblem) {
        this.giveUp("protocol", `${this.server} sent ${error.message}`, "reply");
        throw error;
      }
      this.reject(error);
    }
  }

  resolve(value: unknown): void {
    if (this.#settle()) this.#resolve(value);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  /** Refuses it in the words of `server`. */
  refuse(text: string, server: string | null = this.server): void {
    const space = text.indexOf(" ");
    const code = space < 0 ? text : text.slice(0, space);
    if (this.mayBeDone && BEFORE_DECIDED.test(text)) {
      return this.giveUp(code, `sent again, it was refused by ${server}: ${text}`, "reply");
    }
    const message = `${this.name} was refused by ${server}: ${text}`;
    this.reject(new Refused(message, { code, server, phase: "reply" }));
  }

  /**
   * Gives it up, with an error that says whether it may have been done. `why` continues the sentence
   * "set was given up: …".
   */
  giveUp(code: string, why: string, phase: Phase, cause?: unknown): void {
    if (this.isSettled) return;
    const wasSent = this.state === CallState.sent || this.mayBeDone;
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
    this.onSettled?.(this);
    if (this.#onAbort !== null) this.#signal!.removeEventListener("abort", this.#onAbort);
    return true;
  }
}
