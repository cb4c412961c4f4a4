/** What a cut may leave, on disks of a few sectors. */
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { FATES, ImageBuilder } from "./images.ts";
import { PowerLedger } from "./ledger.ts";
import { FLUSH, readLog, RECORD_HEAD_BYTES, WRITE, writeRecordHead } from "./write_log.ts";

const SECTOR = 512;
const SECTORS = 16;

/** A log of writes of whole sectors, each filled with one byte; null is a flush. */
function makeLog(path: string, steps: readonly ([number, number, number] | null)[]): void {
  const file = Deno.openSync(path, { write: true, create: true, truncate: true });
  for (const step of steps) {
    const [sector, count, fill] = step ?? [0, 0, 0];
    const head = new Uint8Array(RECORD_HEAD_BYTES);
    const kind = step === null ? FLUSH : WRITE;
    writeRecordHead(head, { kind, disk: 0, offset: sector * SECTOR, bytes: count * SECTOR });
    file.writeSync(head);
    file.writeSync(new Uint8Array(count * SECTOR).fill(fill));
  }
  file.close();
}

/** The first byte of each sector; sectors are never torn inside. */
function sectorsOf(path: string): number[] {
  const bytes = Deno.readFileSync(path);
  return Array.from({ length: SECTORS }, (_, i) => {
    const sector = bytes.subarray(i * SECTOR, (i + 1) * SECTOR);
    assert(sector.every((byte) => byte === sector[0]), `sector ${i} is torn inside`);
    return sector[0]!;
  });
}

function withDirectory(run: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-images-" });
  try {
    Deno.writeFileSync(`${directory}/base`, new Uint8Array(SECTORS * SECTOR));
    run(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("power cuts: flushed writes are there, later ones in any subset, torn between sectors", () => {
  withDirectory((directory) => {
    const log = `${directory}/log`;
    makeLog(log, [[0, 2, 1], [4, 1, 2], null, [0, 1, 3], [8, 4, 4], [8, 1, 5], null, [1, 1, 6]]);
    const records = readLog(log);
    assertEquals(records.length, 8);
    const random = new Random(1);
    const seen = new Set<string>();
    for (let round = 0; round < 200; round++) {
      const base = `${directory}/base`;
      const builder = new ImageBuilder(log, records, 0, base, `${directory}/certain`);
      const path = `${directory}/cut`;
      const fate = FATES[round % FATES.length]!;
      builder.build(records[5]!.end, fate, random, path);
      const found = sectorsOf(path);
      assertEquals([found[1], found[4]], [1, 2], "the first flush was before the cut");
      assert(found[0] === 1 || found[0] === 3, `sector 0 is ${found[0]}`);
      const rest = found.slice(8, 12);
      assert(rest.slice(1).every((one) => one === 0 || one === 4), `${rest}`);
      if (fate === "none") assertEquals([found[0], ...rest], [1, 0, 0, 0, 0]);
      if (fate === "all") assertEquals([found[0], ...rest], [3, 5, 4, 4, 4]);
      seen.add([found[0], ...rest].join(" "));
      builder.build(records[6]!.end, fate, random, path);
      assertEquals(sectorsOf(path).slice(8, 12), [5, 4, 4, 4], "the second flush was, too");
      builder.close();
    }
    assert(seen.size > 15, `only ${seen.size} outcomes`);
  });
});

Deno.test("power cuts: a disk that ignores flushes may lose what was flushed", () => {
  withDirectory((directory) => {
    const log = `${directory}/log`;
    makeLog(log, [[0, 1, 1], null, [1, 1, 2], null]);
    const records = readLog(log);
    const honesty = { forgetsWrites: records.length };
    const base = `${directory}/base`;
    const certain = `${directory}/certain`;
    const builder = new ImageBuilder(log, records, 0, base, certain, honesty);
    builder.build(records.at(-1)!.end, "none", new Random(1), `${directory}/cut`);
    builder.close();
    assertEquals(sectorsOf(`${directory}/cut`).slice(0, 2), [0, 0]);
  });
});

Deno.test("power cuts: what was acknowledged before the cut has to be there, later writes may be", () => {
  const ledger = new PowerLedger();
  const write = (value: string | null, sentAt: number, ackedAt: number | null) => {
    ledger.begin("key", value, sentAt).ackedAt = ackedAt;
  };
  write("a", 0, 10);
  write("b", 10, 20);
  write("refused", 20, null);
  write(null, 20, 30);
  write("c", 40, Infinity);
  const allowed = (at: number) =>
    ["a", "b", "refused", "c", null].filter((value) => ledger.fault("key", value, at) === null);
  assertEquals(allowed(5), ["a", null]);
  assertEquals(allowed(10), ["a", "b"]);
  assertEquals(allowed(25), ["b", null]);
  assertEquals(allowed(35), [null]);
  assertEquals(allowed(45), ["c", null]);
  assertEquals(ledger.acknowledgedBy(25), 2);
});
