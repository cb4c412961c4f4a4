/**
 * How cost grows: throughput and latency of sets and gets against one thing at a time (servers,
 * connections, size of values, number of keys), and when a follower is down or slow, or snapshots are
 * taken.
 */
import { barChart } from "./bar_chart.ts";
import { parseFlags } from "./flags.ts";
import { ALL_SERIES, type Figures, type Point, type Series } from "./growth_series.ts";
import { lineChart } from "./line_chart.ts";
import { describeMachine, type MachineDescription, machineText } from "./machine.ts";
import { writeResults } from "./results.ts";
import { formatCount, formatMs, formatTable } from "./table.ts";

const HELP = `deno task bench:growth [flags]

  --only LIST          of servers, connections, values, keys and conditions (all)
  --seconds S          about how long each measurement takes (2)
  --keys-max N         the most keys (10000000)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the servers keep their data (the system's temporary directory)
  --quick              fractions of a second and fewer keys; changes no file in docs

Each series becomes docs/charts/growth-NAME.svg and .json.
`;

const QUICK_SECONDS = 0.3;
const QUICK_KEYS = 100_000;
const SET_COLOUR = "#2f7ed8";
const GET_COLOUR = "#3aa655";
const KIND_COLOURS = ["#2f7ed8", "#8a8f98", "#e8832a", "#b05cc6"];

function table({ title, placesTitle }: Series, points: readonly Point[]): string {
  const figures = (one: Figures | null) =>
    one === null
      ? ["", "", ""]
      : [formatCount(one.perSecond), formatMs(one.p99Ms), formatMs(one.p999Ms)];
  const head = [placesTitle || title, "SET/s", "p99 ms", "p99.9 ms", "GET/s", "p99 ms", "p99.9 ms"];
  const rows = points.map(({ place, set, get }) => [place, ...figures(set), ...figures(get)]);
  const notes = points.filter(({ note }) => note !== "").map(({ place, note }) =>
    `${place}: ${note}`
  );
  return [`${title}\n`, formatTable(head, rows), ...notes].join("\n");
}

function chart(series: Series, points: readonly Point[], machine: MachineDescription): string {
  const values = (value: (figures: Figures) => number) =>
    (["set", "get"] as const).map((test) =>
      points.map((point) => point[test] === null ? null : value(point[test]!))
    );
  const [setRates, getRates] = values(({ perSecond }) => perSecond);
  const [setTails, getTails] = values(({ p99Ms }) => p99Ms);
  const note = machineText(machine);
  if (series.isKinds) {
    const bars = (measured: (number | null)[], label: (value: number) => string) =>
      measured.flatMap((value, place) =>
        value === null ? [] : [{ series: place, value, label: label(value) }]
      );
    const milliseconds = (value: number) => `${formatMs(value)} ms`;
    return barChart({
      title: `${series.title}; 100 connections, each row on its own scale`,
      note,
      series: points.map(({ place }, i) => ({ name: place, colour: KIND_COLOURS[i]! })),
      groups: [
        { title: "SET, replies/s", bars: bars(setRates!, formatCount) },
        { title: "SET, p99", bars: bars(setTails!, milliseconds) },
        { title: "GET, replies/s", bars: bars(getRates!, formatCount) },
        { title: "GET, p99", bars: bars(getTails!, milliseconds) },
      ],
    });
  }
  const lines = (set: (number | null)[], get: (number | null)[]) => [
    { name: "SET", colour: SET_COLOUR, values: set },
    { name: "GET", colour: GET_COLOUR, values: get },
  ];
  return lineChart({
    title: series.title,
    note,
    places: points.map(({ place }) => place),
    placesTitle: series.placesTitle,
    panels: [
      { title: "Replies a second", lines: lines(setRates!, getRates!) },
      { title: "p99, ms", lines: lines(setTails!, getTails!) },
    ],
  });
}

async function main(): Promise<void> {
  const flags = parseFlags(HELP, {
    only: "",
    seconds: 2,
    keysMax: 10_000_000,
    executable: "",
    directory: "/tmp",
    quick: false,
  });
  const { quick, directory } = flags;
  const options = {
    seconds: quick ? QUICK_SECONDS : flags.seconds,
    keysMax: quick ? QUICK_KEYS : flags.keysMax,
    executable: flags.executable || undefined,
    directory,
  };
  const wanted = flags.only === "" ? ALL_SERIES.map(({ name }) => name) : flags.only.split(",");
  for (const name of wanted) {
    const series = ALL_SERIES.find((one) => one.name === name);
    if (series === undefined) throw new Error(`--only: there is no series ${name}`);
    const machine = await describeMachine(directory);
    const points: Point[] = [];
    await series.run(options, (point) => {
      points.push(point);
      console.error(`${name} ${point.place} ${formatCount(point.set?.perSecond ?? 0)} sets/s`);
    });
    console.log(`\n${machineText(machine)}\n\n${table(series, points)}`);
    const { seconds, keysMax, executable } = options;
    const settings = { seconds, keysMax, isCompiled: executable !== undefined };
    const json = { benchmark: `growth-${name}`, machine, options: settings, points };
    const files = { json: "", chart: "", quick };
    writeResults(`growth-${name}`, files, json, chart(series, points, machine));
  }
}

if (import.meta.main) {
  await main();
  Deno.exit(0);
}
