/** How many clients with client sessions (docs/sessions.md) a seed has, and what they do. */
import { Random } from "../../lib/util/random.ts";

export interface SessionsOptions {
  /** Clients whose sessions outlive the run: their counters have to be exact. */
  readonly exactClients: number;
  /** Clients whose sessions may end any time, by themselves or for want of a sign of life. */
  readonly looseClients: number;
  readonly thinkMeanMs: number;
  /** The most new writes at once. */
  readonly burstMax: number;
}

/** In a third of the seeds that have room for their connections. */
export function drawSessions(seed: number, roomFor: number): SessionsOptions | null {
  const random = new Random(seed ^ 0x5e5510);
  const isOn = random.chance(0.35);
  const drawn = {
    exactClients: random.between(1, 3),
    looseClients: random.between(0, 2),
    thinkMeanMs: random.pick([30, 100, 300]),
    burstMax: random.pick([1, 3, 8]),
  };
  return isOn && roomFor >= drawn.exactClients + drawn.looseClients ? drawn : null;
}
