/**
 * Clients of keys that live for a moment: SET with PX, KEEPTTL, GET and conditions, PEXPIRE, PERSIST, INCRBY,
 * GETSET, GETDEL, DELEX and MSETEX, alone, under WATCH and in transactions that show what they found. All values are of one
 * length, so that what is given up takes in another record at once, and no two writes have the same:
 * who takes one has it alone. Now and then more keys than one entry sweeps are to go at one time, and
 * more reads wait on a connection than their buffer holds without moving them.
 */
import type { Random } from "../../lib/util/random.ts";
import { digestText } from "../kv/digest_text.ts";
import type { Reply } from "../process/redis_socket.ts";
import type { Ask, RedisTask } from "./redis_client.ts";
import { look, PROBE_COMMANDS, transactionProblem } from "./volatile_model.ts";
import { CheckFailure } from "./world.ts";

const KEYS = 4;
const FIRST_VALUE = 100_000;
/** Added to a value it leads to one that nobody writes, and that still tells which it was. */
const INCREMENT = "1000000";
/** One entry sweeps a hundred. */
const SWEPT_KEYS = 140;
const LABELS = 12;
const LABELS_A_READ = 6;
/** Of this length, some twenty fill the buffer of waiting reads. */
const LABEL_BYTES = 1_000;
const LABEL_READS = 8;

type Answer = Exclude<Reply, Error>;

/** What all clients saw of the values; every number is a time. */
export class VolatileHistory {
  transactions = 0;
  /** Transactions that came to nothing, as a watched key had changed or gone. */
  watchesLost = 0;
  acknowledged = 0;
  readonly #now: () => number;
  #values = 0;
  /** When a value was taken for good: nobody may see it from then on, or take it again. */
  readonly #takenAt = new Map<string, number>();
  readonly #seen: { readonly value: string; readonly beganAt: number }[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  now(): number {
    return this.#now();
  }

  nextValue(): string {
    return `${FIRST_VALUE + this.#values++}`;
  }

  /** What was written last, or is about to be: mostly by the one who asks. */
  get lastValue(): string {
    return `${FIRST_VALUE + Math.max(0, this.#values - 1)}`;
  }

  /** Any reply that shows a value; `takes` where the value is no more behind it. */
  saw(what: string, reply: Answer | undefined, beganAt: number, takes: boolean): void {
    this.acknowledged++;
    if (reply === null || reply === undefined) return;
    const value = String(reply);
    if (
      !/^\d{6,10}$/.test(value) || Number(value) % Number(INCREMENT) >= FIRST_VALUE + this.#values
    ) {
      throw new CheckFailure("redis values", `${what} was answered ${value}, which nobody wrote`);
    }
    this.#seen.push({ value, beganAt });
    if (!takes || !isUnique(value)) return;
    if (this.#takenAt.has(value)) {
      throw new CheckFailure("redis values", `${what}: ${value} was taken before`);
    }
    this.#takenAt.set(value, this.now());
  }

  judge(): void {
    for (const { value, beganAt } of this.#seen) {
      const takenAt = this.#takenAt.get(value) ?? Infinity;
      if (beganAt <= takenAt) continue;
      throw new CheckFailure(
        "redis values",
        `${value} was there again at ${beganAt}, taken before`,
      );
    }
  }
}

/** False for what increments made of nothing: others may have made the same. */
function isUnique(value: string): boolean {
  return Number(value) % Number(INCREMENT) >= FIRST_VALUE;
}

function odd(args: readonly string[], reply: unknown): never {
  const text = `${args.join(" ").slice(0, 200)} was answered ${JSON.stringify(reply)}`;
  throw new CheckFailure("redis replies", text);
}

function expecting(args: readonly string[], wanted: Answer): Ask {
  return { args, took: (reply) => reply === wanted ? undefined : odd(args, reply) };
}

interface Watch {
  readonly key: string;
  value: string | null;
  holds: boolean;
}

export class VolatileTask implements RedisTask {
  readonly #history: VolatileHistory;
  readonly #random: Random;
  #watch: Watch | null = null;

  constructor(history: VolatileHistory, random: Random) {
    this.#history = history;
    this.#random = random;
  }

  lost(): void {
    this.#watch = null;
  }

  next(): readonly Ask[] {
    const random = this.#random;
    const watch = this.#watch;
    this.#watch = null;
    if (watch !== null) {
      if (watch.holds) return this.#transaction(watch);
      return [expecting(["UNWATCH"], "OK")];
    }
    const roll = random.unit();
    if (roll < 0.02) return this.#manyAtOnce();
    if (roll < 0.05) return this.#longReads();
    if (roll < 0.2) return [this.#alone()];
    if (roll < 0.4) return this.#begin();
    return this.#transaction(null);
  }

  #key(): string {
    return `volatile${this.#random.between(1, KEYS)}`;
  }

