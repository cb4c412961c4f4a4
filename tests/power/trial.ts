/** One power cut: the images that it may leave are mounted, the servers started, everything is read. */
import { Operator } from "../disks/operator.ts";
import { Random } from "../../lib/util/random.ts";
import { sleep } from "../process/patience.ts";
import { DiskDaemon, Mounts } from "./disk_daemon.ts";
import { copyImage, type Fate, FATES, HONEST, type Honesty, ImageBuilder } from "./images.ts";
import { dataPath, type Recording } from "./recording.ts";
import { isSuperblockTorn } from "./superblock.ts";
import { type PlacedRecord, readLog } from "./write_log.ts";

const SERVED_WITHIN_MS = 30_000;
const ASK_AGAIN_MS = 20;
/** Of the cuts: the servers that start after it are cut off, too. */
const SECOND_CUTS_SHARE = 0.2;
const VERSION_WRITTEN_OVER = 2;

export interface TrialResult {
  cuts: number;
  secondCuts: number;
  /** Writes that had to be there, over all cuts. */
  acknowledged: number;
  /** Keys that were not as they have to be, a sentence each. */
  lost: string[];
  startsRefused: string[];
  notServed: string[];
  /** The file system itself could not be mounted. */
  notMounted: string[];
  /** The same where its own superblock was torn, see `superblock.ts`: no server can do anything then. */
  superblocksTorn: number;
  /** Cuts whose log ended in a segment that is written over. */
  writtenOver: number;
  /** Starts that found a torn tail. */
  suspect: number;
}

export function emptyResult(): TrialResult {
  return {
    cuts: 0,
    secondCuts: 0,
    acknowledged: 0,
    lost: [],
    startsRefused: [],
    notServed: [],
    notMounted: [],
    superblocksTorn: 0,
    writtenOver: 0,
    suspect: 0,
  };
}

export interface TrialOptions {
  readonly cuts: number;
  readonly seed: number;
  /** Of the disk number `disk`, from 0 on; all are honest unless given. */
  readonly honestyOf?: (disk: number) => Honesty;
  readonly isOver?: () => boolean;
}

/** Tries `cuts` cuts of the recording, in the order in which they come. */
export async function tryCuts(recording: Recording, options: TrialOptions): Promise<TrialResult> {
  const { cuts, seed, honestyOf = () => HONEST, isOver = () => false } = options;
  const random = new Random(seed);
  const result = emptyResult();
  const { records, bases, logPath, directory } = recording;
  const positions = Array.from({ length: cuts }, () => choosePosition(records, random))
    .sort((a, b) => a - b);
  const builders = bases.map((base, disk) => {
    const certain = `${directory}/certain-${disk + 1}`;
    return new ImageBuilder(logPath, records, disk, base, certain, honestyOf(disk));
  });
  try {
    for (const position of positions) {
      if (isOver()) break;
      const images = builders.map((builder, disk) => {
        const path = `${directory}/cut-${disk + 1}`;
        builder.build(position, random.pick(FATES), random, path);
        return path;
      });
      await tryOne(recording, images, position, random, result);
    }
  } finally {
    for (const builder of builders) builder.close();
  }
  return result;
}

/** Behind any record alike; half of them at a flush, where what is certain changes. */
function choosePosition(records: readonly PlacedRecord[], random: Random): number {
  const at = random.between(0, records.length - 1);
  if (random.chance(0.5)) return records[at]!.end;
  const flush = records.findIndex(({ bytes }, i) => i >= at && bytes === 0);
  const near = flush === -1 ? at : flush + random.between(-1, 1);
  return records[Math.min(records.length - 1, Math.max(0, near))]!.end;
}

async function tryOne(
  recording: Recording,
  images: readonly string[],
  position: number,
  random: Random,
  result: TrialResult,
): Promise<void> {
  result.cuts++;
  let start = images;
  if (random.chance(SECOND_CUTS_SHARE)) {
    const second = await cutAgain(recording, images, random, result, position);
    if (second === null) return;
    start = second;
    result.secondCuts++;
  }
  const where = `cut at ${position}${start === images ? "" : ", cut again in the start after it"}`;
  let mounts: Mounts;
  try {
    mounts = new Mounts(recording.options.fileSystem, start, dataPath(recording.directory));
  } catch (error) {
    noteNotMounted(recording, start, `${where}: ${(error as Error).message}`, result);
    return;
  }
  try {
    if (endsWrittenOver(recording)) result.writtenOver++;
    await startAndRead(recording, position, where, result);
  } finally {
    await recording.cluster.stopServers();
    mounts.remove();
  }
}

