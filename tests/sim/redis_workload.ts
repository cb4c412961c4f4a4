/**
 * Clients of the Redis protocol: some increment counters, some move money between accounts under WATCH
 * or without it, some read all accounts at once. The sum of the accounts never changes, and a counter
 * of all transfers tells one that was lost or done twice.
 */
import { Random } from "../../lib/util/random.ts";
import type { Reply } from "../process/redis_socket.ts";
import type { ClientSetting } from "./client.ts";
import { checkCounter, checkSum, type CounterOperation, type SumRead } from "./redis_checks.ts";
import { type Ask, RedisClient, type RedisTask } from "./redis_client.ts";
import type { RedisOptions } from "./redis_options.ts";
import { VersionTask } from "./version_task.ts";
import { VolatileHistory, VolatileTask } from "./volatile_task.ts";
import { CheckFailure } from "./world.ts";

const OPENING_BALANCE = 100;
const TRANSFERS = "transfers";
const VOLATILE_THINK_MS = 20;
/** Clients of lines have the numbers below. */
const FIRST_VERSION_CLIENT = 1_001;

/** What all clients saw. */
class RedisHistory {
  readonly operations: CounterOperation[] = [];
  readonly sums: SumRead[] = [];
  acknowledged = 0;
  transfers = 0;
  /** Transactions that came to nothing because a watched account had changed. */
  watchesLost = 0;
  /** Since when the accounts surely exist. */
  openedAt = Infinity;
  /** How often a client was told that it opened the accounts. */
  openings = 0;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  now(): number {
    return this.#now();
  }

  begin(key: string, kind: CounterOperation["kind"], connection: number): CounterOperation {
    const operation: CounterOperation = {
      key,
      kind,
      connection,
      beganAt: this.#now(),
      endedAt: Infinity,
      value: 0,
      outcome: "unknown",
    };
    this.operations.push(operation);
    return operation;
  }

  done(operation: CounterOperation, value: number): void {
    operation.outcome = "done";
    operation.value = value;
    operation.endedAt = this.#now();
    this.acknowledged++;
  }

  judge(sum: number): void {
    const problems = this.sums.map((read) => checkSum(read, sum, this.openedAt));
    const problem = problems.find((found) => found !== null);
    if (problem !== undefined) throw new CheckFailure("redis sum", problem!);
    if (this.openings > 1) {
      throw new CheckFailure("redis sum", `MSETNX opened the accounts ${this.openings} times`);
    }
    for (const key of new Set(this.operations.map((operation) => operation.key))) {
      const why = checkCounter(this.operations.filter((operation) => operation.key === key));
      if (why !== null) throw new CheckFailure("redis counters", why);
    }
  }
}

type Answer = Exclude<Reply, Error>;

function odd(args: readonly string[], reply: unknown): never {
  const text = `${args.join(" ")} was answered ${JSON.stringify(reply)}`;
  throw new CheckFailure("redis replies", text);
}

/** A request whose reply has to be this one. */
function asking(args: readonly string[], wanted: Answer, then?: () => void): Ask {
  return { args, took: (reply) => reply === wanted ? then?.() : odd(args, reply) };
}

function increment(history: RedisHistory, key: string, connection: number): Ask {
  const operation = history.begin(key, "increment", connection);
  const args = ["INCR", key];
  return {
    args,
    took: (reply) => typeof reply === "number" ? history.done(operation, reply) : odd(args, reply),
    refused: () => operation.outcome = "nothing",
  };
}

function balanceOf(args: readonly string[], reply: unknown): number | null {
  if (reply === null) return null;
  if (typeof reply === "string" && /^-?\d+$/.test(reply)) return Number(reply);
  return odd(args, reply);
}

/** Reads a counter; one that is not there has not been incremented. */
function readCounter(history: RedisHistory, key: string, connection: number): Ask {
  const operation = history.begin(key, "read", connection);
  const args = ["GET", key];
  return { args, took: (reply) => history.done(operation, balanceOf(args, reply) ?? 0) };
}

class CounterTask implements RedisTask {
  constructor(
    readonly history: RedisHistory,
    readonly options: RedisOptions,
    readonly random: Random,
  ) {}

  next(connection: number): Ask[] {
    const count = this.random.between(1, this.options.burstMax);
    return Array.from({ length: count }, () => {
      const key = counterName(this.random.between(1, this.options.counters));
      const reads = this.random.chance(0.2);
      return (reads ? readCounter : increment)(this.history, key, connection);
    });
  }

  lost(): void {}
}

interface Watched {
  readonly from: string;
  readonly to: string;
  /** What the two held while they were watched. */
  readonly held: (number | null)[];
  watches: boolean;
}

class TransferTask implements RedisTask {
  #hasOpened = false;
  #watched: Watched | null = null;

  constructor(
    readonly history: RedisHistory,
    readonly accounts: readonly string[],
    readonly random: Random,
  ) {}

  lost(): void {
    this.#watched = null;
  }

