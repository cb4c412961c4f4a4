/**
 * Transactions: what is written goes into the log as one command, and only if nothing that was read has
 * changed since.
 */
import { wrongKind } from "./arguments.ts";
import type { CallOptions, CasOutcome, Key, SetOptions, Versioned } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import { NotDone, ProtocolProblem, Refused } from "./errors.ts";
import { type Lane, type LaneCall, Restart } from "./lane.ts";
import { type Reply, ReplyError } from "./reply_parser.ts";
import { CALL_OPTIONS, checkNames, checkSignal, WRITE_OPTIONS } from "./options.ts";
import * as requests from "./requests.ts";
import { toBigint, toCasOutcome, toNumber, toWasDeleted, type ValueReplies } from "./replies.ts";
import type { Argument } from "./request_writer.ts";
import { byDeadline, type Limit } from "./limit.ts";
import { checkTimeout, type Settings } from "./settings.ts";
import { submit } from "./submit.ts";
import type { ValueKind } from "./values.ts";

/** What a write of a transaction comes to, once the transaction is done. */
export class Pending<T> {
  #value: T | undefined;
  #error: Error | null = new Error(
    "The transaction is not done yet: ask after transact() has ended",
  );

  /** @throws {Refused} where the server refused this write; the others of the transaction were done. */
  get value(): T {
    if (this.#error !== null) throw this.#error;
    return this.#value as T;
  }

  /** @internal */
  settle(error: Error | null, value?: T): void {
    this.#error = error;
    this.#value = value;
  }
}

interface Write {
  readonly request: readonly Argument[];
  /** Takes the reply. */
  readonly settle: (reply: Reply) => void;
}

/** What a transaction's function is given: it reads at once, and gathers what is to be written. */
export class Transaction<Out, In> {
  readonly #kind: ValueKind<Out, In>;
  readonly #replies: ValueReplies<Out>;
  readonly #read: <T>(key: Key, name: string, decode: (reply: Reply) => T) => Promise<T>;
  readonly #writes: Write[] = [];
  #isOver = false;

  /** @internal */
  constructor(
    kind: ValueKind<Out, In>,
    replies: ValueReplies<Out>,
    read: <T>(key: Key, name: string, decode: (reply: Reply) => T) => Promise<T>,
  ) {
    this.#kind = kind;
    this.#replies = replies;
    this.#read = read;
  }

  /**
   * The function has ended: what it gathered.
   * @internal
   */
  finish(): readonly Write[] {
    this.#isOver = true;
    return this.#writes;
  }

  /** The value now. If it changes before the writes are done, none is, and the function runs again. */
  get(key: Key): Promise<Out | null> {
    this.#check();
    return this.#read(key, "GET", this.#replies.value);
  }

  /** As `get`, with version and time to live. */
  getm(key: Key): Promise<Versioned<Out> | null> {
    this.#check();
    return this.#read(key, "RAFTKV.GET", this.#replies.versioned);
  }

  set(key: Key, value: In, options?: Omit<SetOptions, keyof CallOptions>): Pending<number> {
    checkNames(options, WRITE_OPTIONS);
    return this.#write(requests.set(key, this.#kind.encode(value), options), toNumber);
  }

  /** Where its version differs this one write is not done, and the others are. */
  cas(
    key: Key,
    value: In,
    version: number,
    options?: Omit<SetOptions, keyof CallOptions>,
  ): Pending<CasOutcome> {
    checkNames(options, WRITE_OPTIONS);
    const request = requests.cas(key, this.#kind.encode(value), version, options);
    return this.#write(request, toCasOutcome);
  }

  delete(key: Key): Pending<boolean> {
    return this.#write(requests.del(key), toWasDeleted);
  }

  incr(key: Key, by: number | bigint = 1): Pending<bigint> {
    return this.#write(requests.incr(key, by), toBigint);
  }

  #write<T>(request: readonly Argument[], decode: (reply: Reply) => T): Pending<T> {
    this.#check();
    const pending = new Pending<T>();
    const settle = (reply: Reply) => {
      if (!(reply instanceof ReplyError)) return pending.settle(null, decode(reply));
      const { code, text } = reply;
      const message = `${request[0]} was refused, the rest of its transaction done: ${text}`;
      pending.settle(new Refused(message, { code, server: null, phase: "reply" }));
    };
    this.#writes.push({ request, settle });
    return pending;
  }

  /** What comes after the end would belong to nobody, or to another transaction. */
  #check(): void {
    if (!this.#isOver) return;
    throw new TypeError("The transaction is over: await in its function all that it begins");
  }
}

const PAUSE_FIRST_MS = 5;
const PAUSE_LAST_MS = 500;

/** Runs transactions of one client. */
export class Transactor<Out, In> {
  readonly #cluster: Cluster;
  readonly #settings: Settings;
  readonly #kind: ValueKind<Out, In>;
  readonly #replies: ValueReplies<Out>;

