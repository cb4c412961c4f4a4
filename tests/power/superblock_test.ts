import { assertEquals } from "@std/assert";
import { makeFileSystem } from "../disks/file_systems.ts";
import { needsProgram, testNamed } from "../process/requirements.ts";
import { isSuperblockTorn } from "./superblock.ts";

const SUPERBLOCK_AT = 65_536;
const SECTOR_BYTES = 512;

Deno.test({
  ...testNamed(
    "a superblock of btrfs with one sector of another one is torn",
    needsProgram("mkfs.btrfs", "-V"),
  ),
  fn() {
    const image = Deno.makeTempFileSync({ prefix: "raftkv-power-" });
    try {
      Deno.truncateSync(image, 160 * 1_048_576);
      makeFileSystem("btrfs", image);
      assertEquals(isSuperblockTorn(image), false);
      using file = Deno.openSync(image, { write: true });
      file.seekSync(SUPERBLOCK_AT + 6 * SECTOR_BYTES, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(SECTOR_BYTES).fill(7));
      assertEquals(isSuperblockTorn(image), true);
    } finally {
      Deno.removeSync(image);
    }
  },
});
