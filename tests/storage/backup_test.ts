/** Backups: what is written is what is read, and any byte that is wrong is found and named. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { BACKUP_HEAD_BYTES } from "../../lib/storage/backups/backup_format.ts";
import { openBackup } from "../../lib/storage/backups/backup_reader.ts";
import { BackupDamageError, DataDirectoryError } from "../../lib/storage/errors.ts";
import { ByteReader, readU32, writeU32 } from "../../lib/util/bytes.ts";
import { checksum } from "../../lib/util/checksum.ts";
import { textOf } from "../kv/model.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { assemble, HEAD, makeBody, POSITION } from "./backup_helpers.ts";
import { CONFIGURATION } from "./snapshot_helpers.ts";

function diskWith(bytes: Uint8Array): SimDisk {
  const disk = new SimDisk();
  disk.makeDirectory("d");
  const file = disk.open("d/backup", { create: true });
  file.write(0, bytes);
  file.close();
  return disk;
}

/** Reads it whole; its keys with their deadlines. */
function read(bytes: Uint8Array): Map<string, number> {
  const found = new Map<string, number>();
  const backup = openBackup(diskWith(bytes), "d/backup");
  try {
    for (let part = backup.nextSection(); part !== null; part = backup.nextSection()) {
      const reader = new ByteReader(part);
      while (reader.remaining > 0) {
        const keyLength = reader.u16();
        reader.u64();
        reader.u64();
        const deadlineMs = reader.u64();
        const valueLength = reader.u32();
        found.set(textOf(reader.copy(keyLength)), deadlineMs);
        reader.view(valueLength);
      }
    }
    assertEquals(backup.about, HEAD);
    assertEquals(backup.position, POSITION);
    assertEquals(backup.configuration.voters, CONFIGURATION.voters);
    assertEquals(backup.head.keys, found.size);
  } finally {
    backup.close();
  }
  return found;
}

function damageOf(bytes: Uint8Array): BackupDamageError {
  return assertThrows(() => read(bytes), BackupDamageError);
}

Deno.test("a backup is read as it was written, in whatever pieces it came", () => {
  const body = makeBody();
  const whole = assemble(body, body.length);
  assertEquals(assemble(body, 1), whole);
  const found = read(whole);
  assertEquals(found.size, 12);
  assertEquals(found.get("key 2 0"), 90_020);
  assertEquals(found.get("key 2 1"), 0);
});

Deno.test("a flipped bit anywhere is found, within the bytes that are named", () => {
  const whole = assemble(makeBody(), 100);
  for (let at = 0; at < whole.length; at++) {
    const bytes = whole.slice();
    bytes[at]! ^= 1 << at % 8;
    const { from, to, message } = damageOf(bytes);
    assert(from <= at && at < to, `byte ${at}: ${message}`);
    // No more is named than a section or the end: but for the head, which is checked as one.
    assert(to - from < 700, `byte ${at}: ${message}`);
  }
});

Deno.test("a backup that is cut, or has more after its end, is found at any length", () => {
  const whole = assemble(makeBody(), 100);
  for (let length = 0; length < whole.length; length++) damageOf(whole.slice(0, length));
  const longer = new Uint8Array(whole.length + 9);
  longer.set(whole);
  damageOf(longer);
});

Deno.test("contents that were changed with all checksums put right are found by digest and SHA-256", () => {
  const body = makeBody();
  // The last byte of the first section of records is one of a value, or of a key.
  const sections = sectionsOf(body);
  const records = sections.find(({ tag }) => tag === 4)!;
  const changed = body.slice();
  changed[records.end - 1]! ^= 1;
  let chain = 0;
  for (const { start, end } of sections) {
    chain = checksum(changed.subarray(start + 4, end), chain);
    writeU32(changed, start, chain);
  }
  const digest = damageOf(assemble(changed, 100));
  assert(digest.message.includes("digest"), digest.message);
  // And one whose end was not made anew: the checksums of all sections are right, the sum is not.
  const whole = assemble(body, 100);
  const sum = whole.slice();
  sum.set(assemble(body, 100, { ...HEAD, takenMs: 5 }).subarray(0, BACKUP_HEAD_BYTES));
  assert(damageOf(sum).message.includes("SHA-256"));
});

function sectionsOf(body: Uint8Array): { start: number; end: number; tag: number }[] {
  const found = [];
  for (let start = 0; start < body.length;) {
    const end = start + 12 + readU32(body, start + 4);
    found.push({ start, end, tag: body[start + 8]! });
    start = end;
  }
  return found;
}

Deno.test("what comes damaged, short, or of another index is no backup", () => {
  const body = makeBody();
  for (let at = 0; at < body.length; at++) {
    const bytes = body.slice();
    bytes[at]! ^= 0x20;
    assertThrows(() => assemble(bytes, 64), DataDirectoryError);
  }
  assertThrows(() => assemble(body.subarray(0, body.length - 1), 64), DataDirectoryError);
  const other = { ...HEAD, position: { index: 4, term: 2 } };
  assertThrows(() => assemble(body, 64, other), DataDirectoryError, "another index");
});
