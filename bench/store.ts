/** The store by itself: time and memory a key. One measure a run: they would disturb each other. */
import { cpuUsage } from "node:process";
import {
  commandLength,
  encodeKeyOnly,
  encodeSet,
  ExpiryKind,
  Op,
} from "../lib/kv/commands/command.ts";
import { Result, Status } from "../lib/kv/commands/result.ts";
import { Store } from "../lib/kv/store.ts";
import { shortChecksum, viewChecksum } from "../lib/kv/memory/content_checksum.ts";
import { Digest } from "../lib/kv/memory/digest.ts";
import { RecordHead } from "../lib/kv/memory/record.ts";
import { ByteWriter } from "../lib/util/bytes.ts";
import { Random } from "../lib/util/random.ts";
import { parseFlags } from "./flags.ts";

const MEBIBYTE = 1024 * 1024;
const ENTRY_COMMANDS = 16;
/** Longer calls are counted: on a busy machine mostly the scheduler's. */
const PAUSE_MS = 5;
const source = new Uint8Array(64 * 1024).map((_, i) => 97 + i % 26);
const out = new ByteWriter(1 << 16);
const result = new Result();
const store = new Store({ hashSeed: 4711 });
let commandsInEntry = 0;
let nowMs = 1;
let longestMs = 0;
let pauses = 0;

/** Writes key number `n` as 16 bytes, so that each is another one. */
function writeKey(n: number): void {
  let rest = n;
  for (let i = 15; i >= 0; i--) {
    source[i] = 48 + rest % 10;
    rest = Math.floor(rest / 10);
  }
}

function set(n: number, valueBytes: number, ttlMs = 0): void {
  writeKey(n);
  out.clear();
  const kind = ttlMs === 0 ? ExpiryKind.never : ExpiryKind.relative;
  encodeSet(out, kind, ttlMs, source, 0, 16, 16, 16 + valueBytes);
  apply();
}

function remove(n: number): void {
  writeKey(n);
  out.clear();
  encodeKeyOnly(out, Op.delete, source, 0, 16);
  apply();
}

function apply(): void {
  const start = performance.now();
  if (commandsInEntry === 0) store.beginEntry(store.appliedIndex + 1, nowMs);
  store.applyCommand(out.bytes, 0, result);
  if (++commandsInEntry === ENTRY_COMMANDS) {
    store.endEntry();
    commandsInEntry = 0;
  }
  const elapsedMs = performance.now() - start;
  if (elapsedMs > longestMs) longestMs = elapsedMs;
  if (elapsedMs > PAUSE_MS) pauses++;
}

function get(n: number): void {
  writeKey(n);
  out.clear();
  encodeKeyOnly(out, Op.get, source, 0, 16);
  store.read(out.bytes, 0, result);
}

function timed(name: string, count: number, work: () => void): void {
  longestMs = 0;
  pauses = 0;
  const start = performance.now();
  work();
  const elapsedMs = performance.now() - start;
  const pause = longestMs > 0
    ? `, longest ${longestMs.toFixed(2)} ms, ${pauses} above ${PAUSE_MS}`
    : "";
  console.log(`${name}: ${(elapsedMs * 1e6 / count).toFixed(0)} ns each${pause}`);
}

const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});

function report(name: string): void {
  collect();
  const figures = store.memory();
  const { rss, heapUsed } = Deno.memoryUsage();
  const megabytes = (bytes: number) => (bytes / MEBIBYTE).toFixed(1);
  const { tableBytes, orderBytes, slabBytes, slotBytes, expiryBytes, contentBytes } = figures;
  const held = tableBytes + orderBytes + slabBytes + expiryBytes;
  const overhead = ((held - contentBytes) / Math.max(1, store.keys)).toFixed(1);
  const parts = Object.entries({ tableBytes, orderBytes, slabBytes, slotBytes, expiryBytes })
    .map(([name, bytes]) => `${name} ${megabytes(bytes)}`).join(", ");
  console.log(
    `${name}: ${store.keys} keys, RSS ${megabytes(rss)} MiB, heap ${megabytes(heapUsed)}; ` +
      `${parts}, contents ${megabytes(contentBytes)}; ${overhead} bytes over a key`,
  );
}