function noteNotMounted(
  { options: { fileSystem } }: Recording,
  images: readonly string[],
  why: string,
  result: TrialResult,
): void {
  if (fileSystem === "btrfs" && images.some(isSuperblockTorn)) result.superblocksTorn++;
  else result.notMounted.push(why);
}

/** Starts servers on logged disks of `images`, and cuts them off in that; null where it can't be. */
async function cutAgain(
  recording: Recording,
  images: readonly string[],
  random: Random,
  result: TrialResult,
  position: number,
): Promise<string[] | null> {
  const { directory, cluster, options: { fileSystem } } = recording;
  const bases = images.map((image) => `${image}-base`);
  images.forEach((image, i) => copyImage(image, bases[i]!));
  const logPath = `${directory}/second-log`;
  const daemon = await DiskDaemon.start(`${directory}/second-disks`, logPath, images);
  let mounts: Mounts | null = null;
  try {
    const disks = images.map((_, i) => daemon.disk(i + 1));
    mounts = new Mounts(fileSystem, disks, dataPath(directory));
    for (const server of cluster.servers) server.start();
    await untilServed(recording);
  } catch (error) {
    noteNotMounted(recording, images, `cut at ${position}: ${(error as Error).message}`, result);
    return null;
  } finally {
    await cluster.stopServers();
    mounts?.remove();
    await daemon.stop();
  }
  const records = readLog(logPath);
  const at = records.length === 0 ? 0 : choosePosition(records, random);
  return images.map((image, disk) => {
    const builder = new ImageBuilder(logPath, records, disk, bases[disk]!, `${image}-certain`);
    const fate: Fate = random.pick(FATES);
    builder.build(at, fate, random, image);
    builder.close();
    return image;
  });
}

async function startAndRead(
  recording: Recording,
  position: number,
  where: string,
  result: TrialResult,
): Promise<void> {
  const { cluster, ledger } = recording;
  for (const server of cluster.servers) server.start();
  const isServed = await untilServed(recording);
  for (const server of cluster.servers) {
    const said = server.process.error;
    if (said.includes("tail cut off")) result.suspect++;
    if (server.isRunning) continue;
    result.startsRefused.push(`${where}: ${said.trim().split("\n").at(-1)}`);
  }
  if (!isServed) {
    result.notServed.push(`${where}: ${cluster.describe()}`);
    return;
  }
  result.acknowledged += ledger.acknowledgedBy(position);
  using operator = new Operator(cluster.servers);
  for (const key of ledger.keys) {
    const value = await operator.get(key);
    const fault = value === undefined ? `${key} is not served` : ledger.fault(key, value, position);
    if (fault !== null) result.lost.push(`${where}: ${fault}`);
  }
  const { kind } = await operator.set("after-the-cut", "x");
  if (kind !== "done" && !recording.options.full) {
    result.notServed.push(`${where}: a set afterwards is ${kind}`);
  }
}

/** True once a read is served; false where all servers ended, or none serves in time. */
async function untilServed({ cluster }: Recording): Promise<boolean> {
  const deadlineMs = performance.now() + SERVED_WITHIN_MS;
  while (performance.now() < deadlineMs) {
    if (cluster.servers.every((server) => !server.isRunning)) return false;
    for (const server of cluster.servers) {
      if (server.isRunning && await isServing(server)) return true;
    }
    await sleep(ASK_AGAIN_MS);
  }
  return false;
}

async function isServing(server: Recording["cluster"]["servers"][number]): Promise<boolean> {
  try {
    using socket = await server.connect(1_000);
    const line = await socket.ask("get probe\r\n");
    return line === "ERR_NOT_FOUND";
  } catch {
    return false;
  }
}

/** Whether the last segment of any server is one that is written over. */
function endsWrittenOver({ cluster }: Recording): boolean {
  return cluster.servers.some(({ dataDirectory }) => {
    try {
      const names = [...Deno.readDirSync(`${dataDirectory}/wal`)].map(({ name }) => name);
      const last = names.filter((name) => name.endsWith(".log")).sort().at(-1);
      if (last === undefined) return false;
      const file = Deno.openSync(`${dataDirectory}/wal/${last}`);
      try {
        const head = new Uint8Array(9);
        return file.readSync(head) === head.length && head[8] === VERSION_WRITTEN_OVER;
      } finally {
        file.close();
      }
    } catch {
      return false;
    }
  });
}
