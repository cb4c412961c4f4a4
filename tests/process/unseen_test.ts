/**
 * What nobody is to see who may not read it: keys, values and passwords are looked for in whatever servers say
 * to others. docs/security.md.
 */
import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../lib/wire/resp/resp_table.ts";
import { ask } from "./admin_client.ts";
import { clusterTest, type Server } from "./harness.ts";
import { eventually } from "./patience.ts";
import { encodeRequest, RedisSocket } from "./redis_socket.ts";
import { fromBytes } from "./socket.ts";

/** In each key, value and password, and in nothing else. */
const MARK = "hUsh";
const ROOT = { user: "root", password: `${MARK}-root-password` };
const LOW = { user: "low", password: `${MARK}-low-password` };
/** All that shows something of the server; keys of its own, and no change of users or members. */
const LOW_RULES = "on %RW~low:* &low:* +@all -@admin -flushall -flushdb -raftkv.session " +
  "+info +role +acl|users +client|list +client|info +config|get +raftkv.status";
const KEY = `${MARK}:key`;
const VALUE = `${MARK}-value`;

const SUBCOMMANDS: Readonly<Record<string, readonly string[]>> = {
  acl: ["WHOAMI", "CAT", "USERS", "LIST", "HELP"],
  client: ["LIST", "INFO", "ID", "GETNAME", "TRACKINGINFO", "GETREDIR", "HELP"],
  cluster: ["SLOTS", "NODES", "INFO", "SHARDS", "MYID", "HELP"],
  command: ["COUNT", "INFO", "DOCS", "LIST"],
  config: ["GET"],
  "raftkv.member": ["LIST"],
  pubsub: ["CHANNELS", "NUMPAT"],
  script: ["HELP"],
};

/** What each command is asked with, by somebody who may not read what is marked. */
function* requests(): Generator<string[]> {
  for (const { name, arity } of COMMANDS) {
    const rest = Array.from({ length: Math.max(0, Math.abs(arity) - 1) }, () => "low:1");
    yield [name, ...rest];
    for (const sub of SUBCOMMANDS[name] ?? []) {
      yield [name, sub, ...(name === "config" ? ["*"] : [])];
    }
  }
  yield* [
    ["INFO", "everything"],
    ["KEYS", "*"],
    ["SCAN", "0", "COUNT", "1000"],
    ["RAFTKV.RANGE", "!", "~", "KEYS"],
    ["EVAL", "return redis.call('keys', '*')", "0"],
    ["EVAL", "return redis.call('randomkey')", "0"],
    ["CLIENT", "TRACKING", "ON", "BCAST"],
    ["PSUBSCRIBE", "*"],
  ];
}

/** Whatever comes for a request, and a moment after it. */
async function told(server: Server, request: string[], as: typeof LOW | null): Promise<string> {
  using socket = await RedisSocket.connect(server.clientPort);
  if (as !== null) assertEquals(await socket.ask("AUTH", as.user, as.password), "OK");
  if (as !== null) await socket.ask("READONLY");
  // The end of what is told; a subscriber and a tracker may send it, too.
  await socket.write(encodeRequest(request));
  await socket.write(encodeRequest(["QUIT"]));
  return await socket.readToEnd();
}

async function fill(leader: Server): Promise<void> {
  using root = await RedisSocket.connect(leader.clientPort);
  const wanted = ["ACL SETUSER root on ~* &* +@all", `ACL SETUSER low ${LOW_RULES}`];
  await eventually("the cluster version that users need", async () => {
    return await root.ask(...wanted[0]!.split(" "), `>${ROOT.password}`) === "OK";
  });
  assertEquals(await root.ask("AUTH", ROOT.user, ROOT.password), "OK");
  assertEquals(await root.ask(...wanted[1]!.split(" "), `>${LOW.password}`), "OK");
  for (let i = 0; i < 50; i++) await root.ask("SET", `${KEY}:${i}`, `${VALUE}:${i}`);
  assertEquals(await root.ask("SET", "low:1", "1"), "OK");
  // What goes wrong may be told of.
  await root.ask("INCR", `${KEY}:1`);
  await root.ask(`${MARK}-command`, KEY);
  await root.ask("EVAL", `error('${MARK}')`, "1", KEY);
  await root.ask("EVAL", `${MARK} is no Lua`, "1", KEY);
  await root.ask("SET", KEY, VALUE, `${MARK}-option`);
  await root.ask("CLIENT", "KILL", "ID", "987654");
  await root.ask("AUTH", "root", `${MARK}-wrong`);
  using stranger = await leader.connect();
  await stranger.send(`set ${KEY} 0 x\r\nauth ${MARK}-name 5\r\n${MARK}!\r\n${MARK}\r\n`);
  await stranger.readLine();
}