  /** Mostly so short that the time comes while somebody is at it. */
  #ms(): string {
    return `${this.#random.pick([1, 5, 20, 50, 100, 300])}`;
  }

  #command(key: string): string[] {
    const random = this.#random;
    const value = () => this.#history.nextValue();
    switch (random.between(0, 9)) {
      case 0:
      case 1:
        return ["SET", key, value(), "PX", this.#ms()];
      case 2:
      case 3:
        return ["SET", key, value(), ...random.pick([["KEEPTTL"], ["KEEPTTL", "GET"], ["GET"]])];
      case 4:
        return ["PEXPIRE", key, this.#ms()];
      case 5:
        return ["PERSIST", key];
      case 6:
        return ["INCRBY", key, INCREMENT];
      case 7:
        return ["GETSET", key, value()];
      case 8:
        return ["GETDEL", key];
      default:
        if (random.chance(0.4)) return this.#conditional(key);
        return random.chance(0.5)
          ? ["GET", key]
          : ["SET", key, value(), random.pick(["XX", "NX"]), "PX", this.#ms()];
    }
  }

  /** A command that depends on the value that is there: mostly on one that was written just now. */
  #conditional(key: string): string[] {
    const random = this.#random;
    const value = this.#history.lastValue;
    const condition = random.pick([
      ["IFEQ", value],
      ["IFNE", value],
      ["IFDEQ", digestText(value)],
      ["IFDNE", digestText(value)],
    ]);
    switch (random.between(0, 3)) {
      case 0:
        return ["DELIFEQ", key, value];
      case 1:
        return ["DELEX", key, ...condition];
      case 2:
        return ["DIGEST", key];
      default:
        return ["SET", key, this.#history.nextValue(), ...condition, "PX", this.#ms()];
    }
  }

  /** All keys at once. */
  #setAll(keys: readonly string[]): string[] {
    const pairs = keys.flatMap((key) => [key, this.#history.nextValue()]);
    const options = this.#random.pick([["NX"], ["XX"], ["KEEPTTL"], [], ["XX", "PX", this.#ms()]]);
    return ["MSETEX", `${keys.length}`, ...pairs, ...options];
  }

  /** One command by itself. */
  #alone(): Ask {
    const args = this.#command(this.#key());
    const beganAt = this.#history.now();
    return { args, took: (reply) => this.#saw(args, reply, beganAt) };
  }

  #saw(args: readonly string[], reply: Answer | undefined, beganAt: number): void {
    const [name] = args;
    const shows = name === "GET" || name === "GETSET" || name === "GETDEL" || args.includes("GET");
    if (!shows) {
      this.#history.acknowledged++;
      return;
    }
    // A SET that is refused leaves what it shows; those drawn here with GET never are.
    this.#history.saw(args.join(" "), reply, beganAt, name !== "GET");
  }

  /**
   * A look, the watch, a look again. Where both see the same value, which is never written twice, that is
   * what was watched; and where both see nothing, only nothing can be there behind the watch.
   */
  #begin(): Ask[] {
    const key = this.#key();
    const watch: Watch = { key, value: null, holds: false };
    this.#watch = watch;
    const beganAt = this.#history.now();
    const get = ["GET", key];
    let before: Answer;
    const looked = (reply: Answer) => {
      this.#saw(get, reply, beganAt);
      before = reply;
    };
    const watched = (reply: Answer) => {
      this.#saw(get, reply, beganAt);
      watch.value = reply as string | null;
      watch.holds = reply === before && (reply === null || isUnique(String(reply)));
    };
    return [
      { args: get, took: looked },
      expecting(["WATCH", key], "OK"),
      { args: get, took: watched },
    ];
  }

  #transaction(watch: Watch | null): Ask[] {
    const random = this.#random;
    const keys = [...new Set([watch?.key ?? this.#key(), this.#key()])];
    const commands = Array.from(
      { length: random.between(1, 4) },
      () => {
        const roll = random.unit();
        if (roll < 0.1) return ["MGET", ...keys];
        return roll < 0.17 ? this.#setAll(keys) : this.#command(random.pick(keys));
      },
    );
    const looks = keys.flatMap(look);
    const all = [...looks, ...commands, ...looks, ...PROBE_COMMANDS];
    const history = this.#history;
    const beganAt = history.now();
    const took = (reply: Answer) => {
      if (reply === null && watch !== null) {
        history.watchesLost++;
        return;
      }
      if (!Array.isArray(reply) || reply.length !== all.length) return odd(["EXEC"], reply);
      const replies = reply as Reply[];
      const problem = transactionProblem(keys, commands, replies, watch);
      if (problem !== null) {
        const text = commands.map((one) => one.join(" ")).join("; ");
        throw new CheckFailure("redis values", `${problem} (${text})`);
      }
      history.transactions++;
      for (let at = 0; at < looks.length + commands.length; at++) {
        // Within a transaction a value may be seen, and taken by a later command of it.
        if (all[at]![0] !== "PEXPIRETIME") this.#saw(all[at]!, replies[at] as Answer, beganAt);
      }
    };
    return [
      expecting(["MULTI"], "OK"),
      ...all.map((one) => expecting(one, "QUEUED")),
      { args: ["EXEC"], took },
    ];
  }

  /** More keys with one deadline than an entry sweeps. */
  #manyAtOnce(): Ask[] {
    const ms = `${this.#random.between(30, 100)}`;
    return Array.from({ length: SWEPT_KEYS }, (_, at) => {
      return expecting(["SET", `swept${at}`, this.#history.nextValue(), "PX", ms], "OK");
    });
  }

  /** Keys so long that the reads of a few of them fill a buffer, and each has its own value. */
  #longReads(): Ask[] {
    const label = (at: number) => `label${at}-`.padEnd(LABEL_BYTES, "x");
    const first = this.#random.between(0, LABELS - 1);
    const set = expecting(["SET", label(first), `${first}`], "OK");
    const reads = Array.from({ length: LABEL_READS }, (_, read): Ask => {
      const wanted = Array.from({ length: LABELS_A_READ }, (_, at) => (first + read + at) % LABELS);
      const args = ["MGET", ...wanted.map(label)];
      const took = (reply: Answer) => {
        const isRight = Array.isArray(reply) && reply.length === wanted.length &&
          wanted.every((at, i) => reply[i] === null || reply[i] === `${at}`);
        if (!isRight) odd(args, reply);
      };
      return { args, took };
    });
    return [set, ...reads];
  }
}
