/**
 * What clients feel while members come and go, beside etcd in the same run: a server is added to three
 * with a million keys until it votes, one of the first three is removed, then the leader. On three more
 * all of them move to other ports, one after the other, and every set of that time is read back.
 */
import { isInstalled } from "./foreign_process.ts";
import { COMMON_OPTIONS, parseOptions } from "./flags.ts";
import { describeMachine, machineText } from "./machine.ts";
import { EtcdMembers, type MembershipSubject, RaftkvMembers } from "./membership_subjects.ts";
import { pauseMs } from "./find_leader.ts";
import type { Interval } from "./open_loop.ts";
import { scattered, type Seen, SteadySets } from "./steady_sets.ts";
import { formatCount, formatMs, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:membership [flags]

Three servers with a million keys under sets at a fixed rate: a fourth is added until it votes, a
follower is removed, the leader is removed. Three others move to other ports, one after the other;
each set of theirs is of a new key, and all are read back. Beside etcd, where that is installed.
Exit code 1 where, while something changes, raftkv acknowledges nothing for longer than its election
timeout, or where a set that it acknowledged is not there at the end.
  --keys K             (1000000)
  --value-bytes N      (256)
  --rate R             sets a second (500)
  --subjects LIST      of raftkv,etcd (both, where etcd is installed)
  --only LIST          of changes,moves (both)
  --without S          seconds of load before anything changes (10)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the clusters keep their data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              30,000 keys
`;

/** After a change: what it still brings about, and sets that wait. */
const SETTLE_MS = 3_000;
const WITHOUT = "without";
const FOUNDERS = [1, 2, 3];
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

interface Result {
  readonly subject: string;
  readonly electionTimeoutMs: number;
  /** By what went on. */
  readonly seen: Readonly<Record<string, Seen>>;
}

interface ChangesResult extends Result {
  /** From the start of the new server's process, or of the first command, until it votes. */
  readonly addedMs: number;
  /** Of these, since it was a learner: it catches up, and is promoted. */
  readonly caughtUpMs: number;
}

interface MovesResult extends Result {
  /** Of the sets, all of which were acknowledged: how many there were, and how many are not there. */
  readonly sets: number;
  readonly missing: number;
}

/** Sets under way while one thing after the other goes on. */
class Observed {
  readonly #subject: MembershipSubject;
  readonly #sets: SteadySets;
  readonly #stretches: [string, Interval][] = [];

  constructor(subject: MembershipSubject, sets: SteadySets) {
    this.#subject = subject;
    this.#sets = sets;
    sets.start();
  }

  async during<T>(what: string, run: () => Promise<T>): Promise<T> {
    console.error(`${this.#subject.name}: ${what} ...`);
    this.#sets.check();
    const startMs = performance.now();
    const result = await run();
    this.#stretches.push([what, { startMs, endMs: performance.now() }]);
    return result;
  }

  /** Ends the load. */
  async stop(): Promise<Result> {
    await this.#sets.stop();
    const { name: subject, electionTimeoutMs } = this.#subject;
    const seen = this.#stretches.map(([what, stretch]) => [what, this.#sets.seen(stretch)]);
    return { subject, electionTimeoutMs, seen: Object.fromEntries(seen) };
  }
}

async function fill(
  subject: MembershipSubject,
  { keys, valueBytes }: MembershipOptions,
): Promise<void> {
  console.error(`${subject.name}: ${formatCount(keys)} keys ...`);
  await subject.fill(keys, valueBytes);
}

async function measureChanges(
  subject: MembershipSubject,
  options: MembershipOptions,
): Promise<ChangesResult> {
  const { keys, perSecond, withoutMs } = options;
  await fill(subject, options);
  const observed = new Observed(
    subject,
    new SteadySets((key) => subject.set(key), perSecond, scattered(keys)),
  );
  const settled = async (change: Promise<void>) => {
    await change;
    await pauseMs(SETTLE_MS);
  };
  await pauseMs(1_000); // for the compiler
  await observed.during(WITHOUT, () => pauseMs(withoutMs));
  const startMs = performance.now();
  let voterMs = startMs;
  const learnerMs = await observed.during("a server is added", async () => {
    const learner = await subject.add();
    await subject.untilVoter();
    voterMs = performance.now();
    await pauseMs(SETTLE_MS);
    return learner;
  });
  await pauseMs(CALM_MS);
  await observed.during(
    "a follower is removed",
    async () => settled(subject.remove(await follower(subject))),
  );
  await pauseMs(CALM_MS);
  await observed.during(
    "the leader is removed",
    async () => settled(subject.remove(await subject.leader())),
  );
  const result = await observed.stop();
  return { ...result, addedMs: voterMs - startMs, caughtUpMs: voterMs - learnerMs };
}

