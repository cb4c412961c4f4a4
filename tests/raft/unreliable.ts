/** A network that loses, repeats and reorders, for random walks. */
import type { Random } from "../../lib/util/random.ts";
import type { Cluster } from "./cluster.ts";

/** How likely each is for one message. */
export interface NetworkRates {
  readonly loss: number;
  readonly copy: number;
  readonly reorder: number;
}

/** Copies of messages are made only while fewer wait. */
const WAITING_MAX = 200;

/** Takes one message out of the queue, which has some, and delivers it unless it is lost. */
export function deliverUnreliably(cluster: Cluster, random: Random, rates: NetworkRates): void {
  const { queue } = cluster;
  const at = random.chance(rates.reorder) ? random.between(0, queue.length - 1) : 0;
  if (random.chance(rates.copy) && queue.length < WAITING_MAX) queue.push(queue[at]!);
  if (random.chance(rates.loss)) queue.splice(at, 1);
  else cluster.deliverAt(at);
}
