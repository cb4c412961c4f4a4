/** Watches against a model: a plain list of all changes, which forgets nothing. */
import { assert, assertEquals } from "@std/assert";
import { ChangeKind, type ChangeSink, SetCause } from "../../lib/kv/commands/changes.ts";
import type { Store } from "../../lib/kv/store.ts";
import { DEFAULT_LIMITS, type NumericLimits } from "../../lib/node/limits.ts";
import { SessionWatches } from "../../lib/node/watches/client_watches.ts";
import { Watches } from "../../lib/node/watches/watches.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { Random } from "../../lib/util/random.ts";
import { ClientAccess } from "../../lib/wire/client_access.ts";
import { readWatched, WatchFormat, type WatchPosition } from "../../lib/wire/watching.ts";
import { readWatchLines, type SeenEvent, type SeenLine } from "../wire/watch_lines.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";
const encoder = new TextEncoder();

interface Change extends SeenEvent {
  readonly revision: number;
}

/** A store that changes as the test says. */
class FakeStore {
  appliedIndex = 0;
  readonly users = { revision: 0 };
  readonly changes: Change[] = [];
  #sink: ChangeSink | null = null;
  #version = 0;

  tellChanges(sink: ChangeSink): void {
    this.#sink = sink;
  }

  /** One entry with these changes. */
  entry(...changes: (readonly [kind: string, key: string, value?: string])[]): void {
    const revision = ++this.appliedIndex;
    for (const [kind, key, value = ""] of changes) this.#change(revision, kind, key, value);
  }

  #change(revision: number, kind: string, key: string, value: string): void {
    if (kind === "flush") {
      this.changes.push({ revision, kind, key: "", version: 0, value: null });
      this.#sink?.flushed(revision);
      return;
    }
    const version = ++this.#version;
    const isSet = kind === "set";
    this.changes.push({ revision, kind, key, version, value: isSet ? value : null });
    // Somewhere in a larger buffer, which is overwritten at once.
    const bytes = encoder.encode(`..${key}${isSet ? value : ""}..`);
    const number = ChangeKind[kind as keyof typeof ChangeKind];
    const end = bytes.length - 2;
    this.#sink?.changed(number, revision, version, bytes, 2, key.length, end, SetCause.set);
    bytes.fill(0xff);
  }
}

class Server {
  readonly store = new FakeStore();
  readonly watches: Watches;
  isAskedToKeep = false;

  constructor(limits: Partial<NumericLimits> = {}) {
    this.watches = new Watches({ limits: { ...DEFAULT_LIMITS, ...limits }, markMs: 1_000 }, {
      store: () => this.store as unknown as Store,
      clusterId: () => CLUSTER,
      isAskedToKeep: () => this.isAskedToKeep,
    });
  }

  client(): Client {
    return new Client(this);
  }
}

class Client {
  readonly watches: SessionWatches;
  wakings = 0;
  #bytes = new Uint8Array(0);

  constructor(readonly server: Server) {
    this.watches = new SessionWatches(server.watches, {
      access: new ClientAccess(),
      staleRefusal: () => 0,
      onWatched: () => this.wakings++,
    });
  }

  watch(
    pattern: string,
    after: number | WatchPosition | null = null,
    format: WatchFormat = WatchFormat.lines,
  ) {
    const bytes = encoder.encode(pattern);
    const position = typeof after === "number" ? { revision: after, clusterId: "" } : after;
    return this.watches.open({ ...readWatched(bytes, 0, bytes.length), after: position, format });
  }

