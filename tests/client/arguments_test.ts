import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { ask, connect } from "../../client/mod.ts";
import { withServers } from "./fake_server.ts";
import { errorOf, test } from "./runtime.ts";

/** What plain JavaScript may give where text or bytes belong, and what it is called. */
const WRONG: readonly (readonly [unknown, string])[] = [
  [5, "a number; A"],
  [2 ** 40, "a number; A"],
  [7n, "a bigint; A"],
  [true, "a boolean; A"],
  [undefined, "undefined; A"],
  [null, "null; A"],
  [{}, "an object; A"],
  [[1, 2], "an array; A"],
  [() => "v", "a function; A"],
  [new Date(0), "a Date; A"],
  [Promise.resolve("v"), "a Promise; A"],
  [new ArrayBuffer(3), "an ArrayBuffer; wrap its bytes: new Uint8Array(…)"],
  [new Uint16Array(3), "a Uint16Array; wrap its bytes: new Uint8Array(…)"],
  [new DataView(new ArrayBuffer(3)), "a DataView; wrap its bytes: new Uint8Array(…)"],
];

/** The whole sentence, where `advice` stands for A. */
function sentence(what: string, kind: string, advice = ""): { name: string; message: string } {
  const end = advice === "" ? kind.replace("; A", "") : kind.replace(/A$/, advice);
  return { name: "TypeError", message: `${what}, not ${end}` };
}

test("client: what is neither text nor bytes is refused as a value, before anything is sent", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    for (const [given, kind] of WRONG) {
      const value = given as string;
      const bytes = sentence("a value is a string or a Uint8Array", kind, "see client.json()");
      throws(() => client.set("k", value), bytes);
      throws(() => client.cas("k", value, 0), bytes);
      const text = sentence("a value of client.text is a string", kind, "see client.json()");
      throws(() => client.text.set("k", value), text);
      const error = await errorOf(TypeError, client.transact((t) => t.set("k", value)));
      strictEqual(error.message, bytes.message);
    }
    throws(() => client.text.set("k", new Uint8Array(2) as never), /not a Uint8Array; wrap its/);
    deepStrictEqual(server!.seen, []);
  });
});

test("client: what is neither text nor bytes is refused as a key, before anything is sent", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    for (const [given, kind] of WRONG) {
      const key = given as string;
      const wrong = sentence("a key is a string or a Uint8Array", kind);
      throws(() => client.get(key), wrong);
      throws(() => client.getm(key), wrong);
      throws(() => client.mget(["k", key]), wrong);
      throws(() => client.set(key, "v"), wrong);
      throws(() => client.cas(key, "v", 0), wrong);
      throws(() => client.delete(key), wrong);
      throws(() => client.incr(key), wrong);
      throws(() => client.json().set(key, 1), wrong);
      const read = await errorOf(TypeError, client.transact((t) => t.get(key)));
      strictEqual(read.message, wrong.message);
      if (given === undefined) continue;
      const match = await errorOf(TypeError, client.keys({ match: key }).next());
      strictEqual(match.message, wrong.message.replace("a key", "match"));
    }
    throws(() => client.mget("k" as never), /what mget takes is an array of keys, not a string/);
    throws(() => client.mget("" as never), /what mget takes is an array of keys, not a string/);
    throws(() => client.incr("k", "2" as never), /incr adds is a number or a bigint, not a string/);
    throws(
      () => client.get("k", { timeoutMs: "100" as never }),
      /timeoutMs is a number of milliseconds, not a string/,
    );
    deepStrictEqual(server!.seen, []);
  });
});

test("client: what is neither text nor bytes is refused as an argument of a command", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    for (const [given, kind] of WRONG) {
      const wrong = sentence("an argument of a command is a string or a Uint8Array", kind);
      const request = ["EXPIRE", "k", given as string];
      throws(() => client.command(request), wrong);
      throws(() => ask(server!.address, request), wrong);
    }
    throws(() => client.command(new Array(2) as never), /of a command is .*, not undefined/);
    throws(() => client.command("PING" as never), /a command is an array such as .*, not a string/);
    throws(() => ask(server!.address, []), /begins with its name/);
    deepStrictEqual(server!.seen, []);
  });
});

test("client: bytes of all kinds of Uint8Array are taken, and copied, in commands too", async () => {
  await withServers(1, async (server) => {
    const { Buffer } = await import("node:buffer");
    const { runInNewContext } = await import("node:vm");
    await using client = await connect({ servers: [server!.address] });
    await client.set("buffer", Buffer.from("b"));
    await client.set("foreign", runInNewContext("new Uint8Array([102])") as Uint8Array);
    await client.set("part", new TextEncoder().encode("a part").subarray(2));
    const value = new TextEncoder().encode("c");
    const request = ["RAFTKV.SET", "command", value];
    const call = client.command(request);
    value.fill(0x78);
    request[1] = "x";
    await call;
    const stored = [["buffer", "b"], ["foreign", "f"], ["part", "part"], ["command", "c"]];
    deepStrictEqual([...server!.store], stored);
  });
});
