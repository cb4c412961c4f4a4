/**
 * The commands that permissions are about, each with a number that stands in the log (`byUser`, see
 * kv/commands/command.ts) and in users' rules. A number is never given twice and never changes its meaning:
 * replicas decide by it. So are a command's categories and what it needs of its keys: changing one of them,
 * or adding a command, changes what entries come to, and needs a cluster version of its own
 * (kv/cluster_version.ts) once a build with users was handed out.
 *
 * Categories and needs are those of Redis 7.0 (COMMAND INFO) where it has the command. A subcommand has a
 * number of its own: `client|kill` may be forbidden where `client|setname` is not. A subcommand that has
 * none here goes by its container. Lines have the names of the commands that do the same: `get` get, `set`
 * set, `getm` raftkv.get, `cas` raftkv.cas, `delete` del, `scan` raftkv.range.
 */

/** What a command needs of its keys, as bits. `none`: that the user may do anything with the key. */
export const Access = { none: 0, read: 1, write: 2, both: 3 } as const;
export type Access = typeof Access[keyof typeof Access];

export interface CommandNumber {
  readonly number: number;
  /** In lower case; a subcommand's is `container|subcommand`. */
  readonly name: string;
  /** In the order of `CATEGORIES`. */
  readonly categories: readonly string[];
  /** The command has keys: `access` is what it needs of each. */
  readonly hasKeys: boolean;
  readonly access: Access;
  /** Of a subcommand: the number of its container; else 0. */
  readonly container: number;
  /** Everybody may run it, whatever the rules: one gets in, or out, with it. */
  readonly isFree: boolean;
}

/** Redis's, in its order. `all` is none of them: it stands for every command there is or will be. */
export const CATEGORIES: readonly string[] = [
  "keyspace",
  "read",
  "write",
  "set",
  "sortedset",
  "list",
  "hash",
  "string",
  "bitmap",
  "hyperloglog",
  "geo",
  "stream",
  "pubsub",
  "admin",
  "fast",
  "slow",
  "blocking",
  "dangerous",
  "connection",
  "transaction",
  "scripting",
];

/** Number, name, categories, what it needs of its keys ("-": it has none). */
type Row = readonly [number, string, string, keyof typeof Access | "-"];

