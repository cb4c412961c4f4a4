/** Lives that end at any operation of their disk, and what may be left of them. */
import { Random } from "../../lib/util/random.ts";
import { SimCrash, type SimDisk } from "../sim/sim_disk.ts";

/** Runs `live`, whose process dies at operation `operation` of `disk`; true where it ended before. */
export function livesThrough(disk: SimDisk, operation: number, live: () => void): boolean {
  disk.crashAtOperation = operation;
  try {
    live();
    return true;
  } catch (error) {
    if (!(error instanceof SimCrash)) throw error;
    return false;
  }
}

/**
 * Hands out what may be there after the crash at `operation`: `outcomes` times after a power loss,
 * each a copy of its own, and last `disk` itself after a kill.
 */
export function* remainsOf(
  disk: SimDisk,
  operation: number,
  outcomes: number,
): Generator<{ remains: SimDisk; note: string }> {
  for (let outcome = 0; outcome < outcomes; outcome++) {
    const remains = disk.clone();
    remains.powerLoss(new Random(operation * 1000 + outcome));
    yield { remains, note: `operation ${operation}, outcome ${outcome}` };
  }
  disk.kill();
  yield { remains: disk, note: `operation ${operation}, killed` };
}
