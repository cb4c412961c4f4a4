/**
 * What TLS costs: clusters of three servers without it, with it on the client port, and with it between
 * the servers too, in turns under the same load; a Redis without and with it beside them, and a server that
 * does nothing but read and answer (bare_server.ts): what TLS adds there is the runtime's own.
 */
import { Cluster } from "./cluster.ts";
import { parseFlags } from "./flags.ts";
import { pauseMs } from "./find_leader.ts";
import { ForeignProcess } from "./foreign_process.ts";
import { freePorts } from "./free_ports.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median } from "./median.ts";
import { cpuBetween, cpuOf, usedUs } from "./process_cpu.ts";
import { runRedisBenchmark } from "./redis_benchmark.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";
import { TestCa } from "./test_ca.ts";

const HELP = `deno task bench:tls [flags]

  --rounds R         turns of all subjects (5)
  --requests N       of each turn and kind (100000); each turn begins with a handshake per client
  --connections C    clients at the same time (100)
  --value-bytes B    of each value (100)
  --directory DIR    where the servers keep their data (the system's temporary directory)
  --json FILE        writes the results there, too

Needs redis-benchmark and redis-server with TLS, and openssl. The generator speaks TLS as well and
runs on the same machine. Exit code 1 where TLS on the client port leaves less than 0.6 of the rate,
or takes more than 1.6 times the leader's processor time.
`;

const KEYS = 100_000;
const RATE_WANTED = 0.6;
const CPU_WANTED = 1.6;
/** What others than a cluster of ours need to start. */
const START_MS = 2_000;
const KINDS = ["SET", "GET"] as const;

interface Subject {
  readonly name: string;
  /** Which program it is: each is compared with the first of its program. */
  readonly program: "raftkv" | "redis" | "bare";
  readonly ca: string | undefined;
  /** Who answers now: port and process. */
  target(): Promise<{ readonly port: number; readonly pid: number }>;
  stop(): Promise<void>;
}

interface Figures {
  readonly perSecond: number[];
  readonly cpuUs: number[];
  readonly p99Ms: number[];
}

async function ownSubject(
  name: string,
  tls: readonly ("client" | "log")[],
  parent: string | undefined,
): Promise<Subject> {
  const cluster = await Cluster.start({ servers: 3, tls, parent });
  return {
    name,
    program: "raftkv",
    ca: tls.includes("client") ? cluster.ca! : undefined,
    async target() {
      const id = await cluster.leader();
      return { port: cluster.server(id).client.port, pid: cluster.pid(id) };
    },
    stop: () => cluster.stop(),
  };
}

