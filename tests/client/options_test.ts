import { deepStrictEqual, match, rejects, strictEqual, throws } from "node:assert/strict";
import { ask, type Client, connect, NotDone, open } from "../../client/mod.ts";
import { withServers } from "./fake_server.ts";
import { CERTIFICATE, OTHER_KEY, OWN_KEY } from "./key_pairs.ts";
import { errorOf, test } from "./runtime.ts";

const ADDRESS = "127.0.0.1:9";
const type = (message: string) => ({ name: "TypeError", message });
const range = (message: string) => ({ name: "RangeError", message });

/** Every call that takes options, with what it has besides those of all. */
function calls(client: Client, address: string): [(options: never) => unknown, string][] {
  const all = "timeoutMs, signal";
  const values = [client, client.text, client.json<string>()].flatMap((one) => {
    const each: [(options: never) => unknown, string][] = [
      [(options) => one.get("k", options), all],
      [(options) => one.getm("k", options), all],
      [(options) => one.mget(["k"], options), all],
      [(options) => one.mget([], options), all],
      [(options) => one.set("k", "v", options), `${all}, timeToLiveMs`],
      [(options) => one.cas("k", "v", 0, options), `${all}, timeToLiveMs`],
      [(options) => one.delete("k", options), all],
      [(options) => one.incr("k", 1, options), all],
      [(options) => one.keys(options).next(), `${all}, match, keysAtATime`],
      [(options) => one.keyBytes(options).next(), `${all}, match, keysAtATime`],
      [(options) => one.range("a", "b", options), `${all}, limit`],
      [(options) => one.scan("a", options).next(), `${all}, after, keysAtATime`],
      [(options) => one.transact(() => 0, options), all],
      [(options) => one.transact((t) => t.set("k", "v", options)), "timeToLiveMs"],
      [(options) => one.transact((t) => t.cas("k", "v", 0, options)), "timeToLiveMs"],
    ];
    return each;
  });
  return [
    ...values,
    [(options) => client.command(["PING"], options), `${all}, isWrite`],
    [(options) => ask(address, ["PING"], options), `${all}, tls, user, password`],
  ];
}

test("client: an option that a call does not have is refused by its name, before anything is sent", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    for (const [call, there] of calls(client, server!.address)) {
      const refused = async (options: unknown, message: string) => {
        await rejects(async () => await call(options as never), type(message));
      };
      await refused({ expiry: 5 }, `"expiry" is no option here: there are ${there}`);
      await refused({ nx: undefined }, `"nx" is no option here: there are ${there}`);
      const first = there.split(", ", 1)[0]!;
      const told = (kind: string) =>
        `the options argument is an object such as { ${first}: … }, not ${kind}`;
      await refused(5_000, told("a number"));
      await refused(null, told("null"));
      await refused("5s", told("a string"));
      await refused([5_000], told("an array"));
      const { signal } = new AbortController();
      const kind = await errorOf(TypeError, (async () => await call(signal as never))());
      strictEqual(/^"\w+" is no option here/.test(kind.message), true, kind.message);
    }
    deepStrictEqual(server!.seen, []);
  });
});

test("client: an option that is written wrongly is told the one that is meant", () => {
  using client = open({ servers: [ADDRESS] });
  const meant = (options: object, name: string, known: string) =>
    throws(() => client.set("k", "v", options), type(`"${name}" is no option here: ${known}`));
  meant({ timeout: 5 }, "timeout", "is timeoutMs meant?");
  meant({ timeoutms: 5 }, "timeoutms", "is timeoutMs meant?");
  meant({ timeout_ms: 5 }, "timeout_ms", "is timeoutMs meant?");
  meant({ timeToLive: 5 }, "timeToLive", "is timeToLiveMs meant?");
  meant({ singal: 5 }, "singal", "is signal meant?");
  for (const name of ["ex", "px", "expiry", "retries", ""]) {
    meant({ [name]: 5 }, name, "there are timeoutMs, signal, timeToLiveMs");
  }
  const long = "x".repeat(5_000_000);
  meant({ [long]: 1 }, "x".repeat(64), "there are timeoutMs, signal, timeToLiveMs");
  throws(
    () => open({ servers: [ADDRESS], callsWaiting: 5 } as never),
    type('"callsWaiting" is no option here: is callsWaitingMax meant?'),
  );
});

test("client: options of a class of one's own, and of none, are taken", async () => {
  await withServers(1, async (server) => {
    class Usual {
      timeToLiveMs = 60_000;
      describe(): string {
        return "a minute";
      }
    }
    await using client = await connect({ servers: [server!.address], timeoutMs: undefined! });
    await client.set("a", "1", new Usual());
    await client.set("b", "2", Object.create({ timeToLiveMs: 60_000 }));
    await client.set("c", "3", Object.assign(Object.create(null), { timeToLiveMs: 60_000 }));
    await client.set("d", "4", { timeoutMs: undefined, signal: undefined });
    const px = ["PX", "60000"];
    deepStrictEqual(server!.seen.map((request) => request.slice(3)), [px, px, px, []]);
  });
});

