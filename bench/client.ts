/**
 * The client beside ioredis and node-redis: the same calls to the same leader, from one process, in
 * turns. What is compared are the turns of one round, so that whatever else the machine does meets all
 * of them. The client is there twice: as it is by default, with client sessions, and without them, as
 * the other two work, which can't tell whether a write whose reply was lost was done.
 */
import { cpuUsage } from "node:process";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { connect } from "../client/mod.ts";
import { Cluster, type ClusterServer } from "./cluster.ts";
import { findLeader } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { formatAddress } from "./line_client.ts";
import { median } from "./median.ts";
import { cpuOf, usedUs } from "./process_cpu.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:client [flags]

The client with client sessions (its default) and without, ioredis and node-redis, in turns on the
same server: SET and GET with 100 calls at a time and with one. Rates are medians; a share is the
median over the rounds of the client's rate as part of the other's in the same round. Processor
times are of this process, of the leader, and of the followers together.
  --rounds R           (7)
  --seconds S          how long each turn takes (1)
  --value-bytes N      (256)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the servers keep their data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              two rounds of 0.3 s
`;

/** The goal: exit code 1 where a share is below it. */
const SHARE_MIN = 0.9;
const KEYS = 1_000;
const FIND_TIMEOUT_MS = 30_000;
const LOADS = [
  { kind: "set", calls: 100 },
  { kind: "get", calls: 100 },
  { kind: "set", calls: 1 },
  { kind: "get", calls: 1 },
] as const;

interface Subject {
  readonly name: string;
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<unknown>;
  close(): void;
}

/** The client, as what is compared with the others. */
const CLIENTS = [
  { name: "raftkv/client", sessions: true },
  { name: "raftkv/client, sessions: false", sessions: false },
] as const;

/** Those of `CLIENTS` first, in their order. */
async function connectAll(hostname: string, port: number): Promise<Subject[]> {
  const ioredis = new Redis({ host: hostname, port });
  const nodeRedis = createClient({ url: `redis://${hostname}:${port}` });
  nodeRedis.on("error", (error) => {
    throw error;
  });
  await nodeRedis.connect();
  const clients = CLIENTS.map(async ({ name, sessions }): Promise<Subject> => {
    const client = await connect({ servers: [formatAddress({ hostname, port })], sessions });
    return {
      name,
      set: (key, value) => client.text.set(key, value),
      get: (key) => client.text.get(key),
      close: () => client.close(),
    };
  });
  return [
    ...await Promise.all(clients),
    {
      name: "ioredis",
      set: (key, value) => ioredis.set(key, value),
      get: (key) => ioredis.get(key),
      close: () => ioredis.disconnect(),
    },
    {
      name: "node-redis",
      set: (key, value) => nodeRedis.set(key, value),
      get: (key) => nodeRedis.get(key),
      close: () => nodeRedis.destroy(),
    },
  ];
}

/** Processes whose use of processors is measured. */
interface Servers {
  readonly leader: number;
  readonly followers: readonly number[];
}

/** Calls a second; and for each call the processor time of this process and of the servers. */
interface Turn {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly leaderUs: number;
  readonly followersUs: number;
}

async function takeTurn(
  call: (key: string) => Promise<unknown>,
  { calls, seconds }: { calls: number; seconds: number },
  { leader, followers }: Servers,
): Promise<Turn> {
  const usedBy = (pids: readonly number[]) =>
    pids.reduce((total, pid) => total + usedUs(cpuOf(pid)), 0);
  const before = { own: cpuUsage(), leader: usedBy([leader]), followers: usedBy(followers) };
  let done = 0;
  const beganMs = performance.now();
  const endMs = beganMs + 1_000 * seconds;
  await Promise.all(
    Array.from({ length: calls }, async () => {
      while (performance.now() < endMs) await call(`key:${++done % KEYS}`);
    }),
  );
  const perSecond = 1_000 * done / (performance.now() - beganMs);
  const { user, system } = cpuUsage(before.own);
  return {
    perSecond,
    cpuUs: (user + system) / done,
    leaderUs: (usedBy([leader]) - before.leader) / done,
    followersUs: (usedBy(followers) - before.followers) / done,
  };
}

type Load = typeof LOADS[number];

