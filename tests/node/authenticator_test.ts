/** Who gets in, what it costs to find out, and how long a wrong answer takes. */
import {
  type Attempt,
  Authenticator,
  type Outcome,
  parametersOf,
  SCRYPT,
} from "../../lib/node/security/authenticator.ts";
import { UserCommands } from "../../lib/node/security/user_commands.ts";
import { NameFailures } from "../../lib/node/security/failures.ts";
import {
  HASH_WAIT_MS_MAX,
  HASHES_WAITING_MAX,
  HashQueue,
} from "../../lib/node/security/hash_queue.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import type { Modification } from "../../lib/kv/users/user_changes.ts";
import { Users } from "../../lib/kv/users/users.ts";
import { Random } from "../../lib/util/random.ts";
import type { UserAnswer } from "../../lib/wire/acl.ts";
import { ClientError } from "../../lib/wire/command_batch.ts";
import { assert, assertEquals } from "@std/assert";
import { FakePasswords } from "./fake_passwords.ts";

const encoder = new TextEncoder();
const SALT = new Uint8Array(16).fill(7);

class Door {
  readonly users = new Users();
  readonly passwords = new FakePasswords((run) => this.#later.push(run));
  readonly logged: LogEvent[] = [];
  nowMs = 1_000;
  knows = true;
  /** How long a hash takes. */
  hashMs = 0;
  #later: (() => void)[] = [];
  #index = 0;
  readonly queue = new HashQueue(this.passwords, () => this.nowMs);
  readonly authenticator = new Authenticator({
    users: () => this.users,
    knowsUsers: () => this.knows,
    monotonicMs: () => this.nowMs,
    log: (event) => this.logged.push(event),
  }, { passwords: this.passwords, queue: this.queue, rng: new Random(1), patienceMs: 1_000 });

  change(name: string, ...modifications: Modification[]): void {
    const changed = this.users.change(++this.#index, name, modifications);
    assert("id" in changed, JSON.stringify(changed));
  }

  /** An administrator, with these passwords. */
  make(name: string, ...passwords: string[]): void {
    const rules = ["on", "+@all", "~*"].map((rule) => ({ kind: "rule", rule }) as const);
    this.change(name, ...rules, ...passwords.map((one) => this.password(one)));
  }

  password(
    text: string,
    kind: "addPassword" | "removePassword" = "addPassword",
    salt = SALT,
  ): Modification {
    let hash = new Uint8Array(0);
    new FakePasswords((run) => run()).hashPassword(
      encoder.encode(text),
      salt,
      parametersOf(SCRYPT),
      (made) => hash = new Uint8Array(made!),
    );
    return { kind, password: { ...SCRYPT, salt, hash } };
  }

  /** What comes of it once the hash is made, and how many hashes that took. */
  try(name: string, password: string, remote = "10.0.0.1:1"): Tried {
    const tried: Tried = { outcome: null, hashes: 0 };
    const before = this.passwords.hashes;
    this.authenticator.authenticate(this.attempt(name, password, remote, tried));
    this.settle();
    tried.hashes = this.passwords.hashes - before;
    return tried;
  }

  attempt(name: string, password: string, remote: string, tried: Tried): Attempt {
    const done = (outcome: Outcome) => {
      assertEquals(tried.outcome, null, "an attempt is answered once");
      tried.outcome = outcome;
    };
    return { remote, name, password: encoder.encode(password), done };
  }

  settle(): void {
    for (let run = this.#later.shift(); run !== undefined; run = this.#later.shift()) {
      this.nowMs += this.hashMs;
      run();
    }
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.authenticator.elapse(this.nowMs);
  }
}

interface Tried {
  outcome: Outcome | null;
  hashes: number;
}

Deno.test("the right password gets in; the second time it is not hashed", () => {
  const door = new Door();
  door.make("alice", "secret");
  assertEquals(door.try("alice", "secret"), { outcome: { userId: 1 }, hashes: 1 });
  assertEquals(door.try("alice", "secret"), { outcome: { userId: 1 }, hashes: 0 });
});

Deno.test("a wrong password is wrong, whatever went well before it", () => {
  const door = new Door();
  door.make("alice", "secret");
  door.make("bob", "other");
  door.try("alice", "secret");
  door.try("bob", "other");
  for (const [name, password] of [["alice", "other"], ["bob", "secret"], ["alice", "secre"]]) {
    const tried = door.try(name!, password!);
    door.pass(3_000);
    assertEquals(tried, { outcome: ClientError.wrongPassword, hashes: 1 }, `${name} ${password}`);
  }
});

Deno.test("a name that nobody has, a wrong password and a user that is off cost one hash each, and are told alike", () => {
  const door = new Door();
  door.make("alice", "secret", "other");
  door.make("bob", "secret");
  door.change("bob", { kind: "rule", rule: "off" });
  door.change("carol", { kind: "rule", rule: "on" });
  for (const name of ["alice", "bob", "carol", "nobody", ""]) {
    const tried = door.try(name, "wrong", `10.0.0.${name.length}:1`);
    assertEquals(tried, { outcome: null, hashes: 1 }, name);
    door.pass(3_000);
    assertEquals(tried.outcome, ClientError.wrongPassword, name);
  }
  const off = door.try("bob", "secret", "10.0.0.9:1");
  door.pass(3_000);
  assertEquals(off, { outcome: ClientError.wrongPassword, hashes: 1 });
});

Deno.test("failures of one IPv6 network count together, those of IPv4 addresses apart", () => {
  const remotes = (at: number) => [`[2001:db8:1:2::${at}]:5`, `[::ffff:10.0.0.${at}]:5`];
  for (const [at, delayMs] of [3_000, 50].entries()) {
    const door = new Door();
    door.make("root", "root");
    for (let failed = 1; failed <= 8; failed++) {
      door.try(`nobody${failed}`, "wrong", remotes(failed)[at]);
    }
    door.pass(3_000);
    const tried = door.try("nobody", "wrong", remotes(99)[at]);
    door.pass(delayMs - 1);
    assertEquals(tried.outcome, null);
    door.pass(1);
    assertEquals(tried.outcome, ClientError.wrongPassword);
  }
});

Deno.test("what was remembered of a password goes with it, and with its user", () => {
  const door = new Door();
  door.make("root", "root");
  door.make("alice", "secret", "next");
  door.try("alice", "secret");
  door.change("alice", door.password("secret", "removePassword"));
  const gone = door.try("alice", "secret");
  door.pass(3_000);
  assertEquals(gone, { outcome: ClientError.wrongPassword, hashes: 1 });
  assertEquals(door.try("alice", "next").outcome, { userId: 2 });
  door.users.delete(99, ["alice"]);
  const deleted = door.try("alice", "next");
  door.pass(3_000);
  assertEquals(deleted.outcome, ClientError.wrongPassword);
  door.make("alice", "next");
  assertEquals(door.try("alice", "next").outcome, { userId: 3 }, "another user of that name");
});

Deno.test("a password that is taken while it is hashed lets nobody in", () => {
  const door = new Door();
  door.make("root", "root");
  door.make("alice", "secret");
  const tried: Tried = { outcome: null, hashes: 0 };
  door.authenticator.authenticate(door.attempt("alice", "secret", "10.0.0.1:1", tried));
  door.change("alice", { kind: "rule", rule: "resetpass" });
  door.settle();
  door.pass(3_000);
  assertEquals(tried.outcome, ClientError.wrongPassword);
});

Deno.test("a user without a password gets in with any, and nobody where there are no users", () => {
  const door = new Door();
  assertEquals(door.try("alice", "x").outcome, ClientError.noUsers);
  door.make("root", "root");
  door.change("guest", { kind: "rule", rule: "on" }, { kind: "rule", rule: "nopass" });
  assertEquals(door.try("guest", "anything"), { outcome: { userId: 2 }, hashes: 0 });
});

Deno.test("answers to failures take longer and longer; the right password is never delayed", () => {
  const door = new Door();
  door.make("alice", "secret");
  const delays: number[] = [];
  for (let i = 0; i < 9; i++) {
    const tried = door.try("alice", "wrong");
    const fromMs = door.nowMs;
    while (tried.outcome === null) door.pass(10);
    delays.push(door.nowMs - fromMs);
  }
  assertEquals(delays, [50, 100, 200, 400, 800, 1600, 3000, 3000, 3000]);
  assertEquals(door.try("alice", "secret").outcome, { userId: 1 });
  const elsewhere = door.try("alice", "wrong", "10.9.9.9:1");
  door.pass(2_000);
  assertEquals(elsewhere.outcome, null, "the user's failures count from anywhere");
  door.pass(1_000);
  assertEquals(elsewhere.outcome, ClientError.wrongPassword);
});

Deno.test("whoever failed often has two passwords under way at a time; others' are looked at", () => {
  const door = new Door();
  door.make("alice", "secret");
  for (let i = 0; i < 8; i++) {
    door.try("x", `${i}`);
    door.pass(3_000);
  }
  const outcomes = [1, 2, 3].map((i) => door.try("x", `more ${i}`, `10.0.0.1:${i}`).outcome);
  assertEquals(outcomes, [null, null, ClientError.busy]);
  assertEquals(door.try("alice", "secret", "10.0.0.2:1").outcome, { userId: 1 });
  door.pass(3_000);
  assertEquals(door.try("alice", "secret", "10.0.0.1:1").outcome, { userId: 1 });
});

Deno.test("a name that nobody has waits as one that somebody has, from whatever addresses it is tried", () => {
  const door = new Door();
  door.make("alice", "secret");
  const delaysOf = (name: string, net: string) =>
    Array.from({ length: 8 }, (_, i) => {
      const tried = door.try(name, "wrong", `${net}.${i}:1`);
      const fromMs = door.nowMs;
      while (tried.outcome === null) door.pass(10);
      return door.nowMs - fromMs;
    });
  const wanted = [50, 100, 200, 400, 800, 1600, 3000, 3000];
  assertEquals(delaysOf("alice", "10.1.1"), wanted);
  assertEquals(delaysOf("nobody", "10.2.2"), wanted);
});

Deno.test("made-up names have no user's failures forgotten", () => {
  const door = new Door();
  door.make("alice", "secret");
  const failures = new NameFailures();
  for (let i = 0; i < 7; i++) failures.note("alice", 0);
  for (let i = 0; i < 50_000; i++) failures.note(`made up ${i}`, 1);
  assertEquals(failures.note("alice", 2), 3_000);
  assertEquals(failures.note("alice", 300_002), 50, "after five minutes nothing went wrong");
});

Deno.test("who shares an address with somebody who fails for other names is looked at", () => {
  const door = new Door();
  door.make("alice", "secret");
  for (let i = 0; i < 8; i++) {
    door.try("x", `${i}`);
    door.pass(3_000);
  }
  const attackers = Array.from({ length: 9 }, (_, i) => door.try("x", `more ${i}`).outcome);
  assertEquals(attackers.slice(0, 3), [null, null, ClientError.busy]);
  assertEquals(door.try("alice", "secret").outcome, { userId: 1 });
  // Of all names together there are more, and no more than so many.
  const names = Array.from({ length: 20 }, (_, i) => door.try(`y${i}`, "no").outcome);
  assertEquals(names.filter((outcome) => outcome === null).length, 14);
  assertEquals(door.try("alice", "secret", "10.0.0.7:1").outcome, { userId: 1 });
});

Deno.test("a wrong password takes as many hashes for every name, whatever salts its passwords have", () => {
  const door = new Door();
  door.make("root", "root");
  const salts = [1, 2, 3].map((one) => new Uint8Array(16).fill(one));
  const made = salts.map((salt, i) => door.password(`p${i}`, "addPassword", salt));
  door.change("alice", { kind: "rule", rule: "on" }, ...made);
  for (const [i, name] of ["alice", "root", "nobody"].entries()) {
    assertEquals(door.try(name, "wrong", `10.0.0.${i}:1`).hashes, 3, name);
  }
  assertEquals(door.try("alice", "p2", "10.0.1.1:1").outcome, { userId: 2 });
  door.change("alice", { kind: "rule", rule: "resetpass" });
  assertEquals(door.try("nobody", "wrong", "10.0.2.1:1").hashes, 1);
});

Deno.test("the same password for the same name is hashed once for all who send it", () => {
  const door = new Door();
  door.make("alice", "secret");
  const all = Array.from({ length: 500 }, () => ({ outcome: null, hashes: 0 }) as Tried);
  for (const [i, tried] of all.entries()) {
    door.authenticator.authenticate(door.attempt("alice", "secret", `10.0.0.1:${i}`, tried));
  }
  door.settle();
  assertEquals(door.passwords.hashes, 1);
  assert(all.every(({ outcome }) => typeof outcome === "object" && outcome?.userId === 1));
});

Deno.test("beyond those that wait, passwords are not hashed: busy", () => {
  const door = new Door();
  door.make("alice", "secret");
  const all = Array.from(
    { length: HASHES_WAITING_MAX + 2 },
    () => ({ outcome: null, hashes: 0 }) as Tried,
  );
  for (const [i, tried] of all.entries()) {
    door.authenticator.authenticate(door.attempt("alice", `no ${i}`, `10.0.${i}.1:1`, tried));
  }
  const { length } = all.filter(({ outcome }) => outcome === ClientError.busy);
  assertEquals(length, 1, "one is under way, and as many as may wait");
  door.settle();
  door.pass(3_000);
  assertEquals(door.try("alice", "secret").outcome, { userId: 1 }, "there is room again");
});

/** Begins a try, and lets nothing happen. */
function begin(door: Door, name: string, password: string, remote: string): Tried {
  const tried: Tried = { outcome: null, hashes: 0 };
  door.authenticator.authenticate(door.attempt(name, password, remote, tried));
  return tried;
}

Deno.test("wrong passwords from ever new networks take a fifth of a processor, however many are tried", () => {
  const door = new Door();
  door.make("alice", "secret");
  door.hashMs = 50;
  const startedMs = door.nowMs;
  for (let at = 0; door.nowMs - startedMs < 10_000; at++) {
    begin(door, "alice", `no ${at}`, `10.${at % 200}.0.1:1`);
    door.settle();
    door.pass(1);
  }
  const share = door.passwords.hashes * door.hashMs / (door.nowMs - startedMs);
  assert(share > 0.19 && share <= 0.205, `${share}`);
});

/** Wrong passwords, 500 a second, by 200 connections from addresses of one network. */
class Flood {
  readonly #door: Door;
  readonly #name: string;
  readonly #addresses: number;
  readonly #random = new Random(20);
  readonly #open: (Tried | null)[] = Array.from({ length: 200 }, () => null);
  #count = 0;

  constructor(door: Door, name: string, addresses = 50) {
    this.#door = door;
    this.#name = name;
    this.#addresses = addresses;
  }

  /** One of its connections tries the next one, if it was answered. */
  #try(): void {
    const at = this.#random.between(0, this.#open.length - 1);
    const tried = this.#open[at]!;
    if (tried !== null && tried.outcome === null) return;
    const remote = `10.0.0.${at % this.#addresses}:${at + 1}`;
    this.#open[at] = begin(this.#door, this.#name, `no ${this.#count++}`, remote);
  }

  /** So much time passes, a millisecond at a time. */
  pass(ms: number): void {
    for (const untilMs = this.#door.nowMs + ms; this.#door.nowMs < untilMs;) {
      if (this.#random.chance(0.5)) this.#try();
      this.#door.settle();
      this.#door.pass(1);
    }
  }

  /** How long it takes to get in, and how many hashes. A client that is told busy tries again. */
  enter(name: string, remote: string): { tookMs: number; hashes: number } {
    const door = this.#door;
    const [sinceMs, before] = [door.nowMs, door.passwords.hashes];
    let tried = begin(door, name, "secret", remote);
    while (typeof tried.outcome !== "object" || tried.outcome === null) {
      assert(tried.outcome === null || tried.outcome === ClientError.busy, `${tried.outcome}`);
      assert(door.nowMs - sinceMs < 600_000, "it is kept out");
      const wasBusy = tried.outcome === ClientError.busy;
      this.pass(wasBusy ? this.#random.between(50, 150) : 1);
      if (wasBusy) tried = begin(door, name, "secret", remote);
    }
    return { tookMs: door.nowMs - sinceMs, hashes: door.passwords.hashes - before };
  }
}

/** A door with many users whose password is the same, and a flood for the first of them, or for `name`. */
function flooded(addresses = 50, name = "user0"): { door: Door; flood: Flood; names: string[] } {
  const door = new Door();
  door.hashMs = 50;
  const names = Array.from({ length: 40 }, (_, i) => `user${i}`);
  for (const one of names) door.make(one, "secret");
  const flood = new Flood(door, name, addresses);
  flood.pass(10_000);
  return { door, flood, names };
}

Deno.test("wrong passwords of a network that failed often take two per cent of a processor, from however many of its addresses", () => {
  const { door, flood } = flooded();
  const [startedMs, before] = [door.nowMs, door.passwords.hashes];
  flood.pass(66_000);
  const share = (door.passwords.hashes - before) * door.hashMs / (door.nowMs - startedMs);
  assert(share > 0.0185 && share < 0.021, `${share}`);
});

Deno.test("in a flood a user from another network is let in by the next hash or the one after, also whose name it is for", () => {
  for (const at of Array.from({ length: 20 }, (_, i) => i)) {
    const { flood, names } = flooded();
    // At whatever moment of its pauses.
    flood.pass(89 * at);
    const { hashes, tookMs } = flood.enter(names[at % 2]!, "10.9.9.9:1");
    assert(hashes <= 2 && tookMs <= 101, `${at}: ${hashes} hashes, ${tookMs} ms`);
  }
});

Deno.test("in a flood from its own network a user whose address did not fail waits for one pause", () => {
  const { flood, names } = flooded(4);
  for (const [i, name] of names.entries()) {
    flood.pass(17 * i);
    const { hashes, tookMs } = flood.enter(name, `10.0.0.${100 + i}:1`);
    assert(hashes <= 2 && tookMs <= 2_600, `${name}: ${hashes} hashes, ${tookMs} ms`);
  }
});

Deno.test("in a flood from its very address a user whose name it is not for comes after two of the flood", () => {
  const { flood, names } = flooded(1);
  for (const name of names.slice(1)) {
    const { hashes } = flood.enter(name, "10.0.0.0:9999");
    assert(hashes <= 4, `${name}: ${hashes} hashes`);
  }
});

Deno.test("in a flood from its very address for its name a user is let in by trying again, and then at once", () => {
  const { door, flood, names } = flooded(1);
  const { hashes, tookMs } = flood.enter(names[0]!, "10.0.0.0:9999");
  assert(hashes <= 100 && tookMs <= 180_000, `${hashes} hashes, ${tookMs} ms`);
  const before = door.passwords.hashes;
  assertEquals(begin(door, names[0]!, "secret", "10.0.0.0:9999").outcome, { userId: 1 });
  assertEquals(door.passwords.hashes, before);
});

Deno.test("of many that one address sends at once, those after eight failures are of the smaller budget", () => {
  const door = new Door();
  door.make("alice", "secret");
  door.hashMs = 50;
  const startedMs = door.nowMs;
  const tries = Array.from(
    { length: 30 },
    (_, i) => begin(door, "alice", `no ${i}`, `10.0.0.1:${i}`),
  );
  while (door.nowMs - startedMs < 9_000) {
    door.settle();
    door.pass(1);
  }
  // Eight in two seconds, and the rest one in 2.5 s.
  assertEquals(door.passwords.hashes, 8 + 3);
  const user = begin(door, "alice", "secret", "10.9.9.9:1");
  door.settle();
  assertEquals(user.outcome, { userId: 1 });
  assertEquals(tries.filter(({ outcome }) => outcome === ClientError.busy).length, 0);
});

Deno.test("who has waited for ten seconds is told busy, which is no failure", () => {
  const { door } = flooded(4);
  door.settle();
  const under = begin(door, "alice", "no", "10.9.9.9:1");
  const tried = begin(door, "alice", "no more", "10.9.9.9:2");
  // The first one's hash takes that long.
  door.pass(HASH_WAIT_MS_MAX - 1);
  assertEquals([under.outcome, tried.outcome], [null, null]);
  door.pass(1);
  assertEquals([under.outcome, tried.outcome], [null, ClientError.busy]);
  door.settle();
  door.pass(49);
  assertEquals(under.outcome, null);
  door.pass(1);
  assertEquals(
    under.outcome,
    ClientError.wrongPassword,
    "the first failure of its address and name",
  );
});

Deno.test("a right password that somebody else sent before, of whom it has to wait, is hashed for who may be sooner", () => {
  const { door, names } = flooded(4);
  door.settle();
  const late = begin(door, names[5]!, "secret", "10.0.0.7:99");
  const user = begin(door, names[5]!, "secret", "10.9.9.9:1");
  const before = door.passwords.hashes;
  door.settle();
  door.pass(1);
  door.settle();
  assertEquals([late.outcome, user.outcome], [{ userId: 6 }, { userId: 6 }]);
  assert(door.passwords.hashes - before <= 1);
});

Deno.test("a name that nobody has waits in a flood as one that somebody has, in the same queue", () => {
  const waits = ["user0", "nobody"].map((name) => {
    const { door, flood } = flooded(4, name);
    return ["10.9.9.9:1", "10.0.0.99:1", "10.0.0.3:1"].map((remote) => {
      const tried = begin(door, name, "wrong", remote);
      const [sinceMs, before] = [door.nowMs, door.passwords.hashes];
      while (tried.outcome === null) flood.pass(1);
      return [tried.outcome, door.nowMs - sinceMs, door.passwords.hashes - before];
    });
  });
  assertEquals(waits[0], waits[1]);
});

Deno.test("after a hash that came to nothing the next waits four times as long, and after a right one not at all", () => {
  const door = new Door();
  door.make("alice", "secret");
  door.make("bob", "secret");
  door.hashMs = 50;
  assertEquals(door.try("alice", "secret"), { outcome: { userId: 1 }, hashes: 1 });
  assertEquals(door.try("bob", "wrong").hashes, 1);
  const tried = begin(door, "bob", "secret", "10.0.0.2:1");
  assertEquals(door.authenticator.nextDeadlineMs(), door.nowMs + 50, "the answer to the wrong one");
  door.pass(199);
  door.settle();
  assertEquals(tried.outcome, null);
  assertEquals(door.authenticator.nextDeadlineMs(), door.nowMs + 1);
  door.pass(1);
  door.settle();
  assertEquals(tried.outcome, { userId: 2 });
});

Deno.test("whose address failed least is looked at first, and takes another's place where all are taken", () => {
  const door = new Door();
  door.make("alice", "secret");
  door.hashMs = 50;
  for (let i = 0; i < HASHES_WAITING_MAX + 1; i++) {
    door.try("alice", "wrong", `10.0.${i}.1:1`);
    door.pass(3_000);
  }
  const guesses = Array.from({ length: HASHES_WAITING_MAX + 1 }, (_, i) => {
    return begin(door, "alice", `no ${i}`, `10.0.${i}.1:1`);
  });
  assertEquals(begin(door, "alice", "no more", "10.0.0.1:2").outcome, ClientError.busy);
  const user = begin(door, "alice", "secret", "10.9.9.9:1");
  assertEquals(guesses.filter(({ outcome }) => outcome === ClientError.busy).length, 1);
  // The one under way, its pause, and then the user.
  door.settle();
  door.pass(200);
  door.settle();
  assertEquals(user.outcome, { userId: 1 });
  assertEquals(guesses.filter(({ outcome }) => outcome === null).length, HASHES_WAITING_MAX);
});

Deno.test("who changes a user comes before all who are not let in yet, and takes another's place where all are taken", () => {
  const door = new Door();
  door.make("root", "root");
  door.hashMs = 50;
  const guesses = Array.from({ length: HASHES_WAITING_MAX + 1 }, (_, i) => {
    return begin(door, "root", `no ${i}`, `10.0.${i}.1:1`);
  });
  const commands = new UserCommands(
    { users: () => door.users, monotonicMs: () => door.nowMs, log: () => {} },
    door.queue,
    new Random(2),
  );
  let answer: UserAnswer | ClientError | null = null;
  const request = { name: "alice", rules: ["on", ">secret"], byUserId: 1, reset: null };
  assertEquals(commands.change(request, (given) => answer = given), null);
  assertEquals(guesses.filter(({ outcome }) => outcome === ClientError.busy).length, 1);
  door.settle();
  assertEquals(answer, null);
  door.pass(200);
  door.settle();
  assertEquals((answer as UserAnswer | null)?.kind, "write");
});

Deno.test("where the system can't hash nobody gets in and nobody has failed: busy, and the next one is hashed", () => {
  const door = new Door();
  door.make("alice", "secret");
  door.passwords.isFailing = true;
  for (let i = 0; i < 20; i++) {
    assertEquals(door.try("alice", "secret").outcome, ClientError.busy);
  }
  assertEquals(door.logged, []);
  door.passwords.isFailing = false;
  assertEquals(door.try("alice", "secret").outcome, { userId: 1 });
});

Deno.test("a server that does not know its users yet decides once it does, or after its patience", () => {
  const door = new Door();
  door.knows = false;
  const early = door.try("alice", "secret");
  assertEquals(early.outcome, null);
  door.make("alice", "secret");
  door.knows = true;
  door.pass(10);
  door.settle();
  assertEquals(early.outcome, { userId: 1 });
  door.knows = false;
  const late = door.try("alice", "secret");
  door.pass(999);
  assertEquals(late.outcome, null);
  door.pass(1);
  assertEquals(late.outcome, { userId: 1 }, "by the users that it has");
});

Deno.test("after its patience a server that does not know whether there are users does not tell that there are none", () => {
  const door = new Door();
  door.knows = false;
  const tried = door.try("alice", "secret");
  door.pass(1_000);
  assertEquals(tried.outcome, ClientError.loading);
  door.knows = true;
  assertEquals(door.try("alice", "secret").outcome, ClientError.noUsers);
});

Deno.test("failures are logged without what was typed", () => {
  const door = new Door();
  door.make("alice", "secret");
  door.try("alice", "hunter2");
  door.try("hunter2", "alice");
  const text = JSON.stringify(door.logged);
  assertEquals(door.logged.map(({ fields }) => fields), [
    { remote: "10.0.0.1:1", user: "alice" },
    { remote: "10.0.0.1:1" },
  ]);
  assert(!text.includes("hunter2"), text);
});
