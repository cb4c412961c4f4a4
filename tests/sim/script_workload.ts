/**
 * Clients of scripts: they increment counters up to a limit, move money between accounts, and give back locks
 * that they took, by scripts that read before they write; beside them others write the same counters without
 * scripts. Keys are declared or not, scripts come whole or by their hash.
 */
import { createHash } from "node:crypto";
import { NEEDED_VERSION } from "../../lib/kv/cluster_version.ts";
import { Random } from "../../lib/util/random.ts";
import type { Reply } from "../process/redis_socket.ts";
import type { ClientSetting } from "./client.ts";
import { checkCounter, checkSum, type CounterOperation, type SumRead } from "./redis_checks.ts";
import { type Ask, RedisClient, type RedisTask } from "./redis_client.ts";
import {
  checkDenial,
  checkHolds,
  checkTransfers,
  type Hold,
  type ScriptFlush,
  type ScriptLoad,
  type ScriptTransfer,
} from "./script_checks.ts";
import type { ScriptsOptions } from "./scripts_options.ts";
import { CheckFailure } from "./world.ts";

const OPENING_BALANCE = 100;
const TRANSFERS = "script:transfers";
/** The first counter stops here; the others go on. */
const LIMIT = 40;
const NO_LIMIT = 1_000_000;
const PLAIN_THINK_MS = 5;
/** Who finds a lock taken so often takes another one: its holder may never have heard that it is one. */
const REFUSED_MAX = 6;

/** Each has its keys as `K[n]`, for KEYS where they are declared, else for ARGV; the arguments are `A[n]`. */
const SCRIPTS = {
  increment: "local n = tonumber(redis.call('get', K[1]) or '0') " +
    "if n >= tonumber(A[1]) then return {0, n} end " +
    "redis.call('set', K[1], n + 1) return {1, n + 1}",
  transfer: "local f, t = redis.call('get', K[1]), redis.call('get', K[2]) " +
    "if not f or not t then return false end f, t = f - A[1], t + A[1] " +
    "redis.call('set', K[1], f) redis.call('set', K[2], t) " +
    "return {f, t, redis.call('incr', K[3])}",
  open: "if redis.call('exists', K[1]) == 1 then return 0 end " +
    "for i = 1, #K do redis.call('set', K[i], A[1]) end return 1",
  release: "if redis.call('get', K[1]) == A[1] then return redis.call('del', K[1]) " +
    "else return 0 end",
  readAll: "local found = {} for i = 1, #K do found[i] = redis.call('get', K[i]) end return found",
} as const;
type ScriptName = keyof typeof SCRIPTS;

type Answer = Exclude<Reply, Error>;

/** What all clients saw. */
class ScriptHistory {
  readonly operations: CounterOperation[] = [];
  readonly transfers: ScriptTransfer[] = [];
  readonly sums: SumRead[] = [];
  readonly holds: Hold[] = [];
  /** Those that went through the log. */
  readonly loads: ScriptLoad[] = [];
  readonly flushes: ScriptFlush[] = [];
  openedAt = Infinity;
  openings = 0;
  acknowledged = 0;
  /** Which lock is taken now; it grows where one may be nobody's for ever. */
  lock = 1;
  #tokens = 0;
  readonly now: () => number;
  /** Some server has applied that scripts are in the log: whoever leads does as well before it answers. */
  readonly areLogged: () => boolean;

  constructor(now: () => number, areLogged: () => boolean) {
    this.now = now;
    this.areLogged = areLogged;
  }

  nextToken(): string {
    return `token${++this.#tokens}`;
  }

