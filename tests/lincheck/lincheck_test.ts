import { assert, assertEquals } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { generateLegal } from "./generate.ts";
import type { Operation } from "./history.ts";
import { searchHistory } from "./search.ts";
import { checkVersions } from "./versions.ts";

let nextId = 0;
/** One operation; `more` overrides. Times are given, everything else has a plain default. */
function op(
  kind: Operation["kind"],
  invokedAt: number,
  returnedAt: number,
  more: Partial<Operation> = {},
): Operation {
  const id = ++nextId;
  const writes = kind === "set" || kind === "cas";
  return {
    id,
    client: id,
    connection: id,
    kind,
    key: "k",
    value: writes ? id + 1_000_000 : 0,
    expectedVersion: 0,
    expectedValue: 0,
    invokedAt,
    returnedAt,
    outcome: returnedAt === Infinity ? "unknown" : "ok",
    version: 0,
    seen: 0,
    ...more,
  };
}
const set = (from: number, to: number, value: number, version: number, more = {}) =>
  op("set", from, to, { value, version, ...more });
const get = (from: number, to: number, seen: number, version = 0, more = {}) =>
  op("get", from, to, seen === 0 ? { outcome: "notFound", ...more } : { seen, version, ...more });
const del = (from: number, to: number, more = {}) => op("delete", from, to, more);
const cas = (
  from: number,
  to: number,
  value: number,
  version: number,
  expectedVersion: number,
  expectedValue: number,
  more = {},
) => op("cas", from, to, { value, version, expectedVersion, expectedValue, ...more });

/** By which checkers an illegal history has to be refused. */
type Refuser = "both" | "versions" | "search";

const ILLEGAL: { name: string; by: Refuser; history: () => Operation[] }[] = [
  {
    name: "a stale read",
    by: "both",
    history: () => [set(0, 1, 1, 1), set(2, 3, 2, 2), get(4, 5, 1, 1)],
  },
  {
    name: "a stale read without versions",
    by: "search",
    history: () => [set(0, 1, 1, 1), set(2, 3, 2, 2), get(4, 5, 1)],
  },
  {
    name: "two reads that go back",
    by: "both",
    history: () => [set(0, 1, 1, 1), set(2, 9, 2, 2), get(3, 4, 2, 2), get(5, 6, 1, 1)],
  },
  {
    name: "a lost acknowledged write",
    by: "both",
    history: () => [set(0, 1, 1, 1), get(2, 3, 0)],
  },
  {
    name: "a value that nobody wrote",
    by: "both",
    history: () => [set(0, 1, 1, 1), get(2, 3, 77, 2)],
  },
  {
    name: "the value of a refused write",
    by: "both",
    history: () => [set(0, 1, 1, 0, { outcome: "nothing" }), get(2, 3, 1, 1)],
  },
  {
    name: "the value of a cas that met another version",
    by: "both",
    history: () => [
      set(0, 1, 1, 1),
      cas(2, 3, 2, 0, 5, -1, { outcome: "versionDiffers" }),
      get(4, 5, 2, 2),
    ],
  },
  {
    name: "a read before its write began",
    by: "both",
    history: () => [get(0, 1, 1, 1), set(2, 3, 1, 1)],
  },
  {
    name: "two values for one version",
    by: "versions",
    history: () => [set(0, 9, 1, 1), set(0, 9, 2, 1)],
  },
  {
    name: "two versions for one value",
    by: "versions",
    history: () => [set(0, 1, 1, 1), get(2, 3, 1, 2)],
  },
  {
    name: "two cas from the same version",
    by: "both",
    history: () => [set(0, 1, 1, 1), cas(2, 9, 2, 2, 1, 1), cas(2, 9, 3, 2, 1, 1)],
  },
  {
    name: "two creations of a key that nobody deleted",
    by: "both",
    history: () => [cas(0, 1, 1, 1, 0, 0), cas(2, 3, 2, 2, 0, 0)],
  },
  {
    name: "a cas that steps by two",
    by: "versions",
    history: () => [set(0, 1, 1, 1), cas(2, 3, 2, 3, 1, 1)],
  },
  {
    name: "a cas on an absent key that succeeds",
    by: "both",
    history: () => [
      set(0, 1, 1, 1),
      del(2, 3),
      cas(4, 5, 2, 2, 1, 1),
    ],
  },
  {
    name: "a deleted value that comes back",
    by: "both",
    history: () => [set(0, 1, 1, 1), del(2, 3), get(4, 5, 1, 1)],
  },
  {
    name: "a value seen gone that comes back",
    by: "both",
    history: () => [
      set(0, 1, 1, 1),
      del(2, Infinity),
      get(3, 4, 0),
      get(5, 6, 1, 1),
    ],
  },
  {
    name: "a version used again after a delete",
    by: "versions",
    history: () => [set(0, 1, 1, 1), del(2, 3), set(4, 5, 2, 1)],
  },
  {
    name: "a write that was applied twice",
    by: "versions",
    history: () => [set(0, 1, 1, 1), set(2, 3, 2, 3)],
  },
  {
    name: "an unknown write that happened twice",
    by: "both",
    history: () => [
      set(0, Infinity, 1, 0),
      get(1, 2, 1, 1),
      set(3, 4, 2, 2),
      get(5, 6, 1, 3),
    ],
  },
  {
    name: "a connection that does not see its own write",
    by: "both",
    history: () => [
      set(0, 1, 1, 1),
      set(2, 5, 2, 2, { connection: 5 }),
      get(6, 7, 1, 1, { connection: 5 }),
    ],
  },
  {
    name: "a pipelined read that misses the write before it",
    by: "versions",
    history: () => [
      set(0, 1, 1, 1),
      set(2, 5, 2, 2, { connection: 5 }),
      get(2, 7, 1, 1, { connection: 5 }),
    ],
  },
  {
    name: "a pipelined read that sees the write behind it",
    by: "versions",
    history: () => [
      set(0, 1, 1, 1),
      get(2, 7, 2, 2, { connection: 5 }),
      set(2, 5, 2, 2, { connection: 5 }),
    ],
  },
  {
    name: "a delete that finds nothing where a value is",
    by: "both",
    history: () => [set(0, 1, 1, 1), del(2, 3, { outcome: "notFound" }), get(4, 5, 1, 1)],
  },
  {
    name: "a delete of nothing that succeeds",
    by: "search",
    history: () => [del(0, 1)],
  },
  {
    name: "a cas refused although nobody else wrote",
    by: "search",
    history: () => [set(0, 1, 1, 1), cas(2, 3, 2, 0, 1, 1, { outcome: "versionDiffers" })],
  },
  {
    name: "a creation refused on an absent key",
    by: "search",
    history: () => [cas(0, 1, 1, 0, 0, 0, { outcome: "versionDiffers" })],
  },
  {
    name: "an acknowledged write without a version",
    by: "versions",
    history: () => [set(0, 1, 1, 0)],
  },
];

