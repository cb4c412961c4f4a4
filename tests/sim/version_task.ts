/**
 * Clients of RAFTKV.GET, SET and CAS, and of DEL: alone, in bursts and in transactions, on the keys of the
 * clients of lines and on a few of their own. They write into the same history, so that one judgement
 * holds for both protocols; besides, the time to live that a read shows has to be that of the write.
 */
import type { Random } from "../../lib/util/random.ts";
import { NO_KNOWN_VALUE } from "../lincheck/history.ts";
import type { Reply } from "../process/redis_socket.ts";
import type { ClientSetting } from "./client.ts";
import type { SimOperation } from "./history.ts";
import type { Ask, RedisTask } from "./redis_client.ts";
import { CheckFailure } from "./world.ts";

const OWN_KEYS = 2;
/** Judged as keys that go by themselves: see `Simulation.judge`. */
const EXPIRING = "expiring-versioned";
const TIMES_TO_LIVE_MS = [1, 50, 400, 3_000, 3_600_000] as const;
const COMMANDS_IN_TRANSACTION_MAX = 4;

type Answer = Exclude<Reply, Error>;

/** One command, what it asks for, and what a reply to it says. */
interface Command {
  readonly args: readonly string[];
  readonly operation: SimOperation;
  readonly took: (reply: Reply | undefined) => void;
}

export class VersionTask implements RedisTask {
  readonly #setting: ClientSetting;
  readonly #client: number;
  readonly #burstMax: number;
  readonly #random: Random;
  /** Versions seen with their values, by key: what a cas may name. */
  readonly #seen = new Map<string, { version: number; value: number }>();

  constructor(setting: ClientSetting, client: number, burstMax: number, random: Random) {
    this.#setting = setting;
    this.#client = client;
    this.#burstMax = burstMax;
    this.#random = random;
  }

  lost(): void {}

