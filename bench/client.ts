/**
 * The client beside ioredis and node-redis: the same calls to the same leader, from one process, in
 * turns. What is compared are the turns of one round, so that whatever else the machine does meets all
 * three.
 */
import { cpuUsage } from "node:process";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { connect } from "../client/mod.ts";
import { Cluster } from "./cluster.ts";
import { findLeader } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { formatAddress } from "./line_client.ts";
import { median } from "./median.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:client [flags]

The client, ioredis and node-redis, in turns on the same server: SET and GET with 100 calls at a
time and with one. Rates are medians; a share is the median over the rounds of the client's rate as
part of the other's in the same round.
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

/** The first one is the client. */
async function connectAll(hostname: string, port: number): Promise<Subject[]> {
  const client = await connect({ servers: [formatAddress({ hostname, port })] });
  const ioredis = new Redis({ host: hostname, port });
  const nodeRedis = createClient({ url: `redis://${hostname}:${port}` });
  nodeRedis.on("error", (error) => {
    throw error;
  });
  await nodeRedis.connect();
  return [
    {
      name: "raftkv/client",
      set: (key, value) => client.text.set(key, value),
      get: (key) => client.text.get(key),
      close: () => client.close(),
    },
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

/** One turn: calls a second, and this process's processor time for each. */
interface Turn {
  readonly perSecond: number;
  readonly cpuUs: number;
}

async function takeTurn(
  call: (key: string) => Promise<unknown>,
  calls: number,
  seconds: number,
): Promise<Turn> {
  let done = 0;
  const beganMs = performance.now();
  const endMs = beganMs + 1_000 * seconds;
  const before = cpuUsage();
  await Promise.all(
    Array.from({ length: calls }, async () => {
      while (performance.now() < endMs) await call(`key:${++done % KEYS}`);
    }),
  );
  const { user, system } = cpuUsage(before);
  const perSecond = 1_000 * done / (performance.now() - beganMs);
  return { perSecond, cpuUs: (user + system) / done };
}

type Load = typeof LOADS[number];

/** By subject, the turns of all rounds; whoever begins changes from round to round. */
async function measure(
  subjects: readonly Subject[],
  { kind, calls }: Load,
  { rounds, seconds, valueBytes }: { rounds: number; seconds: number; valueBytes: number },
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
      const turn = await takeTurn(call, calls, seconds);
      if (round >= 0) turns[at]!.push(turn);
    }
  }
  return turns;
}

interface Row {
  readonly load: string;
  readonly name: string;
  readonly perSecond: number;
  readonly cpuUs: number;
  /** The client's rate as part of this one's. */
  readonly share: number;
}

function rowsOf({ kind, calls }: Load, subjects: readonly Subject[], turns: Turn[][]): Row[] {
  const rates = turns.map((all) => all.map(({ perSecond }) => perSecond));
  return subjects.map(({ name }, at) => ({
    load: `${kind}, ${calls} at a time`,
    name,
    perSecond: median(rates[at]!),
    cpuUs: median(turns[at]!.map(({ cpuUs }) => cpuUs)),
    share: median(rates[0]!.map((own, round) => own / rates[at]![round]!)),
  }));
}

function print(rows: readonly Row[]): void {
  const head = ["load", "", "calls/s", "own processor, µs a call", "the client's share"];
  console.log(formatTable(
    head,
    rows.map(({ load, name, perSecond, cpuUs, share }) => [
      load,
      name,
      formatCount(perSecond),
      cpuUs.toFixed(1),
      name === "raftkv/client" ? "" : share.toFixed(2),
    ]),
  ));
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
    for (const load of LOADS) {
      rows.push(...rowsOf(load, subjects, await measure(subjects, load, plan)));
    }
    for (const subject of subjects) subject.close();
  } finally {
    await cluster.stop();
  }
  print(rows);
  writeJson(flags.json || undefined, "client", { plan, rows });
  if (rows.some(({ share }) => share < SHARE_MIN)) {
    console.log(`\nA share is below ${SHARE_MIN}`);
    Deno.exit(1);
  }
}

if (import.meta.main) await main();
