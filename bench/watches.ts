/**
 * Watches beside etcd: so many connections watch one key, spread over three servers, and the key is set;
 * the time from then until the last of them has the event. Who watches both is a program in Go, raftkv by
 * its lines, etcd by its own client, so that what is measured is not the time of who looks (what its process
 * takes stands beside). And what prefixes that match nothing cost: sets a second with a thousand of them
 * on the leader and without, in turns.
 */
import { closedLoopRate } from "./closed_loop.ts";
import { Cluster } from "./cluster.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import { parseFlags } from "./flags.ts";
import { buildGo, run } from "./go_program.ts";
import { writeAll } from "./line_client.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median } from "./median.ts";
import { formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:watches [flags]

  --watchers LIST    so many at a time, a connection each (1000,10000)
  --rounds R         sets for each, and turns with and without prefixes (9)
  --prefixes N       prefixes that match nothing (1000)
  --quick            two seconds a turn in place of eight
  --executable FILE  run this instead of main.ts
  --directory DIR    where the servers keep their data (the system's temporary directory)
  --json FILE        writes the results there, too
`;

/** The goal: of etcd's time until the last watch is told. */
const WANTED = 0.5;
const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** A crowd of watches of one key, and what each of its rounds came to: watch_crowd.go. */
interface CrowdTimes {
  /** From the set until the last watch has been told. */
  readonly ms: number[];
  /** Processor time of the crowd's own process meanwhile. */
  readonly ownMs: number[];
}

/** One system: where its servers are, and which of them leads. */
interface Subject {
  readonly name: "raftkv" | "etcd";
  readonly servers: readonly string[];
  readonly leader: string;
}

async function fanOut(
  program: string,
  { name, servers, leader }: Subject,
  watchers: number,
  rounds: number,
): Promise<CrowdTimes> {
  const args = ["-system", name, "-servers", servers.join(), "-writer", leader]
    .concat("-watches", `${watchers}`, "-rounds", `${rounds}`);
  return JSON.parse(await run(program, args)) as CrowdTimes;
}

/** A connection of the Redis protocol with so many prefix watches of nothing. */
async function prefixesOfNothing(port: number, count: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const requests = Array.from({ length: count }, (_, i) => {
    const pattern = `nothing/${i}/*`;
    return `*2\r\n$12\r\nRAFTKV.WATCH\r\n$${pattern.length}\r\n${pattern}\r\n`;
  });
  await writeAll(connection, encoder.encode(requests.join("")));
  const buffer = new Uint8Array(65_536);
  for (let answers = 0; answers < count;) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error("The watches were not taken");
    answers += decoder.decode(buffer.subarray(0, read)).split("*2\r\n").length - 1;
  }
  return connection;
}

async function withoutMatch(
  cluster: Cluster,
  prefixes: number,
  rounds: number,
  isQuick: boolean,
): Promise<{ without: number[]; withThem: number[] }> {
  const servers = cluster.servers.map(({ client }) => client);
  const { port } = cluster.server(await cluster.leader()).client;
  const load = { connections: 100, valueBytes: 100, keys: 10_000, isQuick };
  await closedLoopRate(servers, load);
  const [without, withThem]: number[][] = [[], []];
  for (let round = 0; round < rounds; round++) {
    without!.push(await closedLoopRate(servers, load));
    const connection = await prefixesOfNothing(port, prefixes);
    withThem!.push(await closedLoopRate(servers, load));
    connection.close();
  }
  return { without: without!, withThem: withThem! };
}

async function main(): Promise<void> {
  const flags = parseFlags(HELP, {
    watchers: "1000,10000",
    rounds: 9,
    prefixes: 1_000,
    quick: false,
    executable: "",
    directory: "",
    json: "",
  });
  const parent = flags.directory || undefined;
  const counts = flags.watchers.split(",").map(Number);
  const machine = await describeMachine(parent ?? "/tmp");
  console.log(machineText(machine));
  const limits = { connectionsMax: 20_000, watchesPerConnectionMax: 10_000 };
  const executable = flags.executable || undefined;
  // Before there is any watch nothing is kept: the first turns say what a server without them does.
  const fresh = await Cluster.start({ servers: 3, executable, parent, limits });
  const match = await withoutMatch(fresh, flags.prefixes, flags.rounds, flags.quick)
    .finally(() => fresh.stop());
  const shares = match.withThem.map((one, round) => one / match.without[round]!);
  console.log(
    `SET, 100 clients, ${flags.prefixes} prefix watches that match nothing: ` +
      `${median(shares).toFixed(3)} of the rate without (median of ${shares.length}: ` +
      `${shares.map((one) => one.toFixed(3)).join(" ")})`,
  );
  const directory = Deno.makeTempDirSync({ prefix: "watches-bench-" });
  const times: Record<string, CrowdTimes> = {};
  try {
    const program = await buildGo("watch_crowd.go", directory);
    for (const watchers of counts) {
      const { rounds } = flags;
      const options = { executable, parent, limits };
      times[`raftkv ${watchers}`] = await onRaftkv(program, watchers, rounds, options);
      times[`etcd ${watchers}`] = await onEtcd(program, watchers, rounds, parent);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  console.log(formatTable(
    ["watchers of one key", "raftkv, ms", "crowd's", "etcd, ms", "crowd's", "ratio", "wanted"],
    counts.map((watchers) => {
      const [ours, theirs] = [times[`raftkv ${watchers}`]!, times[`etcd ${watchers}`]!];
      const ratio = median(ours.ms) / median(theirs.ms);
      const cells = [ours.ms, ours.ownMs, theirs.ms, theirs.ownMs].map((all) => median(all));
      const texts = cells.map((ms) => ms.toFixed(1));
      return [`${watchers}`, ...texts, ratio.toFixed(2), `<= ${WANTED}`];
    }),
  ));
  writeJson(flags.json || undefined, "watches", { machine, match, times });
}

async function onRaftkv(
  program: string,
  watchers: number,
  rounds: number,
  options: {
    executable: string | undefined;
    parent: string | undefined;
    limits: Record<string, number>;
  },
): Promise<CrowdTimes> {
  const cluster = await Cluster.start({ servers: 3, ...options });
  try {
    const address = (id: number) => `127.0.0.1:${cluster.server(id).client.port}`;
    const servers = cluster.servers.map(({ id }) => address(id));
    const subject = { name: "raftkv", servers, leader: address(await cluster.leader()) } as const;
    return await fanOut(program, subject, watchers, rounds);
  } finally {
    await cluster.stop();
  }
}

async function onEtcd(
  program: string,
  watchers: number,
  rounds: number,
  parent: string | undefined,
): Promise<CrowdTimes> {
  const cluster = await EtcdCluster.start(3, parent);
  try {
    const address = (id: number) => `127.0.0.1:${cluster.clientPort(id)}`;
    const servers = cluster.serverIds.map(address);
    const subject = { name: "etcd", servers, leader: address(await cluster.leader()) } as const;
    return await fanOut(program, subject, watchers, rounds);
  } finally {
    await cluster.stop();
  }
}

if (import.meta.main) {
  await main();
  Deno.exit(0);
}
