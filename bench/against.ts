/**
 * What a change did to speed: a cluster of this checkout and one of another, the same load on both, in
 * turns, so that whatever else the machine does meets both. A ratio is the median of the rounds' own
 * ratios; its quartiles tell how far to believe it.
 */
import { Cluster } from "./cluster.ts";
import { parseFlags } from "./flags.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median, quartiles } from "./median.ts";
import { cpuOf, ioOf } from "./process_cpu.ts";
import { type Cell, RaftkvSpeed, type Row } from "./speed_subjects.ts";
import { type Load, parseLoads } from "./loads.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:against --other DIR [flags]

  --other DIR          the other checkout, such as a git worktree of the commit before
  --loads LIST         of SET:C:P and GET:C:P, connections and pipeline, by commas
                       (SET:1:1,SET:100:1,SET:100:16,GET:100:1,GET:100:16)
  --rounds R           how often each cell is measured on each (9)
  --warm-rounds R      before them, not counted: a follower is compiled for half a million sets of
                       100 clients, as the runtime counts calls, not commands (1)
  --pairs P            of clusters, one after the other, started in turns: what a process compiles
                       and where its memory lies is settled once in its life, so that a checkout
                       beside itself has come to 0.91 in one pair, whatever its rounds said (1)
  --seconds S          about how long a cell takes (2)
  --servers N          (3)
  --directory DIR      where both keep their data (the system's temporary directory)
  --keys K             keys, each set once at the start (300000)
  --value-bytes N      (256)
  --json FILE          keeps the numbers
`;

function rowOf({ test, connections, pipeline }: Load): Row {
  const clients = `${connections} ${connections === 1 ? "client" : "clients"}`;
  const title = `${test}, ${clients}${pipeline === 1 ? "" : ` x ${pipeline}`}`;
  return { title, test, connections, pipeline, etcdClients: 0, wanted: {} };
}

/** What servers have used, or use for a command. */
interface Use {
  readonly cpuUs: number;
  /** Given to the disk. */
  readonly writtenBytes: number;
  /** Times that a thread had nothing to do and was woken up later. */
  readonly waits: number;
}

interface Measured extends Cell {
  readonly leader: Use;
  /** Of all other servers together. */
  readonly followers: Use;
}

/** Both sides of one row in one round. */
interface Pair {
  readonly ours: Measured;
  readonly theirs: Measured;
}

function useOf(pids: readonly number[]): Use {
  const uses = pids.map((pid) => ({ ...cpuOf(pid), ...ioOf(pid) }));
  return {
    cpuUs: uses.reduce((sum, { userUs, systemUs }) => sum + userUs + systemUs, 0),
    writtenBytes: uses.reduce((sum, { writtenBytes }) => sum + writtenBytes, 0),
    waits: uses.reduce((sum, { waits }) => sum + waits, 0),
  };
}

function useBetween(before: Use, after: Use, requests: number): Use {
  return {
    cpuUs: (after.cpuUs - before.cpuUs) / requests,
    writtenBytes: (after.writtenBytes - before.writtenBytes) / requests,
    waits: (after.waits - before.waits) / requests,
  };
}

async function measure(subject: RaftkvSpeed, row: Row): Promise<Measured> {
  const { cluster } = subject;
  const leaderId = await cluster.leader();
  const leader = [cluster.pid(leaderId)];
  const followers = cluster.servers.filter(({ id }) => id !== leaderId).map(({ id }) =>
    cluster.pid(id)
  );
  const before = { leader: useOf(leader), followers: useOf(followers) };
  const cell = await subject.run(row);
  return {
    ...cell,
    leader: useBetween(before.leader, useOf(leader), cell.requests),
    followers: useBetween(before.followers, useOf(followers), cell.requests),
  };
}

async function measurePairs(
  ours: RaftkvSpeed,
  theirs: RaftkvSpeed,
  rows: readonly Row[],
  { rounds, warmRounds }: { readonly rounds: number; readonly warmRounds: number },
): Promise<Pair[][]> {
  const pairs: Pair[][] = rows.map(() => []);
  // The rounds up to 0 warm both up and find how many requests fill the time; they are not counted.
  for (let round = 1 - Math.max(1, warmRounds); round <= rounds; round++) {
    for (const [i, row] of rows.entries()) {
      const oursFirst = (round & 1) === 1;
      const first = await measure(oursFirst ? ours : theirs, row);
      const second = await measure(oursFirst ? theirs : ours, row);
      const pair = oursFirst ? { ours: first, theirs: second } : { ours: second, theirs: first };
      if (round > 0) pairs[i]!.push(pair);
      const rates = [pair.ours, pair.theirs].map(({ perSecond }) => formatCount(perSecond));
      console.error(`round ${round}, ${row.title}: ${rates.join(" / ")}`);
    }
  }
  return pairs;
}

/** `median [lower quartile, upper quartile]` of the rounds' own ratios. */
export function ratioText(
  pairs: readonly Pair[],
  value: (measured: Measured) => number,
): string {
  const [low, middle, high] = quartiles(
    pairs.map(({ ours, theirs }) => value(ours) / value(theirs)),
  );
  return `${middle.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
}

function table(rows: readonly Row[], pairs: readonly Pair[][]): string {
  const medianOf = (of: readonly Pair[], side: keyof Pair) =>
    formatCount(quartiles(of.map((pair) => pair[side].perSecond))[1]);
  const cells = rows.map(({ title }, i) => {
    const of = pairs[i]!;
    return [
      title,
      medianOf(of, "ours"),
      medianOf(of, "theirs"),
      ratioText(of, ({ perSecond }) => perSecond),
      ratioText(of, ({ p50Ms }) => p50Ms),
      ratioText(of, ({ p99Ms }) => p99Ms),
      ratioText(of, ({ leader }) => leader.cpuUs),
      ratioText(of, ({ followers }) => followers.cpuUs),
      ratioText(of, ({ leader, followers }) => leader.waits + followers.waits),
    ];
  });
  const head = [
    "",
    "this, /s",
    "other, /s",
    "rate",
    "p50",
    "p99",
    "leader's time",
    "followers' time",
    "waits",
  ];
  return formatTable(head, cells);
}

function readFlags() {
  return parseFlags(HELP, {
    other: "",
    loads: "SET:1:1,SET:100:1,SET:100:16,GET:100:1,GET:100:16",
    rounds: 9,
    warmRounds: 1,
    pairs: 1,
    seconds: 2,
    servers: 3,
    directory: "/tmp",
    keys: 300_000,
    valueBytes: 256,
    json: "",
  });
}

type Flags = ReturnType<typeof readFlags>;

async function main(): Promise<void> {
  const flags = readFlags();
  if (flags.other === "") throw new Error("--other DIR is needed: a checkout to compare with");
  const rows = parseLoads(flags.loads).map(rowOf);
  const machine = await describeMachine(flags.directory);
  const pairs: Pair[][] = rows.map(() => []);
  const medians: Pair[][][] = [];
  for (let i = 0; i < flags.pairs; i++) {
    const measured = await measurePair(flags, rows, (i & 1) === 0);
    for (const [at, of] of measured.entries()) pairs[at]!.push(...of);
    medians.push(measured);
    if (flags.pairs > 1) console.error(`\npair ${i + 1}\n${table(rows, measured)}\n`);
  }
  const what = flags.pairs === 1 ? "" : ` of each of ${flags.pairs} pairs`;
  console.log(
    `${machineText(machine)}\n\nRatios: this checkout to the other, medians of ` +
      `${flags.rounds} rounds' own${what} [quartiles]\n`,
  );
  console.log(table(rows, pairs));
  if (flags.pairs > 1) {
    console.log(
      `\nRates by the medians of the pairs, the other checkout started first in each second\n`,
    );
    console.log(formatTable(
      ["", "pairs' medians"],
      rows.map(({ title }, at) => {
        const ratios = medians.map((measured) =>
          median(measured[at]!.map(({ ours, theirs }) => ours.perSecond / theirs.perSecond))
        );
        const [low, middle, high] = quartiles(ratios);
        const each = ratios.map((ratio) => ratio.toFixed(2)).join(" ");
        return [title, `${middle.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]: ${each}`];
      }),
    ));
  }
  const measured = rows.map(({ title }, i) => ({ title, pairs: pairs[i]! }));
  writeJson(flags.json || undefined, "against", { settings: flags, rows: measured });
}

/** Starts a cluster of each checkout, measures all rows on both, and stops them. */
async function measurePair(
  flags: Flags,
  rows: readonly Row[],
  oursFirst: boolean,
): Promise<Pair[][]> {
  const common = { servers: flags.servers, parent: flags.directory };
  const checkouts = oursFirst ? [undefined, flags.other] : [flags.other, undefined];
  const subjects: RaftkvSpeed[] = [];
  try {
    for (const checkout of checkouts) {
      subjects.push(new RaftkvSpeed(await Cluster.start({ ...common, checkout }), flags));
      await subjects.at(-1)!.fill();
    }
    const [ours, theirs] = oursFirst ? subjects : subjects.toReversed();
    const pairs = await measurePairs(ours!, theirs!, rows, flags);
    for (const { title, failures } of subjects) {
      for (const failure of failures) console.log(`\n${title}, a run was done again: ${failure}`);
    }
    return pairs;
  } finally {
    for (const subject of subjects) await subject.stop();
  }
}

if (import.meta.main) {
  await main();
  Deno.exit();
}
