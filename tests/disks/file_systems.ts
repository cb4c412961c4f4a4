/**
 * File systems to try servers on: made in an image file on a loop device (tmpfs needs neither), mounted,
 * and always taken down again, also where a run is ended by a signal.
 */
import { needsProgram, needsRoot, run, unmet } from "../process/requirements.ts";

/** ext4-plain is ext4 without its journal. */
export const FILE_SYSTEMS = ["tmpfs", "ext4", "ext4-plain", "xfs", "btrfs"] as const;
export type FileSystem = typeof FILE_SYSTEMS[number];

/** What makes one on the device or image named at the end; tmpfs needs nothing. */
const MAKERS: Readonly<Record<Exclude<FileSystem, "tmpfs">, readonly string[]>> = {
  // No blocks for root alone: "available" is then what this process can write.
  "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
  "ext4-plain": ["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal"],
  "xfs": ["mkfs.xfs", "-q", "-f"],
  "btrfs": ["mkfs.btrfs", "-q", "-f"],
};

/** Discards would change the image beside the writes that are looked at. */
const MOUNT_OPTIONS: Readonly<Record<FileSystem, string>> = {
  "tmpfs": "mode=0700",
  "ext4": "nodiscard",
  "ext4-plain": "nodiscard",
  "xfs": "nodiscard",
  "btrfs": "nodiscard",
};

/** Runs a program and returns what it printed. @throws {Error} with what it said, where it fails. */
export function output(program: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args }).outputSync();
  if (success) return new TextDecoder().decode(stdout).trim();
  const said = new TextDecoder().decode(stderr).trim();
  throw new Error(`${program} ${args.join(" ")}: ${said || "it failed"}`);
}

/** Makes a file system on `target`, an image file or a device. */
export function makeFileSystem(
  kind: Exclude<FileSystem, "tmpfs">,
  target: string,
  options: readonly string[] = [],
): void {
  const [program, ...args] = MAKERS[kind];
  output(program!, ...args, ...options, target);
}

/** Why a kind can't be tried here; null where it can. */
export function needsFileSystem(kind: FileSystem): string | null {
  const notRoot = needsRoot();
  if (notRoot !== null) return notRoot;
  if (kind === "tmpfs") return needsMounts();
  const maker = MAKERS[kind][0]!;
  return unmet(
    needsProgram(maker, "-V"),
    needsMounts(),
    needsLoopDevices(),
    isKnown(kind.replace("-plain", "")) ? null : `this system knows no ${kind}`,
  );
}

/** Root in a container may do neither: tried, not asked. */
function needsMounts(): string | null {
  const at = Deno.makeTempDirSync({ prefix: "raftkv-disks-" });
  try {
    const refused = run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", at);
    return refused === null ? run("umount", "-l", at) : refused.split("\n")[0]!;
  } finally {
    Deno.removeSync(at);
  }
}

function needsLoopDevices(): string | null {
  const file = Deno.makeTempFileSync({ prefix: "raftkv-disks-" });
  try {
    Deno.truncateSync(file, 1_048_576);
    takeDown(attachLoop(file));
    return null;
  } catch (error) {
    return `no loop device: ${(error as Error).message}`;
  } finally {
    Deno.removeSync(file);
  }
}

function isKnown(kind: string): boolean {
  return new RegExp(`\\b${kind}$`, "m").test(Deno.readTextFileSync("/proc/filesystems"));
}

/** What is mounted, or attached to a loop device, now: undone in turn, the last first. */
const undo = new Map<string, () => void>();

/** Undoes whatever is left; each is tried, whatever becomes of the others. */
export function takeDownAll(): void {
  for (const [name, down] of [...undo].reverse()) {
    undo.delete(name);
    try {
      down();
    } catch (error) {
      console.error(`${name}: ${(error as Error).message}`);
    }
  }
}

globalThis.addEventListener("unload", takeDownAll);

/** Keeps `down` to be called by `takeDownAll`, unless `takeDown(name)` is called before. */
export function onTakeDown(name: string, down: () => void): void {
  undo.set(name, down);
}

export function takeDown(name: string): void {
  const down = undo.get(name);
  undo.delete(name);
  down?.();
}

/** Attaches `file` to a free loop device; returns the device. */
export function attachLoop(file: string, ...options: readonly string[]): string {
  const device = output("losetup", "--find", "--show", ...options, file);
  onTakeDown(device, () => output("losetup", "--detach", device));
  return device;
}

/** Mounts a device (for tmpfs: none) on the directory `at`, which is made. */
export function mount(kind: FileSystem, device: string, at: string, options = ""): void {
  Deno.mkdirSync(at, { recursive: true, mode: 0o700 });
  const type = kind.replace("-plain", "");
  const all = [MOUNT_OPTIONS[kind], options].filter((one) => one !== "").join(",");
  output("mount", "-t", type, "-o", all, device, at);
  onTakeDown(at, () => unmount(at));
}

/** A process that was just killed may hold it for a moment longer. */
function unmount(at: string): void {
  for (let tries = 0; tries < 50; tries++) {
    if (new Deno.Command("umount", { args: [at], stderr: "null" }).outputSync().success) return;
    // On a disk without room it may fail in the flush before its end, and be unmounted all the same.
    if (!isMounted(at)) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
  output("umount", "-l", at);
}

function isMounted(at: string): boolean {
  return Deno.readTextFileSync("/proc/mounts").split("\n").some((line) =>
    line.split(" ")[1] === at
  );
}

/** Bytes that can still be written, as the system says. */
export function availableBytes(at: string): number {
  return Number(output("df", "--output=avail", "-B1", at).split("\n").at(-1));
}
