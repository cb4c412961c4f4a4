/** How many clients of the Redis protocol a seed has, and what they do. */
import type { Random } from "../../lib/util/random.ts";

export interface RedisOptions {
  readonly counterClients: number;
  readonly transferClients: number;
  readonly counters: number;
  readonly accounts: number;
  readonly thinkMeanMs: number;
  /** Most increments in one write. */
  readonly burstMax: number;
  /** Clients of keys that live for a moment; runs that were kept before there were any have none. */
  readonly volatileClients?: number;
  /** Clients of RAFTKV.GET, SET and CAS; runs that were kept before there were any have none. */
  readonly versionClients?: number;
}

/** What a seed draws, by a stream of its own; null in most. `roomFor`: connections left over. */
export function drawRedis(random: Random, roomFor: number): RedisOptions | null {
  const isOff = !random.chance(0.4);
  const drawn = {
    counterClients: random.between(0, 3),
    transferClients: random.between(1, 3),
    counters: random.between(1, 3),
    accounts: random.between(2, 5),
    thinkMeanMs: random.pick([30, 100, 300]),
    burstMax: random.pick([1, 4, 16]),
  };
  // Drawn behind the others, so that those stay what they were.
  const wanted = random.between(0, 3);
  const versionsWanted = random.between(0, 2);
  const room = roomFor - drawn.counterClients - drawn.transferClients;
  if (isOff || room < 0) return null;
  const volatileClients = Math.min(wanted, room);
  const versionClients = Math.min(versionsWanted, room - volatileClients);
  return { ...drawn, volatileClients, versionClients };
}
