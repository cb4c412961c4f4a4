/** What a file to be loaded holds, and the account that is kept of it. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { NotDone, Refused, Unknown } from "../../client/mod.ts";
import { CliError, EXIT } from "../../lib/cli/exit_codes.ts";
import { recordLine } from "../../lib/cli/output/records.ts";
import { loadFault } from "../../lib/cli/run/load.ts";
import { ByteSource } from "../../lib/cli/transfer/byte_source.ts";
import { BadItem, type Item, itemSource } from "../../lib/cli/transfer/items.ts";
import { type Account, ItemSender, rangesText } from "../../lib/cli/transfer/send_items.ts";
import { command, streamOf } from "./fakes.ts";

const encoder = new TextEncoder();
const text = (argument: string | Uint8Array) =>
  typeof argument === "string" ? argument : new TextDecoder().decode(argument);

/** The items of a file, read in pieces of so many bytes. */
async function itemsOf(bytes: Uint8Array, pieceBytes = Infinity): Promise<Item[]> {
  const source = await itemSource(new ByteSource(streamOf(bytes, pieceBytes)));
  const items: Item[] = [];
  for await (const item of source.items()) items.push(item);
  return items;
}

function resp(...commands: (string | Uint8Array)[][]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const args of commands) {
    parts.push(encoder.encode(`*${args.length}\r\n`));
    for (const arg of args) {
      const bytes = typeof arg === "string" ? encoder.encode(arg) : arg;
      parts.push(encoder.encode(`$${bytes.length}\r\n`), bytes, encoder.encode("\r\n"));
    }
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("items: JSON lines and Redis commands come back whole, however the bytes are cut", async () => {
  const record = fc.record({
    key: fc.uint8Array({ minLength: 1, maxLength: 9 }),
    value: fc.uint8Array({ maxLength: 30 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(record), fc.integer({ min: 1, max: 20 }), async (records, piece) => {
      const lines = records.map((one) => recordLine({ ...one, ttlMs: null })).join("");
      const wanted = records.map(({ key, value }) => ["SET", key, value]);
      const found = await itemsOf(encoder.encode(lines), piece);
      assertEquals(found.map(({ args }) => args), wanted);
      assertEquals(found.map(({ number }) => number), wanted.map((_, at) => at + 1));
      const commands = await itemsOf(resp(...wanted as Uint8Array[][]), piece);
      assertEquals(
        commands.map(({ args }) => [text(args[0]!), args[1], args[2]]),
        wanted,
      );
    }),
    { numRuns: 50 },
  );
});

Deno.test("items: empty lines count and stand for nothing; the last line needs no end", async () => {
  const found = await itemsOf(
    encoder.encode('\n{"key":"a","value":"1","ttlMs":5}\r\n\n{"key":"b","value":""}'),
  );
  assertEquals(found.map(({ number, args }) => [number, ...args.map(text)]), [
    [2, "SET", "a", "1", "PX", "5"],
    [4, "SET", "b", ""],
  ]);
});

Deno.test("items: commands that don't write keys one by one are refused by number and name", async () => {
  const found = await itemsOf(resp(["SELECT", "0"], ["PING"], ["INCR", "a"], ["MSET", "a", "1"]));
  assertEquals(found.map(({ number, key }) => [number, key]), [[3, "a"], [4, null]]);
  for (
    const name of ["MULTI", "SELECT", "SUBSCRIBE", "HELLO", "CLIENT", "EVAL", "QUIT", "\x1b[2J"]
  ) {
    const error = await assertRejects(() => itemsOf(resp(["SET", "a", "1"], [name, "1"])), BadItem);
    assertEquals(error.number, 2);
    assertMatch(error.message, / can't be loaded: only commands that write keys can, one by one$/);
    assert(!error.message.includes("\x1b"));
  }
});

Deno.test("items: a file that is cut off or wrong is refused where it is, without growing memory", async () => {
  const good = resp(["SET", "a", "1"]);
  const cases: [Uint8Array, number, RegExp][] = [
    [good.subarray(0, -3), 1, /the file ends in the middle of it/],
    [encoder.encode("*3\r\n"), 1, /ends in the middle/],
    [encoder.encode("*2\r\n$999999999\r\n"), 1, /an argument begins with \$ and its length/],
    [encoder.encode("*99999999\r\n"), 1, /a command begins with \* and its number of arguments/],
    [encoder.encode("*1\r\n+PING\r\n"), 1, /an argument begins with/],
    [Uint8Array.from([...good, ...encoder.encode("SET a 1\r\n")]), 2, /a command begins with/],
    [encoder.encode('{"key":"a","value":""}\nnonsense\n'), 2, /^no JSON/],
    [encoder.encode('{"key":"\xff'), 1, /^no JSON|UTF-8/],
    [Uint8Array.from([0x7b, 0xff, 0x0a]), 1, /^no UTF-8/],
  ];
  for (const [bytes, number, why] of cases) {
    const error = await assertRejects(() => itemsOf(bytes), BadItem);
    assertEquals(error.number, number);
    assertMatch(error.message, why);
  }
});

const failure = { code: "x", server: "h:1", phase: "reply" } as const;

async function send(
  count: number,
  outcome: (item: Item) => Promise<unknown>,
  options: { from?: number; keys?: number; signal?: AbortSignal } = {},
): Promise<Account> {
  const { from = 1, keys = count, signal = new AbortController().signal } = options;
  const sender = new ItemSender({ from, signal, send: outcome, progress: () => {} });
  return await sender.run((async function* () {
    for (let number = 1; number <= count; number++) {
      yield await Promise.resolve({ number, args: [], bytes: 10, key: `k${number % keys}` });
    }
  })());
}

Deno.test("load: at most 256 are under way, and never two of one key", async () => {
  const underWay = new Set<string>();
  let most = 0;
  const order: number[] = [];
  const account = await send(1_000, async ({ key, number }) => {
    assert(!underWay.has(key!), `two of ${key}`);
    underWay.add(key!);
    most = Math.max(most, underWay.size);
    await new Promise((resolve) => setTimeout(resolve, number % 3));
    underWay.delete(key!);
    order.push(number);
  }, { keys: 300 });
  assertEquals([account.done, account.doneUpTo, account.failure], [1_000, 1_000, null]);
  assert(most <= 256 && most > 100, `${most}`);
  for (let number = 301; number <= 1_000; number++) {
    assert(order.indexOf(number) > order.indexOf(number - 300));
  }
});

Deno.test("load: a failure ends it, and every item is accounted for", async () => {
  const account = await send(600, async ({ number }) => {
    await new Promise((resolve) => setTimeout(resolve, number === 100 ? 5 : 1));
    if (number === 100) throw new Refused("no room", failure);
    if (number === 102 || number === 103) throw new Unknown("lost", failure);
    if (number === 105) throw new NotDone("not sent", failure);
  });
  assertEquals(account.failure?.number, 100);
  assertEquals(account.doneUpTo, 99);
  assertEquals(account.unknown, [102, 103]);
  assert(account.doneBeyond.includes(101) && account.doneBeyond.includes(104));
  assert(!account.doneBeyond.includes(105));
  assertEquals(account.done, 99 + account.doneBeyond.length);
  const fault = loadFault(account, { unit: "line" }, "f.json", 1);
  assertEquals(fault.exit, EXIT.unknown);
  assertMatch(
    fault.message,
    /^line 100: no room; lines 1 to 99 are done; done are also 101, 104, 106 to \d+(, …)?; outcome unknown, sent without an answer: 102 to 103; everything else is not done; to continue: raftkv load f.json --from 100$/,
  );
});

Deno.test("load: --from passes over what was loaded, and says so when it fails", async () => {
  const sent: number[] = [];
  const account = await send(10, ({ number }) => {
    sent.push(number);
    return number === 7
      ? Promise.reject(new NotDone("gone; nothing was done, so it may be called again", failure))
      : Promise.resolve();
  }, { from: 7 });
  assertEquals(sent[0], 7);
  const { exit, message } = loadFault(account, { unit: "command" }, "-", 7);
  assertEquals(exit, EXIT.connection);
  assertMatch(
    message,
    /^command 7: .*gone; nothing is done; to continue: raftkv load - --from 7$/,
  );
});

Deno.test("load: Ctrl-C ends it with the account", async () => {
  const stop = new AbortController();
  const account = await send(1_000, async ({ number }) => {
    await Promise.resolve();
    if (number === 300) stop.abort(new CliError(EXIT.interrupted));
  }, { signal: stop.signal });
  const { exit, message } = loadFault(account, { unit: "line" }, "f", 1);
  assertEquals(exit, EXIT.interrupted);
  assertMatch(message, /^interrupted; lines 1 to \d+ are done; .*--from \d+$/);
});

Deno.test("load: ranges are short", () => {
  assertEquals(rangesText([1, 3, 4, 5, 9]), "1, 3 to 5, 9");
  assertEquals(rangesText([1, 3, 5, 7], 2), "1, 3, …");
});

Deno.test("load: what stands for nothing is never told to be done where nothing was", async () => {
  const numbers = [1, 4, 6];
  const send = async (bad: number) => {
    const sender = new ItemSender({
      from: 1,
      signal: new AbortController().signal,
      async send({ number }) {
        if (number !== bad) return;
        // Whatever comes after it is done by then.
        await new Promise((resolve) => setTimeout(resolve, 20));
        throw new Refused("no", failure);
      },
      progress: () => {},
    });
    const account = await sender.run((async function* () {
      for (const number of numbers) {
        yield await Promise.resolve({ number, args: [], bytes: 1, key: `k${number}` });
      }
    })());
    return loadFault(account, { unit: "line" }, "f", 1).message;
  };
  numbers.splice(0, 3, 3);
  assertEquals(await send(3), "line 3: no; nothing is done; to continue: raftkv load f --from 1");
  numbers.splice(0, 1, 1, 4, 6);
  assertMatch(await send(1), /^line 1: no; done are also 4, 6; /);
  assertMatch(await send(6), /^line 6: no; lines 1 to 4 are done; everything else is not done; /);
});

Deno.test("items: a byte order mark at the start is passed over, and all lines are counted", async () => {
  const line = '{"key":"a","value":"1"}\n';
  for (const piece of [1, 2, Infinity]) {
    const bytes = encoder.encode(`\ufeff${line}\n${line}\n`);
    const source = await itemSource(new ByteSource(streamOf(bytes, piece)));
    const found: number[] = [];
    for await (const { number } of source.items()) found.push(number);
    assertEquals([found, source.count()], [[1, 3], 4]);
  }
  assertEquals((await itemsOf(encoder.encode(`\ufeff*1\r\n$4\r\nPING\r\n`))).length, 0);
});

Deno.test("load: --from beyond the file's end is exit code 6; right after it nothing is left to do", async () => {
  const files = { f: '{"key":"a","value":"1"}\n'.repeat(13) };
  const servers = ["--servers", "127.0.0.1:1"];
  const far = await command(["load", "f", "--from", "500", ...servers], { files });
  assertEquals([far.code, far.error], [
    6,
    "raftkv: f: the file has 13 lines, and --from is 500: nothing is done\n",
  ]);
  const end = await command(["load", "f", "--from", "14", ...servers], { files });
  assertEquals(end.code, 0, end.error);
});
