/** The room that is kept for the next snapshot, over a restart. */
import { assert, assertEquals } from "@std/assert";
import { SNAPSHOT_RESERVE_FILES } from "../../lib/storage/reserves/snapshot_reserves.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { OneServer, replies } from "./one_server.ts";

const SIZES = { segmentBytesMax: 400_000, reserveBytes: 16_384 };
const WALL_MS = 1_000_000;

function reserves(disk: SimDisk): number[] {
  const paths = SNAPSHOT_RESERVE_FILES.map((name) => `1/snapshot/${name}`);
  return paths.map((path) => disk.exists(path) ? disk.contents(path).length : 0);
}

Deno.test("a start on a full disk gives nothing back of the snapshots' reserve", () => {
  const disk = new SimDisk();
  const before = new OneServer(disk, WALL_MS, SIZES);
  const session = before.node.openSession("a client")!;
  for (let i = 0; i < 40; i++) {
    before.send(session, `set key-${i} 0 5000\r\n${"v".repeat(5_000)}\r\n`);
    before.settle();
  }
  assertEquals(replies(session).match(/^OK/gm)?.length, 40);
  before.pass(2_000);
  const kept = reserves(disk);
  assert(kept.every((length) => length > 200_000), `${kept}`);

  disk.kill();
  disk.capacityBytes = disk.usedBytes();
  disk.hasGreedyNeighbour = true;
  // Until it leads, and has applied its log, it does not know how much a snapshot will hold.
  const again = new OneServer(disk, WALL_MS, SIZES);
  assertEquals(reserves(disk), kept);
  again.pass(10_000);
  assertEquals(reserves(disk), kept);
});
