/** What `bench:growth` varies, one thing at a time, and how each is set up. */
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { fill } from "./fill.ts";
import { pauseMs } from "./find_leader.ts";
import { Link, LinkProxy } from "./link_proxy.ts";
import { requestsFor, runRedisBenchmark } from "./redis_benchmark.ts";
import { isTakingSnapshot } from "./snapshot_watch.ts";
import { loadOnce } from "./writes.ts";

/** One measurement; null where it was not made, with the reason in `note`. */
export interface Point {
  readonly place: string;
  readonly set: Figures | null;
  readonly get: Figures | null;
  readonly note: string;
}

export interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface GrowthOptions {
  readonly seconds: number;
  readonly executable: string | undefined;
  readonly directory: string;
  readonly keysMax: number;
}

export interface Series {
  readonly name: string;
  readonly title: string;
  /** What the places are. */
  readonly placesTitle: string;
  /** True where the places are no measure: no line connects them. */
  readonly isKinds: boolean;
  readonly run: (options: GrowthOptions, onPoint: (point: Point) => void) => Promise<void>;
}

interface Load {
  readonly connections: number;
  readonly valueBytes: number;
  readonly keys: number;
}

const USUAL: Load = { connections: 100, valueBytes: 256, keys: 100_000 };
const KIB = 1_024;
/** So much of values at most, so that all sizes of values fit the memory. */
const CONTENTS_BYTES_MAX = 64 * KIB * KIB;
/** Large values on few connections: what is under way is bounded, by the server too. */
const VALUE_CONNECTIONS = 10;
const FILL_MAX_MS = 300_000;
const SLOW_MS = 10;
const SLOW_FOLLOWER = 3;
const SNAPSHOT_KEYS = 300_000;
const LOOK_MS = 20;

async function withCluster(
  options: GrowthOptions,
  more: Partial<ClusterOptions>,
  run: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const { executable, directory } = options;
  const cluster = await Cluster.start({ servers: 3, executable, parent: directory, ...more });
  try {
    await run(cluster);
  } finally {
    await cluster.stop();
  }
}

/** Sets, then gets; a failing load (the leader changed, say) is tried once more. */
async function measure(
  cluster: Cluster,
  place: string,
  load: Load,
  seconds: number,
): Promise<Point> {
  const notes: string[] = [];
  const one = async (test: "SET" | "GET") => {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        const { port } = cluster.server(await cluster.leader()).client;
        const options = { ...load, port, test, pipeline: 1 };
        const requests = await requestsFor(seconds, options);
        const { perSecond, p50Ms, p99Ms, p999Ms } = await runRedisBenchmark({
          ...options,
          requests,
        });
        return { perSecond, p50Ms, p99Ms, p999Ms };
      } catch (error) {
        notes.push(`${test}: ${(error as Error).message.slice(-120).trim()}`);
      }
    }
    return null;
  };
  const set = await one("SET");
  const get = await one("GET");
  return { place, set, get, note: notes.join("; ") };
}

async function fillCluster(cluster: Cluster, load: Load): Promise<void> {
  const { client } = cluster.server(await cluster.leader());
  await fill(client, "redis", loadOnce(load.keys, load.valueBytes), load.valueBytes);
}

const SERVERS: Series = {
  name: "servers",
  title: "Number of servers",
  placesTitle: "servers, all on one machine",
  isKinds: false,
  run: async (options, onPoint) => {
    for (const servers of [1, 3, 5, 7]) {
      await withCluster(options, { servers }, async (cluster) => {
        await fillCluster(cluster, USUAL);
        onPoint(await measure(cluster, `${servers}`, USUAL, options.seconds));
      });
    }
  },
};

const CONNECTIONS: Series = {
  name: "connections",
  title: "Number of connections",
  placesTitle: "connections, one command under way on each",
  isKinds: false,
  run: (options, onPoint) =>
    withCluster(options, {}, async (cluster) => {
      await fillCluster(cluster, USUAL);
      for (const connections of [1, 10, 100, 300, 1_000]) {
        const load = { ...USUAL, connections };
        onPoint(await measure(cluster, `${connections}`, load, options.seconds));
      }
    }),
};

const VALUES: Series = {
  name: "values",
  title: "Size of values",
  placesTitle: `bytes of a value, ${VALUE_CONNECTIONS} connections`,
  isKinds: false,
  run: async (options, onPoint) => {
    for (const valueBytes of [16, 256, 4 * KIB, 64 * KIB, KIB * KIB]) {
      const keys = Math.min(USUAL.keys, CONTENTS_BYTES_MAX / valueBytes);
      const load = { connections: VALUE_CONNECTIONS, valueBytes, keys };
      const place = valueBytes < KIB
        ? `${valueBytes}`
        : valueBytes < KIB * KIB
        ? `${valueBytes / KIB} Ki`
        : "1 Mi";
      await withCluster(options, {}, async (cluster) => {
        await fillCluster(cluster, load);
        onPoint(await measure(cluster, place, load, options.seconds));
      });
    }
  },
};

