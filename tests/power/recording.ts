/** A run of servers under load on logged disks: what the disks were told, and what the clients were. */
import { Random } from "../../lib/util/random.ts";
import {
  availableBytes,
  type FileSystem,
  makeFileSystem,
  onTakeDown,
  takeDown,
} from "../disks/file_systems.ts";
import { Operator } from "../disks/operator.ts";
import { Cluster } from "../process/harness.ts";
import { run } from "../process/requirements.ts";
import { sleep } from "../process/patience.ts";
import { DiskDaemon, Mounts } from "./disk_daemon.ts";
import { copyImage } from "./images.ts";
import { PowerLedger } from "./ledger.ts";
import { type PlacedRecord, readLog } from "./write_log.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** The least that each maker takes. */
const IMAGE_BYTES: Readonly<Record<string, number>> = {
  "ext4": 96 * MIB,
  "ext4-plain": 96 * MIB,
  "xfs": 320 * MIB,
  "btrfs": 160 * MIB,
};
/** Small, so that segments change, are written over and snapshots are taken every second. */
const STORAGE = {
  segmentBytesMax: 256 * KIB,
  reserveBytes: 512 * KIB,
  snapshotLogBytesMin: 256 * KIB,
};
const WRITERS = 5;
const KEYS_EACH = 6;
const VALUE_BYTES_MAX = 2_500;
const DELETES_SHARE = 0.1;
/** What a neighbour leaves, for as long as the disk is full. */
const LEFT_BYTES = 64 * KIB;
const PIECE_BYTES = 2 * MIB;
/** From when to when the disk is full, as shares of the load. */
const FULL_FROM = 0.35;
const FULL_TO = 0.8;

export interface RecordingOptions {
  readonly fileSystem: Exclude<FileSystem, "tmpfs">;
  readonly size: 1 | 3;
  readonly loadMs: number;
  readonly seed: number;
  /** Another program fills the disks for half of the time. */
  readonly full: boolean;
}

export interface Recording {
  readonly options: RecordingOptions;
  /** Everything below is in here; removed by `removeRecording`. */
  readonly directory: string;
  readonly cluster: Cluster;
  /** The images before the first write of the log. */
  readonly bases: readonly string[];
  readonly logPath: string;
  readonly records: readonly PlacedRecord[];
  readonly ledger: PowerLedger;
  readonly refused: number;
}

/** Where servers find their mounted disks, and trials mount theirs. */
export function dataPath(directory: string): string {
  return `${directory}/data`;
}

export async function record(options: RecordingOptions): Promise<Recording> {
  const { fileSystem, size } = options;
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-power-" });
  onTakeDown(directory, () => Deno.removeSync(directory, { recursive: true }));
  const numbers = Array.from({ length: size }, (_, i) => i + 1);
  const bases = numbers.map((n) => `${directory}/base-${n}`);
  const images = numbers.map((n) => `${directory}/live-${n}`);
  bases.forEach((base, i) => {
    Deno.createSync(base).close();
    Deno.truncateSync(base, IMAGE_BYTES[fileSystem]!);
    makeFileSystem(fileSystem, base);
    copyImage(base, images[i]!);
  });
  const logPath = `${directory}/log`;
  const cluster = new Cluster({ size, path: dataPath(directory), storage: STORAGE });
  const daemon = await DiskDaemon.start(`${directory}/disks`, logPath, images);
  let mounts: Mounts | null = null;
  const ledger = new PowerLedger();
  let end = 0;
  let refused = 0;
  try {
    mounts = new Mounts(fileSystem, numbers.map((n) => daemon.disk(n)), dataPath(directory));
    await cluster.startAll();
    refused = await load(options, cluster, daemon, ledger);
    end = daemon.position;
  } finally {
    await cluster.stopServers();
    mounts?.remove();
    await daemon.stop();
  }
  for (const image of images) Deno.removeSync(image);
  const records = readLog(logPath).filter((one) => one.end <= end);
  return { options, directory, cluster, bases, logPath, records, ledger, refused };
}

export async function removeRecording({ directory, cluster }: Recording): Promise<void> {
  await cluster.stop();
  takeDown(directory);
}

/** Writers with keys of their own; returns how many writes were refused. */
async function load(
  options: RecordingOptions,
  cluster: Cluster,
  daemon: DiskDaemon,
  ledger: PowerLedger,
): Promise<number> {
  const beganMs = performance.now();
  const isOver = () => performance.now() - beganMs >= options.loadMs;
  let refused = 0;
  const writer = async (number: number) => {
    const random = new Random(options.seed * 100 + number);
    using operator = new Operator(cluster.servers);
    while (!isOver()) {
      const key = `key-${number}-${random.between(1, KEYS_EACH)}`;
      const value = random.chance(DELETES_SHARE) ? null : makeValue(random);
      const write = ledger.begin(key, value, daemon.position);
      const { kind } = value === null ? await operator.delete(key) : await operator.set(key, value);
      if (kind === "done") write.ackedAt = daemon.position;
      else if (kind !== "unknown") {
        write.ackedAt = null;
        refused++;
        await sleep(5);
      }
    }
  };
  const writers = Array.from({ length: WRITERS }, (_, i) => writer(i));
  if (options.full) await fillMeanwhile(options, cluster);
  await Promise.all(writers);
  return refused;
}

function makeValue(random: Random): string {
  const length = random.chance(0.5) ? random.between(1, 200) : random.between(200, VALUE_BYTES_MAX);
  let text = `${random.u32().toString(36)}:`;
  while (text.length < length) text += random.u32().toString(36);
  return text.slice(0, Math.max(length, 12));
}

async function fillMeanwhile({ loadMs }: RecordingOptions, cluster: Cluster): Promise<void> {
  const files = cluster.servers.map(({ dataDirectory }) => `${dataDirectory}/of-a-neighbour`);
  await sleep(loadMs * FULL_FROM);
  for (const file of files) {
    takeRoom(file);
  }
  await sleep(loadMs * (FULL_TO - FULL_FROM));
  for (const file of files) Deno.removeSync(file);
}

/** Leaves little room beside `file`: btrfs says more than it gives, so a piece less is tried then. */
function takeRoom(file: string): void {
  const directory = file.slice(0, file.lastIndexOf("/"));
  Deno.createSync(file).close();
  for (let room = availableBytes(directory) - LEFT_BYTES; room > 0; room -= PIECE_BYTES) {
    if (run("fallocate", "-l", `${room}`, file) === null) return;
  }
}
