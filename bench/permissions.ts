/**
 * What judging permissions costs where commands come and are decided: sets and gets parsed and applied with
 * 200 users of 20 patterns each, every one as another of them, beside the same without users; in turns.
 * The share is that of a server's processor time for such a command with 100 clients
 * (docs/performance-history.md).
 */
import { cpuUsage } from "node:process";
import { Result, Status } from "../lib/kv/commands/result.ts";
import { Store } from "../lib/kv/store.ts";
import { encodeChangeUser } from "../lib/kv/users/operations.ts";
import { ByteWriter } from "../lib/util/bytes.ts";
import { ClientAccess } from "../lib/wire/client_access.ts";
import { CommandBatch } from "../lib/wire/command_batch.ts";
import { RespCodec } from "../lib/wire/resp/resp_codec.ts";
import { parseFlags } from "./flags.ts";
import { median } from "./median.ts";

const HELP = `deno task bench:permissions [flags]

  --users N      so many (200)
  --patterns N   each with so many (20)
  --turns N      so many turns (9)
  --get-us U     a server's processor time for a GET, in microseconds (13.8)
  --set-us U     and for a SET, the leader's (26.3)

Half a minute or so. Exit code 1 where the patterns take more than 2 % of that.`;

const COMMANDS = 200_000;
const ENTRY_COMMANDS = 16;
const REQUESTS = 10_000;
const VALUE_BYTES = 256;
const ENCODER = new TextEncoder();
const SHARE_MAX = 0.02;
const LIMITS = { valueBytesMax: 1_048_576, keyBytesMax: 1_024, commandBytesMax: 4_194_304 };

type Way = "nobody" | "everything" | "patterns";
type Kind = "set" | "get";

/** Requests of the Redis protocol, back to back. */
interface Requests {
  readonly bytes: Uint8Array;
  /** Where each begins, and where the last one ends. */
  readonly starts: readonly number[];
}

class Subject {
  readonly #store = new Store({ hashSeed: 4711 });
  readonly #result = new Result();
  readonly #batch = new CommandBatch();
  readonly #access: ClientAccess;
  readonly #codec: RespCodec;
  readonly #users: number;
  readonly #hasUsers: boolean;
  /** Each as another user. */
  readonly #requests: Record<Kind, Requests>;

  constructor(way: Way, users: number, patterns: number) {
    this.#users = users;
    this.#hasUsers = way !== "nobody";
    if (way !== "nobody") this.#makeUsers(way, users, patterns);
    this.#access = this.#hasUsers
      ? new ClientAccess({ users: this.#store.users, awaitsUsers: false, areNone: false })
      : new ClientAccess();
    this.#codec = new RespCodec(LIMITS, { clientId: 1, remote: "127.0.0.1:1" }, this.#access);
    const of = (kind: Kind): Requests => {
      const out = new ByteWriter();
      const starts = [0];
      for (let i = 0; i < REQUESTS; i++) {
        const words = [kind, `tenant${i % users}:part${i % patterns}:${i}`];
        if (kind === "set") words.push("\0".repeat(VALUE_BYTES));
        const request = words.map((word) => `$${word.length}\r\n${word}\r\n`).join("");
        out.raw(ENCODER.encode(`*${words.length}\r\n${request}`));
        starts.push(out.length);
      }
      return { bytes: out.copy(), starts };
    };
    this.#requests = { set: of("set"), get: of("get") };
  }

  #makeUsers(way: Way, users: number, patterns: number): void {
    const change = (name: string, ...rules: string[]) => {
      const out = new ByteWriter();
      encodeChangeUser(out, name, rules.map((rule) => ({ kind: "rule", rule })), 1);
      this.#store.beginEntry(this.#store.appliedIndex + 1, 1);
      this.#store.applyCommand(out.bytes, 0, this.#result);
      this.#store.endEntry();
      if (this.#result.status !== Status.integer) throw new Error(`${name} was not made`);
    };
    change("root", "on", "nopass", "~*", "+@all");
    for (let user = 0; user < users; user++) {
      const keys = Array.from({ length: patterns }, (_, i) => `~tenant${user}:part${i}:*`);
      const rules = way === "everything" ? ["~*", "+@all"] : [...keys, "-@all", "+get", "+set"];
      change(`user${user}`, "on", "nopass", ...rules);
    }
  }

  /** Nanoseconds of the processor for each command. */
  run(kind: Kind): number {
    const { bytes, starts } = this.#requests[kind];
    const [store, batch, result] = [this.#store, this.#batch, this.#result];
    const wanted = kind === "set" ? Status.stored : Status.found;
    const before = cpuUsage();
    for (let i = 0; i < COMMANDS; i++) {
      const at = i % REQUESTS;
      // The first one is the administrator's.
      if (this.#hasUsers) this.#access.userId = at % this.#users + 2;
      batch.clear();
      this.#codec.parse(bytes, starts[at]!, starts[at + 1]!, batch, 1);
      const from = batch.starts[0]!;
      if (kind === "get") store.read(batch.bytes.bytes, from, result);
      else {
        if (i % ENTRY_COMMANDS === 0) store.beginEntry(store.appliedIndex + 1, 1);
        store.applyCommand(batch.bytes.bytes, from, result);
        if (i % ENTRY_COMMANDS === ENTRY_COMMANDS - 1) store.endEntry();
      }
      if (result.status !== wanted) throw new Error(`status ${result.status}`);
    }
    const { user, system } = cpuUsage(before);
    return (user + system) * 1_000 / COMMANDS;
  }
}

if (import.meta.main) {
  const flags = parseFlags(HELP, { users: 200, patterns: 20, turns: 9, getUs: 13.8, setUs: 26.3 });
  const { users, patterns, turns } = flags;
  const ways: readonly Way[] = ["nobody", "everything", "patterns"];
  let isMet = true;
  const subjects = ways.map((way) => new Subject(way, users, patterns));
  for (const kind of ["set", "get"] as const) {
    const found: number[][] = ways.map(() => []);
    for (let turn = 0; turn <= turns; turn++) {
      for (const [at, subject] of subjects.entries()) {
        const ns = subject.run(kind);
        if (turn > 0) found[at]!.push(ns); // the first one warms up
      }
    }
    const [nobody, everything, ruled] = found.map((values) => median(values)) as [
      number,
      number,
      number,
    ];
    const wholeUs = kind === "get" ? flags.getUs : flags.setUs;
    const share = (ns: number) => `${((ns - nobody) / (wholeUs * 10)).toFixed(2)} %`;
    if ((ruled - nobody) / (wholeUs * 1_000) > SHARE_MAX) isMet = false;
    console.log(
      `${kind}: ${nobody.toFixed(0)} ns without users, ${
        everything.toFixed(0)
      } with all keys and ` +
        `commands (${share(everything)} of ${wholeUs} µs), ${ruled.toFixed(0)} with ${patterns} ` +
        `patterns (${share(ruled)})`,
    );
  }
  if (!isMet) console.log("Missed: patterns take more than 2 %");
  Deno.exit(isMet ? 0 : 1);
}
