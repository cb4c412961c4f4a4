/** What the users of Redis libraries are told while the leader is killed: the table of docs/clients.md. */
import { parseFlags } from "../../../bench/flags.ts";
import { Cluster } from "../harness.ts";
import {
  ioredisCluster,
  type Library,
  nodeRedisCluster,
  phpredis,
  redisPy,
  redisRb,
} from "./client.ts";
import { connectTo, heal, type Kill, overKill, Tally } from "./over_kill.ts";

const HELP = `deno task clients [flags]

What the users of Redis libraries are told while the leader is killed, as the table of
docs/clients.md. RAFTKV_EXECUTABLE names another build to ask.
  --rounds N     kills for each library, idle and with a command under way (5)
  --only TEXT    the libraries whose name or options contain it`;

const { rounds, only } = parseFlags(HELP, { rounds: 5, only: "" });
const libraries: readonly Library[] = [
  ioredisCluster(),
  ioredisCluster({ retryDelayOnFailover: 0 }),
  nodeRedisCluster(),
  nodeRedisCluster({ topologyRefreshOnReconnectionAttemptStrategy: 200 }),
  redisPy(true),
  redisPy(true, {}, true),
  phpredis(true),
  phpredis(true, [], true),
  redisRb(true),
  redisRb(true, { reconnect_attempts: 0 }),
];

/** The servers' own defaults: a user has them, too. */
const DEFAULTS = { heartbeatIntervalMs: 50, electionTimeoutMs: 300 };

/** Equal errors once, with how many there were. */
function counted(errors: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const error of errors) {
    const kind = error.replaceAll(/\d{4,}/g, "…").slice(0, 90);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count} × ${kind}`).join("; ") || "none";
}

function describe(kills: readonly Kill[]): string {
  const still = kills.map((kill) => kill.stillMs).sort((a, b) => a - b);
  const lost = kills.filter((kill) => !kill.found).length;
  const cuts = kills.flatMap(({ cut }) => cut === null ? [] : [cut]);
  const cutErrors = cuts.flatMap((cut) => "error" in cut ? [cut.error] : []);
  return [
    `errors: ${counted(kills.flatMap((kill) => kill.errors))}`,
    ...(cuts.length > 0
      ? [`in flight: ${cuts.length - cutErrors.length} answered, ${counted(cutErrors)}`]
      : []),
    `still ${Math.round(still[still.length >> 1]!)} ms, at most ${Math.round(still.at(-1)!)}`,
    ...(lost > 0 ? [`LOST in ${lost} rounds`] : []),
  ].join(" | ");
}

for (const library of libraries) {
  const name = `${library.name} {${library.options}}`;
  if (!name.includes(only)) continue;
  if (library.notRun !== null) {
    console.log(`${name}: not run: ${library.notRun}`);
    continue;
  }
  const cluster = new Cluster({ timing: DEFAULTS });
  const tally = new Tally();
  const kills: Record<"idle" | "inFlight", Kill[]> = { idle: [], inFlight: [] };
  try {
    for (let round = 0; round < rounds && !kills.idle.some((kill) => !kill.found); round++) {
      for (const kind of ["idle", "inFlight"] as const) {
        await heal(cluster);
        const client = await connectTo(cluster, library);
        try {
          kills[kind].push(await overKill(cluster, client, "n", tally, kind === "inFlight"));
        } finally {
          await client.close();
        }
      }
    }
    console.log(`${name}\n  idle: ${describe(kills.idle)}\n  cut:  ${describe(kills.inFlight)}`);
    await heal(cluster);
    await tally.check(cluster, "n");
  } finally {
    await cluster.stop();
  }
}
