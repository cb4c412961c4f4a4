/** Which runs are recorded, and how many cuts of each are tried. */
import type { FileSystem } from "../disks/file_systems.ts";

export type Control =
  | "no sync"
  | "no directory sync"
  | "flushes ignored"
  /** The first server's disk alone lies: what it finds is a figure, as two honest ones may mend it. */
  | "one of three ignores flushes";

export interface Plan {
  readonly fileSystem: Exclude<FileSystem, "tmpfs">;
  readonly size: 1 | 3;
  readonly full: boolean;
  readonly cuts: number;
  /** What is taken away, so that losses have to be found; null where none may be. */
  readonly control: Control | null;
}

const FILE_SYSTEMS = ["ext4", "xfs", "btrfs"] as const;

export function listPlans(share: "all" | "short"): Plan[] {
  if (share === "short") {
    return [
      { fileSystem: "ext4", size: 1, full: false, cuts: 40, control: null },
      { fileSystem: "xfs", size: 1, full: false, cuts: 15, control: null },
      { fileSystem: "btrfs", size: 1, full: false, cuts: 15, control: null },
      { fileSystem: "ext4", size: 3, full: false, cuts: 8, control: null },
      { fileSystem: "ext4", size: 1, full: false, cuts: 8, control: "flushes ignored" },
    ];
  }
  const plans: Plan[] = [];
  for (const fileSystem of FILE_SYSTEMS) {
    plans.push(
      { fileSystem, size: 1, full: false, cuts: 200, control: null },
      { fileSystem, size: 1, full: true, cuts: 100, control: null },
      { fileSystem, size: 3, full: false, cuts: 70, control: null },
      { fileSystem, size: 3, full: true, cuts: 30, control: null },
      { fileSystem, size: 1, full: false, cuts: 30, control: "flushes ignored" },
      { fileSystem, size: 1, full: false, cuts: 20, control: "no sync" },
    );
  }
  plans.push({
    fileSystem: "ext4",
    size: 3,
    full: false,
    cuts: 80,
    control: "one of three ignores flushes",
  });
  // A journal writes names with the next sync of a file: where there is none, they need their own.
  for (const fileSystem of ["ext4", "ext4-plain"] as const) {
    plans.push({ fileSystem, size: 1, full: false, cuts: 60, control: "no directory sync" });
  }
  return plans;
}

export function planName({ fileSystem, size, full, control }: Plan): string {
  const who = size === 1 ? "one" : "three at once";
  return [fileSystem, who, full ? "full disk" : null, control]
    .filter((part) => part !== null).join(", ");
}
