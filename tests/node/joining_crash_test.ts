/** A server that joins ends at each of its disk's operations meanwhile: the same command line continues it. */
import { assert, assertEquals } from "@std/assert";
import { DEFAULT_STORAGE_LIMITS } from "../../lib/node/limits.ts";
import { clusterIdOf } from "../../lib/node/peers/cluster_id.ts";
import { Formation, FormationStage } from "../../lib/node/peers/formation.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { Random } from "../../lib/util/random.ts";
import { SimCrash, SimDisk } from "../sim/sim_disk.ts";

const FOUNDERS = [1, 2, 3].map((serverId) => ({ serverId, incarnation: `${serverId}`.repeat(16) }));
const CLUSTER_ID = clusterIdOf(FOUNDERS);

/** A start on `disk` that hears of the founders, as server 3, which was one of them in another life. */
function join(disk: SimDisk): DataDirectory {
  const directory = DataDirectory.open(disk, {
    path: "d",
    serverId: 3,
    makeIncarnation: () => "e".repeat(16),
    ...DEFAULT_STORAGE_LIMITS,
    segmentBytesMax: 10_000,
    reserveBytes: 1_000,
  });
  const owner = {
    saveFormation: (record: Parameters<DataDirectory["saveFormation"]>[0]) =>
      directory.saveFormation(record),
    warnOfFormation: (sentence: string) => {
      throw new Error(sentence);
    },
  };
  const { identity, formation: record } = directory;
  const joins = record === null ? CLUSTER_ID : null;
  const formation = new Formation(identity, record, [], owner, joins);
  formation.advance();
  formation.hear(1, {
    stage: FormationStage.formed,
    incarnation: FOUNDERS[0]!.incarnation,
    clusterId: CLUSTER_ID,
    members: FOUNDERS,
  });
  return directory;
}

Deno.test("joining: a crash in each operation of the disk leaves a directory that continues", () => {
  let crashes = 0;
  for (let operation = 1; crashes === operation - 1; operation++) {
    const disk = new SimDisk();
    disk.crashAtOperation = operation;
    try {
      join(disk);
    } catch (error) {
      assert(error instanceof SimCrash, `operation ${operation}: ${error}`);
      crashes++;
    }
    disk.crashAtOperation = Infinity;
    if (operation % 2 === 0) disk.kill();
    else disk.powerLoss(new Random(operation));
    const directory = join(disk);
    assertEquals(directory.formation, {
      stage: "formed",
      clusterId: CLUSTER_ID,
      members: FOUNDERS,
      joined: true,
    });
    directory.openLog();
  }
  assert(crashes > 10, `${crashes} operations`);
});
