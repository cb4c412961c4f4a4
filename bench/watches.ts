/**
 * Watches beside etcd: so many connections watch one key, spread over three servers, and the key is set;
 * the time from then until the last of them has the event. And what prefixes that match nothing cost: sets
 * a second with a thousand of them on the leader and without, in turns.
 */
import { closedLoopRate } from "./closed_loop.ts";
import { Cluster } from "./cluster.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import { pauseMs } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { writeAll } from "./line_client.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median } from "./median.ts";
import { formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:watches [flags]

  --watchers LIST    so many at a time (1000,10000)
  --rounds R         sets for each, and turns with and without prefixes (9)
  --prefixes N       prefixes that match nothing (1000)
  --quick            two seconds a turn in place of eight
  --executable FILE  run this instead of main.ts
  --directory DIR    where the servers keep their data (the system's temporary directory)
  --json FILE        writes the results there, too
`;

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");
const AT_A_TIME = 64;
const DEADLINE_MS = 60_000;

/** One system: how it is asked to watch, and how its key is set. */
interface Subject {
  readonly name: string;
  readonly ports: readonly number[];
  readonly request: Uint8Array;
  /** What a connection reads when its watch has begun, and with each event. */
  readonly begun: string;
  readonly event: string;
  set(value: string): Promise<void>;
}

/** Connections that watch; each counts its events by what it reads. */
class Crowd {
  readonly #subject: Subject;
  readonly #connections: Deno.TcpConn[] = [];
  #left = 0;
  #done: (() => void) | null = null;
  #begun = 0;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  async add(count: number): Promise<void> {
    const { ports, request } = this.#subject;
    const target = this.#begun + count;
    for (let made = 0; made < count; made += AT_A_TIME) {
      const some = Array.from({ length: Math.min(AT_A_TIME, count - made) }, async (_, i) => {
        const port = ports[(made + i) % ports.length]!;
        const connection = await Deno.connect({ hostname: "127.0.0.1", port });
        this.#connections.push(connection);
        await writeAll(connection, request);
        this.#read(connection);
      });
      await Promise.all(some);
    }
    const deadline = performance.now() + DEADLINE_MS;
    while (this.#begun < target) {
      if (performance.now() > deadline) throw new Error(`Only ${this.#begun} watches have begun`);
      await pauseMs(20);
    }
  }

  /** Sets the key; ms until the last has heard of it. */
  async round(value: string): Promise<number> {
    this.#left = this.#connections.length;
    const done = new Promise<void>((resolve) => this.#done = resolve);
    const startMs = performance.now();
    await this.#subject.set(value);
    const late = setTimeout(() => {
      throw new Error(`${this.#left} watches heard nothing of ${value}`);
    }, DEADLINE_MS);
    await done;
    clearTimeout(late);
    return performance.now() - startMs;
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  async #read(connection: Deno.TcpConn): Promise<void> {
    const { begun, event } = this.#subject;
    const buffer = new Uint8Array(2_048);
    let text = "";
    let hasBegun = false;
    for (;;) {
      const count = await connection.read(buffer).catch(() => null);
      if (count === null) return;
      text += decoder.decode(buffer.subarray(0, count));
      if (!hasBegun) {
        const at = text.indexOf(begun);
        if (at < 0) continue;
        hasBegun = true;
        this.#begun++;
        text = text.slice(at + begun.length);
      }
      for (let at = text.indexOf(event); at >= 0; at = text.indexOf(event)) {
        text = text.slice(at + event.length);
        if (--this.#left === 0) this.#done?.();
      }
      text = text.slice(-event.length);
    }
  }
}

async function raftkvSubject(cluster: Cluster): Promise<Subject> {
  const servers = cluster.servers.map(({ client }) => client.port);
  const { port } = cluster.server(await cluster.leader()).client;
  const writer = await Deno.connect({ hostname: "127.0.0.1", port });
  const reply = new Uint8Array(256);
  return {
    name: "raftkv",
    ports: servers,
    request: encoder.encode("watch watched\r\n"),
    begun: "WATCHING",
    event: "EVENTS",
    async set(value) {
      await writeAll(writer, encoder.encode(`set watched 0 ${value.length}\r\n${value}\r\n`));
      const count = await writer.read(reply) ?? 0;
      const text = decoder.decode(reply.subarray(0, count));
      if (!text.startsWith("OK")) throw new Error(`set was answered ${text}`);
    },
  };
}

/** By its JSON gateway, a connection each, as there are no other ways without a library. */
async function etcdSubject(cluster: EtcdCluster): Promise<Subject> {
  const body = JSON.stringify({ create_request: { key: btoa("watched") } });
  const leader = await cluster.leader();
  return {
    name: "etcd",
    ports: cluster.serverIds.map((id) => cluster.clientPort(id)),
    request: encoder.encode(
      "POST /v3/watch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    ),
    begun: '"created":true',
    event: '"events":',
    async set(value) {
      await cluster.change(leader, "kv/put", { key: btoa("watched"), value: btoa(value) });
    },
  };
}

async function fanOut(subject: Subject, watchers: number, rounds: number): Promise<number[]> {
  const crowd = new Crowd(subject);
  try {
    await crowd.add(watchers);
    await crowd.round("first");
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) times.push(await crowd.round(`round ${round}`));
    return times;
  } finally {
    crowd.close();
  }
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
  const rows: string[][] = [];
  const times: Record<string, number[]> = {};
  for (const watchers of counts) {
    for (const name of ["raftkv", "etcd"]) {
      times[`${name} ${watchers}`] = name === "raftkv"
        ? await onRaftkv(watchers, flags.rounds, { executable, parent, limits })
        : await onEtcd(watchers, flags.rounds, parent);
    }
    const [ours, theirs] = ["raftkv", "etcd"].map((name) => median(times[`${name} ${watchers}`]!));
    rows.push([`${watchers}`, ours!.toFixed(1), theirs!.toFixed(1), (ours! / theirs!).toFixed(2)]);
  }
  console.log(formatTable(["watchers of one key", "raftkv, ms", "etcd, ms", "ratio"], rows));
  writeJson(flags.json || undefined, "watches", { machine, match, times });
}

async function onRaftkv(
  watchers: number,
  rounds: number,
  options: {
    executable: string | undefined;
    parent: string | undefined;
    limits: Record<string, number>;
  },
): Promise<number[]> {
  const cluster = await Cluster.start({ servers: 3, ...options });
  try {
    return await fanOut(await raftkvSubject(cluster), watchers, rounds);
  } finally {
    await cluster.stop();
  }
}

async function onEtcd(
  watchers: number,
  rounds: number,
  parent: string | undefined,
): Promise<number[]> {
  const cluster = await EtcdCluster.start(3, parent);
  try {
    return await fanOut(await etcdSubject(cluster), watchers, rounds);
  } finally {
    await cluster.stop();
  }
}

if (import.meta.main) {
  await main();
  Deno.exit(0);
}
