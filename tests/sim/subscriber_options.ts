/** How many clients publish and subscribe (docs/watches.md), and how. */
import { Random } from "../../lib/util/random.ts";

export interface SubscriberOptions {
  readonly subscribers: number;
  readonly publishers: number;
  readonly thinkMeanMs: number;
  /** Most messages in one write. */
  readonly burstMax: number;
  /** Chance that a connection takes seconds for what it is told. */
  readonly slow: number;
  /** After so long, on the mean, who publishes or subscribes goes to another server. */
  readonly stayMeanMs: number;
  /** What may wait for one connection, and what goes to other servers in a second: little in some. */
  readonly subscriberBytesMax: number;
  readonly publishBytesPerSecond: number;
}

/** In half of the seeds that have clients of the Redis protocol, by a stream of its own. */
export function drawSubscribers(seed: number, roomFor: number): SubscriberOptions | null {
  const random = new Random(seed ^ 0x50b5c);
  const isOn = random.chance(0.5);
  const drawn = {
    subscribers: random.between(1, 3),
    publishers: random.between(1, 2),
    thinkMeanMs: random.pick([100, 300, 1_000]),
    burstMax: random.pick([1, 4, 8]),
    slow: random.pick([0, 0.2, 0.5]),
    stayMeanMs: random.pick([1_000, 5_000, 60_000]),
    subscriberBytesMax: random.pick([2_000, 8_388_608, 8_388_608]),
    publishBytesPerSecond: random.pick([300, 16_777_216, 16_777_216]),
  };
  // Who lost its connection may have left another one open.
  return isOn && roomFor >= 2 * (drawn.subscribers + drawn.publishers) ? drawn : null;
}
