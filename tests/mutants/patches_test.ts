/** Every mutant's patch fits the code as it is now: else a renaming would end the hunt hours later. */
import { assertEquals } from "@std/assert";
import { MEMBERSHIP } from "./membership_mutants.ts";
import { EXTRA, GIVEN, OWN } from "./mutants.ts";
import { PUBSUB } from "./pubsub_mutants.ts";
import { SNAPSHOTS } from "./snapshot_mutants.ts";
import { RANGES } from "./range_mutants.ts";
import { SCRIPTS } from "./script_mutants.ts";
import { SECURITY } from "./security_mutants.ts";
import { ROOT } from "./results.ts";
import { patchedFiles } from "./trees.ts";

Deno.test("mutants: each patch matches exactly once and changes its files", () => {
  const faults: string[] = [];
  for (
    const mutant of [
      ...GIVEN,
      ...OWN,
      ...EXTRA,
      ...MEMBERSHIP,
      ...SECURITY,
      ...RANGES,
      ...SCRIPTS,
      ...PUBSUB,
      ...SNAPSHOTS,
    ]
  ) {
    try {
      for (const [file, text] of patchedFiles(mutant, ROOT)) {
        if (text === Deno.readTextFileSync(ROOT + file)) {
          faults.push(`Mutant ${mutant.name} leaves ${file} as it is`);
        }
      }
    } catch (error) {
      faults.push((error as Error).message);
    }
  }
  assertEquals(faults, []);
});
