import { assertEquals } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "./sim_disk.ts";

Deno.test("what vanished stays away: no power loss brings back a name that was never synced", () => {
  for (let seed = 0; seed < 20; seed++) {
    const disk = new SimDisk();
    disk.makeDirectory("1");
    disk.syncDirectory(".");
    disk.makeDirectory("1/snapshot");
    disk.open("1/snapshot/a.new", { create: true }).close();
    disk.syncDirectory("1/snapshot");
    disk.rename("1/snapshot/a.new", "1/snapshot/a");
    disk.kill();
    disk.vanish("1/snapshot/a");
    disk.powerLoss(new Random(seed));
    assertEquals(disk.list("1/snapshot"), []);
    disk.vanish("1");
    disk.powerLoss(new Random(seed));
    assertEquals(disk.list("."), []);
  }
  const disk = new SimDisk();
  disk.makeDirectory("1");
  disk.makeDirectory("1/snapshot");
  disk.kill();
  disk.vanish("1");
  for (let seed = 0; seed < 20; seed++) disk.powerLoss(new Random(seed));
  assertEquals(disk.list("."), []);
});
