/**
 * Commands of the Redis protocol against a model, with what is hard to get right drawn often: entries
 * whose stamp is just the deadline of a key, changes of keys that are due and not swept, and values
 * that are read where their place is given up or written over. All values of one length share a size
 * class, so whatever is given up takes in another record at once.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { digestText } from "../kv/digest_text.ts";
import type { Reply } from "../process/redis_socket.ts";
import { OneClient, OneServer } from "./resp_driver.ts";
import { type ModelReply, RespModel } from "./resp_model.ts";

const KEYS = ["a", "b", "c", "d", "e"];
const TIMES_MS = ["1", "2", "5", "20"];

const key = fc.constantFrom(...KEYS);
const value = fc.oneof(
  fc.integer({ min: 100, max: 999 }).map(String),
  fc.constantFrom("xyz", "uvw", "value of a larger class".repeat(3)),
);
const px = fc.constantFrom(...TIMES_MS);
/** Some keys have a time to live, most of the time: else nothing would ever be due. */
const setWith = fc.oneof(
  { weight: 3, arbitrary: px.map((ms) => ["PX", ms]) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      [],
      ["KEEPTTL"],
      ["NX"],
      ["XX"],
      ["GET"],
      ["XX", "GET"],
      ["GET", "KEEPTTL"],
      ["XX", "KEEPTTL"],
    ),
  },
);
const condition = fc.oneof(
  fc.tuple(fc.constantFrom("IFEQ", "IFNE"), value),
  fc.tuple(fc.constantFrom("IFDEQ", "IFDNE"), value.map(digestText)),
);
const setAllOptions = fc.oneof(
  px.map((ms) => ["PX", ms]),
  fc.constantFrom([], ["NX"], ["XX"], ["KEEPTTL"], ["XX", "KEEPTTL"]),
);
const command: fc.Arbitrary<string[]> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(key, value, setWith).map(([k, v, options]) => ["SET", k, v, ...options]),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom("GETSET", "APPEND"), key, value) },
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom("GETDEL", "PERSIST", "DEL"), key) },
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom("GET", "PTTL", "STRLEN", "DIGEST"), key) },
  {
    weight: 3,
    arbitrary: fc.tuple(key, value, condition, fc.constantFrom([], ["KEEPTTL"], ["GET"]))
      .map(([k, v, options, more]) => ["SET", k, v, ...options, ...more]),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(key, condition).map(([k, options]) => ["DELEX", k, ...options]),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(key, value, key, value, setAllOptions)
      .map(([a, v, b, w, options]) => ["MSETEX", "2", a, v, b, w, ...options]),
  },
  { weight: 1, arbitrary: fc.tuple(key, key, key).map((three) => ["MGET", ...three]) },
  {
    weight: 2,
    arbitrary: fc.tuple(key, px, fc.constantFrom([], ["NX"], ["XX"], ["GT"], ["LT"]))
      .map(([k, ms, flags]) => ["PEXPIRE", k, ms, ...flags]),
  },
  { weight: 1, arbitrary: fc.tuple(key, px).map(([k, ms]) => ["GETEX", k, "PX", ms]) },
  { weight: 1, arbitrary: key.map((k) => ["GETEX", k, "PERSIST"]) },
  {
    weight: 1,
    arbitrary: fc.tuple(key, fc.constantFrom("5", "-7")).map(([k, n]) => ["INCRBY", k, n]),
  },
  { weight: 1, arbitrary: key.map((k) => ["SETRANGE", k, "1", "zz"]) },
);

/** One entry: how far time has come by then, and what is in it. */
interface Step {
  /** 0: no further. 1: a millisecond. 2: to the next deadline. 3: just in front of it. */
  readonly time: number;
  readonly watched: string | null;
  /** What another client does between the watch and the transaction. */
  readonly between: string[] | null;
  readonly isTransaction: boolean;
  readonly commands: string[][];
}
const step: fc.Arbitrary<Step> = fc.record({
  time: fc.constantFrom(0, 1, 2, 2, 2, 3),
  watched: fc.option(key, { freq: 3 }),
  between: fc.option(command, { freq: 3 }),
  isTransaction: fc.boolean(),
  commands: fc.array(command, { minLength: 1, maxLength: 6 }),
});

class Run {
  readonly server = new OneServer();
  readonly model = new RespModel();
  readonly #client = new OneClient(this.server, 1);
  readonly #other = new OneClient(this.server, 2);
  /** Entries whose stamp was the deadline of a key, and transactions that a due key has undone. */
  met = 0;
  undone = 0;

  constructor() {
    this.model.nowMs = this.server.nowMs;
  }

  take({ time, watched, between, isTransaction, commands }: Step): void {
    if (watched !== null && isTransaction) return this.#watching(watched, between, time, commands);
    this.#passTime(time);
    if (isTransaction) this.#transaction(commands, () => true);
    else this.#compare(this.#client.ask(...commands), commands.map((one) => this.model.run(one)));
  }

