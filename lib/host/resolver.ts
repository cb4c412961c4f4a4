/**
 * Names into addresses, as the system does it (its hosts file, then DNS), but with a deadline: a name
 * server that does not answer takes ten seconds and more, and nothing cuts that short. Looking a name
 * up again while that is under way joins it: tries that are given up must not pile up.
 */

import { isAddress } from "../util/address.ts";

/** All addresses of a name; rejects with an error that carries the system's code. */
export type LookUp = (hostname: string) => Promise<string[]>;

export class Resolver {
  readonly #lookUp: LookUp;
  readonly #underWay = new Map<string, Promise<string[]>>();

  constructor(lookUp: LookUp = lookUpInSystem) {
    this.#lookUp = lookUp;
  }

  /**
   * All addresses of `hostname`, each once, in the system's order; an address is its own.
   * @throws {Error} where there are none, none within `timeoutMs`, or `signal` came: one sentence.
   */
  async resolve(hostname: string, timeoutMs: number, signal?: AbortSignal): Promise<string[]> {
    if (isAddress(hostname)) return [hostname];
    let giveUp = (_why: string) => {};
    const late = new Promise<never>((_, reject) => giveUp = (why) => reject(new Error(why)));
    const onAbort = () => giveUp("given up");
    const timer = setTimeout(
      () => giveUp(`the name ${hostname} was not resolved within ${timeoutMs} ms`),
      timeoutMs,
    );
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
    try {
      return [...new Set(await Promise.race([this.#joined(hostname), late]))];
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #joined(hostname: string): Promise<string[]> {
    const underWay = this.#underWay.get(hostname);
    if (underWay !== undefined) return underWay;
    const looking = this.#lookUp(hostname).catch((error) => {
      throw new Error(refusal(hostname, error), { cause: error });
    }).finally(() => this.#underWay.delete(hostname));
    this.#underWay.set(hostname, looking);
    // Whoever asked may have given up by then.
    looking.catch(() => {});
    return looking;
  }
}

function refusal(hostname: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : "";
  if (code === "ENOTFOUND" || code === "ENODATA") {
    return `the name ${hostname} is unknown, to the hosts file and to DNS`;
  }
  if (code === "EAI_AGAIN") return `the name ${hostname} was not resolved: DNS does not answer`;
  return `the name ${hostname} was not resolved: ${(error as Error).message}`;
}

async function lookUpInSystem(hostname: string): Promise<string[]> {
  // Loaded where a name is given: addresses need none of it.
  const { lookup } = await import("node:dns");
  return await new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, found) => {
      if (error) reject(error);
      else resolve(found.map(({ address }) => address));
    });
  });
}
