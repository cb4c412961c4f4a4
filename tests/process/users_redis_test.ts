/** Users and permissions beside those of redis-server 7.0. */
import { assert, assertEquals } from "@std/assert";
import {
  Access,
  CATEGORIES,
  COMMAND_NUMBERS,
  commandNamed,
} from "../../lib/kv/users/command_numbers.ts";
import { parseRule } from "../../lib/kv/users/rules.ts";
import { latin1Bytes } from "../../lib/util/latin1.ts";
import { type Modification, UserProblem } from "../../lib/kv/users/user_changes.ts";
import { mayUseChannel } from "../../lib/kv/users/channel_rules.ts";
import { Users } from "../../lib/kv/users/users.ts";
import { Random } from "../../lib/util/random.ts";
import type { Reply } from "./redis_socket.ts";
import { RedisSocket } from "./redis_socket.ts";
import { RedisServer, redisTest } from "./redis_tools.ts";

redisTest(
  "the categories of commands, and what they need of their keys, are those of redis-server",
  ["redis-server"],
  async () => {
    const redis = await RedisServer.start();
    try {
      using socket = await RedisSocket.connect(redis.port);
      let compared = 0;
      for (const { name, categories, hasKeys, access } of COMMAND_NUMBERS) {
        const [info] = await socket.ask("COMMAND", "INFO", name) as (Reply[] | null)[];
        if (info === null || info === undefined) {
          assert(name.startsWith("raftkv.") || ELSEWHERE.has(name), `${name} is not Redis's`);
          continue;
        }
        compared++;
        const theirs = (info[6] as string[]).map((text) => text.slice(1)).sort();
        assertEquals(categories.toSorted(), theirs, name);
        const specs = info[8] as Reply[][];
        assertEquals(hasKeys, specs.length > 0, name);
        if (name !== "set") { for (const spec of specs) assertEquals(access, needOf(spec), name); }
      }
      assert(compared >= 85, `${compared} commands compared`);
    } finally {
      await redis.stop();
    }
  },
);

redisTest(
  "drawn rules leave a user that may do what redis-server's may, and refused ones are refused by both",
  ["redis-server"],
  async () => {
    const redis = await RedisServer.start();
    try {
      using socket = await RedisSocket.connect(redis.port);
      const commands = await shared(socket);
      const draw = new Random(7);
      let compared = 0;
      for (let round = 0; round < 120; round++) {
        await socket.ask("ACL", "DELUSER", "alice");
        const users = new Users();
        users.change(1, "root", ["on", "nopass", "+@all"].map((rule) => ({ kind: "rule", rule })));
        for (let i = 0; i < 12; i++) {
          const typed = drawRule(draw, [...commands.keys()]);
          const reply = await socket.ask("ACL", "SETUSER", "alice", typed);
          const ours = change(users, typed);
          // After all keys Redis says so before it looks at what the pattern is.
          if (/^[~%&].*Syntax error$/.test(ours.slice(PREFIX_LETTERS)) && reply instanceof Error) {
            continue;
          }
          assertEquals(ours, reply instanceof Error ? reply.message : reply, typed);
        }
        compared += await compareUser(socket, users, commands, draw);
      }
      assert(compared > 2_000, `${compared} outcomes compared`);
    } finally {
      await redis.stop();
    }
  },
);

/**
 * The names that both have, subcommands included, and how each is run: with as many arguments as it needs.
 * A container alone can't be run, nor dryly; null.
 */
async function shared(socket: RedisSocket): Promise<Commands> {
  const found = new Map<string, ((key: string) => string[]) | null>();
  for (const { name, hasKeys } of COMMAND_NUMBERS) {
    const [info] = await socket.ask("COMMAND", "INFO", name) as (Reply[] | null)[];
    if (info === null || info === undefined) continue;
    if ((info[9] as Reply[]).length > 0 && name !== "command") {
      found.set(name, null);
      continue;
    }
    const words = name.split("|");
    if (/^eval/.test(name)) {
      // A script, how many keys it has, and the key.
      found.set(name, (key) => [name, "return 1", "1", key]);
      continue;
    }
    const left = Math.abs(info[1] as number) - words.length;
    found.set(
      name,
      (key) => [...words, ...(hasKeys ? [key] : []), ...Array(hasKeys ? left - 1 : left).fill("1")],
    );
  }
  return found;
}

type Commands = ReadonlyMap<string, ((key: string) => string[]) | null>;

function below(draw: Random, count: number): number {
  return Math.floor(draw.unit() * count);
}

const PREFIX_LETTERS = "ERR Error in ACL SETUSER modifier '".length;

const WORDS = ["on", "off", "nopass", "resetpass", "resetkeys", "allkeys", "~*", "reset", "ON"]
  .concat("allcommands", "nocommands", "+@all", "-@all", "&*", "allchannels", "resetchannels")
  .concat("clearselectors", "foo", "+nosuch", "-@nosuch", "%~a", "%X~a", "~a b", "&a b", "%RR~a");
const PATTERNS = ["app:*", "a*", "*:lock", "app:[ab]", "app:?", "app:\\*", "app", "app:a"];
const KEYS = ["app:a", "app:b", "app:*", "app", "a:lock", "app:lock", "b", "app:", "app:c"];
const PASSWORDS = ["one", "two", "three"];

