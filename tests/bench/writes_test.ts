import { assert, assertEquals } from "@std/assert";
import { churn, KEY_BYTES, keyName, loadOnce, WriteEncoder } from "../../bench/writes.ts";

const decoder = new TextDecoder();

function all(sequence: ReturnType<typeof loadOnce>): [number, number][] {
  const writes: [number, number][] = [];
  for (let at = 0; sequence(at, (key, valueBytes) => writes.push([key, valueBytes])); at++);
  return writes;
}

Deno.test("writes: loading sets each key once", () => {
  assertEquals(all(loadOnce(3, 7)), [[0, 7], [1, 7], [2, 7]]);
});

Deno.test("writes: churn overwrites each key so many times, then replaces each third one", () => {
  const keys = 1_000;
  const writes = all(churn(keys, 256, 5));
  const overwrites = writes.slice(0, 5 * keys);
  const times = new Map<number, number>();
  for (const [key, valueBytes] of overwrites) {
    times.set(key, (times.get(key) ?? 0) + 1);
    assert(valueBytes >= 128 && valueBytes <= 384, `${valueBytes}`);
  }
  assertEquals(times.size, keys);
  assert([...times.values()].every((count) => count === 5));
  const third = Math.floor(keys / 3);
  assertEquals(writes.length, 5 * keys + 2 * third);
  const deleted = writes.slice(5 * keys, 5 * keys + third);
  assert(deleted.every(([key, valueBytes]) => key % 3 === 0 && valueBytes === -1));
  assertEquals(writes.slice(5 * keys + third).map(([key]) => key), deleted.map(([key]) => key));
});

Deno.test("writes: churn leaves about as many bytes as were loaded", () => {
  const keys = 3_000;
  const sizes = new Map<number, number>();
  for (const [key, valueBytes] of all(churn(keys, 256, 5))) sizes.set(key, valueBytes);
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  assertEquals(sizes.size, keys);
  assert(Math.abs(total / (keys * 256) - 1) < 0.05, `${total}`);
});

Deno.test("writes: a set and a delete in both protocols, with keys of 16 bytes", () => {
  const into = new Uint8Array(1_000);
  const text = (protocol: "raftkv" | "redis", key: number, valueBytes: number) => {
    const end = new WriteEncoder(protocol).encode(key, valueBytes, into, 5);
    return decoder.decode(into.subarray(5, end));
  };
  const key = keyName(1_234_567);
  assertEquals(key, "key:000001234567");
  assertEquals(key.length, KEY_BYTES);
  const value = (set: string) => set.split("\r\n").at(-2)!;
  const line = text("raftkv", 1_234_567, 10);
  assertEquals(line, `set ${key} 0 10\r\n${value(line)}\r\n`);
  assertEquals(value(line).length, 10);
  assertEquals(text("raftkv", 1_234_567, -1), `delete ${key}\r\n`);
  const resp = text("redis", 1_234_567, 100);
  assertEquals(resp, `*3\r\n$3\r\nSET\r\n$16\r\n${key}\r\n$100\r\n${value(resp)}\r\n`);
  assertEquals(text("redis", 1_234_567, -1), `*2\r\n$3\r\nDEL\r\n$16\r\n${key}\r\n`);
  assertEquals(text("raftkv", 0, 0), `set ${keyName(0)} 0 0\r\n\r\n`);
});