async function measureMoves(
  subject: MembershipSubject,
  options: MembershipOptions,
): Promise<MovesResult> {
  const { keys, perSecond, withoutMs } = options;
  await fill(subject, options);
  // Keys that nobody has set before: what is there at the end is there by its one acknowledged set.
  const keyOf = (number: number) => keys + number;
  const sets = new SteadySets((key) => subject.set(key), perSecond, keyOf);
  const observed = new Observed(subject, sets);
  await pauseMs(1_000); // for the compiler
  await observed.during(WITHOUT, () => pauseMs(withoutMs));
  await observed.during("all servers move", async () => {
    for (const id of FOUNDERS) {
      await subject.move(id);
      await pauseMs(SETTLE_MS);
    }
  });
  const result = await observed.stop();
  const missing = await subject.countMissing(Array.from({ length: sets.sent }, (_, i) => keyOf(i)));
  return { ...result, sets: sets.sent, missing };
}

/** One of those that the cluster was founded with. */
async function follower(subject: MembershipSubject): Promise<number> {
  const leader = await subject.leader();
  return FOUNDERS.find((id) => id !== leader)!;
}

function report(
  { keys, valueBytes, perSecond }: MembershipOptions,
  changes: readonly ChangesResult[],
  moves: readonly MovesResult[],
): void {
  console.log(
    `\n${formatCount(keys)} keys, values of ${valueBytes} bytes, ${
      formatCount(perSecond)
    } sets/s\n`,
  );
  const s = (ms: number) => (ms / 1_000).toFixed(2);
  if (changes.length > 0) {
    console.log(formatTable(
      ["", "until it votes, s", "of these as a learner, s"],
      changes.map(({ subject, addedMs, caughtUpMs }) => [subject, s(addedMs), s(caughtUpMs)]),
    ));
  }
  if (moves.length > 0) {
    console.log("\nSets while all servers moved, and without, each of a key of its own:\n");
    console.log(formatTable(
      ["", "acknowledged", "read back"],
      moves.map(({ subject, sets, missing }) => [
        subject,
        formatCount(sets),
        formatCount(sets - missing),
      ]),
    ));
  }
  const rows = [...changes, ...moves].flatMap(({ subject, electionTimeoutMs, seen }) =>
    Object.entries(seen).map(([what, { latency, pauseMs }]) => [
      `${subject}: ${what}`,
      formatCount(latency.count),
      ...[latency.p50Ms, latency.p99Ms, latency.p999Ms, latency.maxMs, pauseMs].map(formatMs),
      `${electionTimeoutMs}`,
    ])
  );
  console.log("\nLatency of sets, and the longest time without an acknowledgement, in ms:\n");
  const head = ["", "sets", "p50", "p99", "p99.9", "max", "pause", "election timeout"];
  console.log(formatTable(head, rows));
}

/** What raftkv falls short of, a sentence each. */
function faultsOf(
  changes: readonly Result[],
  moves: readonly (Result & Pick<MovesResult, "missing">)[],
): string[] {
  const isOurs = ({ subject }: Result) => subject === "raftkv";
  const pauses = [...changes, ...moves].filter(isOurs).flatMap(({ electionTimeoutMs, seen }) =>
    Object.entries(seen)
      .filter(([what, { pauseMs }]) => what !== WITHOUT && pauseMs > electionTimeoutMs)
      .map(([what, { pauseMs }]) =>
        `${what}: ${formatMs(pauseMs)} ms without an acknowledgement, longer than the election ` +
        `timeout of ${electionTimeoutMs} ms`
      )
  );
  const lost = moves.filter(isOurs).filter(({ missing }) => missing > 0)
    .map(({ missing }) => `${missing} sets that were acknowledged are not there`);
  return [...pauses, ...lost];
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

async function measureOn<R>(
  start: () => Promise<MembershipSubject>,
  options: MembershipOptions,
  measure: (subject: MembershipSubject, options: MembershipOptions) => Promise<R>,
): Promise<R> {
  const subject = await start();
  try {
    const result = await measure(subject, options);
    console.error(JSON.stringify(result));
    return result;
  } finally {
    await subject.stop();
  }
}

async function main(): Promise<number> {
  const flags = parseOptions(HELP, {
    keys: { type: "string" },
    "value-bytes": { type: "string", default: "256" },
    rate: { type: "string", default: "500" },
    subjects: { type: "string", default: "raftkv,etcd" },
    only: { type: "string", default: "changes,moves" },
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
  const only = flags.only.split(",");
  const changes: ChangesResult[] = [];
  const moves: MovesResult[] = [];
  try {
    console.log(machineText(await describeMachine(directory)));
    for (const start of await startsOf(flags.subjects, options.executable, directory)) {
      if (only.includes("changes")) changes.push(await measureOn(start, options, measureChanges));
      if (only.includes("moves")) moves.push(await measureOn(start, options, measureMoves));
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  report(options, changes, moves);
  writeJson(options.json, "membership", { options, changes, moves });
  const faults = faultsOf(changes, moves);
  for (const fault of faults) console.log(`\n${fault}`);
  return faults.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
