/**
 * Clients with client sessions: they send every write again until it is answered, on whatever connection, some
 * of them twice at once. A counter has to come to exactly as many as were acknowledged, where its clients'
 * sessions outlive the run; else to as many, and to those whose session ended before they were answered at
 * the most.
 */
import { Random } from "../../lib/util/random.ts";
import type { Reply } from "../process/redis_socket.ts";
import type { ClientSetting } from "./client.ts";
import { checkCounter, type CounterOperation } from "./redis_checks.ts";
import { type Ask, RedisClient, type RedisTask } from "./redis_client.ts";
import type { SessionsOptions } from "./sessions_options.ts";
import { CheckFailure } from "./world.ts";

const WINDOW_MAX = 12;
/** No run is as long, whatever its clocks do. */
const FOR_GOOD_MS = 86_400_000;
const LOOSE_MS = [3_000, 5_000, 20_000] as const;
const EXACT_KEYS = ["exact:1", "exact:2"] as const;
const LOOSE_KEYS = ["loose:1", "loose:2"] as const;

type Answer = Exclude<Reply, Error>;

/** A write, until it is answered. */
interface Write {
  readonly sequence: number;
  /** By key: one alone, or as many as one transaction increments. */
  readonly operations: readonly CounterOperation[];
  sent: number;
  answer: string | null;
}

class Shared {
  readonly operations: CounterOperation[] = [];
  readonly counters: { add(name: string, count?: number): void };
  readonly now: () => number;
  /** By key, what was read last. */
  readonly lastRead = new Map<string, number>();
  #writes = 0;

  constructor(counters: { add(name: string, count?: number): void }, now: () => number) {
    this.counters = counters;
    this.now = now;
  }

  begin(key: string): CounterOperation {
    const operation: CounterOperation = {
      key,
      kind: "increment",
      // Whoever sends again is answered what was so before: no order of replies on a connection counts.
      connection: ++this.#writes,
      beganAt: this.now(),
      endedAt: Infinity,
      value: 0,
      outcome: "unknown",
    };
    this.operations.push(operation);
    return operation;
  }

  judge(): void {
    for (const key of [...EXACT_KEYS, ...LOOSE_KEYS]) {
      const all = this.operations.filter((one) => one.key === key);
      if (all.length === 0) continue;
      const why = checkCounter(all);
      if (why !== null) fail(why);
      const done = all.filter(({ outcome }) => outcome === "done").length;
      const most = key.startsWith("exact:") ? done : all.length;
      const found = this.lastRead.get(key)!;
      if (key.startsWith("exact:") && done !== all.length) {
        fail(`${key}: ${all.length - done} writes were never answered`);
      }
      if (found < done || found > most) {
        fail(`${key} is ${found}, and ${done} of ${all.length} writes were acknowledged`);
      }
    }
  }
}

class SessionTask implements RedisTask {
  isStopping = false;
  readonly #shared: Shared;
  readonly #options: SessionsOptions;
  readonly #random: Random;
  readonly #isExact: boolean;
  #id = 0;
  #next = 1;
  readonly #open = new Map<number, Write>();
  /** The session that was closed, whose bound key has to be gone. */
  #closedId = 0;

  constructor(shared: Shared, options: SessionsOptions, random: Random, isExact: boolean) {
    this.#shared = shared;
    this.#options = options;
    this.#random = random;
    this.#isExact = isExact;
  }

  /** Nothing that it sent is without an answer. */
  get isDone(): boolean {
    return this.#open.size === 0;
  }

  lost(): void {}

