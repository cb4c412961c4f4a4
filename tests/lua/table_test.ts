/** Tables of Lua beside a map: whatever is set and removed, few keys or many. */
import { assertEquals } from "@std/assert";
import { LuaTable, type Value } from "../../lib/scripts/lua/values.ts";
import { Random } from "../../lib/util/random.ts";

/** All that a walk over the table finds. */
function walked(table: LuaTable): Map<Value, Value> {
  const found = new Map<Value, Value>();
  for (let key = table.next(undefined); key !== undefined && key !== null;) {
    found.set(key, table.get(key));
    key = table.next(key);
  }
  return found;
}

function sorted(map: Map<Value, Value>): [Value, Value][] {
  return [...map].sort(([a], [b]) =>
    `${typeof a} ${String(a)}` < `${typeof b} ${String(b)}` ? -1 : 1
  );
}

Deno.test("tables: they hold what was set and not removed, few keys or many", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const table = new LuaTable();
    const model = new Map<Value, Value>();
    const keys: Value[] = [true, false, 0, -1, 1.5];
    // Around the number of keys from which on a map has them.
    for (let i = random.between(0, 20 - 1); i > 0; i--) keys.push(`k${i}`, i);
    for (let i = 0; i < 200; i++) {
      const key = keys[random.between(0, keys.length - 1)]!;
      const value = random.between(0, 3 - 1) === 0 ? undefined : i;
      table.set(key, value);
      if (value === undefined) model.delete(key);
      else model.set(key, value);
      const asked = keys[random.between(0, keys.length - 1)]!;
      assertEquals(table.get(asked), model.get(asked), `seed ${seed}, step ${i}`);
    }
    assertEquals(sorted(walked(table)), sorted(model), `seed ${seed}`);
  }
});

/** Runs `run` and counts how often a map was asked for `key` meanwhile. */
function lookupsInMaps(key: string, run: () => void): number {
  const { get } = Map.prototype;
  let count = 0;
  Map.prototype.get = function (asked) {
    if (asked === key) count++;
    return get.call(this, asked);
  };
  try {
    run();
  } finally {
    Map.prototype.get = get;
  }
  return count;
}

Deno.test("tables: a long key is never compared with each of the others, however few they are", () => {
  const long = (last: string) => "x".repeat(100) + last;
  const table = new LuaTable();
  table.set("short", 1);
  assertEquals(lookupsInMaps("short", () => assertEquals(table.get("short"), 1)), 0);
  for (let i = 0; i < 4; i++) table.set(long(`${i}`), i);
  for (let i = 0; i < 4; i++) {
    assertEquals(lookupsInMaps(long(`${i}`), () => assertEquals(table.get(long(`${i}`)), i)), 1);
  }
  // Nor after those that were removed have left it.
  for (let i = 0; i < 20; i++) table.set(`k${i}`, i);
  for (let i = 0; i < 20; i++) table.set(`k${i}`, undefined);
  table.set("another", 1);
  assertEquals(lookupsInMaps(long("3"), () => assertEquals(table.get(long("3")), 3)), 1);
});
