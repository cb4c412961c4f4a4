/** The time that a transaction has, its tries and pauses included. */
import { NotDone } from "./errors.ts";

export interface Limit {
  /** By performance.now(). */
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What `work` waits for has the same deadline, and says better why that was missed: it comes first. */
const GRACE_MS = 10;

/**
 * What `work` comes to, by the deadline.
 * @throws {NotDone} where time is up first, or the signal is aborted: only for what changes nothing.
 */
export function byDeadline<T>(work: Promise<T>, limit: Limit): Promise<T> {
  const { deadlineMs, timeoutMs, signal } = limit;
  return new Promise<T>((resolve, reject) => {
    const fail = (code: string, why: string, cause?: unknown) => {
      const failure = { code, server: null, phase: "queue", cause } as const;
      reject(new NotDone(`transact failed: ${why}; nothing was done`, failure));
    };
    const onAbort = () => fail("aborted", "its signal was aborted", signal?.reason);
    const timer = setTimeout(
      () => fail("deadline", `it did not come to its writes within ${Math.round(timeoutMs)} ms`),
      Math.max(0, deadlineMs - performance.now()) + GRACE_MS,
    );
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort);
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    work.then(resolve, reject).finally(end);
  });
}