function redisSubject(name: string, hasTls: boolean, parent: string | undefined): Subject {
  const [port] = freePorts(1);
  let ca: string | undefined;
  const args = (directory: string) => {
    const common = ["--bind", "127.0.0.1", "--save", "", "--dir", directory]
      .concat("--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning");
    if (!hasTls) return ["--port", `${port}`, ...common];
    const own = new TestCa(directory);
    ca = own.ca;
    const { cert, key } = own.issue("redis");
    return ["--port", "0", "--tls-port", `${port}`, "--tls-auth-clients", "no"]
      .concat("--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca, common);
  };
  const redis = new ForeignProcess("redis-server", args, parent);
  return {
    name,
    program: "redis",
    ca,
    target: () => Promise.resolve({ port: port!, pid: redis.child.pid }),
    stop: () => redis.stop(),
  };
}

/** `bare_server.ts`. */
function bareSubject(
  name: string,
  hasTls: boolean,
  valueBytes: number,
  parent: string | undefined,
): Subject {
  const [port] = freePorts(1);
  let ca: string | undefined;
  const program = new URL("bare_server.ts", import.meta.url).pathname;
  const bare = new ForeignProcess(
    Deno.execPath(),
    (directory) => {
      const args = ["run", "--quiet", "--allow-net", "--allow-read", program];
      args.push(`${port}`, `${valueBytes}`);
      if (!hasTls) return args;
      const own = new TestCa(directory);
      ca = own.ca;
      const { cert, key } = own.issue("bare");
      return [...args, cert, key];
    },
    parent,
  );
  return {
    name,
    program: "bare",
    ca,
    target: () => Promise.resolve({ port: port!, pid: bare.child.pid }),
    stop: () => bare.stop(),
  };
}

async function main(): Promise<number> {
  const flags = parseFlags(HELP, {
    rounds: 5,
    requests: 100_000,
    connections: 100,
    valueBytes: 100,
    directory: "",
    json: "",
  });
  const parent = flags.directory || undefined;
  const subjects: Subject[] = [];
  try {
    subjects.push(await ownSubject("raftkv", [], parent));
    subjects.push(await ownSubject("raftkv, TLS for clients", ["client"], parent));
    subjects.push(await ownSubject("raftkv, TLS everywhere", ["client", "log"], parent));
    subjects.push(redisSubject("redis, appendfsync always", false, parent));
    subjects.push(redisSubject("the same, TLS", true, parent));
    subjects.push(bareSubject("the runtime alone", false, flags.valueBytes, parent));
    subjects.push(bareSubject("the runtime alone, TLS", true, flags.valueBytes, parent));
    await pauseMs(START_MS);
    const load = { ...flags, pipeline: 1, keys: KEYS };
    const measured = subjects.map(() =>
      KINDS.map((): Figures => {
        return { perSecond: [], cpuUs: [], p99Ms: [] };
      })
    );
    // The first turn is to get warm.
    for (let round = -1; round < flags.rounds; round++) {
      for (const [at, subject] of subjects.entries()) {
        for (const [kind, test] of KINDS.entries()) {
          const { port, pid } = await subject.target();
          const before = cpuOf(pid);
          const { perSecond, p99Ms } = await runRedisBenchmark({
            ...load,
            port,
            test,
            ca: subject.ca,
          });
          if (round < 0) continue;
          const figures = measured[at]![kind]!;
          figures.perSecond.push(perSecond);
          figures.p99Ms.push(p99Ms);
          figures.cpuUs.push(usedUs(cpuBetween(before, cpuOf(pid))) / flags.requests);
        }
      }
    }
    return await report(subjects, measured, flags.json, parent ?? "/tmp");
  } finally {
    for (const subject of subjects) await subject.stop();
  }
}

async function report(
  subjects: readonly Subject[],
  measured: readonly (readonly Figures[])[],
  json: string,
  directory: string,
): Promise<number> {
  const machine = await describeMachine(directory);
  console.log(machineText(machine));
  let isMissed = false;
  const results: object[] = [];
  for (const [kind, test] of KINDS.entries()) {
    const rows = subjects.map(({ name, program }, at) => {
      const { perSecond, cpuUs, p99Ms } = measured[at]![kind]!;
      // Each beside the first of its own program, turn by turn.
      const base = measured[subjects.findIndex((one) => one.program === program)]![kind]!;
      const rate = median(perSecond.map((one, turn) => one / base.perSecond[turn]!));
      const cpu = median(cpuUs.map((one, turn) => one / base.cpuUs[turn]!));
      if (at === 1 && (rate < RATE_WANTED || cpu > CPU_WANTED)) isMissed = true;
      results.push({ name, test, perSecond, cpuUs, p99Ms, rate, cpu });
      return [
        name,
        formatCount(median(perSecond)),
        rate.toFixed(2),
        median(cpuUs).toFixed(1),
        cpu.toFixed(2),
        median(p99Ms).toFixed(1),
      ];
    });
    const head = [test, "/s", "of plain", "µs of processor", "of plain", "p99 ms"];
    console.log(`\n${formatTable(head, rows)}`);
  }
  writeJson(json || undefined, "tls", { results });
  if (!isMissed) return 0;
  console.log(
    `\nwanted with TLS for clients: ${RATE_WANTED} of the rate, ${CPU_WANTED} of the time`,
  );
  return 1;
}

Deno.exit(await main());
