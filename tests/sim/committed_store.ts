/**
 * All that is ever committed, applied entry by entry to a store of its own, whose changes are told to a model:
 * what becomes of the keys does not depend on what any server does.
 */
import type { ChangeSink } from "../../lib/kv/commands/changes.ts";
import { Result } from "../../lib/kv/commands/result.ts";
import { Contents } from "../../lib/kv/memory/contents.ts";
import { LoadedScripts } from "../../lib/kv/scripts/loaded_scripts.ts";
import { ClientSessions } from "../../lib/kv/sessions/client_sessions.ts";
import { Store } from "../../lib/kv/store.ts";
import { Users } from "../../lib/kv/users/users.ts";
import { applyEntry } from "../../lib/node/log/apply.ts";
import type { Origin } from "./options.ts";

const HASH_SEED = 1;

export class CommittedStore {
  readonly #store: Store;
  readonly #result = new Result();

  constructor(origin: Origin, sink: ChangeSink) {
    this.#store = emptyStore(origin);
    this.#store.tellChanges(sink);
  }

  /** The last entry that is committed. */
  get revision(): number {
    return this.#store.appliedIndex;
  }

  /** The next entry is committed. */
  committed(data: Uint8Array): void {
    applyEntry(this.#store, { index: this.revision + 1, term: 0, data }, null, this.#result);
  }
}

/** How many of what a model has kept, in its order, are of entries up to `revision`. */
export function countUpTo(
  kept: readonly { readonly revision: number }[],
  revision: number,
): number {
  let [low, high] = [0, kept.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (kept[middle]!.revision <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A store in which nothing is, before the first entry of a world. */
function emptyStore({ index, version }: Origin): Store {
  const head = {
    index,
    clockMs: 0,
    floor: version,
    keys: 0,
    digest: "",
    clusterVersion: 1,
    users: null,
    clientSessions: null,
    loadedScripts: null,
  };
  return new Store({ hashSeed: HASH_SEED }, {
    contents: new Contents(HASH_SEED, 0),
    users: new Users(),
    clientSessions: new ClientSessions(),
    loadedScripts: new LoadedScripts(),
    head,
  });
}
