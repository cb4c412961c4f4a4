/** How many users a seed has, and what they do. */
import { Random } from "../../lib/util/random.ts";

export interface UsersOptions {
  /** Clients that are users, beside the administrator. */
  readonly clients: number;
  readonly thinkMeanMs: number;
}

/** In a fifth of the seeds that have no other clients of the Redis protocol, and one build. */
export function drawUsers(seed: number, roomFor: number): UsersOptions | null {
  const random = new Random(seed ^ 0x05e45);
  const isOn = random.chance(0.2);
  const drawn = { clients: random.between(1, 3), thinkMeanMs: random.pick([30, 100, 300]) };
  return isOn && roomFor >= drawn.clients + 1 ? drawn : null;
}
