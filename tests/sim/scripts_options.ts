/** How many clients run scripts (docs/scripts.md), and what they do. */
import { Random } from "../../lib/util/random.ts";

export interface ScriptsOptions {
  readonly clients: number;
  /** Clients that do nothing but increment the first counter, without scripts, one after the other. */
  readonly plainClients: number;
  readonly counters: number;
  readonly accounts: number;
  readonly thinkMeanMs: number;
  /** Most commands on counters in one write. */
  readonly burstMax: number;
  /** Chance that the first counter is incremented without a script: that is what scripts lose to. */
  readonly plain: number;
  /** Chance that a script does not declare its keys. */
  readonly undeclared: number;
  /** Chances that a client loads a script that it has run, and that it has all scripts forgotten. */
  readonly loads?: number;
  readonly flushes?: number;
}

/** In a third of the seeds that have no users, by a stream of its own. `roomFor`: connections left over. */
export function drawScripts(seed: number, roomFor: number): ScriptsOptions | null {
  const random = new Random(seed ^ 0x5c817);
  const isOn = random.chance(0.35);
  const drawn = {
    clients: random.between(1, 5),
    plainClients: random.pick([0, 0, 4]),
    counters: random.between(1, 2),
    accounts: random.between(2, 4),
    thinkMeanMs: random.pick([3, 30, 100, 300]),
    burstMax: random.pick([1, 4, 16]),
    plain: random.pick([0.1, 0.5, 0.8]),
    undeclared: random.pick([0, 0.3]),
    loads: random.pick([0.05, 0.3]),
    flushes: random.pick([0, 0, 0.02]),
  };
  return isOn && roomFor >= drawn.clients + drawn.plainClients ? drawn : null;
}