  begin(key: string, kind: CounterOperation["kind"], connection: number): CounterOperation {
    const operation: CounterOperation = {
      key,
      kind,
      connection,
      beganAt: this.now(),
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
    operation.endedAt = this.now();
    this.acknowledged++;
  }

  judge(accounts: readonly string[]): void {
    const sum = accounts.length * OPENING_BALANCE;
    for (const read of this.sums) {
      const why = checkSum(read, sum, this.openedAt);
      if (why !== null) throw new CheckFailure("script sum", why);
    }
    if (this.openings > 1) {
      throw new CheckFailure("script sum", `the accounts were opened ${this.openings} times`);
    }
    for (const key of new Set(this.operations.map((operation) => operation.key))) {
      const why = checkCounter(this.operations.filter((operation) => operation.key === key));
      if (why !== null) throw new CheckFailure("script counters", why);
    }
    const transfers = checkTransfers(this.transfers, accounts, OPENING_BALANCE);
    if (transfers !== null) throw new CheckFailure("script transfers", transfers);
    const holds = checkHolds(this.holds);
    if (holds !== null) throw new CheckFailure("script locks", holds);
  }
}

function odd(args: readonly string[], reply: unknown): never {
  const text = `${args.join(" ")} was answered ${JSON.stringify(reply)}`;
  throw new CheckFailure("redis replies", text);
}

function sha1(source: string): string {
  return createHash("sha1").update(source).digest("hex");
}

/** Whole numbers, or null for what is not there; null altogether where it is no such list. */
function numbersOf(reply: unknown): (number | null)[] | null {
  if (!Array.isArray(reply)) return null;
  const found = (reply as Reply[]).map((one) => {
    if (one === null) return null;
    return /^-?\d+$/.test(String(one)) ? Number(one) : undefined;
  });
  return found.includes(undefined) ? null : found as (number | null)[];
}

function increment(history: ScriptHistory, key: string, connection: number): Ask {
  const operation = history.begin(key, "increment", connection);
  const args = ["INCR", key];
  const took = (reply: Answer) =>
    typeof reply === "number" ? history.done(operation, reply) : odd(args, reply);
  return { args, took, refused: () => operation.outcome = "nothing" };
}

class ScriptTask implements RedisTask {
  readonly #history: ScriptHistory;
  readonly #options: ScriptsOptions;
  readonly #accounts: readonly string[];
  readonly #random: Random;
  /** Sources that some leader has run for this client. */
  readonly #known = new Set<string>();
  /** All that this client has run, or tried to. */
  readonly #sources = new Set<string>();
  readonly #lock: LockSteps;
  #hasOpened = false;

  constructor(
    history: ScriptHistory,
    options: ScriptsOptions,
    accounts: readonly string[],
    random: Random,
  ) {
    this.#history = history;
    this.#options = options;
    this.#accounts = accounts;
    this.#random = random;
    this.#lock = new LockSteps(history, random, (...script) => this.#run(...script));
  }

  lost(): void {}

  next(connection: number): readonly Ask[] {
    const random = this.#random;
    if (!this.#hasOpened) return [this.#open()];
    const { loads = 0, flushes = 0 } = this.#options;
    if (loads > 0 && random.chance(loads)) return [this.#load()];
    if (flushes > 0 && random.chance(flushes)) return [this.#flush()];
    const roll = random.unit();
    if (roll < 0.5) {
      const count = random.between(1, this.#options.burstMax);
      return Array.from({ length: count }, () => this.#count(connection));
    }
    if (roll < 0.75) return [this.#transfer(connection)];
    if (roll < 0.85) return [this.readAll(connection)];
    return [this.#lock.next()];
  }

  /** A script with its keys declared or not, whole or by its hash. */
  #run(
    name: ScriptName,
    keys: readonly string[],
    args: readonly string[],
    took: (reply: Answer) => void,
    refused = () => {},
  ): Ask {
    const { undeclared } = this.#options;
    const isDeclared = !this.#random.chance(undeclared);
    const keysOf = isDeclared ? "KEYS" : `({unpack(ARGV, ${args.length + 1})})`;
    const source = `local K, A = ${keysOf}, ARGV ${SCRIPTS[name]}`;
    const words = isDeclared ? [`${keys.length}`, ...keys, ...args] : ["0", ...args, ...keys];
    const suffix = name === "readAll" && this.#random.chance(0.5) ? "_RO" : "";
    const known = this.#known;
    this.#sources.add(source);
    if (!known.has(source) || this.#random.chance(0.1)) {
      return {
        args: [`EVAL${suffix}`, source, ...words],
        took: (reply) => {
          known.add(source);
          took(reply);
        },
        refused,
      };
    }
    const hash = sha1(source);
    const history = this.#history;
    const beganAt = history.now();
    const failed = (text: string): boolean => {
      if (!text.startsWith("NOSCRIPT")) return false;
      const why = checkDenial(hash, beganAt, history.now(), history.loads, history.flushes);
      if (why !== null) throw new CheckFailure("script loads", why);
      known.delete(source);
      refused();
      return true;
    };
    return { args: [`EVALSHA${suffix}`, hash, ...words], took, refused, failed };
  }

  /** One that was run before, by its own source. */
  #load(): Ask {
    const [history, source] = [this.#history, this.#random.pick([...this.#sources])];
    const [hash, beganAt, isLogged] = [sha1(source), history.now(), history.areLogged()];
    const args = ["SCRIPT", "LOAD", source];
    const took = (reply: Answer) => {
      if (reply !== hash) odd(args, reply);
      this.#known.add(source);
      if (isLogged) history.loads.push({ hash, beganAt, endedAt: history.now() });
    };
    return { args, took };
  }

  #flush(): Ask {
    const history = this.#history;
    const flush: ScriptFlush = { beganAt: history.now(), endedAt: Infinity };
    history.flushes.push(flush);
    const args = ["SCRIPT", "FLUSH"];
    const took = (reply: Answer) => {
      if (reply !== "OK") odd(args, reply);
      flush.endedAt = history.now();
    };
    return { args, took, refused: () => flush.endedAt = -Infinity };
  }

  #open(): Ask {
    const history = this.#history;
    return this.#run("open", this.#accounts, [`${OPENING_BALANCE}`], (reply) => {
      if (reply !== 0 && reply !== 1) odd(["open"], reply);
      this.#hasOpened = true;
      history.openings += reply;
      history.openedAt = Math.min(history.openedAt, history.now());
    });
  }

  #count(connection: number): Ask {
    const [history, random, { counters, plain }] = [this.#history, this.#random, this.#options];
    const number = random.between(1, counters);
    const key = counterName(number);
    // The first one is hot, and has no limit where others write it, too.
    if (number === 1 && random.chance(plain)) return increment(history, key, connection);
    const operation = history.begin(key, "increment", connection);
    const refused = () => operation.outcome = "nothing";
    const limit = number === 1 ? NO_LIMIT : LIMIT;
    return this.#run("increment", [key], [`${limit}`], (reply) => {
      const [isDone, value] = numbersOf(reply) ?? [];
      if (typeof value !== "number" || value > limit) return odd(["increment", key], reply);
      if (isDone === 0) {
        if (value !== limit) odd(["increment", key], reply);
        operation.kind = "read";
      }
      history.done(operation, value);
    }, refused);
  }