function fill(keys: number, valueBytes = 256): void {
  const random = new Random(1);
  report("before");
  timed("set, new", keys, () => {
    for (let i = 0; i < keys; i++) set(i, valueBytes);
  });
  report("filled");
  timed("set, same size", keys, () => {
    for (let i = 0; i < keys; i++) set(random.between(0, keys - 1), valueBytes);
  });
  timed("get", keys, () => {
    for (let i = 0; i < keys; i++) get(random.between(0, keys - 1));
  });
  timed("get, absent", keys, () => {
    for (let i = 0; i < keys; i++) get(keys + i);
  });
  timed("the loop alone", keys, () => {
    for (let i = 0; i < keys; i++) {
      writeKey(random.between(0, keys - 1));
      out.clear();
      encodeSet(out, ExpiryKind.never, 0, source, 0, 16, 16, 16 + valueBytes);
    }
  });
  report("end");
}

/** Sets of random keys, many to an entry, applied with looking ahead and without, in turns. */
function ahead(keys: number): void {
  const random = new Random(1);
  timed("set, new", keys, () => {
    for (let i = 0; i < keys; i++) set(i, 256);
  });
  while (commandsInEntry > 0) set(0, 256);
  const entry = new ByteWriter(1 << 16);
  for (const commands of [46, 46, 700, 700]) {
    const elapsedMs = [0, 0];
    const rounds = Math.ceil(400_000 / commands);
    for (let round = 0; round < rounds; round++) {
      entry.clear();
      for (let i = 0; i < commands; i++) {
        writeKey(random.between(0, keys - 1));
        encodeSet(entry, ExpiryKind.never, 0, source, 0, 16, 16, 272);
      }
      const start = performance.now();
      store.beginEntry(store.appliedIndex + 1, nowMs);
      let lookedAt = round % 2 === 0 ? 0 : Infinity;
      for (let at = 0; at < entry.length; at += commandLength(entry.bytes, at)) {
        if (at >= lookedAt) lookedAt = store.lookAhead(entry.bytes, at, entry.length);
        store.applyCommand(entry.bytes, at, result);
      }
      store.endEntry();
      elapsedMs[round % 2]! += performance.now() - start;
    }
    const [withIt, without] = elapsedMs.map((ms) =>
      (ms * 1e6 / (rounds / 2 * commands)).toFixed(0)
    );
    console.log(
      `entries of ${commands} sets: ${withIt} ns a set, without looking ahead ${without}`,
    );
  }
}

/** Many small keys: only the load, and a look at some of them. */
function load(keys: number): void {
  timed("set, new", keys, () => {
    for (let i = 0; i < keys; i++) set(i, 16);
  });
  for (let i = 0; i < keys; i += 9973) {
    get(i);
    if (result.status !== Status.found) throw new Error(`Key ${i} is missing`);
  }
  report("loaded");
}

const slowest = [0, 0, 0, 0, 0];

/**
 * Processor time of this thread so far. Where the system does not tell, of the whole process, the
 * engine's own threads included: an upper bound. Linux brings a thread's own count up to date in steps
 * of 4 ms, but also where the process asks for its total: so that comes first.
 */
function usedMs(): number {
  const { user, system } = cpuUsage();
  try {
    return Number(Deno.readTextFileSync("/proc/self/schedstat").split(" ")[0]) / 1e6;
  } catch {
    return (user + system) / 1000;
  }
}

/** Runs `work` and keeps its processor time where it is among the longest: others' work is not in it. */
function noteSlow(work: () => void): void {
  const before = usedMs();
  work();
  const elapsedMs = usedMs() - before;
  if (elapsedMs <= slowest[4]!) return;
  slowest[4] = elapsedMs;
  slowest.sort((a, b) => b - a);
}

function showSlowest(name: string): void {
  console.log(`${name}: slowest entries ${slowest.map((ms) => ms.toFixed(2)).join(", ")} ms`);
  slowest.fill(0);
}

/** The longest single calls in processor time. */
function pause(keys: number): void {
  const random = new Random(1);
  const show = showSlowest;
  // An entry at a time: looking at the time takes longer than a command.
  const each = (work: (i: number) => void) => {
    for (let i = 0; i < keys;) {
      noteSlow(() => {
        for (const end = Math.min(keys, i + ENTRY_COMMANDS); i < end; i++) work(i);
      });
    }
  };
  each((i) => set(i, 64));
  show("set, new");
  each((i) => set(random.between(0, keys), i % 200));
  show("set, other sizes");
  each(remove);
  show("delete");
}

