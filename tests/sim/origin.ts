/** Disks of servers whose log begins far ahead: formed, with an empty snapshot at some position. */
import { Store } from "../../lib/kv/store.ts";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { clusterIdOf } from "../../lib/node/peers/cluster_id.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import type { SimOptions } from "./options.ts";
import { SimDisk } from "./sim_disk.ts";

/** Where the simulated data directory lies on its disk. */
export const DATA_PATH = "data";
const CLOCK_MS = 1_767_225_600_000;

function incarnationOf(serverId: number): string {
  return serverId.toString(16).padStart(16, "0");
}

/** The disk of a server that took part in everything up to `options.origin`. */
export function preparedDisk(options: SimOptions, serverId: number): SimDisk {
  const { origin } = options;
  const disk = new SimDisk();
  const directory = DataDirectory.open(disk, {
    path: DATA_PATH,
    serverId,
    makeIncarnation: () => incarnationOf(serverId),
    ...options.storage,
  });
  const ids = Array.from({ length: options.servers }, (_, at) => at + 1);
  const members = ids.map((id) => ({ serverId: id, incarnation: incarnationOf(id) }));
  const clusterId = clusterIdOf(members);
  directory.saveFormation({ stage: "prepared", clusterId, members });
  directory.saveFormation({ stage: "formed", clusterId, members });
  const { log } = directory.openLog();
  const settle = (error: Error | null) => {
    if (error !== null) throw error;
  };
  const position = { index: origin.index, term: origin.term };
  const writer = directory.snapshots.begin(position, makeConfiguration(ids));
  const digest = new Store({ hashSeed: 0 }).digest();
  const { index, version: floor } = origin;
  writer.head({
    index,
    clockMs: CLOCK_MS,
    floor,
    keys: 0,
    digest,
    clusterVersion: 1,
    users: null,
    clientSessions: null,
    loadedScripts: null,
  });
  writer.finish(settle);
  disk.completeAll();
  const hardState = { term: origin.term, votedFor: 0, suspect: false };
  log.persist({ hardState, entries: [], messagesAfterSync: [] }, settle);
  disk.completeAll();
  log.restart(position, settle);
  disk.completeAll();
  directory.close();
  return disk;
}