function drawRule(draw: Random, names: readonly string[]): string {
  const of = (texts: readonly string[]) => texts[below(draw, texts.length)]!;
  switch (below(draw, 6)) {
    case 0:
      return of(WORDS);
    case 1:
      return of(["~", "%R~", "%W~", "%RW~", "%r~", "&"]) + of(PATTERNS);
    case 2:
      return of([">", "<"]) + of(PASSWORDS);
    case 3:
      return of(["+@", "-@"]) + of(CATEGORIES);
    default:
      return of(["+", "-"]) + of(names);
  }
}

/** Follows a rule; gives what ACL SETUSER answers to it. */
function change(users: Users, typed: string): string {
  const parsed = parseRule(typed);
  const prefix = `ERR Error in ACL SETUSER modifier '${typed}': `;
  if (parsed.kind === "problem") return prefix + parsed.problem;
  const modifications: Modification[] = parsed.kind === "nothing"
    ? []
    : parsed.kind === "rule"
    ? [parsed]
    : [{ kind: parsed.kind, password: passwordOf(parsed.password) }];
  const changed = users.change(2, "alice", modifications);
  return "id" in changed ? "OK" : prefix + PROBLEMS[changed.problem];
}

const PROBLEMS: Readonly<Record<number, string>> = {
  [UserProblem.keysAfterAll]:
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have " +
    "any effect. Try 'resetkeys' to start with an empty list of patterns",
  [UserProblem.channelsAfterAll]:
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not " +
    "have any effect. Try 'resetchannels' to start with an empty list of channels",
  [UserProblem.noSuchPassword]:
    "The password you are trying to remove from the user does not exist",
};

function passwordOf(text: string) {
  const bytes = latin1Bytes(text.padEnd(32, "."));
  return { logN: 14, r: 8, p: 1, salt: bytes, hash: bytes };
}

/** Compares what the user may do, and how lists show its keys and channels; returns of how much. */
/** The channels, or patterns of them, that a command names. */
function channelsIn(name: string, words: readonly string[]): readonly string[] {
  if (name === "publish") return words.slice(1, 2);
  return name === "subscribe" || name === "psubscribe" ? words.slice(1) : [];
}

async function compareUser(
  socket: RedisSocket,
  users: Users,
  commands: Commands,
  draw: Random,
): Promise<number> {
  const user = users.byName("alice")!;
  const theirs = await socket.ask("ACL", "GETUSER", "alice") as Reply[];
  const field = (name: string) => theirs[theirs.indexOf(name) + 1];
  const flags = field("flags") as string[];
  assertEquals(user.isOn, flags.includes("on"));
  assertEquals(user.hasNoPassword, flags.includes("nopass"));
  assertEquals(user.passwords.length, (field("passwords") as string[]).length);
  assertEquals(user.keyRules().join(" "), field("keys"));
  const channels = user.allChannels ? ["&*"] : user.channels.map((text) => `&${text}`);
  assertEquals(channels.join(" "), field("channels"));
  // How it is shown differs: what it means, does not.
  await socket.ask("ACL", "DELUSER", "shown");
  assertEquals(await socket.ask("ACL", "SETUSER", "shown", ...commandsIn(user.commandRules)), "OK");
  assertEquals(await mayRun(socket, "shown", commands), await mayRun(socket, "alice", commands));
  let compared = 0;
  for (const [name, argumentsWith] of commands) {
    if (argumentsWith === null) continue;
    const { number, hasKeys, access, isFree } = commandNamed(name)!;
    const key = KEYS[below(draw, KEYS.length)]!;
    const words = argumentsWith(key);
    const reply = await socket.ask("ACL", "DRYRUN", "alice", ...words);
    const bytes = latin1Bytes(key);
    const isDone = (isFree || user.allowsCommand(number)) &&
      (!hasKeys || user.allowsKey(access, bytes, 0, bytes.length)) &&
      channelsIn(name, words).every((one) => mayUseChannel(user, one, name === "psubscribe"));
    assertEquals(isDone, reply === "OK", `${name} ${key}: ${reply}`);
    compared++;
  }
  return compared;
}

/** Redis has no commands of ours. */
function commandsIn(rules: readonly string[]): string[] {
  return rules.filter((rule) => !/raftkv|delifeq|delex|digest|msetex|setinfo/.test(rule));
}

async function mayRun(
  socket: RedisSocket,
  user: string,
  commands: Commands,
): Promise<string[]> {
  const found: string[] = [];
  for (const [name, argumentsWith] of commands) {
    if (argumentsWith === null) continue;
    const reply = await socket.ask("ACL", "DRYRUN", user, ...argumentsWith("key"));
    assert(typeof reply === "string", `${name}: ${reply}`);
    if (!/has no permissions to run/.test(String(reply))) found.push(name);
  }
  return found;
}

/** Redis has them from 7.2 on, or from 8.4; the first one is Valkey's. */
const ELSEWHERE = new Set(["delifeq", "client|setinfo", "delex", "digest", "msetex"]);

/** What a specification of keys says that the command does with them. */
function needOf(spec: readonly Reply[]): Access {
  const flags = spec[spec.indexOf("flags") + 1] as string[];
  const writes = ["insert", "update", "delete"].some((flag) => flags.includes(flag));
  return ((flags.includes("access") ? Access.read : 0) | (writes ? Access.write : 0)) as Access;
}