  #watching(watched: string, between: string[] | null, time: number, commands: string[][]): void {
    this.#compare(this.#client.ask(["WATCH", watched]), ["OK"]);
    const before = this.model.writeOf(watched);
    if (between !== null) this.#compare(this.#other.ask(between), [this.model.run(between)]);
    const isSame = this.model.writeOf(watched) === before;
    this.#passTime(time);
    if (isSame && this.model.writeOf(watched) !== before) this.undone++;
    this.#transaction(commands, () => this.model.writeOf(watched) === before);
  }

  #transaction(commands: string[][], mayRun: () => boolean): void {
    const replies = this.#client.ask(["MULTI"], ...commands, ["EXEC"]);
    const wanted = mayRun() ? commands.map((one) => this.model.run(one)) : null;
    this.#compare(replies, ["OK", ...commands.map(() => "QUEUED"), wanted as ModelReply]);
  }

  #passTime(time: number): void {
    const [next] = this.model.deadlines();
    const { nowMs } = this.server;
    if (time === 1) this.server.nowMs = nowMs + 1;
    if (time >= 2 && next !== undefined) this.server.nowMs = Math.max(nowMs, next - (time - 2));
    this.model.nowMs = this.server.nowMs;
    if (this.model.nowMs === next) this.met++;
  }

  #compare(replies: readonly Reply[], wanted: readonly ModelReply[]): void {
    assertEquals(replies.map(plain), wanted.map(plain));
  }
}

/** Errors by their first word. */
function plain(reply: Reply | ModelReply): unknown {
  if (Array.isArray(reply)) return reply.map(plain);
  if (reply instanceof Error) return { error: reply.message.split(" ", 1)[0] };
  return reply;
}

Deno.test("resp model: every command answers and leaves what it should, at deadlines too", () => {
  let met = 0;
  let undone = 0;
  const runs = fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
    const run = new Run();
    for (const one of steps) run.take(one);
    // What is left, by a read of each key on its own.
    run.take({
      time: 0,
      watched: null,
      between: null,
      isTransaction: false,
      commands: KEYS.flatMap((one) => [["GET", one], ["PTTL", one]]),
    });
    met += run.met;
    undone += run.undone;
  });
  fc.assert(runs, { numRuns: 600 });
  assert(met > 500 && undone > 30, `${met} stamps were a deadline, ${undone} watches ended by one`);
});

/** The replies to one transaction at the deadline of `t`, which is set with 5 ms to live. */
function atDeadline(...commands: string[][]): Reply {
  const server = new OneServer();
  const client = new OneClient(server);
  client.ask(["SET", "t", "old", "PX", "5"], ["SET", "u", "old"]);
  server.nowMs += 5;
  return client.ask(["MULTI"], ...commands, ["EXEC"]).at(-1)!;
}

Deno.test("resp model: what is made of a key at its deadline stays, without expiry", () => {
  for (
    const [change, reply, held] of [
      [["SET", "t", "new", "KEEPTTL"], "OK", "new"],
      [["SET", "t", "new", "KEEPTTL", "GET"], null, "new"],
      [["APPEND", "t", "new"], 3, "new"],
      [["SETRANGE", "t", "1", "ew"], 3, "\0ew"],
      [["INCRBY", "t", "7"], 7, "7"],
      [["INCRBYFLOAT", "t", "7"], "7", "7"],
      [["GETSET", "t", "new"], null, "new"],
      [["MSETNX", "t", "new"], 1, "new"],
    ] as const
  ) {
    const replies = atDeadline([...change], ["PTTL", "t"], ["GET", "t"]);
    assertEquals(replies, [reply, -1, held], change.join(" "));
  }
});

Deno.test("resp model: nothing brings back a key at its deadline", () => {
  for (
    const [change, reply] of [
      [["PERSIST", "t"], 0],
      [["PEXPIRE", "t", "100"], 0],
      [["EXPIREAT", "t", "99999999999"], 0],
      [["GETEX", "t", "PERSIST"], null],
      [["GETEX", "t", "PX", "100"], null],
      [["GETDEL", "t"], null],
      [["DEL", "t"], 0],
      [["SET", "t", "new", "XX"], null],
      [["EXISTS", "t"], 0],
      [["STRLEN", "t"], 0],
    ] as const
  ) {
    const replies = atDeadline([...change], ["PTTL", "t"], ["GET", "t"], ["GET", "u"]);
    assertEquals(replies, [reply, -2, null, "old"], change.join(" "));
  }
});

Deno.test("resp model: a value that is read is what was there, whoever takes its place then", () => {
  const client = new OneClient(new OneServer());
  const fill = KEYS.map((one) => ["SET", one, `value ${one}`]);
  // The last record of a size class moves into the place that one of them gives up.
  for (const one of KEYS) {
    client.ask(...fill);
    assertEquals(client.ask(["GETDEL", one]), [`value ${one}`]);
    client.ask(...fill);
    assertEquals(client.ask(["GETSET", one, "other 12"]), [`value ${one}`]);
    client.ask(...fill);
    assertEquals(client.ask(["SET", one, "other 12", "GET"]), [`value ${one}`]);
    client.ask(...fill);
    assertEquals(client.ask(["GETEX", one, "PX", "900"]), [`value ${one}`]);
    client.ask(...fill);
    const all = KEYS.map((name) => `value ${name}`);
    const replies = client.ask(
      ["MULTI"],
      ["GET", one],
      ["MGET", ...KEYS],
      ["GETRANGE", one, "2", "-2"],
      ["SET", one, "other 34"],
      ["GETDEL", one],
      ["GET", one],
      ["DEL", ...KEYS],
      ["EXEC"],
    );
    const part = `value ${one}`.slice(2, -1);
    const rest = ["OK", "other 34", null, KEYS.length - 1];
    assertEquals(replies.at(-1), [`value ${one}`, all, part, ...rest]);
  }
});
