/** Makes histories that are legal by construction, for the checkers' own tests. */
import { Random } from "../../lib/util/random.ts";
import { NO_KNOWN_VALUE, type Operation } from "./history.ts";

interface Held {
  version: number;
  value: number;
}

/** A register store with floors, as the design has it. */
class ModelStore {
  readonly #keys = new Map<string, Held>();
  #floor = 0;

  get(key: string): Held | undefined {
    return this.#keys.get(key);
  }

  put(key: string, value: number): number {
    const version = (this.#keys.get(key)?.version ?? this.#floor) + 1;
    this.#keys.set(key, { version, value });
    return version;
  }

  remove(key: string): void {
    this.#floor = Math.max(this.#floor, this.#keys.get(key)?.version ?? 0);
    this.#keys.delete(key);
  }
}

/**
 * `count` operations of `clients` clients on `keys` keys. Each takes place at a drawn moment between
 * its invocation and its return; some are never answered, some are refused.
 */
export function generateLegal(
  seed: number,
  count: number,
  clients: number,
  keys: number,
): Operation[] {
  const random = new Random(seed);
  const store = new ModelStore();
  const operations: Operation[] = [];
  const moments: { at: number; op: Operation }[] = [];
  const free = new Array<number>(clients).fill(0);
  const deletes = random.chance(0.7);
  for (let id = 0; id < count; id++) {
    const client = random.between(0, clients - 1);
    const invokedAt = free[client]! + random.between(1, 20);
    const at = invokedAt + random.unit() * 30;
    const returnedAt = Math.floor(at) + random.between(1, 30);
    free[client] = returnedAt;
    const kinds = deletes
      ? (["set", "get", "cas", "delete"] as const)
      : (["set", "get", "cas"] as const);
    const kind = random.pick(kinds);
    const op: Operation = {
      id,
      client,
      connection: client,
      kind,
      key: `k${random.between(1, keys)}`,
      value: kind === "set" || kind === "cas" ? id + 1 : 0,
      expectedVersion: 0,
      expectedValue: 0,
      invokedAt,
      returnedAt,
      outcome: "ok",
      version: 0,
      seen: 0,
    };
    operations.push(op);
    moments.push({ at, op });
  }
  moments.sort((a, b) => a.at - b.at);
  const tokens = new Map<string, Held>();
  for (const { op } of moments) apply(store, op, random, tokens);
  return operations;
}

function apply(
  store: ModelStore,
  op: Operation,
  random: Random,
  tokens: Map<string, Held>,
): void {
  const fate = random.unit();
  if (fate < 0.05) {
    op.outcome = "nothing";
    return;
  }
  perform(store, op, random, tokens);
  if (fate < 0.1) {
    op.outcome = "unknown";
    op.returnedAt = Infinity;
    op.version = 0;
    op.seen = 0;
  }
}

function perform(store: ModelStore, op: Operation, random: Random, tokens: Map<string, Held>) {
  const held = store.get(op.key);
  switch (op.kind) {
    case "set":
      op.version = store.put(op.key, op.value);
      return;
    case "get":
      op.outcome = held === undefined ? "notFound" : "ok";
      op.seen = held?.value ?? 0;
      op.version = held !== undefined && random.chance(0.6) ? held.version : 0;
      if (op.version > 0) tokens.set(op.key, { ...held! });
      return;
    case "delete":
      op.outcome = held === undefined ? "notFound" : "ok";
      store.remove(op.key);
      return;
    case "cas": {
      const token = random.chance(0.2) ? undefined : tokens.get(op.key);
      const guessed = token === undefined && random.chance(0.2);
      const expected = guessed
        ? { version: random.between(1, 20), value: NO_KNOWN_VALUE }
        : token ?? { version: 0, value: 0 };
      Object.assign(op, { expectedVersion: expected.version, expectedValue: expected.value });
      if (held === undefined && expected.version > 0) op.outcome = "notFound";
      else if ((held?.version ?? 0) !== expected.version) op.outcome = "versionDiffers";
      else op.version = store.put(op.key, op.value);
      if (op.outcome === "ok") tokens.set(op.key, { version: op.version, value: op.value });
    }
  }
}