/** By subject, the turns of all rounds; whoever begins changes from round to round. */
async function measure(
  subjects: readonly Subject[],
  { kind, calls }: Load,
  { rounds, seconds, valueBytes }: { rounds: number; seconds: number; valueBytes: number },
  servers: Servers,
): Promise<Turn[][]> {
  const value = "x".repeat(valueBytes);
  const turns: Turn[][] = subjects.map(() => []);
  // A round before the first, for the compiler and the keys.
  for (let round = -1; round < rounds; round++) {
    for (let i = 0; i < subjects.length; i++) {
      const at = (i + round + 1) % subjects.length;
      const subject = subjects[at]!;
      const call = kind === "set"
        ? (key: string) => subject.set(key, value)
        : (key: string) => subject.get(key);
      const turn = await takeTurn(call, { calls, seconds }, servers);
      if (round >= 0) turns[at]!.push(turn);
    }
  }
  return turns;
}

interface Row extends Turn {
  readonly load: string;
  readonly name: string;
  /** Of each of `CLIENTS`, its rate as part of this one's; none of themselves. */
  readonly shares: readonly number[];
}

function rowsOf({ kind, calls }: Load, subjects: readonly Subject[], turns: Turn[][]): Row[] {
  return subjects.map(({ name }, at) => {
    const middle = (of: (turn: Turn) => number) => median(turns[at]!.map(of));
    const shareOf = (_client: unknown, which: number) =>
      median(turns[which]!.map((own, round) => own.perSecond / turns[at]![round]!.perSecond));
    return {
      load: `${kind}, ${calls} at a time`,
      name,
      perSecond: middle(({ perSecond }) => perSecond),
      cpuUs: middle(({ cpuUs }) => cpuUs),
      leaderUs: middle(({ leaderUs }) => leaderUs),
      followersUs: middle(({ followersUs }) => followersUs),
      shares: at < CLIENTS.length ? [] : CLIENTS.map(shareOf),
    };
  });
}

function print(rows: readonly Row[]): void {
  const head = ["load", "", "calls/s", "own µs a call", "leader's µs", "followers' µs"]
    .concat("the client's share", "without sessions");
  console.log(formatTable(
    head,
    rows.map(({ load, name, perSecond, cpuUs, leaderUs, followersUs, shares }) => [
      load,
      name,
      formatCount(perSecond),
      ...[cpuUs, leaderUs, followersUs].map((us) => us.toFixed(1)),
      ...shares.map((share) => share.toFixed(2)),
    ]),
  ));
}

/** What is below the goal, a sentence each. */
function shortfalls(rows: readonly Row[]): string[] {
  return rows.flatMap(({ load, name, shares }) =>
    shares.flatMap((share, which) =>
      share >= SHARE_MIN ? [] : [
        `${load}: ${CLIENTS[which]!.name} does ${share.toFixed(2)} of ${name}: below ${SHARE_MIN}`,
      ]
    )
  );
}

async function main(): Promise<void> {
  const flags = parseFlags(HELP, {
    rounds: 7,
    seconds: 1,
    valueBytes: 256,
    executable: "",
    directory: "",
    json: "",
    quick: false,
  });
  const plan = flags.quick ? { ...flags, rounds: 2, seconds: 0.3 } : flags;
  const cluster = await Cluster.start({
    servers: 3,
    executable: flags.executable || undefined,
    parent: flags.directory || undefined,
  });
  const rows: Row[] = [];
  try {
    const { hostname, port } = await findLeader(cluster.addresses, FIND_TIMEOUT_MS);
    const subjects = await connectAll(hostname, port);
    const leads = (server: ClusterServer) => server.client.port === port;
    const servers = {
      leader: cluster.pid(cluster.servers.find(leads)!.id),
      followers: cluster.servers.filter((one) => !leads(one)).map(({ id }) => cluster.pid(id)),
    };
    for (const load of LOADS) {
      rows.push(...rowsOf(load, subjects, await measure(subjects, load, plan, servers)));
    }
    for (const subject of subjects) subject.close();
  } finally {
    await cluster.stop();
  }
  print(rows);
  writeJson(flags.json || undefined, "client", { plan, rows });
  const short = shortfalls(rows);
  const verdict = `All shares are ${SHARE_MIN} or more, with client sessions and without`;
  console.log(`\n${short.length === 0 ? verdict : short.join("\n")}`);
  if (short.length > 0) Deno.exit(1);
}

if (import.meta.main) await main();
