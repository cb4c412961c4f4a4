/**
 * The client's own session at the cluster (docs/sessions.md), by which a write that is sent again is done
 * once: its number, which writes have which sequence, and from which one on they are not settled. The servers
 * keep what each write came to until it is acknowledged here, so one whose reply was lost can be sent again.
 */
import { Call } from "./call.ts";
import { Refused } from "./errors.ts";
import { toNumber } from "./replies.ts";

/** How long a session lives without a sign of life. */
const TTL_MS = 60_000;
/** One that was idle for longer is left to end, and another opened: nothing has to be kept alive. */
const IDLE_MS_MAX = TTL_MS / 3;
/** After a server that has no sessions, or none to spare, it is not asked again for so long. */
const REFUSED_MS = 10_000;
/** No session has more open writes than so many, of 1,000 that servers keep. */
const OPEN_MAX = 900;

const OPEN_REQUEST: readonly string[] = ["RAFTKV.SESSION", "OPEN", `${TTL_MS}`];

export class WriteLedger {
  readonly #isOff: boolean;
  #id = 0;
  #next = 1;
  /** Sequences that are given and not settled; and the lowest of them, `#next` where there is none. */
  readonly #open = new Set<number>();
  #lowest = 1;
  #usedMs = 0;
  #refusedUntilMs = 0;
  /** A session is asked for. */
  #isOpening = false;
  /** One for all calls. */
  readonly #onSettled = (call: Call): void => this.#settled(call);

  constructor(isOff: boolean) {
    this.#isOff = isOff;
  }

  /** The call is a write that would go in a session, and there is none yet: it waits for that. */
  awaits(call: Call, nowMs: number): boolean {
    if (!this.#isFor(call) || call.place !== null) return false;
    if (this.#id !== 0 && !this.#isIdle(nowMs)) return this.#open.size >= OPEN_MAX;
    return nowMs >= this.#refusedUntilMs;
  }

  /** A session has to be opened before `awaits` changes; else writes have to be settled. */
  get mustOpen(): boolean {
    return !this.#isOpening && (this.#id === 0 || this.#open.size === 0);
  }

  /** The call that opens a session; `done` once there is one, or none to be had for a while. */
  openCall(timeoutMs: number, done: () => void): Call {
    this.#isOpening = true;
    const end = (id: number, refusedUntilMs: number) => {
      this.#isOpening = false;
      this.#id = id;
      this.#next = 1;
      this.#lowest = 1;
      this.#open.clear();
      this.#usedMs = performance.now();
      this.#refusedUntilMs = refusedUntilMs;
      done();
    };
    return new Call({
      requests: [OPEN_REQUEST],
      name: "a client session",
      isWrite: false,
      deadlineMs: performance.now() + timeoutMs,
      timeoutMs,
      signal: undefined,
      decode: toNumber,
      resolve: (id) => end(id as number, 0),
      reject: (error) => end(0, error instanceof Refused ? performance.now() + REFUSED_MS : 0),
    });
  }

  /**
   * The call's session is over, and it was not done now. Where it was sent only once it was never done, and
   * goes in another session.
   */
  lostBy(call: Call, text: string): void {
    if (call.place!.id === this.#id) {
      this.#id = 0;
      this.#open.clear();
      this.#lowest = this.#next;
    }
    if (call.mayBeDone) {
      const why = text === "" ? "its client session is over" : `${call.server} says: ${text}`;
      return call.giveUp("session", why, "reply");
    }
    call.place = null;
  }

  /** The call is about to be sent, again perhaps: says which write of the session it is. */
  stamp(call: Call, nowMs: number): void {
    if (!this.#isFor(call) || this.#id === 0) return;
    if (call.place === null) {
      if (this.#isIdle(nowMs)) return;
      const sequence = this.#next++;
      this.#open.add(sequence);
      call.place = { id: this.#id, sequence, lowest: sequence };
      call.onSettled = this.#onSettled;
    }
    if (call.place.id !== this.#id) return;
    this.#usedMs = nowMs;
    call.place.lowest = Math.min(this.#lowest, call.place.sequence);
  }

  /** It is known under its sequence, so that it may be sent again though it may have been done. */
  mayResend(call: Call): boolean {
    return call.namesItsPlace || (call.place !== null && call.place.id === this.#id);
  }

  #isFor(call: Call): boolean {
    return call.isSessionWrite && !this.#isOff;
  }

  #isIdle(nowMs: number): boolean {
    return this.#open.size === 0 && nowMs - this.#usedMs > IDLE_MS_MAX;
  }

  #settled({ place }: Call): void {
    if (place === null || place.id !== this.#id) return;
    this.#open.delete(place.sequence);
    // Each sequence is passed once.
    while (this.#lowest < this.#next && !this.#open.has(this.#lowest)) this.#lowest++;
  }
}