  next(connection: number): Ask[] {
    const random = this.#random;
    if (random.chance(0.2)) return this.#transaction(connection);
    const count = random.between(1, this.#burstMax);
    return Array.from({ length: count }, () => {
      const command = this.#command(connection);
      const refused = () => this.#refused(command.operation);
      return { args: command.args, took: command.took, refused };
    });
  }

  /** Whatever becomes of it becomes of all: a command that is refused leads to EXECABORT. */
  #transaction(connection: number): Ask[] {
    const count = this.#random.between(1, COMMANDS_IN_TRANSACTION_MAX);
    const commands = Array.from({ length: count }, () => this.#command(connection));
    const asking = (args: readonly string[], wanted: string): Ask => ({
      args,
      took: (reply) => reply === wanted ? undefined : odd(args, reply),
    });
    const exec: Ask = {
      args: ["EXEC"],
      took: (reply) => {
        if (!Array.isArray(reply) || reply.length !== count) odd(["EXEC"], reply);
        for (const [at, command] of commands.entries()) command.took((reply as Reply[])[at]);
      },
      refused: () => commands.forEach(({ operation }) => this.#refused(operation)),
    };
    const queued = commands.map(({ args }) => asking(args, "QUEUED"));
    return [asking(["MULTI"], "OK"), ...queued, exec];
  }

  #command(connection: number): Command {
    const { random, key, expires } = this.#drawKey();
    const roll = random.unit();
    const kind = roll < 0.35 ? "get" : roll < 0.45 ? "delete" : roll < 0.75 ? "cas" : "set";
    const expected = kind === "cas" ? this.#expected(key) : { version: 0, value: 0 };
    const writes = kind === "set" || kind === "cas";
    const liveMs = writes && expires && random.chance(0.7) ? random.pick(TIMES_TO_LIVE_MS) : 0;
    const { history, options, fabric } = this.#setting;
    const operation = history.begin({
      client: this.#client,
      connection,
      kind,
      key,
      withVersion: true,
      expectedVersion: expected.version,
      expectedValue: expected.value,
      exptime: liveMs / 1_000,
      noreply: false,
      valueBytes: random.between(1, options.clients.valueBytesMax),
    }, fabric.world.now);
    const args = this.#words(operation, liveMs);
    return { args, operation, took: (reply) => this.#took(args, operation, reply as Answer) };
  }

  #drawKey(): { random: Random; key: string; expires: boolean } {
    const random = this.#random;
    const roll = random.unit();
    const own = random.between(1, OWN_KEYS);
    const theirs = random.between(1, this.#setting.options.clients.keys);
    const key = roll < 0.3 ? `key${theirs}` : roll < 0.65 ? `versioned${own}` : `${EXPIRING}${own}`;
    return { random, key, expires: roll >= 0.65 };
  }

  #words({ kind, key, value, expectedVersion }: SimOperation, liveMs: number): string[] {
    if (kind === "get") return ["RAFTKV.GET", key];
    if (kind === "delete") return ["DEL", key];
    const version = kind === "cas" ? [`${expectedVersion}`] : [];
    const tail = liveMs === 0 ? [] : ["PX", `${liveMs}`];
    const text = this.#setting.history.valueText(value);
    return [`RAFTKV.${kind.toUpperCase()}`, key, text, ...version, ...tail];
  }

  #expected(key: string): { version: number; value: number } {
    if (this.#random.chance(0.15)) return { version: 0, value: 0 };
    const seen = this.#seen.get(key);
    if (seen !== undefined && !this.#random.chance(0.05)) return seen;
    return { version: this.#random.between(1, 50), value: NO_KNOWN_VALUE };
  }

  #refused(operation: SimOperation): void {
    this.#setting.history.end(operation, "nothing", this.#setting.fabric.world.now);
  }

  #took(args: readonly string[], operation: SimOperation, reply: Answer | undefined): void {
    const { history, fabric: { world } } = this.#setting;
    const { kind, key, value } = operation;
    world.counters.add("redis versions answered");
    if (reply === null && (kind === "get" || kind === "cas")) {
      return history.end(operation, "notFound", world.now);
    }
    if (kind === "get") return this.#tookValue(args, operation, reply);
    if (typeof reply !== "number") return odd(args, reply);
    if (kind === "delete") {
      if (reply !== 0 && reply !== 1) odd(args, reply);
      return history.end(operation, reply === 1 ? "ok" : "notFound", world.now);
    }
    if (kind === "cas" && reply === 0) return history.end(operation, "versionDiffers", world.now);
    if (reply <= 0) odd(args, reply);
    history.end(operation, "ok", world.now, reply);
    this.#seen.set(key, { version: reply, value });
  }

  #tookValue(args: readonly string[], operation: SimOperation, reply: Answer | undefined): void {
    if (!Array.isArray(reply) || reply.length !== 3) return odd(args, reply);
    const { history, fabric: { world } } = this.#setting;
    const [version, liveMs, text] = reply as Reply[];
    if (typeof version !== "number" || typeof liveMs !== "number" || typeof text !== "string") {
      return odd(args, reply);
    }
    const value = history.valueNumber(text);
    const problem = timeProblem(liveMs, history.operations[value - 1]!.exptime * 1_000);
    if (problem !== null) {
      throw new CheckFailure("redis times to live", `${operation.key}, value ${value}: ${problem}`);
    }
    history.end(operation, "ok", world.now, version, value);
    this.#seen.set(operation.key, { version, value });
  }
}

/**
 * What is wrong with the time to live that is shown with a value, or null.
 * @param givenMs what its write gave it; 0: for ever.
 */
export function timeProblem(liveMs: number, givenMs: number): string | null {
  if (givenMs === 0) return liveMs === -1 ? null : `it goes in ${liveMs} ms, written for good`;
  if (liveMs === -1) return `it is there for good, written for ${givenMs} ms`;
  return liveMs >= 1 && liveMs <= givenMs ? null : `it has ${liveMs} ms left of ${givenMs}`;
}

function odd(args: readonly string[], reply: unknown): never {
  const text = `${args.join(" ").slice(0, 200)} was answered ${JSON.stringify(reply)}`;
  throw new CheckFailure("redis replies", text);
}
