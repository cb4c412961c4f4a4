/**
 * How fast the simulator is where it counts: five servers under load, with the faults that each seed
 * draws, on one core. Seeds differ much in size, so fresh seeds alone do not tell this.
 */
import process from "node:process";
import { realServers } from "./make_node.ts";
import { drawOptions, type SimOptions } from "./options.ts";
import { simulate } from "./simulate.ts";

/** What `seeds` runs in a row came to. */
export interface Speed {
  readonly commit: string;
  readonly hasFaults: boolean;
  readonly seeds: number;
  readonly simulatedSeconds: number;
  readonly events: number;
  readonly operations: number;
  /** Seconds of processor time. */
  readonly coreSeconds: number;
}

/** Five servers, heartbeats of 50 ms, and clients that ask about a hundred times a second. */
export function loadedOptions(seed: number, hasFaults: boolean): SimOptions {
  const { timing, clients } = drawOptions(seed);
  const calm = { faults: {}, newLeaderFault: 0, installFault: 0, crashesAtFirst: false };
  return drawOptions(seed, {
    servers: 5,
    timing: { ...timing, heartbeatIntervalMs: 50, electionTimeoutMs: 300 },
    clients: { ...clients, count: 5, thinkMeanMs: 100, burstMax: 4, split: false },
    damageable: [],
    // They came after the figures that these are compared with, and bring events of their own.
    subscribers: null,
    ...(hasFaults ? {} : calm),
  });
}

/** Runs seeds from `from` on. Throws where one fails. */
export function measureSpeed(
  from: number,
  seeds: number,
  commit: string,
  hasFaults: boolean,
): Speed {
  const before = process.cpuUsage();
  let simulatedSeconds = 0;
  let events = 0;
  let operations = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const result = simulate(loadedOptions(seed, hasFaults), realServers);
    if (result.check !== null) {
      throw new Error(`Seed ${seed} with five servers under load failed: ${result.check}`);
    }
    simulatedSeconds += result.simulatedMs / 1000;
    events += result.events;
    operations += result.acknowledged;
  }
  const { user, system } = process.cpuUsage(before);
  const coreSeconds = Math.round((user + system) / 1000) / 1000;
  return { commit, hasFaults, seeds, simulatedSeconds, events, operations, coreSeconds };
}

/** One line that says it all. */
export function speedText(speed: Speed): string {
  const { commit, hasFaults, seeds, simulatedSeconds, events, operations, coreSeconds } = speed;
  return `Five servers under load (commit ${commit}, ${seeds} seeds ` +
    `${hasFaults ? "with" : "without"} their faults, ` +
    `${Math.round(operations / simulatedSeconds)} acknowledged operations and ` +
    `${Math.round(events / simulatedSeconds)} events a simulated second): ` +
    `${Math.round(simulatedSeconds / coreSeconds)} times real time on one core, ` +
    `${Math.round(events / coreSeconds)} events a second.`;
}
