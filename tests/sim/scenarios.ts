/** What the fixed scenarios share: a calm world, and ways to say what happens in it. */
import { assertEquals } from "@std/assert";
import { DEFAULT_LIMITS, DEFAULT_STORAGE_LIMITS, DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { realServers } from "./make_node.ts";
import { drawOptions, type SimOptions } from "./options.ts";
import type { SimServer } from "./sim_server.ts";
import { simulate } from "./simulate.ts";
import type { Simulation } from "./simulation.ts";

const CALM_NETWORK = {
  delayMinMs: 0.1,
  delayMeanMs: 0.5,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  late: 0,
  lateMaxMs: 0,
  fragment: 0,
  damaged: 0,
  halfOpen: 0,
};

/** No fault by itself, a quick network, small values, impatient clients. */
export function calm(seed: number, overrides: Partial<SimOptions> = {}): SimOptions {
  return drawOptions(seed, {
    servers: 3,
    timing: { ...DEFAULT_TIMING, commandTimeoutMs: 2_000 },
    limits: DEFAULT_LIMITS,
    storage: { ...DEFAULT_STORAGE_LIMITS, segmentBytesMax: 50_000, reserveBytes: 65_536 },
    network: CALM_NETWORK,
    disk: { syncMinMs: 0.1, syncMeanMs: 0.3 },
    clients: {
      count: 4,
      keys: 4,
      expiringKeys: 1,
      thinkMeanMs: 20,
      burstMax: 3,
      timeoutMs: 300,
      noreply: 0.02,
      valueBytesMax: 50,
      reads: 0.4,
      cas: 0.3,
      deletes: 0.1,
      large: 0,
      split: false,
    },
    redis: null,
    subscribers: null,
    faults: {},
    members: null,
    newLeaderFault: 0,
    damageable: [],
    crashesAtFirst: false,
    origin: { index: 0, term: 0, version: 0 },
    wallOffsetMaxMs: 60_000,
    driftMax: 0.05,
    restartMaxMs: 500,
    checkInvariants: true,
    ...overrides,
  });
}

/** Runs `body` in a calm world behind its warm-up; then all heals, converges, and is judged. */
export function scenario(
  body: (simulation: Simulation) => void,
  overrides: Partial<SimOptions> = {},
  seed = 1,
): void {
  const result = simulate(calm(seed, overrides), realServers, null, false, (simulation) => {
    simulation.warmUp();
    body(simulation);
    simulation.healAll();
    simulation.converge();
    simulation.readBack();
    simulation.judge();
  });
  assertEquals(result.check, null, `${result.message}\n${result.stack}`);
}

/** The server that leads the newest term; waits until one leads. */
export function leaderOf(simulation: Simulation): SimServer {
  let leader: SimServer | undefined;
  simulation.demand("no leader", 10, () => {
    const leaders = simulation.servers.filter(({ probe }) =>
      probe?.isOpen() === true && probe.isLeader()
    );
    leader = leaders.sort((a, b) => b.probe!.term() - a.probe!.term())[0];
    return leader !== undefined;
  });
  return leader!;
}

export function othersThan(simulation: Simulation, server: SimServer): SimServer[] {
  return simulation.servers.filter((other) => other !== server);
}

/** Demands acknowledged writes within so many election timeouts. */
export function demandWrites(simulation: Simulation, electionTimeouts: number): void {
  const before = simulation.history.acknowledgedWrites;
  const seconds = electionTimeouts * simulation.options.timing.electionTimeoutMs / 1000;
  simulation.demand(
    "no writes",
    seconds,
    () => simulation.history.acknowledgedWrites >= before + 3,
  );
}

export function runFor(simulation: Simulation, ms: number): void {
  simulation.world.run(simulation.world.now + ms * 1000);
}
