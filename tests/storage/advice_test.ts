/** What an operator is told to do: it has to be possible, for a cluster of that size. */
import { assert } from "@std/assert";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import type { FormationRecord } from "../../lib/storage/types.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { CLUSTER, INCARNATION, options, refusal, segmentPath } from "./helpers.ts";

const SIZES = [1, 3, 5];

function formed(size: number): FormationRecord {
  const members = Array.from({ length: size }, (_, i) => ({
    serverId: i + 1,
    incarnation: i === 0 ? INCARNATION : `${i}`.repeat(16),
  }));
  return { stage: "formed", clusterId: CLUSTER, members };
}

/** A directory of a server of `size`, with a log. */
function makeDirectory(size: number): SimDisk {
  const disk = new SimDisk();
  const directory = DataDirectory.open(disk, options());
  directory.saveFormation({ ...formed(size), stage: "prepared" });
  directory.saveFormation(formed(size));
  directory.openLog();
  directory.close();
  return disk;
}

/** What startup says of `disk`. `servers`: as many as the cluster file names. */
function said(disk: SimDisk, servers: number): string {
  const start = () => DataDirectory.open(disk, options({ servers })).openLog();
  return refusal(start) ?? "it started";
}

const HARM: Readonly<Record<string, (disk: SimDisk) => void>> = {
  "a damaged identity": (disk) => flip(disk, "1/identity", 44),
  "an identity without a head": (disk) => flip(disk, "1/identity", 3),
  "an identity that is gone": (disk) => disk.vanish("1/identity"),
  "a damaged formation": (disk) => flip(disk, "1/formation", 45),
  "a formation that is gone": (disk) => disk.vanish("1/formation"),
  "a log that is gone": (disk) => disk.vanish(segmentPath(1)),
  "a damaged log": (disk) => flip(disk, segmentPath(1), 50),
};

function flip(disk: SimDisk, path: string, at: number): void {
  disk.corrupt(path, (bytes) => {
    bytes[at]! ^= 1;
    return bytes;
  });
}

for (const [what, harm] of Object.entries(HARM)) {
  Deno.test(`advice fits the cluster's size: ${what}`, () => {
    for (const size of SIZES) {
      const disk = makeDirectory(size);
      harm(disk);
      const sentence = said(disk, size);
      assert(/copy/.test(sentence), sentence);
      // Others refuse a server with an empty directory, and nobody can be added again yet.
      assert(!/bring this server back|new member/.test(sentence), sentence);
      if (size > 1) assert(!/empty/.test(sentence) || /would refuse it/.test(sentence), sentence);
      const speaksOfOthers = /other(s| servers) continue/.test(sentence);
      assert(speaksOfOthers === (size > 1), `of ${size}: ${sentence}`);
      assert(/whole cluster/.test(sentence) === (size === 1), `of ${size}: ${sentence}`);
    }
  });
}