const ROWS: readonly Row[] = [
  [1, "append", "write string fast", "write"],
  [2, "decr", "write string fast", "both"],
  [3, "decrby", "write string fast", "both"],
  [4, "get", "read string fast", "read"],
  [5, "getdel", "write string fast", "both"],
  [6, "getex", "write string fast", "both"],
  [7, "getrange", "read string slow", "read"],
  [8, "getset", "write string fast", "both"],
  [9, "incr", "write string fast", "both"],
  [10, "incrby", "write string fast", "both"],
  [11, "incrbyfloat", "write string fast", "both"],
  [12, "mget", "read string fast", "read"],
  [13, "mset", "write string slow", "write"],
  [14, "msetnx", "write string slow", "write"],
  [15, "psetex", "write string slow", "write"],
  // With GET it shows the old value, with a condition it tells of it: then it has to be readable as well
  // (permissions.ts).
  [16, "set", "write string slow", "write"],
  [17, "setex", "write string slow", "write"],
  [18, "setnx", "write string fast", "write"],
  [19, "setrange", "write string slow", "write"],
  [20, "strlen", "read string fast", "none"],
  [21, "del", "keyspace write slow", "write"],
  // It tells whether a value is there that the client guesses.
  [22, "delifeq", "write string fast", "both"],
  [23, "exists", "keyspace read fast", "none"],
  [24, "expire", "keyspace write fast", "write"],
  [25, "expireat", "keyspace write fast", "write"],
  [26, "expiretime", "keyspace read fast", "read"],
  [27, "keys", "keyspace read slow dangerous", "-"],
  [28, "persist", "keyspace write fast", "write"],
  [29, "pexpire", "keyspace write fast", "write"],
  [30, "pexpireat", "keyspace write fast", "write"],
  [31, "pexpiretime", "keyspace read fast", "read"],
  [32, "pttl", "keyspace read fast", "read"],
  [33, "randomkey", "keyspace read slow", "-"],
  [34, "scan", "keyspace read slow", "-"],
  [35, "touch", "keyspace read fast", "none"],
  [36, "ttl", "keyspace read fast", "read"],
  [37, "type", "keyspace read fast", "none"],
  [38, "unlink", "keyspace write fast", "write"],
  [39, "wait", "slow connection", "-"],
  [40, "auth", "fast connection", "-"],
  [41, "client", "slow", "-"],
  [42, "echo", "fast connection", "-"],
  [43, "hello", "fast connection", "-"],
  [44, "ping", "fast connection", "-"],
  [45, "quit", "fast connection", "-"],
  [46, "reset", "fast connection", "-"],
  [47, "select", "fast connection", "-"],
  [48, "command", "slow connection", "-"],
  [49, "config", "slow", "-"],
  [50, "dbsize", "keyspace read fast", "-"],
  [51, "flushall", "keyspace write slow dangerous", "-"],
  [52, "flushdb", "keyspace write slow dangerous", "-"],
  [53, "info", "slow dangerous", "-"],
  [54, "raftkv.backup", "admin slow dangerous", "-"],
  [55, "raftkv.leader", "admin slow dangerous", "-"],
  [56, "raftkv.member", "slow", "-"],
  [57, "raftkv.status", "slow dangerous", "-"],
  [58, "role", "admin fast dangerous", "-"],
  [59, "time", "fast", "-"],
  [60, "cluster", "slow", "-"],
  [61, "readonly", "fast connection", "-"],
  [62, "readwrite", "fast connection", "-"],
  [63, "discard", "fast transaction", "-"],
  [64, "exec", "slow transaction", "-"],
  [65, "multi", "fast transaction", "-"],
  [66, "unwatch", "fast transaction", "-"],
  [67, "watch", "fast transaction", "none"],
  // It is done or not by the version: whoever may not read learns no value by it.
  [68, "raftkv.cas", "write string fast", "write"],
  [69, "raftkv.get", "read string fast", "read"],
  [70, "raftkv.set", "write string fast", "write"],
  [71, "acl", "slow", "-"],
  [72, "acl|cat", "slow", "-"],
  [73, "acl|deluser", "admin slow dangerous", "-"],
  [74, "acl|dryrun", "admin slow dangerous", "-"],
  [75, "acl|genpass", "slow", "-"],
  [76, "acl|getuser", "admin slow dangerous", "-"],
  [77, "acl|help", "slow", "-"],
  [78, "acl|list", "admin slow dangerous", "-"],
  [79, "acl|setuser", "admin slow dangerous", "-"],
  [80, "acl|users", "admin slow dangerous", "-"],
  [81, "acl|whoami", "slow", "-"],
  [82, "client|getname", "slow connection", "-"],
  [83, "client|id", "slow connection", "-"],
  [84, "client|info", "slow connection", "-"],
  [85, "client|kill", "admin slow dangerous connection", "-"],
  [86, "client|list", "admin slow dangerous connection", "-"],
  [87, "client|no-evict", "admin slow dangerous connection", "-"],
  [88, "client|setinfo", "slow connection", "-"],
  [89, "client|setname", "slow connection", "-"],
  [90, "cluster|info", "slow", "-"],
  [91, "cluster|keyslot", "slow", "-"],
  [92, "cluster|myid", "slow", "-"],
  [93, "cluster|nodes", "slow", "-"],
  [94, "cluster|shards", "slow", "-"],
  [95, "cluster|slots", "slow", "-"],
  [96, "command|count", "slow connection", "-"],
  [97, "command|docs", "slow connection", "-"],
  [98, "command|info", "slow connection", "-"],
  [99, "command|list", "slow connection", "-"],
  [100, "config|get", "admin slow dangerous", "-"],
  [101, "raftkv.member|add", "admin slow dangerous", "-"],
  [102, "raftkv.member|demote", "admin slow dangerous", "-"],
  [103, "raftkv.member|join", "admin slow dangerous", "-"],
  [104, "raftkv.member|list", "slow", "-"],
  [105, "raftkv.member|promote", "admin slow dangerous", "-"],
  [106, "raftkv.member|remove", "admin slow dangerous", "-"],
  [107, "raftkv.member|replace", "admin slow dangerous", "-"],
  [108, "raftkv.user", "admin slow dangerous", "-"],
  [120, "raftkv.range", "keyspace read slow", "-"],
  // Its keys are asked for where it is answered: a prefix stands for all that begin with it.
  [121, "raftkv.watch", "pubsub slow", "-"],
  [122, "raftkv.unwatch", "pubsub slow", "-"],
  // Of client sessions. What is done in one is judged as the command that it is.
  [130, "raftkv.session", "slow", "-"],
  [131, "raftkv.session|close", "write fast", "-"],
  [132, "raftkv.session|open", "write fast", "-"],
  [133, "raftkv.session|ping", "read fast", "-"],
  [134, "raftkv.session|run", "write fast", "-"],
  // With a condition it tells of the old value, as SET does: then it has to be readable as well.
  [140, "delex", "write string fast", "write"],
  [141, "digest", "read string fast", "read"],
  [142, "msetex", "write string slow", "write"],
  // What it may do with its keys is judged when it is asked, and of each command within.
  [150, "eval", "slow scripting", "both"],
  [151, "evalsha", "slow scripting", "both"],
  [152, "eval_ro", "slow scripting", "read"],
  [153, "evalsha_ro", "slow scripting", "read"],
  [154, "script", "slow", "-"],
  [155, "script|exists", "slow scripting", "-"],
  [156, "script|flush", "slow scripting", "-"],
  [157, "script|kill", "slow scripting", "-"],
  [158, "script|load", "slow scripting", "-"],
  // Its channels are judged where it is answered (channel_rules.ts).
  [160, "subscribe", "pubsub slow", "-"],
  [161, "unsubscribe", "pubsub slow", "-"],
  [162, "psubscribe", "pubsub slow", "-"],
  [163, "punsubscribe", "pubsub slow", "-"],
  [164, "publish", "pubsub fast", "-"],
  [165, "pubsub", "slow", "-"],
  [166, "pubsub|channels", "pubsub slow", "-"],
  [167, "pubsub|help", "slow", "-"],
  [168, "pubsub|numpat", "pubsub slow", "-"],
  [169, "pubsub|numsub", "pubsub slow", "-"],
  [170, "client|caching", "slow connection", "-"],
  [171, "client|getredir", "slow connection", "-"],
  [172, "client|tracking", "slow connection", "-"],
  [173, "client|trackinginfo", "slow connection", "-"],
];

