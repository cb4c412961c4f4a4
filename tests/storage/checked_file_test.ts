/** The small files that are checked as a whole: their bytes, and what is said of any other bytes. */
import { assert, assertEquals } from "@std/assert";
import { readFormation, writeFormation } from "../../lib/storage/files/formation_file.ts";
import { readIdentity, writeIdentity } from "../../lib/storage/files/identity_file.ts";
import { readRepairRecord, writeRepairRecord } from "../../lib/storage/recovery/repair_record.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { CLUSTER, FORMED, INCARNATION, refusal } from "./helpers.ts";

const OWNER = { clusterId: CLUSTER, serverId: 1 };
const DAMAGED = {
  fromIndex: 7,
  lastIndexSeen: 4_294_967_300,
  reason: "wal/1 is damaged: café",
};

interface Kind {
  /** As the first build that had this file wrote it. */
  readonly hex: string;
  readonly written: unknown;
  write(disk: SimDisk): void;
  read(disk: SimDisk): unknown;
}

const KINDS: Readonly<Record<string, Kind>> = {
  identity: {
    hex: "524146544b5649440101000000000000000000000000000000000000000000000000000141f2f94e" +
      "00112233445566ff00d11bf0",
    written: { serverId: 1, incarnation: INCARNATION },
    write: (disk) => writeIdentity(disk, "1", { serverId: 1, incarnation: INCARNATION }),
    read: (disk) => readIdentity(disk, "1", 1, 2),
  },
  formation: {
    hex: "524146544b56464f010100000123456789abcdef0123456789abcdef00000000000000011261c77e" +
      "02000002000000000000000100112233445566ff0000000000000002aaaaaaaaaaaaaaaa4280a614",
    written: FORMED,
    write: (disk) => writeFormation(disk, "1", 1, FORMED),
    read: (disk) => readFormation(disk, "1", 1, 2),
  },
  repairing: {
    hex: "524146544b565250010100000123456789abcdef0123456789abcdef0000000000000001497c3646" +
      "00000000000000070000000100000004001777616c2f312069732064616d616765643a20636166c3a9b24d1bef",
    written: DAMAGED,
    write: (disk) => writeRepairRecord(disk, "1", OWNER, DAMAGED),
    read: (disk) => readRepairRecord(disk, "1", OWNER, 2),
  },
};

for (const [name, { hex, written, write, read }] of Object.entries(KINDS)) {
  const path = `1/${name}`;
  const disk = new SimDisk();
  disk.makeDirectory("1");

  Deno.test(`checked files: ${name} has the bytes that older builds read and wrote`, () => {
    assertEquals(read(disk), null);
    write(disk);
    const bytes = [...disk.contents(path)].map((byte) => byte.toString(16).padStart(2, "0"));
    assertEquals(bytes.join(""), hex);
    assertEquals(read(disk), written);
  });

  Deno.test(`checked files: ${name} with any byte changed, or of another length, is refused`, () => {
    const { length } = disk.contents(path);
    for (let at = 0; at < length; at++) {
      const copy = disk.clone();
      copy.corrupt(path, (bytes) => {
        bytes[at]! ^= 1 << (at % 8);
        return bytes;
      });
      const said = refusal(() => read(copy)) ?? "it was read";
      assert(said.startsWith(path), `${said} at ${at}`);
      if (at >= 40) assert(said.includes("is damaged: its checksum or its length is wrong."), said);
    }
    for (const other of [0, 39, 40, 43, length - 1, length + 1]) {
      const copy = disk.clone();
      copy.corrupt(path, (bytes) => {
        const changed = new Uint8Array(other);
        changed.set(bytes.subarray(0, Math.min(other, bytes.length)));
        return changed;
      });
      const said = refusal(() => read(copy));
      assert(said?.startsWith(path) && said.includes("Restore"), `${said} with ${other} bytes`);
    }
  });
}
