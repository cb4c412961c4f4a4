/** Connecting to a name: each of its addresses in turn, by a deadline. */
import type { Connection } from "./ports.ts";
import type { Resolver } from "./resolver.ts";

/** What is dialled. */
export interface Dialled {
  readonly hostname: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** One try at one address, given up once `signal` is aborted. */
export type Dial = (address: string, port: number, signal: AbortSignal) => Promise<Connection>;

class NoAnswer extends Error {}

/**
 * Connects to the first address of the name that answers; each gets its share of the time.
 * @throws {Error} where no connection was made within the time, or the signal came: one sentence.
 */
export async function dialFirst(
  { hostname, port, timeoutMs, signal }: Dialled,
  resolver: Resolver,
  dial: Dial,
): Promise<Connection> {
  const untilMs = performance.now() + timeoutMs;
  let first: unknown = null;
  try {
    const addresses = await resolver.resolve(hostname, timeoutMs, signal);
    for (const [at, address] of addresses.entries()) {
      const shareMs = (untilMs - performance.now()) / (addresses.length - at);
      try {
        return await dialOnce(address, port, shareMs, signal, dial);
      } catch (error) {
        first ??= error;
      }
    }
    throw first;
  } catch (error) {
    const why = error instanceof NoAnswer
      ? `no answer within ${timeoutMs} ms`
      : (error as Error).message;
    throw new Error(`Cannot connect to ${hostname} port ${port}: ${why}`, { cause: error });
  }
}

async function dialOnce(
  address: string,
  port: number,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  dial: Dial,
): Promise<Connection> {
  const deadline = new AbortController();
  const abort = () => deadline.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal?.addEventListener("abort", abort);
  try {
    if (signal?.aborted) throw new Error("given up");
    return await dial(address, port, deadline.signal);
  } catch (error) {
    if (signal?.aborted) throw new Error("given up", { cause: error });
    if (deadline.signal.aborted) throw new NoAnswer("no answer", { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
