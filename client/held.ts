/** What is held: a lock, a leadership, a permit. It is kept until it is let go, or lost. */
import type { CallOptions } from "./calls.ts";
import { LockLost, NotDone, RaftkvError } from "./errors.ts";
import type { Lease, RequestLimit } from "./lease.ts";
import { CALL_OPTIONS, checkNames, checkSignal } from "./options.ts";
import { type Reply, ReplyError } from "./reply_parser.ts";
import { checkTimeout } from "./settings.ts";
import { toList, toNumber } from "./replies.ts";

/** What was taken. */
export interface Taken {
  readonly lease: Lease;
  readonly key: Uint8Array;
  /** The version that the key was taken with. */
  readonly token: number;
  /** Of each request, unless told otherwise. */
  readonly timeoutMs: number;
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
}

/** Timers of all runtimes take no longer ones. */
const TIMER_MS_MAX = 2_147_483_647;
/** After an extending that failed, the next one. */
const AGAIN_MS = 200;
const decoder = new TextDecoder();

class Held {
  /**
   * Grows with every taking of this name, whoever takes it: the version of its key. What is protected is to
   * refuse a token below the greatest that it has seen (docs/locks.md).
   */
  readonly token: number;
  /** Resolves when it is lost, with the reason; never where it is let go. */
  readonly lost: Promise<LockLost>;
  /** Aborted when it is lost, its reason a `LockLost`. */
  readonly signal: AbortSignal;
  readonly #taken: Taken;
  readonly #controller = new AbortController();
  readonly #onClosing = () => this.#lose("closed", "the client was closed");
  #resolveLost!: (error: LockLost) => void;
  /** By performance.now(). Once it is over, nothing brings it back. */
  #untilMs: number;
  #loss: LockLost | null = null;
  #letGo: Promise<void> | null = null;
  #keepTimer: ReturnType<typeof setTimeout> | undefined;
  #endTimer: ReturnType<typeof setTimeout> | undefined;