const FREE = new Set(["auth", "hello", "quit", "reset"]);

const BY_NAME = new Map<string, CommandNumber>();
const BY_NUMBER: CommandNumber[] = [];

for (const [number, name, categories, access] of ROWS) {
  const bar = name.indexOf("|");
  const words = categories.split(" ");
  const one: CommandNumber = {
    number,
    name,
    categories: CATEGORIES.filter((category) => words.includes(category)),
    hasKeys: access !== "-",
    access: access === "-" ? Access.none : Access[access],
    container: bar < 0 ? 0 : BY_NAME.get(name.slice(0, bar))!.number,
    isFree: FREE.has(name),
  };
  BY_NAME.set(name, one);
  BY_NUMBER[number] = one;
}

/** All of them, by number; subcommands come after their containers. */
export const COMMAND_NUMBERS: readonly CommandNumber[] = [...BY_NAME.values()];

/** No number is above this. */
export const COMMAND_NUMBER_MAX: number = BY_NUMBER.length - 1;

/** What is known of the command, or `container|subcommand`, of this name (lower case); or undefined. */
export function commandNamed(name: string): CommandNumber | undefined {
  return BY_NAME.get(name);
}

/** What is known of the command with this number; undefined where it was never given. */
export function commandNumbered(number: number): CommandNumber | undefined {
  return BY_NUMBER[number];
}