/** The beginning of a stream of events. */
async function events(server: Server): Promise<string> {
  const end = new AbortController();
  const url = `http://127.0.0.1:${server.adminPort}/events`;
  const response = await fetch(url, { signal: end.signal });
  const reader = response.body!.getReader();
  let text = "";
  try {
    while (text.length < 4_000) text += fromBytes((await reader.read()).value ?? new Uint8Array(0));
  } finally {
    end.abort();
    await reader.cancel().catch(() => {});
  }
  return text;
}

clusterTest(
  "unseen: replies, redirects, pages, metrics, logs and processes show no keys, values or passwords to others",
  {},
  async (cluster) => {
    for (const server of cluster.servers) server.start({ RAFTKV_LOG_LEVEL: "debug" });
    const leader = await cluster.waitForLeader();
    const [follower] = cluster.others(leader);
    await fill(leader);
    await eventually("the follower to know the user", async () => {
      using socket = await RedisSocket.connect(follower!.clientPort);
      return await socket.ask("AUTH", LOW.user, LOW.password) === "OK";
    });
    const seen = new Map<string, string>();
    for (const server of [leader, follower!]) {
      for (const request of requests()) {
        const what = `${request.join(" ")}, server ${server.id}`;
        seen.set(`${what}, as low`, await told(server, request, LOW));
        if (server === leader) seen.set(`${what}, as nobody`, await told(server, request, null));
      }
      for (const path of ["/livez?verbose", "/readyz?verbose", "/leader", "/status", "/metrics"]) {
        seen.set(`${path}, server ${server.id}`, (await ask(server, path)).body);
      }
      seen.set(`/events, server ${server.id}`, await events(server));
    }
    // A redirect says where, and not what for.
    using socket = await RedisSocket.connect(follower!.clientPort);
    await socket.ask("AUTH", ROOT.user, ROOT.password);
    const moved = `${await socket.ask("GET", `${KEY}:1`)}`;
    assert(moved.includes("MOVED"), moved);
    seen.set("a redirect", moved);
    // What is said at the next start, of what is on the disk.
    await leader.terminate();
    const before = leader.process.error;
    leader.start({ RAFTKV_LOG_LEVEL: "debug" });
    await leader.process.logged("Serving", 30_000);
    for (const { id, process } of cluster.servers) {
      seen.set(`the log of server ${id}`, process.error);
      seen.set(
        `the command line of server ${id}`,
        Deno.readTextFileSync(`/proc/${process.pid}/cmdline`),
      );
    }
    seen.set("the log before the restart", before);
    const shown = [...seen].filter(([, text]) => text.includes(MARK)).map(([what, text]) => {
      const at = text.indexOf(MARK);
      return `${what}: ${text.slice(Math.max(0, at - 60), at + 60)}`;
    });
    assertEquals(shown, []);
    // They did show something.
    assert([...seen.values()].every((text) => text !== ""), "something said nothing");
    for (const request of ["KEYS *", "SCAN 0 COUNT 1000", "RAFTKV.RANGE ! ~ KEYS"]) {
      const own = seen.get(`${request}, server ${leader.id}, as low`)!;
      assert(own.includes("low:1"), `${request}: ${own}`);
      const text = await told(follower!, request.split(" "), ROOT);
      assert(text.includes(KEY), `${request} shows its own user's keys: ${text}`);
    }
  },
);
