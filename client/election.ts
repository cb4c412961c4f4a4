/** Who leads: what an election's key tells, now and whenever it changes. */
import type { CallOptions, Key } from "./calls.ts";
import { Refused } from "./errors.ts";
import { checkNames, checkSignal, optionNames } from "./options.ts";
import type { Values } from "./value_client.ts";

/** Who leads, as its own campaign has it. */
export interface Leader {
  readonly value: string;
  readonly token: number;
}

export interface ObserveOptions {
  /** Ends it when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

const OBSERVE_OPTIONS = optionNames<ObserveOptions>({ signal: true });

/** The leader now, and each one that comes to lead; null while nobody does. */
export async function* observeLeaders(
  text: Values<string, string>,
  name: Key,
  options: ObserveOptions = {},
): AsyncGenerator<Leader | null, void, undefined> {
  checkNames(options, OBSERVE_OPTIONS);
  const signal = checkSignal(options.signal);
  let shown: Leader | null | undefined;
  for (;;) {
    try {
      let hasBegun = false;
      for await (const { events } of text.watch(name, { marks: true, signal })) {
        if (!hasBegun) {
          hasBegun = true;
          const leader = await leaderOf(text, name);
          // What the watch tells may be older than what was read.
          if (isNews(leader, shown)) yield shown = leader;
        }
        for (const { kind, version, value } of events) {
          const leader = kind === "set" ? { value: value!, token: version } : null;
          if (leader !== null && leader.token < (shown?.token ?? 0)) continue;
          if (leader === null && version !== 0 && version < (shown?.token ?? 0)) continue;
          if (isNews(leader, shown)) yield shown = leader;
        }
      }
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "COMPACTED") throw error;
    }
  }
}

/** Null where nobody leads. */
export function leaderOf(
  text: Values<string, string>,
  name: Key,
  options?: CallOptions,
): Promise<Leader | null> {
  return text.getm(name, options).then((found) => {
    return found === null ? null : { value: found.value, token: found.version };
  });
}

function isNews(leader: Leader | null, shown: Leader | null | undefined): boolean {
  return shown === undefined || leader?.token !== shown?.token;
}
