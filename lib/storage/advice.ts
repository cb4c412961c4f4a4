/**
 * What an operator can do about a file that can't be used. It depends on who else has the data: an
 * only server has nobody to fetch it from, and a server of several is a stranger to the others once
 * its directory is empty.
 */

import type { FormationRecord } from "./types.ts";

/** How many servers the cluster has; null where nothing that can be read says so. */
export type ClusterSize = number | null;

/** What a server's record tells of it: one that was added later does not know how many there are by now. */
export function clusterSizeOf({ members, joined }: FormationRecord): ClusterSize {
  return joined === true ? null : members.length;
}

/** The way back if a whole file is lost or damaged, and the server can't start without it. */
export function restoreAdvice(size: ClusterSize, what = "the file"): string {
  const restore = `Restore ${what} from a copy of this directory.`;
  if (size === null) {
    return `${restore} An empty directory is no way back: the other servers of a cluster refuse ` +
      "it, and a server alone would begin an empty cluster with it.";
  }
  if (size === 1) {
    return `${restore} This server is its whole cluster: nobody else has its data, and with an ` +
      "empty directory it would begin an empty cluster. Where there is no copy, `raftkv restore` " +
      "founds a new cluster from a backup.";
  }
  return `${restore} Until then leave this server stopped: the others continue as long as ` +
    `they are a majority (${majorityOf(size)} of ${size}), and would refuse it with an empty ` +
    "directory. Where there is no copy, `raftkv serve --join` on an empty directory and " +
    "`raftkv member replace` put a new one in its place. Where a majority is lost for good, " +
    "`raftkv recover` founds a new cluster from what is left of another server.";
}

/** The way back where a part of the log or of a snapshot is damaged, and the server can't repair it. */
export function damagedLogAdvice(size: ClusterSize): string {
  const unchanged = "Nothing was changed.";
  if (size === 1) {
    return `${unchanged} This server is its whole cluster, so nobody else has what is lost: put ` +
      "back a copy of the whole directory, and know that what was written after it was made is " +
      "lost then. Without one, `raftkv recover` shows what can still be read here, and founds a " +
      "new cluster from it; `raftkv restore` founds one from a backup.";
  }
  return `${unchanged} The other servers continue without this one while they are a majority; ` +
    "put back a copy of this file, or keep this server stopped until it can be repaired from its " +
    "peers. Do not delete the directory while another server is down. Where a majority is lost " +
    "for good, `raftkv recover --compare` says which directory to found a new cluster from.";
}

function majorityOf(size: number): number {
  return Math.floor(size / 2) + 1;
}