  next(): Ask[] {
    const random = this.#random;
    if (this.#id === 0) {
      if (this.isStopping) return [];
      return this.#closedId === 0 ? [this.#openSession()] : [this.#readBound()];
    }
    const again = [...this.#open.values()];
    if (random.chance(0.3)) again.reverse();
    const asks = again.flatMap((write) => this.#send(write));
    if (this.isStopping) return asks;
    const room = Math.min(WINDOW_MAX - this.#open.size, this.#options.burstMax);
    for (let left = random.between(0, room); left > 0; left--) {
      const write = this.#begin();
      asks.push(...this.#send(write));
      if (random.chance(0.2)) asks.push(...this.#send(write));
    }
    if (asks.length > 0) return asks;
    if (!this.#isExact && random.chance(0.1)) return this.#close();
    return [this.#ping()];
  }

  #openSession(): Ask {
    const ms = this.#isExact ? FOR_GOOD_MS : this.#random.pick([...LOOSE_MS]);
    const args = ["RAFTKV.SESSION", "OPEN", `${ms}`];
    return {
      args,
      took: (reply) => {
        if (typeof reply !== "number" || reply < 1) odd(args, reply);
        this.#id = reply;
        this.#next = 1;
        this.#shared.counters.add("client sessions opened");
      },
    };
  }

  #begin(): Write {
    const random = this.#random;
    const keys = this.#isExact ? EXACT_KEYS : LOOSE_KEYS;
    const touched = random.chance(0.2) ? [...keys] : [random.pick([...keys])];
    const operations = touched.map((key) => this.#shared.begin(key));
    const write = { sequence: this.#next++, operations, sent: 0, answer: null };
    this.#open.set(write.sequence, write);
    return write;
  }

  #run(sequence: number, ...command: string[]): string[] {
    const lowest = Math.min(sequence, ...this.#open.keys());
    return ["RAFTKV.SESSION", "RUN", `${this.#id}`, `${sequence}`, `${lowest}`, ...command];
  }

  #send(write: Write): Ask[] {
    const { operations, sequence } = write;
    write.sent++;
    const isOne = operations.length === 1;
    const args = this.#run(sequence, ...isOne ? ["INCR", operations[0]!.key] : ["EXEC"]);
    const ask: Ask = {
      args,
      took: (reply) => this.#answered(write, args, reply),
      failed: (text) => this.#isOver(text),
    };
    if (isOne) return [ask];
    const queued = operations.map(({ key }) => expecting(["INCR", key], "QUEUED"));
    return [expecting(["MULTI"], "OK"), ...queued, ask];
  }

  #answered(write: Write, args: readonly string[], reply: Answer): void {
    const sums = Array.isArray(reply) ? reply : [reply];
    const areSums = sums.length === write.operations.length &&
      sums.every((sum) => typeof sum === "number");
    if (!areSums) odd(args, reply);
    const answer = JSON.stringify(reply);
    if (write.answer !== null) {
      if (answer !== write.answer) {
        fail(`${args.join(" ")} was answered ${write.answer}, and then ${answer}`);
      }
      return;
    }
    write.answer = answer;
    this.#open.delete(write.sequence);
    for (const [at, operation] of write.operations.entries()) {
      operation.outcome = "done";
      operation.value = sums[at] as number;
      operation.endedAt = this.#shared.now();
    }
    this.#shared.counters.add("session writes acknowledged");
    if (write.sent > 1) this.#shared.counters.add("session writes sent again");
  }

  /** True where an error says that the session is over, which that of an exact client never is. */
  #isOver(text: string): boolean {
    if (!text.startsWith("SESSION")) return false;
    if (this.#isExact) fail(`session ${this.#id}, which lives for a day, was answered ${text}`);
    this.#shared.counters.add("client sessions over");
    if (this.#open.size > 0) this.#shared.counters.add("sessions over with writes");
    this.#id = 0;
    this.#open.clear();
    return true;
  }

  #ping(): Ask {
    const args = ["RAFTKV.SESSION", "PING", `${this.#id}`];
    return {
      args,
      took: (reply) => {
        if (typeof reply !== "number" || reply < 0) odd(args, reply);
      },
      failed: (text) => this.#isOver(text),
    };
  }

  /** Binds a key and ends the session. */
  #close(): Ask[] {
    const id = this.#id;
    const bind = this.#run(this.#next++, "BIND", "SET", `bound:${id}`, "here");
    const args = ["RAFTKV.SESSION", "CLOSE", `${id}`];
    this.#id = 0;
    return [
      { ...expecting(bind, "OK"), failed: (text) => text.startsWith("SESSION") },
      {
        args,
        took: (reply) => {
          if (reply !== 0 && reply !== 1) odd(args, reply);
          // With 0 its time had come, or comes in the entry that this one is in.
          this.#closedId = id;
        },
      },
    ];
  }

  #readBound(): Ask {
    const args = ["GET", `bound:${this.#closedId}`];
    return {
      args,
      took: (reply) => {
        if (reply !== null) fail(`${args[1]} is there, and its session is over`);
        this.#shared.counters.add("bound keys gone");
        this.#closedId = 0;
      },
    };
  }
}

/** Reads all counters until each was answered. */
class ReadTask implements RedisTask {
  readonly #shared: Shared;
  readonly #left = new Set<string>([...EXACT_KEYS, ...LOOSE_KEYS]);

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  get isDone(): boolean {
    return this.#left.size === 0;
  }

  lost(): void {}

  next(): Ask[] {
    return [...this.#left].map((key) => ({
      args: ["GET", key],
      took: (reply) => {
        this.#shared.lastRead.set(key, Number(reply ?? 0));
        this.#left.delete(key);
      },
    }));
  }
}

export class SessionWorkload {
  readonly #setting: ClientSetting;
  readonly #options: SessionsOptions;
  readonly #random: Random;
  readonly #shared: Shared;
  readonly #tasks: SessionTask[] = [];
  readonly #clients: RedisClient[] = [];

  /** Draws from a stream of its own, so that it reshuffles nothing that others draw. */
  constructor(setting: ClientSetting, options: SessionsOptions) {
    this.#setting = setting;
    this.#options = options;
    this.#random = new Random(setting.options.seed ^ 0x5e551);
    const { world } = setting.fabric;
    this.#shared = new Shared(world.counters, () => world.now);
  }

  begin(): void {
    const { exactClients, looseClients } = this.#options;
    for (let i = 0; i < exactClients + looseClients; i++) {
      const isExact = i < exactClients;
      const task = new SessionTask(this.#shared, this.#options, this.#random.fork(), isExact);
      this.#tasks.push(task);
      this.#clients.push(this.#client(task));
    }
  }

  /** No new writes; those that are not answered are sent until they are, see `isIdle`. */
  stop(): void {
    for (const task of this.#tasks) task.isStopping = true;
  }

  get isIdle(): boolean {
    return this.#tasks.every((task) => task.isDone) &&
      this.#clients.every((client) => client.waiting === 0);
  }

  /** All leave, and a last client reads the counters. Returns whether it has. */
  readBack(): () => boolean {
    for (const client of this.#clients) client.leave();
    const task = new ReadTask(this.#shared);
    const client = this.#client(task);
    return () => {
      if (task.isDone) client.leave();
      return task.isDone;
    };
  }

  judge(): void {
    this.#shared.judge();
  }

  #client(task: RedisTask): RedisClient {
    const { thinkMeanMs } = this.#options;
    return new RedisClient(this.#setting, task, this.#random.fork(), thinkMeanMs);
  }
}

function expecting(args: readonly string[], wanted: string): Ask {
  return {
    args,
    took: (reply) => {
      if (reply !== wanted) odd(args, reply);
    },
  };
}

function fail(message: string): never {
  throw new CheckFailure("client sessions", message);
}

function odd(args: readonly string[], reply: Answer): never {
  const text = `${args.join(" ")} was answered ${JSON.stringify(reply)}`;
  throw new CheckFailure("redis replies", text);
}
