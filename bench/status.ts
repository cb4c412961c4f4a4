/**
 * How long `raftkv status` takes, whatever is down: as a process, with the start of the runtime, beside three
 * servers that are well, or killed, or frozen.
 */
import { Cluster } from "./cluster.ts";
import { parseFlags } from "./flags.ts";
import { formatAddress } from "./line_client.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median } from "./median.ts";
import { formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:status [flags]

Time of \`raftkv status\`, from the start of its process to its end.
  --runs N           of each state (10)
  --executable FILE  run this instead of main.ts, as servers and as the command
  --json FILE        writes the results there, too
  --quick            two runs of each

Exit code 1 where one took more than 1.5 s.
`;

/** The goal. */
const TOOK_MS_MAX = 1_500;
const MAIN = new URL("../main.ts", import.meta.url).pathname;
/** What nobody answers at: reserved for that (RFC 6761). */
const NOBODY = "nobody.invalid:9000";

interface State {
  readonly name: string;
  /** Whom to ask; the cluster's servers unless given. */
  readonly servers?: string;
  readonly begin: (cluster: Cluster, leader: number, others: readonly number[]) => unknown;
}

/** Each after the one before it. */
const STATES: readonly State[] = [
  { name: "healthy", begin: () => {} },
  { name: "a name that nobody has", servers: NOBODY, begin: () => {} },
  { name: "a follower frozen", begin: (cluster, _, [one]) => cluster.signal(one!, "SIGSTOP") },
  {
    name: "a follower killed",
    begin: (cluster, _, [one]) => {
      cluster.signal(one!, "SIGCONT");
      return cluster.kill(one!);
    },
  },
  {
    name: "a follower killed, the leader frozen: none leads",
    begin: (cluster, leader) => cluster.signal(leader, "SIGSTOP"),
  },
  {
    name: "all frozen or killed",
    begin: (cluster, _, [, two]) => cluster.signal(two!, "SIGSTOP"),
  },
  {
    name: "all killed",
    begin: (cluster, leader, [, two]) => Promise.all([cluster.kill(leader), cluster.kill(two!)]),
  },
];

interface Measured {
  readonly name: string;
  readonly exitCode: number;
  readonly medianMs: number;
  readonly maxMs: number;
}

async function measure(
  { name }: State,
  servers: string,
  { runs, executable }: { runs: number; executable: string },
): Promise<Measured> {
  const [program, ...start] = executable === ""
    ? [Deno.execPath(), "run", "--quiet", "--no-prompt", "--allow-net", "--allow-read"]
      .concat("--allow-write", "--allow-env", MAIN)
    : [executable];
  const tookMs: number[] = [];
  let exitCode = 0;
  // One before the first, which finds nothing of its files in memory.
  for (let run = -1; run < runs; run++) {
    const beganMs = performance.now();
    ({ code: exitCode } = await new Deno.Command(program!, {
      args: [...start, "status", "--servers", servers],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output());
    if (run >= 0) tookMs.push(performance.now() - beganMs);
  }
  return { name, exitCode, medianMs: median(tookMs), maxMs: Math.max(...tookMs) };
}

async function main(): Promise<number> {
  const flags = parseFlags(HELP, { runs: 10, executable: "", json: "", quick: false });
  const plan = flags.quick ? { ...flags, runs: 2 } : flags;
  const machine = await describeMachine("/tmp");
  const cluster = await Cluster.start({ servers: 3, executable: flags.executable || undefined });
  const rows: Measured[] = [];
  try {
    const leader = await cluster.leader();
    const others = cluster.servers.map(({ id }) => id).filter((id) => id !== leader);
    const all = cluster.addresses.map(formatAddress).join(",");
    for (const state of STATES) {
      await state.begin(cluster, leader, others);
      rows.push(await measure(state, state.servers ?? all, plan));
    }
  } finally {
    await cluster.stop();
  }
  console.log(machineText(machine));
  console.log(formatTable(
    ["raftkv status", "exit code", "median ms", "most ms"],
    rows.map(({ name, exitCode, medianMs, maxMs }) => [
      name,
      `${exitCode}`,
      medianMs.toFixed(0),
      maxMs.toFixed(0),
    ]),
  ));
  writeJson(flags.json || undefined, "status", { machine, plan, rows });
  const late = rows.filter(({ maxMs }) => maxMs > TOOK_MS_MAX);
  for (const { name } of late) console.log(`\n${name}: more than ${TOOK_MS_MAX} ms`);
  return late.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