  /** @internal */
  constructor(taken: Taken) {
    this.#taken = taken;
    this.token = taken.token;
    this.signal = this.#controller.signal;
    this.lost = new Promise((resolve) => this.#resolveLost = resolve);
    taken.closing.addEventListener("abort", this.#onClosing);
    this.#untilMs = taken.lease.untilMs;
    if (taken.closing.aborted) this.#onClosing();
    else this.#keep();
    this.#awaitEnd();
  }

  /** By this machine's monotonic clock, which may stand still while a machine sleeps; never after a loss. */
  get isHeld(): boolean {
    return this.leftMs > 0;
  }

  /** For how long it is surely held if the cluster is not reached again; 0 where it is not held. */
  get leftMs(): number {
    if (this.#loss !== null || this.#letGo !== null) return 0;
    return Math.max(0, this.#untilMs - performance.now());
  }

  /**
   * Asks the cluster whether it is held still, and holds it for all of `ttlMs` from now on. The client does
   * so by itself, three times within `ttlMs`.
   * @throws {LockLost} where it is not.
   * @throws {Unknown | NotDone} where no answer came: it is held for `leftMs` all the same.
   */
  extend(options?: CallOptions): Promise<void> {
    checkNames(options, CALL_OPTIONS);
    return this.#extend(this.#limitOf(options));
  }

  /**
   * Lets it go, and nobody else's: what was taken over is left alone.
   * @throws {LockLost} where it was lost before: somebody else may have had it.
   * @throws {Unknown | NotDone} where no answer came: it goes by itself within `ttlMs`.
   * @internal
   */
  protected letGo(name: string, options?: CallOptions): Promise<void> {
    checkNames(options, CALL_OPTIONS);
    const limit = this.#limitOf(options);
    if (this.#loss !== null) return Promise.reject(this.#loss);
    this.#letGo ??= this.#close(name, limit);
    return this.#letGo;
  }

  /** Lets it go; where it was lost before, that was said. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#loss === null) await this.letGo("unlock");
  }

  #close(name: string, limit: RequestLimit): Promise<void> {
    this.#stop();
    return this.#taken.lease.close(name, limit);
  }

  #limitOf(options: CallOptions | undefined): RequestLimit {
    return {
      timeoutMs: checkTimeout("timeoutMs", options?.timeoutMs, this.#taken.timeoutMs),
      signal: checkSignal(options?.signal),
    };
  }

  async #extend(limit: RequestLimit): Promise<void> {
    this.#checkTime();
    const { lease, key, token } = this.#taken;
    let version: number;
    try {
      // What writes keeps the session, what reads tells whether the key is still there.
      const commands = [["RAFTKV.GET", key], ["PERSIST", key]];
      version = await lease.run("extend", commands, toVersion, limit);
    } catch (error) {
      if (!(error instanceof RaftkvError) || error.code !== "SESSION") throw this.#loss ?? error;
      throw this.#lose("session", "the cluster has ended its client session", error);
    }
    // Who asked meanwhile was told that it is not held.
    this.#checkTime();
    if (version !== token) {
      throw this.#lose("taken", "its key was written or deleted by somebody else");
    }
    this.#untilMs = lease.untilMs;
    this.#awaitEnd();
  }

  /** @throws {LockLost | NotDone} where it is not held any more. */
  #checkTime(): void {
    if (this.#letGo !== null) throw this.#failure(NotDone, "released", "it was let go");
    if (this.#loss !== null) throw this.#loss;
    if (this.leftMs <= 0) throw this.#late();
  }

  #late(): LockLost {
    return this.#lose("late", "its time was over before the cluster could be asked to extend it");
  }

  /** Extends it now and then; what fails is tried again soon, until its time is over. */
  #keep(pauseMs = this.#taken.lease.ttlMs / 3): void {
    this.#keepTimer = setTimeout(async () => {
      const timeoutMs = Math.max(1, Math.min(this.#taken.timeoutMs, this.leftMs));
      let nextMs: number | undefined;
      try {
        await this.#extend({ timeoutMs, signal: undefined });
      } catch {
        // Whether it is lost by that is known already.
        nextMs = AGAIN_MS;
      }
      if (this.#loss === null && this.#letGo === null) this.#keep(nextMs);
    }, Math.min(pauseMs, TIMER_MS_MAX));
  }

  /** Looks again when its time is over. */
  #awaitEnd(): void {
    if (this.#loss !== null || this.#letGo !== null) return;
    clearTimeout(this.#endTimer);
    const leftMs = this.#untilMs - performance.now();
    if (leftMs <= 0) return void this.#late();
    this.#endTimer = setTimeout(() => this.#awaitEnd(), Math.min(leftMs, TIMER_MS_MAX));
  }

  #lose(code: string, why: string, cause?: unknown): LockLost {
    if (this.#loss !== null) return this.#loss;
    const loss = this.#loss = this.#failure(LockLost, code, why, cause);
    this.#stop();
    this.#controller.abort(loss);
    this.#resolveLost(loss);
    // What is there of it is of no use any more.
    if (code !== "closed") this.#taken.lease.abandon(this.#limitOf(undefined));
    return loss;
  }

  #failure<E extends RaftkvError>(
    kind: new (
      message: string,
      failure: { code: string; server: null; phase: "reply"; cause?: unknown },
    ) => E,
    code: string,
    why: string,
    cause?: unknown,
  ): E {
    const what = `${decoder.decode(this.#taken.key)} is not held any more: ${why}`;
    return new kind(what, { code, server: null, phase: "reply", cause });
  }

  #stop(): void {
    clearTimeout(this.#keepTimer);
    clearTimeout(this.#endTimer);
    this.#taken.closing.removeEventListener("abort", this.#onClosing);
  }
}

/** A lock that is held: what `Client.lock` gives. */
export class Lock extends Held {
  /** Lets it go: see `Held.letGo`. */
  unlock(options?: CallOptions): Promise<void> {
    return this.letGo("unlock", options);
  }
}

/** An election that was won: what `Client.campaign` gives. */
export class Leadership extends Held {
  /** Whether it leads by its own clock. */
  get isLeader(): boolean {
    return this.isHeld;
  }

  /** Lets another one lead. */
  resign(options?: CallOptions): Promise<void> {
    return this.letGo("resign", options);
  }
}

/** One of a semaphore's permits: what `Client.acquire` gives. */
export class Permit extends Held {
  /** Which one it is, from 1 on. The token grows for this number, not from one to the next. */
  readonly number: number;

  /** @internal */
  constructor(taken: Taken, number: number) {
    super(taken);
    this.number = number;
  }

  /** Gives it back. */
  release(options?: CallOptions): Promise<void> {
    return this.letGo("release", options);
  }
}

/** The key's version, of `RAFTKV.GET`'s reply; 0 where there is none. */
function toVersion(reply: Reply): number {
  const [first] = toList(reply);
  if (first instanceof ReplyError) throw new Error(first.text);
  return first === null ? 0 : toNumber(toList(first)[0]);
}