/** What stays on the collector's heap over a million operations. */
function heap(): void {
  for (let i = 0; i < 100_000; i++) set(i % 20_000, i & 1 ? 32 : 256);
  const operations = [
    ["set of 32 bytes", (n: number) => set(n, 32)],
    ["set of 256 bytes", (n: number) => set(n, 256)],
    ["get", get],
  ] as const;
  for (const [name, work] of operations) {
    collect();
    const before = Deno.memoryUsage().heapUsed;
    for (let i = 0; i < 1_000_000; i++) work(i % 20_000);
    const without = Deno.memoryUsage().heapUsed;
    collect();
    const after = Deno.memoryUsage().heapUsed;
    console.log(
      `${name}: ${((after - before) / 1e6).toFixed(3)} bytes an operation stay on the heap ` +
        `(${((without - before) / 1e6).toFixed(3)} before the collection)`,
    );
  }
  const head = new RecordHead();
  head.prepare(16, 256, 7, 1000, false);
  const digest = new Digest();
  timed("digest of 16 + 256 bytes: checksum, take off, add", 1e6, () => {
    for (let i = 0; i < 1e6; i++) {
      head.checksum = viewChecksum(source.subarray(i & 1023, (i & 1023) + 272));
      digest.subtract(i, head, 0);
      digest.add(i, head, 0);
    }
  });
  timed("digest of 16 + 32 bytes: checksum, take off, add", 1e6, () => {
    for (let i = 0; i < 1e6; i++) {
      head.checksum = shortChecksum(source, i & 1023, (i & 1023) + 48);
      digest.subtract(i, head, 0);
      digest.add(i, head, 0);
    }
  });
}

/** Five overwrites with other sizes, a third deleted and set again. */
function churn(keys: number): void {
  const random = new Random(1);
  const size = (round: number) => random.between(16, 256) + 32 * (round % 3);
  for (let i = 0; i < keys; i++) set(i, size(0));
  report("fresh");
  for (let round = 1; round <= 5; round++) {
    timed("set, other sizes", keys, () => {
      for (let i = 0; i < keys; i++) set(random.between(0, keys - 1), size(round));
    });
  }
  for (let i = 0; i < keys; i++) set(i, size(0));
  timed("delete", keys / 3, () => {
    for (let i = 0; i < keys; i += 3) remove(i);
  });
  report("a third deleted");
  for (let i = 0; i < keys; i += 3) set(i, size(0));
  report("set again");
}

/** All keys due in the same millisecond, swept entry by entry. */
function expiry(keys: number): void {
  timed("set with a deadline", keys, () => {
    for (let i = 0; i < keys; i++) set(i, 16, 1000 - i % 10);
  });
  report("filled");
  while (commandsInEntry !== 0) set(0, 16, 1000);
  nowMs = 5000;
  longestMs = 0;
  const start = performance.now();
  let entries = 0;
  do {
    const entryStart = performance.now();
    noteSlow(() => {
      store.beginEntry(store.appliedIndex + 1, nowMs);
      store.endEntry();
      store.nextDeadlineMs();
    });
    longestMs = Math.max(longestMs, performance.now() - entryStart);
    entries++;
  } while (store.hasDueKeys());
  const elapsedMs = performance.now() - start;
  console.log(
    `swept in ${entries} entries, ${(elapsedMs / entries).toFixed(3)} ms each, ` +
      `longest ${longestMs.toFixed(2)} ms by the clock`,
  );
  showSlowest("sweep of an entry");
  report("swept");
}

/** A snapshot's walk, in slices as a server makes them; records of 16 + 256 bytes. */
function snapshot(keys: number): void {
  timed("set, new", keys, () => {
    for (let i = 0; i < keys; i++) set(i, 256);
  });
  while (commandsInEntry > 0) set(0, 256);
  for (let round = 0; round < 4; round++) {
    timed("snapshot, a record", keys, () => {
      const taken = store.beginSnapshot();
      do out.clear(); while (taken.next(out, 65_536));
      taken.close();
    });
  }
}

const small = (keys: number) => fill(keys, 16);
type Measures = Readonly<Record<string, (keys: number) => void>>;
const MEASURES: Measures = { fill, load, pause, heap, churn, small, expiry, ahead, snapshot };

const HELP = `deno run --allow-all --v8-flags=--expose-gc bench/store.ts [--measure NAME] [--keys N]

  --measure NAME   ${[...Object.keys(MEASURES)].join(", ")} (fill)
  --keys N         (1000000)`;

const { measure, keys } = parseFlags(HELP, { measure: "fill", keys: 1_000_000 });
const run = MEASURES[measure];
if (run === undefined) {
  console.error(`There is no measure ${measure}: --help names them`);
  Deno.exit(2);
}
run(keys);