  /** What it is told now, at most so many groups. */
  take(groupsMax = Infinity): SeenLine[] {
    const out = new ByteWriter();
    for (let groups = 0; groups < groupsMax && this.watches.isReady;) {
      if (this.watches.write(out)) groups++;
    }
    const joined = new Uint8Array(this.#bytes.length + out.length);
    joined.set(this.#bytes);
    joined.set(out.view(), this.#bytes.length);
    const { seen, length } = readWatchLines(joined);
    this.#bytes = joined.slice(length);
    return seen;
  }
}

/** What a watch of `pattern` is to be told of changes after `revision`. */
function expected(changes: readonly Change[], pattern: string, revision: number): SeenLine[] {
  const isPrefix = pattern.endsWith("*");
  const key = isPrefix ? pattern.slice(0, -1) : pattern;
  const groups = new Map<number, SeenEvent[]>();
  for (const { revision: at, ...event } of changes) {
    const isOf = event.kind === "flush" ||
      (isPrefix ? event.key.startsWith(key) : event.key === key);
    if (!isOf || at <= revision) continue;
    groups.set(at, [...groups.get(at) ?? [], event]);
  }
  return [...groups].map(([at, events]) => ({ kind: "events", revision: at, events }));
}

function line(text: string): SeenLine {
  return { kind: "line", text };
}

Deno.test("a watch is told what happens to its key, and to no other, in groups of one entry", () => {
  const server = new Server();
  const client = server.client();
  server.store.entry(["set", "a", "before"]);
  assertEquals(client.watch("a"), { kind: "watching", revision: 1, clusterId: CLUSTER });
  server.store.entry(["set", "a", "1"], ["set", "b", "x"], ["set", "a", "2"]);
  server.store.entry(["set", "ab", "x"]);
  server.store.entry(["expire", "a"], ["set", "a", ""]);
  server.store.entry(["delete", "a"], ["flush", ""]);
  server.watches.wake();
  assertEquals(client.take(), expected(server.store.changes, "a", 1));
  assertEquals(client.take(), []);
});

Deno.test("a prefix watch is told of all keys that begin so; an empty one of all", () => {
  const server = new Server();
  const [some, all] = [server.client(), server.client()];
  some.watch("a*");
  all.watch("*");
  server.store.entry(["set", "a", "1"], ["set", "b", "2"], ["set", "ab", "3"]);
  server.watches.wake();
  assertEquals(some.take(), expected(server.store.changes, "a*", 0));
  assertEquals(all.take(), expected(server.store.changes, "*", 0));
});

Deno.test("a watch begins after the revision that is asked for", () => {
  const server = new Server();
  server.client().watch("other");
  for (let i = 0; i < 20; i++) server.store.entry(["set", `k${i % 3}`, `${i}`]);
  const client = server.client();
  assertEquals(client.watch("k1", 11), { kind: "watching", revision: 11, clusterId: CLUSTER });
  assertEquals(client.take(), expected(server.store.changes, "k1", 11));
});

Deno.test("a position that is not kept, of the future or of another cluster is refused in words", () => {
  const server = new Server();
  for (let i = 0; i < 5; i++) server.store.entry(["set", "k", `${i}`]);
  const client = server.client();
  // Nobody watched so far: nothing was kept.
  assertEquals(client.watch("k", 4), { kind: "compacted", revision: 5 });
  assertEquals(client.watch("k", 6), { kind: "future", revision: 5 });
  const other = { revision: 5, clusterId: CLUSTER.replaceAll("0", "1") };
  assertEquals(client.watch("k", other), { kind: "compacted", revision: 5 });
  const same = { revision: 5, clusterId: CLUSTER };
  assertEquals(client.watch("k", same), { kind: "watching", revision: 5, clusterId: CLUSTER });
  assertEquals(client.watch("k"), { kind: "twice" });
});

Deno.test("where another server has had a watch, changes are kept before there is one here", () => {
  const server = new Server();
  server.store.entry(["set", "k", "1"]);
  server.isAskedToKeep = true;
  server.watches.wake();
  server.store.entry(["set", "k", "2"]);
  const client = server.client();
  assertEquals(client.watch("k", 0), { kind: "compacted", revision: 1 });
  client.watch("k", 1);
  assertEquals(client.take(), expected(server.store.changes, "k", 1));
});

Deno.test("who reads too slowly loses the watch by that error, and nobody else does", () => {
  const server = new Server({ historyBytes: 4_096 });
  const [slow, fast, idle] = [server.client(), server.client(), server.client()];
  slow.watch("k");
  fast.watch("k");
  idle.watch("other");
  for (let i = 0; i < 500; i++) {
    server.store.entry(["set", "k", `${i}`]);
    server.watches.wake();
    assertEquals(fast.take().length, 1);
  }
  const { compacted } = server.watches.history;
  assert(compacted > 300);
  assertEquals(slow.take(), [line(`ERR_COMPACTED ${compacted}`)]);
  assertEquals(slow.watches.count, 0);
  // Nothing of its own was lost, however long ago it was told anything.
  server.store.entry(["set", "other", "x"]);
  server.watches.wake();
  assertEquals(idle.take(), expected(server.store.changes, "other", 0));
});

Deno.test("an entry larger than the history moves the point up to which it is compacted", () => {
  const server = new Server({ historyBytes: 4_096 });
  const [large, small] = [server.client(), server.client()];
  large.watch("large");
  small.watch("small");
  server.store.entry(["set", "small", "1"]);
  server.store.entry(["set", "large", "x".repeat(5_000)]);
  server.store.entry(["set", "small", "2"]);
  server.watches.wake();
  assertEquals(large.take(), [line("ERR_COMPACTED 2")]);
  assertEquals(small.take(), [line("ERR_COMPACTED 2")]);
  const client = server.client();
  assertEquals(client.watch("small", 1), { kind: "compacted", revision: 2 });
  client.watch("small", 2);
  assertEquals(client.take(), expected(server.store.changes, "small", 2));
});

Deno.test("an entry of which a part has gone is not told in part", () => {
  const server = new Server({ historyBytes: 4_096 });
  const [first, last] = [server.client(), server.client()];
  first.watch("k0");
  last.watch("k199");
  server.store.entry(...Array.from({ length: 200 }, (_, i) => ["set", `k${i}`, "v"] as const));
  server.watches.wake();
  assertEquals(first.take(), [line("ERR_COMPACTED 1")]);
  // All that the entry did to this key is here.
  assertEquals(last.take(), expected(server.store.changes, "k199", 0));
});

Deno.test("a mark says how far a silent watch has come, and never more than it was told", () => {
  const server = new Server();
  const client = server.client();
  client.watch("k");
  client.watches.mark();
  assertEquals(client.take(), []);
  server.store.entry(["set", "other", "x"]);
  client.watches.mark();
  assertEquals(client.take(), [{ kind: "events", revision: 1, events: [] }]);
  server.store.entry(["set", "k", "1"]);
  server.watches.wake();
  client.watches.mark();
  assertEquals(client.take(), expected(server.store.changes, "k", 0));
});

Deno.test("a watch that begins far back looks through the history a piece at a time", () => {
  const server = new Server();
  server.client().watch("other");
  server.store.entry(["set", "k", "first"]);
  for (let i = 0; i < 20_000; i++) server.store.entry(["set", `many/${i}`, "v".repeat(20)]);
  server.store.entry(["set", "k", "last"]);
  const client = server.client();
  client.watch("k", 1);
  const out = new ByteWriter();
  let looks = 0;
  while (!client.watches.write(out) && client.watches.isReady) looks++;
  assert(looks > 2, `${looks}`);
  assertEquals(readWatchLines(out.view()).seen, expected(server.store.changes, "k", 1));
});

Deno.test("there are no more watches than the limits let there be", () => {
  const server = new Server({ watchesMax: 3, watchesPerConnectionMax: 2 });
  const [first, second] = [server.client(), server.client()];
  first.watch("a");
  first.watch("b");
  assertEquals(first.watch("c"), { kind: "tooMany", limit: "watchesPerConnectionMax" });
  second.watch("a");
  assertEquals(second.watch("b"), { kind: "tooMany", limit: "watchesMax" });
  assertEquals(first.watches.close(null), 2);
  assertEquals(second.watch("b").valueOf(), { kind: "watching", revision: 0, clusterId: CLUSTER });
  assertEquals(server.watches.count, 2);
});

Deno.test("thousands of prefixes that do not match wake nobody", () => {
  const server = new Server({ watchesMax: 5_000, watchesPerConnectionMax: 5_000 });
  const client = server.client();
  for (let i = 0; i < 5_000; i++) client.watch(`other/${i}*`);
  client.take();
  client.wakings = 0;
  for (let i = 0; i < 1_000; i++) server.store.entry(["set", `key/${i}`, "v"]);
  server.watches.wake();
  assertEquals(client.wakings, 0);
  server.store.entry(["set", "other/4321/x", "v"]);
  server.watches.wake();
  // Of the prefixes 4, 43, 432 and 4321.
  assertEquals(client.wakings, 4);
});

Deno.test("any watches, any readers: each is told all and once and in order, or that it is not", () => {
  let lost = 0;
  for (let seed = 1; seed <= 60; seed++) lost += followModel(new Random(seed));
  assert(lost > 50);
});

interface Followed {
  readonly client: Client;
  readonly pattern: string;
  seen: number;
}

/**
 * Everything is drawn: keys, entries, who reads when and how much, who gives up, who begins where. Returns how
 * many watches were lost.
 */
function followModel(random: Random): number {
  const historyBytes = random.pick([1_024, 4_096, 100_000]);
  const server = new Server({ historyBytes });
  const patterns = ["a", "ab", "a*", "ab*", "b*", "*", "c", "abc*"];
  const keys = ["a", "ab", "abc", "abcd", "b", "ba", "c"];
  let followed: Followed[] = [];
  let lost = 0;
  for (let step = 0; step < 400; step++) {
    if (random.chance(0.6)) {
      const count = random.chance(0.1) ? random.between(10, 40) : random.between(0, 3);
      server.store.entry(...Array.from({ length: count }, () => {
        const kind = random.chance(0.02)
          ? "flush"
          : random.pick(["set", "set", "delete", "expire"]);
        return [kind, random.pick(keys), "v".repeat(random.between(0, 30))] as const;
      }));
      server.watches.wake();
    }
    if (random.chance(0.1)) {
      const client = server.client();
      const pattern = random.pick(patterns);
      const from = random.between(0, server.store.appliedIndex);
      const answer = client.watch(pattern, from);
      if (typeof answer === "number") throw new Error(`refused: ${answer}`);
      if (answer.kind === "watching") followed.push({ client, pattern, seen: from });
      else {
        const { compacted } = server.watches.history;
        assert(from < compacted);
        assertEquals(answer, { kind: "compacted", revision: compacted });
      }
    }
    if (followed.length > 0 && random.chance(0.7)) {
      const one = random.pick(followed);
      const told = one.client.take(random.between(1, 5));
      const wanted = expected(server.store.changes, one.pattern, one.seen);
      const last = told.at(-1);
      if (last?.kind === "line") {
        assert(last.text === `ERR_COMPACTED ${server.watches.history.compacted}`);
        assert(server.watches.history.compacted > one.seen);
        told.pop();
        lost++;
        followed = followed.filter((other) => other !== one);
      }
      assertEquals(told, wanted.slice(0, told.length));
      for (const group of told) if (group.kind === "events") one.seen = group.revision;
      if (random.chance(0.05)) one.client.watches.close(null);
      if (one.client.watches.count === 0) followed = followed.filter((other) => other !== one);
    }
  }
  for (const one of followed) {
    const told = one.client.take();
    if (told.at(-1)?.kind === "line") continue;
    assertEquals(told, expected(server.store.changes, one.pattern, one.seen));
  }
  return lost;
}
