/**
 * What clients feel while members come and go, beside etcd in the same run: a server is added to three
 * with a million keys until it votes, one of the first three is removed, then the leader.
 */
import { isInstalled } from "./foreign_process.ts";
import { COMMON_OPTIONS, parseOptions } from "./flags.ts";
import { describeMachine, machineText } from "./machine.ts";
import { EtcdMembers, type MembershipSubject, RaftkvMembers } from "./membership_subjects.ts";
import { pauseMs } from "./find_leader.ts";
import { type Seen, SteadySets } from "./steady_sets.ts";
import { formatCount, formatMs, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:membership [flags]

Three servers with a million keys under sets at a fixed rate: a fourth is added until it votes, a
follower is removed, the leader is removed. Beside etcd, where that is installed.
  --keys K             (1000000)
  --value-bytes N      (256)
  --rate R             sets a second (500)
  --subjects LIST      of raftkv,etcd (both, where etcd is installed)
  --without S          seconds of load before anything changes (10)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the clusters keep their data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              30,000 keys
`;

/** After a change: what it still brings about, and sets that wait. */
const SETTLE_MS = 3_000;
/** Between two changes: etcd takes the next one only once all members have been connected for 5 s. */
const CALM_MS = 6_000;

interface MembershipOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly perSecond: number;
  readonly withoutMs: number;
  readonly executable: string | undefined;
  readonly directory: string | undefined;
  readonly json: string | undefined;
}

interface MembershipResult {
  readonly subject: string;
  readonly electionTimeoutMs: number;
  /** From the start of the new server's process, or of the first command, until it votes. */
  readonly addedMs: number;
  /** Of these, since it was a learner: it catches up, and is promoted. */
  readonly caughtUpMs: number;
  /** By what went on. */
  readonly seen: Readonly<Record<string, Seen>>;
}

async function measure(
  subject: MembershipSubject,
  { keys, valueBytes, perSecond, withoutMs }: MembershipOptions,
): Promise<MembershipResult> {
  console.error(`${subject.name}: ${formatCount(keys)} keys ...`);
  await subject.fill(keys, valueBytes);
  const sets = new SteadySets((key) => subject.set(key), perSecond, keys);
  sets.start();
  const stretches: Record<string, { startMs: number; endMs: number }> = {};
  const during = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    console.error(`${subject.name}: ${what} ...`);
    sets.check();
    const startMs = performance.now();
    const result = await run();
    stretches[what] = { startMs, endMs: performance.now() };
    return result;
  };
  const settled = async (change: Promise<void>) => {
    await change;
    await pauseMs(SETTLE_MS);
  };
  await pauseMs(1_000); // for the compiler
  await during("without", () => pauseMs(withoutMs));
  const startMs = performance.now();
  let voterMs = startMs;
  const learnerMs = await during("a server is added", async () => {
    const learner = await subject.add();
    await subject.untilVoter();
    voterMs = performance.now();
    await pauseMs(SETTLE_MS);
    return learner;
  });
  await pauseMs(CALM_MS);
  await during(
    "a follower is removed",
    async () => settled(subject.remove(await follower(subject))),
  );
  await pauseMs(CALM_MS);
  await during(
    "the leader is removed",
    async () => settled(subject.remove(await subject.leader())),
  );
  await sets.stop();
  const seen = Object.entries(stretches).map(([what, stretch]) => [what, sets.seen(stretch)]);
  return {
    subject: subject.name,
    electionTimeoutMs: subject.electionTimeoutMs,
    addedMs: voterMs - startMs,
    caughtUpMs: voterMs - learnerMs,
    seen: Object.fromEntries(seen),
  };
}

/** One of those that the cluster was founded with. */
async function follower(subject: MembershipSubject): Promise<number> {
  const leader = await subject.leader();
  return [1, 2, 3].find((id) => id !== leader)!;
}

function report(options: MembershipOptions, results: readonly MembershipResult[]): void {
  const { keys, valueBytes, perSecond } = options;
  console.log(
    `\n${formatCount(keys)} keys, values of ${valueBytes} bytes, ${
      formatCount(perSecond)
    } sets/s\n`,
  );
  const s = (ms: number) => (ms / 1_000).toFixed(2);
  console.log(formatTable(
    ["", "until it votes, s", "of these as a learner, s", "election timeout, ms"],
    results.map(({ subject, addedMs, caughtUpMs, electionTimeoutMs }) => [
      subject,
      s(addedMs),
      s(caughtUpMs),
      `${electionTimeoutMs}`,
    ]),
  ));
  const rows = results.flatMap(({ subject, seen }) =>
    Object.entries(seen).map(([what, { latency, pauseMs }]) => [
      `${subject}: ${what}`,
      formatCount(latency.count),
      ...[latency.p50Ms, latency.p99Ms, latency.p999Ms, latency.maxMs, pauseMs].map(formatMs),
    ])
  );
  console.log("\nLatency of sets, and the longest time without an acknowledgement, in ms:\n");
  console.log(formatTable(["", "sets", "p50", "p99", "p99.9", "max", "pause"], rows));
}

async function startsOf(
  subjects: string,
  executable: string | undefined,
  parent: string,
): Promise<(() => Promise<MembershipSubject>)[]> {
  const wanted = subjects.split(",");
  const starts: (() => Promise<MembershipSubject>)[] = [];
  if (wanted.includes("raftkv")) starts.push(() => RaftkvMembers.start({ executable, parent }));
  const hasEtcd = wanted.includes("etcd") && await isInstalled("etcd");
  if (hasEtcd) starts.push(() => EtcdMembers.start(parent));
  return starts;
}

async function main(): Promise<number> {
  const flags = parseOptions(HELP, {
    keys: { type: "string" },
    "value-bytes": { type: "string", default: "256" },
    rate: { type: "string", default: "500" },
    subjects: { type: "string", default: "raftkv,etcd" },
    without: { type: "string" },
    ...COMMON_OPTIONS,
  });
  const options: MembershipOptions = {
    keys: Number(flags.keys ?? (flags.quick ? 30_000 : 1_000_000)),
    valueBytes: Number(flags["value-bytes"]),
    perSecond: Number(flags.rate),
    withoutMs: 1_000 * Number(flags.without ?? (flags.quick ? 3 : 10)),
    executable: flags.executable,
    directory: flags.directory,
    json: flags.json,
  };
  const directory = Deno.makeTempDirSync({
    prefix: "membership-bench-",
    ...(options.directory === undefined ? {} : { dir: options.directory }),
  });
  const results: MembershipResult[] = [];
  try {
    console.log(machineText(await describeMachine(directory)));
    for (const start of await startsOf(flags.subjects, options.executable, directory)) {
      const subject = await start();
      try {
        const result = await measure(subject, options);
        results.push(result);
        console.error(JSON.stringify(result));
      } finally {
        await subject.stop();
      }
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  report(options, results);
  writeJson(options.json, "membership", { options, results });
  return 0;
}

if (import.meta.main) Deno.exit(await main());
