/**
 * What a set costs the disk: bytes that reach the block device, writes and flushes, by file system.
 *
 * The disk is one that logs what it is told (tests/power/logged_disks.ts). Beside a server it shows what
 * a program pays that does nothing but write 512 bytes behind the last ones, in a file that has all its
 * blocks, and sync them: the floor of any log on that file system.
 */
import { Cluster } from "../tests/process/harness.ts";
import { RawSocket } from "../tests/process/socket.ts";
import { type FileSystem, makeFileSystem, needsFileSystem } from "../tests/disks/file_systems.ts";
import { onTakeDown, output, takeDown, takeDownAll } from "../tests/disks/file_systems.ts";
import { DiskDaemon, Mounts } from "../tests/power/disk_daemon.ts";
import { FLUSH, readLog } from "../tests/power/write_log.ts";
import { parseFlags } from "./flags.ts";
import { formatCount, formatMs, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:writes [flags]   (root, FUSE and loop devices)

  --sets N           sets of each measurement (600)
  --value-bytes N    (100)
  --only FS          ext4, ext4-plain, xfs, btrfs, btrfs-nodatacow (chattr +C on the data
                     directory) or btrfs-single (one copy of its metadata instead of two)
  --json FILE        writes the results there, too`;

const MIB = 1_048_576;
const IMAGE_BYTES = 512 * MIB;
const FLOOR_BYTES = 512;
const FLOOR_FILE_BYTES = 8 * MIB;
const CLIENTS = [1, 32];

type Made = Exclude<FileSystem, "tmpfs">;
type Kind = Made | "btrfs-nodatacow" | "btrfs-single";
/** Each is made and mounted as one of these, with what the makers are told beside. */
const KINDS: Readonly<Record<Kind, { readonly made: Made; readonly options: readonly string[] }>> =
  {
    "ext4": { made: "ext4", options: [] },
    "ext4-plain": { made: "ext4-plain", options: [] },
    "xfs": { made: "xfs", options: [] },
    "btrfs": { made: "btrfs", options: [] },
    "btrfs-nodatacow": { made: "btrfs", options: [] },
    "btrfs-single": { made: "btrfs", options: ["-m", "single"] },
  };

interface Cost {
  readonly fileSystem: Kind;
  readonly what: string;
  readonly bytes: number;
  readonly writes: number;
  readonly flushes: number;
  /** One at a time: median time of one, in ms; else null. */
  readonly medianMs: number | null;
}

const flags = parseFlags(HELP, { sets: 600, valueBytes: 100, only: "", json: "" });

async function measure(fileSystem: Kind): Promise<Cost[]> {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-writes-" });
  onTakeDown(directory, () => Deno.removeSync(directory, { recursive: true }));
  const image = `${directory}/image`;
  Deno.createSync(image).close();
  Deno.truncateSync(image, IMAGE_BYTES);
  const { made, options } = KINDS[fileSystem];
  makeFileSystem(made, image, options);
  const daemon = await DiskDaemon.start(`${directory}/disks`, `${directory}/log`, [image]);
  const data = `${directory}/data`;
  const mounts = new Mounts(made, [daemon.disk(1)], data);
  try {
    if (fileSystem === "btrfs-nodatacow") output("chattr", "+C", `${data}/1`);
    const costs = [floor(fileSystem, daemon, `${data}/1/floor`)];
    const cluster = new Cluster({ size: 1, path: data });
    try {
      await cluster.startAll();
      for (const clients of CLIENTS) {
        await sets(cluster, clients, Math.min(flags.sets, 200));
        const before = daemon.position;
        const medianMs = await sets(cluster, clients, flags.sets);
        const what = `set, ${clients} ${clients === 1 ? "client" : "clients"}`;
        costs.push(
          cost(fileSystem, what, daemon, before, flags.sets, clients === 1 ? medianMs : null),
        );
      }
    } finally {
      await cluster.stop();
    }
    return costs;
  } finally {
    mounts.remove();
    await daemon.stop();
    takeDown(directory);
  }
}

/** Writes and syncs a little at a time into a file that was written before. */
function floor(fileSystem: Kind, daemon: DiskDaemon, path: string): Cost {
  const file = Deno.openSync(path, { read: true, write: true, create: true });
  const times: number[] = [];
  try {
    for (let at = 0; at < FLOOR_FILE_BYTES; at += MIB) file.writeSync(random(MIB));
    file.syncSync();
    file.seekSync(0, Deno.SeekMode.Start);
    const before = daemon.position;
    for (let n = 0; n < flags.sets; n++) {
      const beganMs = performance.now();
      file.writeSync(random(FLOOR_BYTES));
      file.syncDataSync();
      times.push(performance.now() - beganMs);
    }
    const what = `${FLOOR_BYTES} bytes and a sync`;
    return cost(fileSystem, what, daemon, before, flags.sets, median(times));
  } finally {
    file.close();
  }
}

function random(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(count, at + 65_536)));
  }
  return bytes;
}

/** Each client one set after the other, `count` in all; the median time of a set. */
async function sets(cluster: Cluster, clients: number, count: number): Promise<number> {
  const times: number[] = [];
  const value = "v".repeat(flags.valueBytes);
  let left = count;
  const client = async (number: number) => {
    using socket = await RawSocket.connect(cluster.server(1).clientPort);
    while (left-- > 0) {
      const beganMs = performance.now();
      const line = await socket.ask(`set key-${number} 0 ${value.length}\r\n${value}\r\n`);
      times.push(performance.now() - beganMs);
      if (!line.startsWith("OK ")) throw new Error(line);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
  return median(times);
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

function cost(
  fileSystem: Kind,
  what: string,
  daemon: DiskDaemon,
  from: number,
  count: number,
  medianMs: number | null,
): Cost {
  const records = readLog(daemon.logPath).filter((record) => record.dataAt > from);
  const flushes = records.filter(({ kind }) => kind === FLUSH).length;
  const bytes = records.reduce((sum, record) => sum + record.bytes, 0);
  return {
    fileSystem,
    what,
    bytes: bytes / count,
    writes: (records.length - flushes) / count,
    flushes: flushes / count,
    medianMs,
  };
}

if (import.meta.main) {
  const all: Cost[] = [];
  for (const kind of Object.keys(KINDS) as Kind[]) {
    if (flags.only !== "" && kind !== flags.only) continue;
    const reason = needsFileSystem(KINDS[kind].made);
    if (reason === null) all.push(...await measure(kind));
    else console.log(`${kind}: not measured: ${reason}`);
  }
  const head = ["file system", "what", "bytes", "writes", "flushes", "median, ms"];
  console.log(formatTable(
    head,
    all.map((one) => [
      one.fileSystem,
      one.what,
      formatCount(one.bytes),
      one.writes.toFixed(2),
      one.flushes.toFixed(2),
      one.medianMs === null ? "" : formatMs(one.medianMs),
    ]),
  ));
  writeJson(flags.json || undefined, "writes", { costs: all });
  takeDownAll();
  Deno.exit(0);
}