  next(connection: number): Ask[] {
    const { random, history } = this;
    if (!this.#hasOpened) return [this.#open()];
    const watched = this.#watched;
    this.#watched = null;
    if (watched !== null) {
      const isWhole = watched.watches && watched.held.every((balance) => balance !== null);
      if (isWhole && random.chance(0.95)) return this.#finish(connection, watched);
      return [asking(["UNWATCH"], "OK")];
    }
    if (random.chance(0.25)) {
      const roll = random.unit();
      if (roll < 0.2) return [readRange(history, this.accounts)];
      return readAll(history, this.accounts, connection, roll < 0.5);
    }
    if (random.chance(0.7)) return this.#watch();
    const [from, to] = this.#two();
    return this.#transaction(connection, [["DECRBY", from, "7"], ["INCRBY", to, "7"]], null);
  }

  /** All or nothing, and nothing where it is done already: this alone may be sent again. */
  #open(): Ask {
    const pairs = this.accounts.flatMap((name) => [name, String(OPENING_BALANCE)]);
    const args = ["MSETNX", ...pairs];
    return {
      args,
      took: (reply) => {
        if (reply !== 0 && reply !== 1) odd(args, reply);
        this.#hasOpened = true;
        this.history.openings += reply;
        this.history.openedAt = Math.min(this.history.openedAt, this.history.now());
      },
    };
  }

  #two(): [string, string] {
    const { random, accounts } = this;
    const first = random.between(0, accounts.length - 1);
    const second = (first + random.between(1, accounts.length - 1)) % accounts.length;
    return [accounts[first]!, accounts[second]!];
  }

  #watch(): Ask[] {
    const [from, to] = this.#two();
    const watched: Watched = { from, to, held: [null, null], watches: false };
    this.#watched = watched;
    const get = (key: string, at: number): Ask => {
      const args = ["GET", key];
      return { args, took: (reply) => watched.held[at] = balanceOf(args, reply) };
    };
    const watch = asking(["WATCH", from, to], "OK", () => watched.watches = true);
    return [watch, get(from, 0), get(to, 1)];
  }

  #finish(connection: number, { from, to, held }: Watched): Ask[] {
    const amount = this.random.between(1, 30);
    const after = [held[0]! - amount, held[1]! + amount];
    const changes = this.random.chance(0.5)
      ? [["SET", from, String(after[0])], ["SET", to, String(after[1])]]
      : [["DECRBY", from, String(amount)], ["INCRBY", to, String(amount)]];
    return this.#transaction(connection, changes, after);
  }

  /** `after`: what both accounts have to hold behind it; null where nothing was watched. */
  #transaction(connection: number, changes: string[][], after: number[] | null): Ask[] {
    const { history } = this;
    const operation = history.begin(TRANSFERS, "increment", connection);
    const args = ["EXEC"];
    const nothing = () => operation.outcome = "nothing" as const;
    const took = (reply: Answer) => {
      if (reply === null && after !== null) {
        history.watchesLost++;
        return nothing();
      }
      if (!Array.isArray(reply) || reply.length !== 3) return odd(args, reply);
      const [first, second, count] = reply as Reply[];
      if (typeof count !== "number") return odd(args, reply);
      const sets = changes[0]![0] === "SET";
      const isOne = (value: unknown, wanted: number | undefined) =>
        sets
          ? value === "OK"
          : typeof value === "number" && (wanted === undefined || wanted === value);
      if (!isOne(first, after?.[0]) || !isOne(second, after?.[1])) {
        throw new CheckFailure(
          "redis transaction",
          `${changes.join("; ")} was answered ${JSON.stringify(reply)}, where what was watched ` +
            `leads to ${after}`,
        );
      }
      history.transfers++;
      history.done(operation, count);
    };
    return [
      asking(["MULTI"], "OK"),
      ...changes.map((change) => asking(change, "QUEUED")),
      asking(["INCR", TRANSFERS], "QUEUED"),
      { args, took, refused: nothing },
    ];
  }
}

/** All accounts and the count of transfers, at one moment: by MGET, or by a transaction of reads. */
function readAll(
  history: RedisHistory,
  accounts: readonly string[],
  connection: number,
  byMget: boolean,
): Ask[] {
  const keys = [...accounts, TRANSFERS];
  const operation = history.begin(TRANSFERS, "read", connection);
  const args = byMget ? ["MGET", ...keys] : ["EXEC"];
  const took = (reply: Answer) => {
    if (!Array.isArray(reply) || reply.length !== keys.length) return odd(args, reply);
    const found = (reply as Reply[]).map((one) => balanceOf(args, one));
    history.done(operation, found.pop() ?? 0);
    history.sums.push({
      beganAt: operation.beganAt,
      endedAt: operation.endedAt,
      balances: found,
    });
  };
  if (byMget) return [{ args, took }];
  const queued = keys.map((key) => asking(["GET", key], "QUEUED"));
  return [asking(["MULTI"], "OK"), ...queued, { args, took }];
}