  #transfer(connection: number): Ask {
    const [history, random, accounts] = [this.#history, this.#random, this.#accounts];
    const first = random.between(0, accounts.length - 1);
    const second = (first + random.between(1, accounts.length - 1)) % accounts.length;
    const [from, to] = [accounts[first]!, accounts[second]!];
    const amount = random.between(1, 30);
    const operation = history.begin(TRANSFERS, "increment", connection);
    const transfer: ScriptTransfer = { operation, from, to, amount, after: [0, 0] };
    history.transfers.push(transfer);
    const refused = () => operation.outcome = "nothing";
    return this.#run("transfer", [from, to, TRANSFERS], [`${amount}`], (reply) => {
      const [left, right, count] = numbersOf(reply) ?? [];
      if (typeof left !== "number" || typeof right !== "number" || typeof count !== "number") {
        return odd(["transfer", from, to], reply);
      }
      transfer.after = [left, right];
      history.done(operation, count);
    }, refused);
  }

  /** All accounts and the count of transfers, at one moment; without a script where `then` is given. */
  readAll(connection: number, then?: () => void): Ask {
    const history = this.#history;
    const operation = history.begin(TRANSFERS, "read", connection);
    const keys = [...this.#accounts, TRANSFERS];
    const took = (reply: Answer) => {
      const balances = numbersOf(reply);
      if (balances?.length !== keys.length) return odd(["readAll"], reply);
      history.done(operation, balances.pop() ?? 0);
      history.sums.push({ beganAt: operation.beganAt, endedAt: operation.endedAt, balances });
      then?.();
    };
    if (then !== undefined || this.#random.chance(0.3)) return { args: ["MGET", ...keys], took };
    return this.#run("readAll", keys, [], took);
  }

  readCounter(key: string, connection: number, then: () => void): Ask {
    const operation = this.#history.begin(key, "read", connection);
    const args = ["GET", key];
    const took = (reply: Answer) => {
      const [value] = numbersOf([reply]) ?? odd(args, reply);
      this.#history.done(operation, value ?? 0);
      then();
    };
    return { args, took };
  }
}

/** Writes a counter again and again, so that scripts on it lose. */
class PlainTask implements RedisTask {
  readonly #history: ScriptHistory;

  constructor(history: ScriptHistory) {
    this.#history = history;
  }

  lost(): void {}

  next(connection: number): Ask[] {
    return [increment(this.#history, counterName(1), connection)];
  }
}

type RunScript = (
  name: ScriptName,
  keys: readonly string[],
  args: readonly string[],
  took: (reply: Answer) => void,
  refused?: () => void,
) => Ask;

/** Takes a lock by SET NX and gives it back by the script that all libraries have. */
class LockSteps {
  readonly #history: ScriptHistory;
  readonly #random: Random;
  readonly #run: RunScript;
  #hold: Hold | null = null;
  /** Asked to give it back, without an answer. */
  #mayBeFree = false;
  #refused = 0;

  constructor(history: ScriptHistory, random: Random, run: RunScript) {
    this.#history = history;
    this.#random = random;
    this.#run = run;
  }

  next(): Ask {
    const hold = this.#hold;
    if (hold === null) return this.#take();
    if (this.#random.chance(0.3)) return this.#asStranger(hold);
    hold.to = Math.min(hold.to, this.#history.now());
    const mayBeFree = this.#mayBeFree;
    this.#mayBeFree = true;
    return this.#run("release", [hold.lock], [hold.token], (reply) => {
      if (reply !== 1 && !(reply === 0 && mayBeFree)) odd(["release", hold.token], reply);
      this.#hold = null;
      this.#mayBeFree = false;
    }, () => this.#mayBeFree = mayBeFree);
  }

  #take(): Ask {
    const history = this.#history;
    if (this.#refused >= REFUSED_MAX) {
      this.#refused = 0;
      history.lock++;
    }
    this.#refused++;
    const [lock, token] = [`script:lock:${history.lock}`, history.nextToken()];
    const args = ["SET", lock, token, "NX"];
    const took = (reply: Answer) => {
      if (reply === null) return;
      if (reply !== "OK") odd(args, reply);
      this.#refused = 0;
      this.#hold = { lock, token, from: history.now(), to: Infinity };
      history.holds.push(this.#hold);
    };
    return { args, took };
  }

  /** Whoever has another token can't give it back. */
  #asStranger({ lock }: Hold): Ask {
    return this.#run("release", [lock], [this.#history.nextToken()], (reply) => {
      if (reply !== 0) odd(["release", "of another's"], reply);
    });
  }
}

/** Reads everything until it was answered. */
class LastReadTask implements RedisTask {
  readonly #toRead: Set<string>;
  readonly #task: ScriptTask;
  #hasAccounts = false;

  constructor(task: ScriptTask, counters: readonly string[]) {
    this.#task = task;
    this.#toRead = new Set(counters);
  }

  get isDone(): boolean {
    return this.#hasAccounts && this.#toRead.size === 0;
  }

  lost(): void {}

  next(connection: number): Ask[] {
    const [key] = this.#toRead;
    if (key !== undefined) {
      return [this.#task.readCounter(key, connection, () => this.#toRead.delete(key))];
    }
    if (this.#hasAccounts) return [];
    return [this.#task.readAll(connection, () => this.#hasAccounts = true)];
  }
}

function counterName(number: number): string {
  return `script:counter${number}`;
}

/** All clients of scripts in one world. */
export class ScriptWorkload {
  readonly history: ScriptHistory;
  readonly #setting: ClientSetting;
  readonly #options: ScriptsOptions;
  readonly #random: Random;
  readonly #accounts: readonly string[];
  #clients: RedisClient[] = [];

  /** Draws from a stream of its own, so that it reshuffles nothing that others draw. */
  constructor(setting: ClientSetting, options: ScriptsOptions) {
    this.#setting = setting;
    this.#options = options;
    this.#random = new Random(setting.options.seed ^ 0x5c818);
    this.history = new ScriptHistory(
      () => setting.fabric.world.now,
      () =>
        setting.servers.some(({ probe }) =>
          probe?.isOpen() === true && probe.clusterVersion() >= NEEDED_VERSION.loadedScripts
        ),
    );
    this.#accounts = Array.from({ length: options.accounts }, (_, at) => `script:account${at + 1}`);
  }

  begin(): void {
    for (let i = 0; i < this.#options.clients; i++) {
      this.#clients.push(this.#client(this.#task()));
    }
    for (let i = 0; i < this.#options.plainClients; i++) {
      this.#clients.push(this.#client(new PlainTask(this.history), PLAIN_THINK_MS));
    }
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
    const task = new LastReadTask(this.#task(), keys);
    const client = this.#client(task);
    return () => {
      if (task.isDone) client.leave();
      return task.isDone;
    };
  }

  judge(): void {
    this.history.judge(this.#accounts);
  }

  #task(): ScriptTask {
    return new ScriptTask(this.history, this.#options, this.#accounts, this.#random.fork());
  }

  #client(task: RedisTask, thinkMeanMs = this.#options.thinkMeanMs): RedisClient {
    return new RedisClient(this.#setting, task, this.#random.fork(), thinkMeanMs);
  }
}
