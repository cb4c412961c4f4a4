/** What is tried: on which file system, who fills which servers' volumes, and how they are left again. */
import { FILE_SYSTEMS, type FileSystem } from "./file_systems.ts";
import type { NeighbourKind } from "./volume.ts";

/** Whose volumes become full, by the part that a server has at that moment. */
export type Full =
  | "the server"
  | "leader"
  | "follower"
  | "followers"
  | "leader and follower"
  | "all";

export type Filling =
  /** Clients' sets; room comes back by deleting key by key, or all at once. */
  | { readonly by: "sets"; readonly leftBy: "deletes" | "FLUSHALL" }
  /** Another program; room comes back when it ends and its file goes. */
  | { readonly by: "neighbour"; readonly kind: NeighbourKind };

export interface DiskCase {
  readonly fileSystem: FileSystem;
  readonly size: 1 | 3;
  readonly full: Full;
  readonly filling: Filling;
}

const NEIGHBOURS: readonly Filling[] = [
  { by: "neighbour", kind: "stops" },
  { by: "neighbour", kind: "greedy" },
];
const SETS: readonly Filling[] = [
  { by: "sets", leftBy: "deletes" },
  { by: "sets", leftBy: "FLUSHALL" },
];
const OF_THREE: readonly Full[] = [
  "follower",
  "followers",
  "leader",
  "leader and follower",
  "all",
];

/** Every case; `share` is the part of them that a change has to wait for. */
export function listCases(share: "all" | "short"): DiskCase[] {
  const cases: DiskCase[] = [];
  for (const fileSystem of FILE_SYSTEMS) {
    for (const filling of [...SETS, ...NEIGHBOURS]) {
      cases.push({ fileSystem, size: 1, full: "the server", filling });
    }
    for (const filling of SETS) cases.push({ fileSystem, size: 3, full: "all", filling });
    for (const full of OF_THREE) {
      for (const filling of NEIGHBOURS) cases.push({ fileSystem, size: 3, full, filling });
    }
  }
  return share === "all" ? cases : cases.filter((one) => SHORT.has(caseName(one)));
}

/** Each file system, each way of filling and each part at least once. */
const SHORT: ReadonlySet<string> = new Set([
  "tmpfs, one: filled by sets, left by deletes",
  "tmpfs, three, followers: greedy neighbour",
  "tmpfs, three, leader: neighbour that stops",
  "ext4, one: filled by sets, left by FLUSHALL",
  "ext4, one: greedy neighbour",
  "ext4, three, follower: greedy neighbour",
  "ext4-plain, one: greedy neighbour",
  "xfs, one: greedy neighbour",
  "btrfs, one: neighbour that stops",
]);

export function caseName({ fileSystem, size, full, filling }: DiskCase): string {
  const who = size === 1 ? "one" : `three, ${full}`;
  const how = filling.by === "sets"
    ? `filled by sets, left by ${filling.leftBy}`
    : filling.kind === "stops"
    ? "neighbour that stops"
    : "greedy neighbour";
  return `${fileSystem}, ${
    size === 3 && full === "all" && filling.by === "sets" ? "three" : who
  }: ${how}`;
}
