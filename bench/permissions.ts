/**
 * What judging permissions costs where commands are decided: sets and gets applied by a store with 200 users
 * of 20 patterns each, every one as another of them, beside the same without users; in turns, medians. The
 * share is that of a server's processor time for such a command with 100 clients (docs/performance.md).
 */
import { cpuUsage } from "node:process";
import {
  encodeKeyOnly,
  encodeSet,
  endCommand,
  ExpiryKind,
  Op,
} from "../lib/kv/commands/command.ts";
import { Result, Status } from "../lib/kv/commands/result.ts";
import { Store } from "../lib/kv/store.ts";
import { commandNamed } from "../lib/kv/users/command_numbers.ts";
import { encodeByUser, encodeChangeUser } from "../lib/kv/users/operations.ts";
import { ByteWriter } from "../lib/util/bytes.ts";
import { parseFlags } from "./flags.ts";
import { median } from "./median.ts";

const HELP = `deno task bench:permissions [flags]

  --users N      so many (200)
  --patterns N   each with so many (20)
  --turns N      so many turns (9)
  --get-us U     a server's processor time for a GET, in microseconds (13.8)
  --set-us U     and for a SET, the leader's (26.3)`;

const COMMANDS = 200_000;
const ENTRY_COMMANDS = 16;
const ENCODER = new TextEncoder();

type Way = "nobody" | "everything" | "patterns";
type Kind = "set" | "get";

class Subject {
  readonly #store = new Store({ hashSeed: 4711 });
  readonly #result = new Result();
  /** Commands, back to back; each as another user. */
  readonly #commands: Record<Kind, { bytes: Uint8Array; starts: number[] }>;

  constructor(way: Way, users: number, patterns: number) {
    if (way !== "nobody") this.#makeUsers(way, users, patterns);
    const of = (kind: Kind) => {
      const out = new ByteWriter();
      const starts: number[] = [];
      for (let i = 0; i < 10_000; i++) {
        const user = i % users;
        starts.push(out.length);
        const by = way === "nobody" ? -1 : encodeByUser(out, user + 2, commandNamed(kind)!.number);
        const key = ENCODER.encode(`tenant${user}:part${i % patterns}:${i}`);
        const source = new Uint8Array([...key, ...new Uint8Array(256)]);
        if (kind === "get") encodeKeyOnly(out, Op.get, source, 0, key.length);
        else {
          const never = ExpiryKind.never;
          encodeSet(out, never, 0, source, 0, key.length, key.length, source.length);
        }
        if (by >= 0) endCommand(out, by);
      }
      return { bytes: out.copy(), starts };
    };
    this.#commands = { set: of("set"), get: of("get") };
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
    const { bytes, starts } = this.#commands[kind];
    const store = this.#store;
    const wanted = kind === "set" ? Status.stored : Status.found;
    const before = cpuUsage();
    for (let i = 0; i < COMMANDS; i++) {
      const at = starts[i % starts.length]!;
      if (kind === "get") store.read(bytes, at, this.#result);
      else {
        if (i % ENTRY_COMMANDS === 0) store.beginEntry(store.appliedIndex + 1, 1);
        store.applyCommand(bytes, at, this.#result);
        if (i % ENTRY_COMMANDS === ENTRY_COMMANDS - 1) store.endEntry();
      }
      if (this.#result.status !== wanted) throw new Error(`status ${this.#result.status}`);
    }
    const { user, system } = cpuUsage(before);
    return (user + system) * 1_000 / COMMANDS;
  }
}

if (import.meta.main) {
  const flags = parseFlags(HELP, { users: 200, patterns: 20, turns: 9, getUs: 13.8, setUs: 26.3 });
  const { users, patterns, turns } = flags;
  const ways: readonly Way[] = ["nobody", "everything", "patterns"];
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
    console.log(
      `${kind}: ${nobody.toFixed(0)} ns without users, ${
        everything.toFixed(0)
      } with all keys and ` +
        `commands (${share(everything)} of ${wholeUs} µs), ${ruled.toFixed(0)} with ${patterns} ` +
        `patterns (${share(ruled)})`,
    );
  }
}