test("client: an option of a wrong type, or out of its range, is refused with what it is", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const wrong = (options: object, error: object) => {
      throws(() => client.set("k", "v", options), error);
    };
    const ms = (name: string, kind: string) =>
      type(`${name} is a number of milliseconds, not ${kind}`);
    wrong({ timeoutMs: "5" }, ms("timeoutMs", "a string"));
    wrong({ timeoutMs: null }, ms("timeoutMs", "null"));
    wrong({ timeoutMs: 5n }, ms("timeoutMs", "a bigint"));
    wrong(
      { timeoutMs: NaN },
      range("timeoutMs is NaN: write milliseconds above 0, up to 2147483647"),
    );
    wrong({ timeToLiveMs: "5" }, ms("timeToLiveMs", "a string"));
    wrong({ timeToLiveMs: null }, ms("timeToLiveMs", "null"));
    wrong({ timeToLiveMs: new Date(0) }, ms("timeToLiveMs", "a Date"));
    wrong({ timeToLiveMs: 0 }, range("timeToLiveMs is 0: write whole milliseconds above 0"));
    wrong(
      { signal: new AbortController() },
      type("signal is an AbortSignal, not an AbortController; give its .signal"),
    );
    wrong({ signal: true }, type("signal is an AbortSignal, not a boolean"));
    wrong({ signal: null }, type("signal is an AbortSignal, not null"));
    throws(
      () => client.cas("k", "v", "3" as never),
      type("a version is a number, not a string"),
    );
    throws(() => client.cas("k", "v", 3n as never), type("a version is a number, not a bigint"));
    throws(
      () => client.command(["DEL", "k"], { isWrite: "false" as never }),
      type("isWrite is true or false, not a string"),
    );
    await rejects(
      client.keys({ keysAtATime: "many" as never }).next(),
      type("keysAtATime is a number, not a string"),
    );
    await rejects(
      client.keys({ keysAtATime: 0 }).next(),
      range("keysAtATime is 0: write a whole number above 0"),
    );
    await rejects(
      client.transact("k" as never),
      type("what transact runs is a function, not a string"),
    );
    deepStrictEqual(server!.seen, []);
  });
});

test("client: what is wrong in tls is refused by its name, by connect, open and ask", async () => {
  const pem = "-----BEGIN CERTIFICATE-----";
  const wrong: [unknown, object][] = [
    ["yes", /tls is true, or an object such as { ca: … }, not a string/],
    [null, /tls is true, or an object such as { ca: … }, not null/],
    [{ caFile: "ca.pem" }, /"caFile" is no option here: is ca meant\?|there are ca, cert, key/],
    [{ ca: "ca.pem" }, /tls\.ca is no text in PEM: give what stands in the file, not its name/],
    [{ ca: new Uint8Array(3) }, /tls\.ca is a text in PEM, as in the file, not a Uint8Array/],
    [{ cert: pem }, /tls\.cert and tls\.key belong together/],
    [{ key: pem }, /tls\.cert and tls\.key belong together/],
    [{ serverName: "" }, /tls\.serverName is a name such as db\.example/],
  ];
  for (const [tls, error] of wrong) {
    throws(() => open({ servers: [ADDRESS], tls: tls as never }), error);
    throws(() => ask(ADDRESS, ["PING"], { tls: tls as never }), error);
    await rejects(connect({ servers: [ADDRESS], tls: tls as never }), error);
  }
  for (
    const tls of [true, false, undefined, {}, { ca: pem, cert: pem, key: pem, serverName: "n" }]
  ) {
    open({ servers: [ADDRESS], tls }).close();
  }
});

test("client: a certificate and another one's key are told at once", async () => {
  const tls = { cert: CERTIFICATE, key: OTHER_KEY };
  const error = type("the certificate is not this key's: tls.cert and tls.key are no pair");
  await rejects(connect({ servers: [ADDRESS], tls }), error);
  const { message } = await errorOf(NotDone, ask(ADDRESS, ["PING"], { tls, timeoutMs: 60_000 }));
  match(message, /the certificate is not this key's/);
  const own = { servers: [ADDRESS], tls: { cert: CERTIFICATE, key: OWN_KEY }, timeoutMs: 100 };
  await rejects(connect(own), NotDone);
});

test("client: servers that are none are refused, by connect, open and ask", async () => {
  const array = 'an array such as ["127.0.0.1:9000"]';
  const wrong: [unknown, object][] = [
    [undefined, type(`servers is missing: it is ${array}`)],
    [{}, type(`servers is ${array}, not undefined`)],
    [{ servers: ADDRESS }, type(`servers is ${array}, not a string`)],
    [{ servers: [9000] }, type("a server's address is text such as 127.0.0.1:9000, not a number")],
    [{ servers: new Array(1) }, /a server's address is text such as .*, not undefined/],
    [{ servers: [ADDRESS], silenceMs: "9" }, /silenceMs is a number of milliseconds, not a string/],
    [{ servers: [ADDRESS], callsUnderWayMax: "9" }, /callsUnderWayMax is a number, not a string/],
    [{ servers: [ADDRESS], signal: 5 }, /signal is an AbortSignal, not a number/],
    [[ADDRESS], /the options argument is an object such as { servers: … }, not an array/],
    [ADDRESS, /the options argument is an object such as { servers: … }, not a string/],
  ];
  for (const [options, error] of wrong) {
    throws(() => open(options as never), error);
    await rejects(connect(options as never), error);
  }
  throws(() => ask(9000 as never, ["PING"]), /a server's address is text such as .*, not a number/);
});