Deno.test("hand-made illegal histories are refused by the checkers that can see them", () => {
  for (const { name, by, history } of ILLEGAL) {
    const operations = history();
    const versions = checkVersions(operations);
    const search = searchHistory(operations, 100_000);
    if (by !== "search") assert(versions !== null, `versions accept ${name}`);
    if (by !== "versions") assertEquals(search.result, "illegal", `the search accepts ${name}`);
  }
});

Deno.test("illegal histories stay refused inside a long legal one", () => {
  for (const [at, { name, by, history }] of ILLEGAL.entries()) {
    const operations = [...generateLegal(at, 200, 4, 3), ...history()];
    const found = by === "search"
      ? searchHistory(operations, 1_000_000).result === "illegal"
      : checkVersions(operations) !== null;
    assert(found, `${name} is not seen among others`);
  }
});

Deno.test("legal special cases are accepted", () => {
  const legal: Operation[][] = [
    [],
    [get(0, 1, 0)],
    [set(0, Infinity, 1, 0), get(5, 6, 0), get(7, 8, 1, 1)],
    [set(0, Infinity, 1, 0), set(1, 2, 2, 1), get(3, 4, 2, 1)],
    [set(0, 1, 1, 1), set(2, Infinity, 2, 0), set(3, 4, 3, 3)],
    [set(0, 1, 1, 1), del(2, Infinity), get(3, 4, 1, 1), get(5, 6, 0)],
    [set(0, 9, 1, 1), set(0, 9, 2, 2), get(0, 9, 1, 1), get(0, 9, 2, 2)],
    [set(0, 1, 1, 8), del(2, 3), set(4, 5, 2, 20)],
    [set(0, 1, 1, 1), cas(2, 3, 2, 2, 1, 1), cas(4, 5, 3, 0, 1, 1, { outcome: "versionDiffers" })],
    [cas(0, 1, 1, 0, 4, -1, { outcome: "notFound" }), cas(2, 3, 2, 1, 0, 0)],
    [set(0, 1, 1, 1), cas(2, 3, 2, 2, 1, -1), get(4, 5, 2, 2)],
  ];
  for (const [at, history] of legal.entries()) {
    assertEquals(checkVersions(history), null, `versions refuse case ${at}`);
    assertEquals(searchHistory(history, 10_000).result, "legal", `the search refuses case ${at}`);
  }
});