const KEYS: Series = {
  name: "keys",
  title: "Number of keys",
  placesTitle: "keys, values of 16 bytes",
  isKinds: false,
  run: (options, onPoint) =>
    withCluster(options, {}, async (cluster) => {
      const endMs = performance.now() + FILL_MAX_MS;
      let before = 0;
      for (const keys of [1e4, 1e5, 1e6, 1e7].filter((count) => count <= options.keysMax)) {
        const place = `10^${Math.log10(keys)}`;
        const load = { ...USUAL, valueBytes: 16, keys };
        // Only what is missing, and no longer than there is time for.
        const { client } = cluster.server(await cluster.leader());
        const writes = (at: number, put: (key: number, bytes: number) => void) => {
          if (before + at >= keys || performance.now() > endMs) return false;
          put(before + at, load.valueBytes);
          return true;
        };
        await fill(client, "redis", writes, load.valueBytes);
        if (performance.now() > endMs) {
          const note = `filling took more than ${FILL_MAX_MS / 1_000} s`;
          return onPoint({ place, set: null, get: null, note });
        }
        before = keys;
        onPoint(await measure(cluster, place, load, options.seconds));
      }
    }),
};

/** Has every link to and from one server be slow. */
function slowLinks(delayMs: number): { proxies: LinkProxy[]; front: ClusterOptions["front"] } {
  const proxies: LinkProxy[] = [];
  const front: ClusterOptions["front"] = (to, target) => {
    const isSlow = (from: number) => from === SLOW_FOLLOWER || to.id === SLOW_FOLLOWER;
    const link = (from: number) => new Link(isSlow(from) ? delayMs : 0);
    proxies.push(new LinkProxy({ port: to.logPort, target, link }));
  };
  return { proxies, front };
}

/** Makes sure that another server leads than `id`. */
async function leadElsewhere(cluster: Cluster, id: number): Promise<void> {
  for (let attempt = 0; attempt < 5 && await cluster.leader() === id; attempt++) {
    await cluster.kill(id);
    await cluster.leader();
    cluster.startServer(id);
    await cluster.untilWhole();
  }
}

/** The share of looks at which at least one server was taking a snapshot. */
class SnapshotShare {
  #looks = 0;
  #seen = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(cluster: Cluster) {
    this.#timer = setInterval(() => {
      this.#looks++;
      const isTaking = cluster.servers.some(({ id }) =>
        isTakingSnapshot(cluster.dataDirectory(id))
      );
      if (isTaking) this.#seen++;
    }, LOOK_MS);
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.#seen / Math.max(1, this.#looks);
  }
}

const CONDITIONS: Series = {
  name: "conditions",
  title: "When not all is well",
  placesTitle: "",
  isKinds: true,
  run: async (options, onPoint) => {
    await withCluster(options, {}, async (cluster) => {
      await fillCluster(cluster, USUAL);
      onPoint(await measure(cluster, "all well", USUAL, options.seconds));
      const leader = await cluster.leader();
      await cluster.kill(cluster.servers.find(({ id }) => id !== leader)!.id);
      await pauseMs(1_000);
      onPoint(await measure(cluster, "a follower down", USUAL, options.seconds));
    });
    const { proxies, front } = slowLinks(SLOW_MS);
    try {
      await withCluster(options, { front }, async (cluster) => {
        await leadElsewhere(cluster, SLOW_FOLLOWER);
        await fillCluster(cluster, USUAL);
        const place = `a follower ${2 * SLOW_MS} ms away`;
        onPoint(await measure(cluster, place, USUAL, options.seconds));
      });
    } finally {
      for (const proxy of proxies) proxy.close();
    }
    const storage = { snapshotLogBytesMin: 8 * KIB * KIB };
    await withCluster(options, { storage }, async (cluster) => {
      const load = { ...USUAL, keys: SNAPSHOT_KEYS };
      await fillCluster(cluster, load);
      const share = new SnapshotShare(cluster);
      const point = await measure(cluster, "during snapshots", load, options.seconds);
      const percent = Math.round(share.stop() * 100);
      const note = `a snapshot was under way ${percent} % of the time; ${point.note}`;
      onPoint({ ...point, note });
    });
  },
};

export const ALL_SERIES: readonly Series[] = [SERVERS, CONNECTIONS, VALUES, KEYS, CONDITIONS];
