/** How long a client can't write when the leader fails: rounds of faults with the default timings. */
import { DEFAULT_TIMING } from "../lib/node/limits.ts";
import { ContinuousWriter, WRITER_OPTIONS } from "./continuous_writer.ts";
import { EtcdSubject } from "./etcd_subject.ts";
import {
  type FailoverSubject,
  type Fault,
  FAULT_TITLES,
  FAULTS,
  RaftkvSubject,
} from "./failover_subject.ts";
import { pauseMs } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { median } from "./median.ts";
import { formatCount, formatMs, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:failover [flags]

A client writes without pause to three servers; again and again their leader fails. Per round: the
time from the fault to the first write that a new leader acknowledged.
  --rounds N           rounds of each fault (20)
  --faults LIST        of kill,stop,drop (all three)
  --etcd               the same for kill -9 with three servers of etcd and its default timings
  --executable FILE    run this instead of main.ts
  --directory DIR      where the clusters keep their data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              2 rounds
`;

const SERVERS = 3;
const QUICK_ROUNDS = 2;
const RECOVERY_TIMEOUT_MS = 30_000;
/** Before each fault, at random: faults must not keep step with heartbeats. */
const CALM_MS = [300, 800] as const;
const POLL_MS = 5;
const ETCD_ELECTION_TIMEOUT_MS = 1_000;

export interface FailoverResult {
  readonly subject: string;
  readonly fault: string;
  readonly electionTimeoutMs: number;
  /** Per round, from the fault to the first acknowledged write that was sent after it. */
  readonly withoutWritesMs: readonly number[];
  /** Per round, the longest time between two acknowledgements, mending included. */
  readonly longestGapMs: readonly number[];
  readonly acknowledged: number;
  readonly lost: readonly string[];
}

/** One fault of the leader and its mending; the two times of a round. */
async function round(
  subject: FailoverSubject,
  writer: ContinuousWriter,
): Promise<{ withoutWritesMs: number; longestGapMs: number }> {
  const [low, high] = CALM_MS;
  await pauseMs(low + Math.random() * (high - low));
  const leader = await subject.leader();
  const faultMs = performance.now();
  subject.fault(leader);
  let first = writer.firstAfter(faultMs, leader);
  while (first === null) {
    expectSilence(writer, leader, faultMs);
    if (performance.now() - faultMs > RECOVERY_TIMEOUT_MS) {
      throw new Error(`No write was acknowledged within ${RECOVERY_TIMEOUT_MS} ms of the fault`);
    }
    await pauseMs(POLL_MS);
    first = writer.firstAfter(faultMs, leader);
  }
  expectSilence(writer, leader, faultMs);
  await subject.heal(leader);
  await subject.untilWhole();
  return {
    withoutWritesMs: first.acknowledgedMs - faultMs,
    longestGapMs: writer.longestGapMs(faultMs),
  };
}

/**
 * Whoever failed commits nothing any more. @throws {Error} where it does: it goes on being heard by the
 * others, and nothing is measured.
 */
export function expectSilence(writer: ContinuousWriter, leader: number, faultMs: number): void {
  const write = writer.firstBy(leader, faultMs);
  if (write === null) return;
  const lateMs = (write.sentMs - faultMs).toFixed(0);
  throw new Error(
    `Server ${leader} acknowledged a write that was sent ${lateMs} ms after its fault: ` +
      "the others hear it all the same",
  );
}

async function measure(
  title: { readonly subject: string; readonly fault: string; readonly electionTimeoutMs: number },
  subject: FailoverSubject,
  rounds: number,
): Promise<FailoverResult> {
  const withoutWritesMs: number[] = [];
  const longestGapMs: number[] = [];
  const writer = new ContinuousWriter(subject, { ...WRITER_OPTIONS, prefix: "failover-" });
  try {
    writer.start(await subject.leader());
    for (let i = 1; i <= rounds; i++) {
      const times = await round(subject, writer);
      withoutWritesMs.push(times.withoutWritesMs);
      longestGapMs.push(times.longestGapMs);
      const ms = times.withoutWritesMs.toFixed(0);
      console.error(`${title.subject}, ${title.fault}: round ${i} of ${rounds}: ${ms} ms`);
    }
    await writer.stop();
    const keys = writer.acknowledged.map((write) => write.key);
    const lost = await subject.missing(keys);
    return { ...title, withoutWritesMs, longestGapMs, acknowledged: keys.length, lost };
  } finally {
    await writer.stop();
    await subject.stop();
  }
}

function printResults(results: readonly FailoverResult[]): void {
  const head = [
    "fault",
    "rounds",
    "without writes p50 ms",
    "max ms",
    "max / election timeout",
    "longest gap ms",
    "acknowledged",
    "lost",
  ];
  const rows = results.map((result) => {
    const maxMs = Math.max(...result.withoutWritesMs);
    return [
      `${result.subject}: ${result.fault}`,
      String(result.withoutWritesMs.length),
      formatMs(median(result.withoutWritesMs)),
      formatMs(maxMs),
      (maxMs / result.electionTimeoutMs).toFixed(2),
      formatMs(Math.max(...result.longestGapMs)),
      formatCount(result.acknowledged),
      String(result.lost.length),
    ];
  });
  console.log(formatTable(head, rows));
}

/** @throws {Error} where a word of `text` names no fault. */
export function parseFaults(text: string): Fault[] {
  return text.split(",").map((word) => {
    const found = FAULTS.find((fault) => fault === word);
    if (found !== undefined) return found;
    throw new Error(`--faults: ${JSON.stringify(word)} is none of ${FAULTS.join(", ")}`);
  });
}

async function main(): Promise<number> {
  const flags = parseFlags(HELP, {
    rounds: 20,
    faults: FAULTS.join(","),
    etcd: false,
    executable: "",
    directory: "",
    json: "",
    quick: false,
  });
  const rounds = flags.quick ? QUICK_ROUNDS : flags.rounds;
  const executable = flags.executable || undefined;
  const parent = flags.directory || undefined;
  const results: FailoverResult[] = [];
  const { electionTimeoutMs } = DEFAULT_TIMING;
  for (const fault of parseFaults(flags.faults)) {
    const subject = await RaftkvSubject.start(fault, { servers: SERVERS, executable, parent });
    const title = { subject: "raftkv", fault: FAULT_TITLES[fault], electionTimeoutMs };
    results.push(await measure(title, subject, rounds));
  }
  if (flags.etcd) {
    const title = {
      subject: "etcd",
      fault: FAULT_TITLES.kill,
      electionTimeoutMs: ETCD_ELECTION_TIMEOUT_MS,
    };
    results.push(await measure(title, await EtcdSubject.start(SERVERS, parent), rounds));
  }
  printResults(results);
  writeJson(flags.json || undefined, "failover", { results });
  const lost = results.flatMap((result) => result.lost);
  if (lost.length > 0) console.error(`LOST: ${lost.slice(0, 20).join(" ")}`);
  return lost.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
