/**
 * What only a server's own machine can tell, where a server's data directory is on this one. The list of
 * mounts is closed to this program, as is all of /proc, so the type of a file system is what /etc/fstab
 * says of its mount point; where that says nothing, the command that knows it is named.
 */
import type { HostProcess } from "../../host/process.ts";
import { readClusterFile } from "../cluster_file.ts";
import { DEFAULTS } from "../connect/servers.ts";
import { visibleText } from "../output/escape.ts";
import type { ClusterNow } from "./ask_all.ts";
import type { Finding } from "./findings.ts";

/** One line of /etc/fstab. */
export interface Mount {
  readonly point: string;
  readonly type: string;
  readonly isReadOnly: boolean;
}

/** Where all of a write's promises were tried; docs/operating.md says how. */
const TRIED = ["ext4", "xfs", "btrfs"];
const IN_MEMORY = ["tmpfs", "ramfs", "devtmpfs"];
const OVER_NETWORK = /^(nfs|cifs|smb|9p|fuse|ceph|gluster|afs)/;

/**
 * `now`: which servers there are, where no cluster file says so and they were named otherwise. `mountPoint`
 * gives the mount point that a path is on; null where there is no such path.
 */
export function fileSystems(
  host: HostProcess,
  configFlag: string | undefined,
  { choice, answers }: Pick<ClusterNow, "choice" | "answers">,
  mountPoint: (path: string) => string | null,
): Finding[] {
  const wanted = configFlag ?? host.environment("RAFTKV_CONFIG");
  const { config, configFile } = readClusterFile(wanted, host);
  const root = host.environment("RAFTKV_DATA") ?? config.path;
  const areKnown = configFile !== null || choice.from === DEFAULTS;
  const ids = areKnown
    ? config.servers.map(({ id }) => id)
    : answers.flatMap(({ status }) => status === null ? [] : [status.serverId]);
  const here = ids.flatMap((id) => {
    const directory = `${root}/${id}`;
    const point = mountPoint(directory);
    return point === null ? [] : [{ id, directory, point }];
  });
  if (here.length === 0) {
    const found = "no server's data directory is here: run this on the servers' machines too";
    return [{ probe: PROBE, verdict: "unknown", found, advice: "" }];
  }
  const mounts = readFstab(textOf(host, "/etc/fstab"));
  return here.map(({ id, directory, point }) => {
    const mount = mounts.find((one) => one.point === point) ?? inMemory(point);
    return mount === null ? unknown(id, directory, point) : judge(id, mount);
  });
}

const PROBE = "file system";

function textOf(host: Pick<HostProcess, "readTextFile">, path: string): string {
  try {
    return host.readTextFile(path) ?? "";
  } catch {
    return "";
  }
}

/** Pure. */
export function readFstab(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [, place, type, options] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (place === undefined || type === undefined || !place.startsWith("/")) return [];
    const point = place.replace(/\\([0-7]{3})/g, (_, octal) => {
      return String.fromCharCode(parseInt(octal, 8));
    });
    return [{ point, type, isReadOnly: (options ?? "").split(",").includes("ro") }];
  });
}

/** What is memory on every Linux, though no file says so. */
function inMemory(point: string): Mount | null {
  const isMemory = point === "/dev/shm" || point === "/run" || point.startsWith("/run/user/");
  return isMemory ? { point, type: "tmpfs", isReadOnly: false } : null;
}

function unknown(id: number, directory: string, point: string): Finding {
  const found = `server ${id}: /etc/fstab does not list ${visibleText(point)}, where its data is`;
  const advice = `see that findmnt -T ${visibleText(directory)} names one of ${TRIED.join(", ")}`;
  return { probe: PROBE, verdict: "unknown", found, advice };
}

function judge(id: number, mount: Mount): Finding {
  const probe = PROBE;
  const type = visibleText(mount.type);
  const at = `server ${id}: ${type} on ${visibleText(mount.point)}`;
  if (mount.isReadOnly) {
    const advice = "mount it for writing; where it went read-only by itself, look at dmesg";
    return { probe, verdict: "fault", found: `${at}, read-only`, advice };
  }
  if (IN_MEMORY.includes(mount.type)) {
    const advice =
      "move the data to a disk: a restart of the machine loses it, and with it promises";
    return { probe, verdict: "fault", found: `${at}, which is memory`, advice };
  }
  if (OVER_NETWORK.test(mount.type)) {
    const advice = "use a disk of the machine itself: a sync may mean less there, and hang";
    return { probe, verdict: "warning", found: `${at}, over the network or in user space`, advice };
  }
  if (TRIED.includes(mount.type)) return { probe, verdict: "ok", found: at, advice: "" };
  const advice = `raftkv was tried on ${TRIED.join(", ")}: prefer one of these`;
  return { probe, verdict: "warning", found: `${at}, which was not tried`, advice };
}
