/**
 * A table of every command against every permission, drawn up by asking: this server and a redis-server
 * with the same users get the same commands, and permit the same.
 */
import { assert, assertEquals } from "@std/assert";
import { COMMAND_NUMBERS } from "../../lib/kv/users/command_numbers.ts";
import { OneClient, OneServer } from "../wire/resp_driver.ts";
import { RedisSocket, type Reply } from "./redis_socket.ts";
import { RedisServer, redisTest } from "./redis_tools.ts";

const PERMISSIONS = [
  "+@all ~*",
  "-@all ~*",
  "+@all",
  "+@read ~*",
  "+@write ~*",
  "+@all ~a*",
  "+@all %R~*",
  "+@all %W~*",
  "+@all %R~a* %W~b*",
  "+@all %R~a* ~b*",
  "+@all -@dangerous -@write ~*",
  "+@keyspace -del ~a*",
  "+@connection +@transaction ~*",
  "+@string -get +strlen %RW~a? ~[bc]1",
  "+@fast -@connection ~*",
  "+@admin +@slow ~*",
  "+get +set +client|setname +config|get +acl|whoami ~a1",
  "+client +acl +cluster -client|list -acl|setuser ~*",
  "+@all -get -set ~*",
];
const KEYS = ["a1", "b1", "c1"];

/** Redis has none of these: what they come to is compared with the command there that needs the same. */
const LIKE: Readonly<Record<string, string>> = {
  "raftkv.get": "get",
  "raftkv.set": "setnx",
  "raftkv.cas": "setnx",
  delifeq: "getdel",
  delex: "getdel",
  digest: "get",
  msetex: "mset",
};
/**
 * What they do to the connection or the server is no matter of permissions; EXEC has a test of its own, and the
 * keys of a script are judged where it runs, by the node, which is not here.
 */
const LEFT_OUT = new Set(["auth", "hello", "quit", "reset", "exec", "client|kill", "wait"])
  .union(new Set(["eval", "eval_ro", "evalsha", "evalsha_ro"]));
/** Here they need leave for all keys, where in Redis they need none: docs/redis.md. */
const OF_ALL_KEYS = new Set(["dbsize", "flushall", "flushdb"]);

const CONTAINERS = new Set([
  "acl",
  "client",
  "cluster",
  "config",
  "pubsub",
  "raftkv.member",
  "script",
]);

const ARGUMENTS: Readonly<Record<string, (key: string) => readonly string[]>> = {
  setex: (key) => [key, "100", "v"],
  psetex: (key) => [key, "100000", "v"],
  "raftkv.set": (key) => [key, "v"],
  delifeq: (key) => [key, "v"],
  delex: (key) => [key, "IFEQ", "v"],
  msetex: (key) => ["1", key, "v"],
  "raftkv.cas": (key) => [key, "v", "0"],
  "acl|setuser": () => ["made", "on"],
  "acl|dryrun": () => ["nobody", "get", "k"],
  "config|get": () => ["save"],
  "client|setinfo": () => ["lib-name", "x"],
};

/** A connection, to whichever of the two. */
interface Asked {
  ask(...words: string[]): Promise<Reply>;
}

type Arities = ReadonlyMap<string, number>;

/** How many arguments each command takes, of those that redis-server has, or has something like. */
async function aritiesOf(redis: RedisSocket): Promise<Arities> {
  const arities = new Map<string, number>();
  for (const { name } of COMMAND_NUMBERS) {
    const [info] = await redis.ask("COMMAND", "INFO", name) as (Reply[] | null)[];
    if (info !== null && info !== undefined) arities.set(name, Math.abs(info[1] as number));
    else if (LIKE[name] !== undefined) arities.set(name, 2);
  }
  return arities;
}

/** Every command, and every subcommand, with the arguments that it takes. */
function commandsWith(key: string, arities: Arities): { name: string; words: string[] }[] {
  const found: { name: string; words: string[] }[] = [];
  for (const { name, hasKeys } of COMMAND_NUMBERS) {
    // A container alone is a wrong command, which Redis says first.
    if (LEFT_OUT.has(name) || CONTAINERS.has(name)) continue;
    const arity = arities.get(name);
    if (arity === undefined) continue;
    const names = name.split("|");
    const least = Math.max(0, arity - names.length);
    const given = ARGUMENTS[name]?.(key) ??
      (hasKeys ? [key, ...Array(Math.max(0, least - 1)).fill("1")] : Array(least).fill("1"));
    found.push({ name, words: [...names, ...given] });
  }
  found.push({ name: "set", words: ["set", key, "v", "GET"] });
  found.push({ name: "set", words: ["set", key, "v", "EX", "100"] });
  found.push({ name: "mget", words: ["mget", key, "a1"] });
  found.push({ name: "mset", words: ["mset", key, "1", "b1", "1"] });
  found.push({ name: "del", words: ["del", key, "a1"] });
  return found;
}