  constructor(
    cluster: Cluster,
    settings: Settings,
    kind: ValueKind<Out, In>,
    replies: ValueReplies<Out>,
  ) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#kind = kind;
    this.#replies = replies;
  }

  async run<T>(
    body: (transaction: Transaction<Out, In>) => T | Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    if (typeof body !== "function") throw wrongKind("what transact runs", "a function", body, "");
    checkNames(options, CALL_OPTIONS);
    const signal = checkSignal(options.signal);
    const timeoutMs = checkTimeout("timeoutMs", options.timeoutMs, this.#settings.timeoutMs);
    const limit = { deadlineMs: performance.now() + timeoutMs, timeoutMs, signal };
    let last: Restart | null = null;
    for (let tries = 1;; tries++) {
      const round = new Round(this.#cluster, limit);
      const transaction = new Transaction(this.#kind, this.#replies, round.read);
      try {
        // A function that throws at once does so here as one that rejects.
        const work = (async () => await body(transaction))();
        const value = await byDeadline(work, limit).finally(() => transaction.finish());
        await this.#finish(round, transaction.finish(), limit);
        return value;
      } catch (error) {
        const why: Restart | null = round.restart ?? (error instanceof Restart ? error : null);
        if (why === null) {
          const isLate = error instanceof NotDone && error.code === "deadline";
          throw isLate && last !== null ? tooLate(tries, limit, last) : error;
        }
        last = why;
      } finally {
        round.end();
      }
      await pause(tries, limit, last);
    }
  }

  async #finish(round: Round, writes: readonly Write[], limit: Limit): Promise<void> {
    if (round.restart !== null) throw round.restart;
    const all = [["MULTI"], ...writes.map(({ request }) => request), ["EXEC"]];
    if (round.hasRead) return await round.commit(all, (reply) => settleAll(reply, writes));
    if (writes.length === 0) return;
    const decode = (reply: Reply) => {
      if (!settleAll(reply, writes)) throw new ProtocolProblem("nil where nothing was watched");
    };
    await submit(this.#cluster, {
      requests: all,
      name: "transact",
      isWrite: true,
      isSessionWrite: true,
      decode,
      ...limit,
    });
  }
}

/** False where something that was read has changed: nothing was done. */
function settleAll(reply: Reply, writes: readonly Write[]): boolean {
  if (reply === null) return false;
  if (!Array.isArray(reply) || reply.length !== writes.length) {
    throw new ProtocolProblem("something else where a transaction's replies belong");
  }
  for (const [i, write] of writes.entries()) write.settle(reply[i]!);
  return true;
}

/** One run of a transaction's function: a lane once it reads, and what ended it. */
class Round {
  readonly #cluster: Cluster;
  readonly #limit: Limit;
  #lane: Promise<Lane> | null = null;
  /** Why all has to begin anew, whatever became of the function. */
  restart: Restart | null = null;
  #hasTurn = false;
  #isOver = false;
  readonly read: <T>(key: Key, name: string, decode: (reply: Reply) => T) => Promise<T>;

  constructor(cluster: Cluster, limit: Limit) {
    this.#cluster = cluster;
    this.#limit = limit;
    this.read = (key, name, decode) => {
      const argument = requests.keptKey(key);
      return this.#call([["WATCH", argument], [name, argument]], false, decode);
    };
  }

  get hasRead(): boolean {
    return this.#lane !== null;
  }

  /**
   * Does what was gathered; the lane is free then.
   * @throws {Restart} where something that was read has changed.
   */
  async commit(
    all: readonly (readonly Argument[])[],
    decode: (reply: Reply) => boolean,
  ): Promise<void> {
    const isDone = await this.#call(all, all.length > 2, decode);
    this.#cluster.lanes.giveBack(await this.#lane!);
    this.#lane = null;
    if (isDone) return;
    this.restart = new Restart("a key that it had read was changed meanwhile");
    throw this.restart;
  }

  /** Lets go of its lane, closing it where something may be watched or under way. */
  end(): void {
    this.#isOver = true;
    const close = (lane: Lane) => lane.close("its transaction came to nothing");
    this.#lane?.then(close, () => {});
    if (this.#hasTurn) this.#cluster.lanes.endTurn();
    this.#hasTurn = false;
  }

  async #call<T>(
    all: readonly (readonly Argument[])[],
    isWrite: boolean,
    decode: (reply: Reply) => T,
  ): Promise<T> {
    try {
      const lane = await (this.#lane ??= this.#open());
      const call: LaneCall<T> = {
        name: "transact",
        requests: all,
        isWrite,
        decode,
        ...this.#limit,
      };
      const answer = lane.call(call);
      this.#cluster.noteLane(this.#limit.deadlineMs);
      return await answer;
    } catch (error) {
      if (error instanceof Restart) this.restart = error;
      throw error;
    }
  }

  async #open(): Promise<Lane> {
    const { lanes } = this.#cluster;
    await lanes.beginTurn(this.#limit);
    if (this.#isOver) {
      lanes.endTurn();
      throw new Restart("its function had ended");
    }
    this.#hasTurn = true;
    const name = "transact";
    const ping = { requests: [["PING"]], name, isWrite: false, decode: () => {}, ...this.#limit };
    await submit(this.#cluster, ping);
    const { server } = this.#cluster;
    const lane = server === null ? null : await lanes.open(server);
    if (lane === null) throw new Restart("the leader changed");
    return lane;
  }
}

/** Waits a little before the next try. @throws {NotDone} where there is no time left, or no wish. */
async function pause(tries: number, limit: Limit, why: Restart): Promise<void> {
  const most = Math.min(PAUSE_LAST_MS, PAUSE_FIRST_MS * 2 ** Math.min(tries, 16));
  const ms = Math.random() * most;
  if (performance.now() + ms >= limit.deadlineMs) throw tooLate(tries, limit, why);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rest = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await byDeadline(rest, limit).finally(() => clearTimeout(timer));
}

function tooLate(tries: number, limit: Limit, why: Restart): NotDone {
  const times = tries === 1 ? "once" : `${tries} times`;
  const within = `${times} within ${Math.round(limit.timeoutMs)} ms`;
  const message = `transact failed: it was tried ${within}; nothing was done; ` +
    `the last time: ${why.message}`;
  return new NotDone(message, { code: "deadline", server: null, phase: "reply" });
}