Deno.test("thousands of generated legal histories are accepted by both", () => {
  for (let seed = 1; seed <= 4_000; seed++) {
    const history = generateLegal(seed, 12 + seed % 60, 1 + seed % 6, 1 + seed % 3);
    assertEquals(checkVersions(history), null, `versions refuse seed ${seed}`);
    assertEquals(searchHistory(history, 1_000_000).result, "legal", `the search: seed ${seed}`);
  }
});

/** Changes that no order can explain; each returns false where this history offers no place for it. */
const MUTATIONS: { name: string; change: (history: Operation[], random: Random) => boolean }[] = [
  {
    name: "a read of a value that was overwritten before",
    change: (history) => {
      for (const read of history.filter((o) => o.kind === "get" && o.outcome === "ok")) {
        const before = history.filter((o) =>
          o.key === read.key && (o.kind === "set" || o.kind === "cas") && o.outcome === "ok" &&
          o.returnedAt < read.invokedAt
        ).sort((a, b) => a.version - b.version);
        const [first, last] = [before[0], before[before.length - 1]];
        if (first === undefined || last === undefined) continue;
        if (first.returnedAt >= last.invokedAt) continue;
        read.seen = first.value;
        read.version = first.version;
        return true;
      }
      return false;
    },
  },
  {
    name: "a refused write that was read",
    change: (history) => {
      for (const read of history.filter((o) => o.kind === "get" && o.outcome === "ok")) {
        const writer = history.find((o) => o.value === read.seen)!;
        writer.outcome = "nothing";
        writer.version = 0;
        return true;
      }
      return false;
    },
  },
  {
    name: "a read moved before its write",
    change: (history) => {
      for (const read of history.filter((o) => o.kind === "get" && o.outcome === "ok")) {
        const writer = history.find((o) => o.value === read.seen)!;
        if (writer.invokedAt < 3) continue;
        Object.assign(read, { invokedAt: writer.invokedAt - 2, returnedAt: writer.invokedAt - 1 });
        return true;
      }
      return false;
    },
  },
  {
    name: "a read of nothing although nobody deletes",
    change: (history) => {
      for (const read of history.filter((o) => o.kind === "get" && o.outcome === "ok")) {
        const same = history.filter((o) => o.key === read.key);
        if (same.some((o) => o.kind === "delete")) continue;
        const written = same.some((o) =>
          o.kind === "set" && o.outcome === "ok" && o.returnedAt < read.invokedAt
        );
        if (!written) continue;
        Object.assign(read, { outcome: "notFound", seen: 0, version: 0 });
        return true;
      }
      return false;
    },
  },
];

Deno.test("mutated histories are refused by both", () => {
  const refused = new Map<string, number>();
  for (let seed = 1; seed <= 400; seed++) {
    for (const { name, change } of MUTATIONS) {
      const history = generateLegal(seed, 40, 3, 2);
      if (!change(history, new Random(seed))) continue;
      assert(checkVersions(history) !== null, `versions accept ${name} of seed ${seed}`);
      assertEquals(searchHistory(history, 1_000_000).result, "illegal", `${name} of seed ${seed}`);
      refused.set(name, (refused.get(name) ?? 0) + 1);
    }
  }
  for (const { name } of MUTATIONS) assert((refused.get(name) ?? 0) >= 20, `${name} hardly tried`);
});

Deno.test("the search says unknown where its bound is reached", () => {
  const history = generateLegal(7, 60, 6, 1);
  assertEquals(searchHistory(history, 3).result, "unknown");
});

Deno.test("on keys that expire, absence needs no delete, but nothing comes back", () => {
  const gone = [set(0, 1, 1, 1), get(2, 3, 0)];
  assertEquals(checkVersions(gone, () => ({ expires: true })), null);
  const back = [...gone, get(4, 5, 1, 1)];
  assert(checkVersions(back, () => ({ expires: true })) !== null);
  const again = [...gone, set(4, 5, 2, 1)];
  assert(checkVersions(again, () => ({ expires: true })) !== null);
});