/** The denial, or that there was none: what a command comes to is compared elsewhere. */
function denialIn(reply: Reply): string {
  const isDenied = reply instanceof Error && reply.message.startsWith("NOPERM");
  return isDenied ? reply.message : "permitted";
}

async function makeUsers(ask: (...words: string[]) => Promise<Reply>): Promise<void> {
  for (const [i, rules] of PERMISSIONS.entries()) {
    assertEquals(await ask("ACL", "SETUSER", `u${i}`, "on", `>p${i}`, ...rules.split(" ")), "OK");
  }
}

redisTest(
  "every command under every permission is permitted, or denied in the same words, as by redis-server",
  ["redis-server"],
  async () => {
    const redis = await RedisServer.start();
    try {
      const server = new OneServer();
      const root = new OneClient(server);
      const ask = (...words: string[]) => Promise.resolve(root.ask(words)[0]!);
      assertEquals(await ask("ACL", "SETUSER", "root", "on", ">root", "~*", "+@all"), "OK");
      assertEquals(await ask("AUTH", "root", "root"), "OK");
      await makeUsers(ask);
      using theirRoot = await RedisSocket.connect(redis.port);
      await makeUsers((...words) => theirRoot.ask(...words));
      const arities = await aritiesOf(theirRoot);
      let compared = 0;
      for (const i of PERMISSIONS.keys()) {
        compared += await compareUser(i, server, redis.port, arities);
      }
      assert(compared > 4_500, `${compared} outcomes compared`);
    } finally {
      await redis.stop();
    }
  },
);

async function compareUser(
  i: number,
  server: OneServer,
  redisPort: number,
  arities: Arities,
): Promise<number> {
  const client = new OneClient(server, 2);
  const ours: Asked = { ask: (...words) => Promise.resolve(client.ask(words)[0]!) };
  using theirs = await RedisSocket.connect(redisPort);
  for (const socket of [ours, theirs]) {
    assertEquals(await socket.ask("AUTH", `u${i}`, `p${i}`), "OK");
  }
  const rules = PERMISSIONS[i]!;
  let compared = 0;
  for (const key of KEYS) {
    for (const { name, words } of commandsWith(key, arities)) {
      const said = denialIn(await ours.ask(...words));
      if (words[0] === "multi") {
        await ours.ask("RESET").then(() => ours.ask("AUTH", `u${i}`, `p${i}`));
      }
      const like = LIKE[name] ?? name;
      const theirWords = like === name
        ? words
        : [like, key, ...(/setnx|mset/.test(like) ? ["v"] : [])];
      const reply = denialIn(await theirs.ask(...theirWords)).replace(`'${like}'`, `'${name}'`);
      if (words[0] === "multi") {
        await theirs.ask("RESET").then(() => theirs.ask("AUTH", `u${i}`, `p${i}`));
      }
      // A rule for a command of Redis's is none for ours.
      if (like !== name && rules.includes("get")) continue;
      if (OF_ALL_KEYS.has(name) && reply === "permitted" && !/ ~\*$/.test(rules)) continue;
      assertEquals(said, reply, `${rules}: ${words.join(" ")}`);
      const queued = await inTransaction(ours, words, `u${i}`, `p${i}`);
      if (queued !== null) {
        assertEquals(
          queued,
          said === "permitted" ? "queued" : said,
          `MULTI, ${rules}: ${words.join(" ")}`,
        );
      }
      compared++;
    }
  }
  return compared;
}

/** What becomes of a command between MULTI and DISCARD; null where the user may run neither. */
async function inTransaction(
  socket: Asked,
  words: readonly string[],
  user: string,
  password: string,
): Promise<string | null> {
  if (["multi", "discard", "watch"].includes(words[0]!)) return null;
  if (await socket.ask("MULTI") !== "OK") return null;
  const reply = await socket.ask(...words);
  await socket.ask("RESET");
  await socket.ask("AUTH", user, password);
  if (reply === "QUEUED") return "queued";
  // What can't be queued at all says so, or what is wrong with it.
  return denialIn(reply) === "permitted" ? null : denialIn(reply);
}