/** The accounts, at one moment and in the order of their names: by a range, which has no other keys. */
function readRange(history: RedisHistory, accounts: readonly string[]): Ask {
  const args = ["RAFTKV.RANGE", "account", "accounu"];
  const beganAt = history.now();
  return {
    args,
    took: (reply) => {
      const [next, entries] = Array.isArray(reply) ? reply as Reply[] : [];
      if (next !== null || !Array.isArray(entries)) return odd(args, reply);
      const found = entries.map((entry) => Array.isArray(entry) ? entry as Reply[] : []);
      const names = found.map(([name]) => name);
      if (names.length > 0 && names.join() !== [...accounts].sort().join()) odd(args, reply);
      const held = new Map(found.map(([name, _version, _ttlMs, value]) => [name, value]));
      const balances = accounts.map((name) => balanceOf(args, held.get(name) ?? null));
      history.sums.push({ beganAt, endedAt: history.now(), balances });
    },
  };
}

/** Reads every counter and all accounts until each was answered. */
class LastReadTask implements RedisTask {
  readonly #toRead: Set<string>;
  #hasAccounts = false;

  constructor(
    readonly history: RedisHistory,
    readonly accounts: readonly string[],
    counters: readonly string[],
  ) {
    this.#toRead = new Set(counters);
  }

  get isDone(): boolean {
    return this.#hasAccounts && this.#toRead.size === 0;
  }

  lost(): void {}

  next(connection: number): Ask[] {
    const after = (ask: Ask, then: () => void): Ask => ({
      ...ask,
      took: (reply) => {
        ask.took(reply);
        then();
      },
    });
    const [key] = this.#toRead;
    if (key !== undefined) {
      const read = readCounter(this.history, key, connection);
      return [after(read, () => this.#toRead.delete(key))];
    }
    if (this.#hasAccounts) return [];
    return readAll(this.history, this.accounts, connection, true)
      .map((ask) => after(ask, () => this.#hasAccounts = true));
  }
}

function counterName(number: number): string {
  return `counter${number}`;
}

/** All clients of the Redis protocol in one world. */
export class RedisWorkload {
  readonly history: RedisHistory;
  readonly volatile: VolatileHistory;
  readonly #setting: ClientSetting;
  readonly #options: RedisOptions;
  readonly #random: Random;
  readonly #accounts: readonly string[];
  #clients: RedisClient[] = [];

  /** Draws from a stream of its own, so that it reshuffles nothing that others draw. */
  constructor(setting: ClientSetting, options: RedisOptions) {
    this.#setting = setting;
    this.#options = options;
    this.#random = new Random(setting.options.seed ^ 0x4ed15);
    this.history = new RedisHistory(() => setting.fabric.world.now);
    this.volatile = new VolatileHistory(() => setting.fabric.world.now);
    this.#accounts = Array.from({ length: options.accounts }, (_, at) => `account${at + 1}`);
  }

  begin(): void {
    const { counterClients, transferClients } = this.#options;
    const { history } = this;
    const tasks: RedisTask[] = [];
    for (let i = 0; i < counterClients; i++) {
      tasks.push(new CounterTask(history, this.#options, this.#random.fork()));
    }
    for (let i = 0; i < transferClients; i++) {
      tasks.push(new TransferTask(history, this.#accounts, this.#random.fork()));
    }
    this.#clients = tasks.map((task) => this.#client(task));
    for (let i = 0; i < (this.#options.volatileClients ?? 0); i++) {
      // Quick ones: what they do is to meet the end of keys that others, or they, have just made.
      const thinkMs = Math.min(this.#options.thinkMeanMs, VOLATILE_THINK_MS);
      const task = new VolatileTask(this.volatile, this.#random.fork());
      this.#clients.push(this.#client(task, thinkMs));
    }
    const { versionClients = 0, burstMax } = this.#options;
    for (let i = 0; i < versionClients; i++) {
      const number = FIRST_VERSION_CLIENT + i;
      const task = new VersionTask(this.#setting, number, burstMax, this.#random.fork());
      this.#clients.push(this.#client(task));
    }
  }

  #client(task: RedisTask, thinkMs = this.#options.thinkMeanMs): RedisClient {
    return new RedisClient(this.#setting, task, this.#random.fork(), thinkMs);
  }

  /** Nothing further is begun; see `isIdle`. */
  stop(): void {
    for (const client of this.#clients) client.isStopped = true;
  }

  get isIdle(): boolean {
    return this.#clients.every((client) => client.waiting === 0);
  }

  /** All leave, and a last client reads everything. Returns whether it has. */
  readBack(): () => boolean {
    for (const client of this.#clients) client.leave();
    const { counters } = this.#options;
    const keys = Array.from({ length: counters }, (_, at) => counterName(at + 1));
    const task = new LastReadTask(this.history, this.#accounts, keys);
    const client = this.#client(task);
    return () => {
      if (task.isDone) client.leave();
      return task.isDone;
    };
  }

  judge(): void {
    const { history } = this;
    history.judge(OPENING_BALANCE * this.#accounts.length);
    this.volatile.judge();
    const { counters } = this.#setting.fabric.world;
    counters.add("redis acknowledged", history.acknowledged);
    counters.add("redis transfers", history.transfers);
    counters.add("redis watches lost", history.watchesLost);
    counters.add("redis sums read", history.sums.length);
    counters.add("redis volatile transactions", this.volatile.transactions);
    counters.add("redis volatile watches lost", this.volatile.watchesLost);
  }
}
