/** Four small charts of the last minutes, drawn by uPlot; the latest values also stand as text. */
import type uPlotType from "uplot";
import { colourOf, element, setAttributes, setText } from "./dom.ts";
import type { ShownServer } from "./model.ts";
import type { Sample } from "./samples.ts";
import { latency, rate, timeOfDay, UNKNOWN } from "./words.ts";

/** The library's own script comes before this one. */
declare const uPlot: typeof uPlotType;

const HEIGHT = 150;
/** How much time the charts show: what there is, within these. */
const SPAN_S_MIN = 60;
const SPAN_S_MAX = 300;

interface Line {
  readonly label: string;
  /** A class of page.css that has the line's colour. */
  readonly colour: string;
  readonly dash?: number[];
  readonly of: (sample: Sample) => number | null | undefined;
}

interface Kind {
  readonly title: string;
  readonly format: (value: number | null) => string;
  readonly lines: (servers: readonly ShownServer[]) => Line[];
}

const KINDS: readonly Kind[] = [
  {
    title: "Behind the leader",
    format: latency,
    lines: (servers) =>
      servers.map(({ id, place }) => ({
        label: `Server ${id}`,
        colour: colourOf(place),
        of: ({ lagMs }) => lagMs[id],
      })),
  },
  {
    title: "fsync, p99",
    format: latency,
    lines: (servers) =>
      servers.map(({ id, place }) => ({
        label: `Server ${id}`,
        colour: colourOf(place),
        of: ({ fsyncP99Ms }) => fsyncP99Ms[id],
      })),
  },
  {
    title: "Commands",
    format: rate,
    lines: () => [
      { label: "Writes", colour: "c1", of: ({ writesPerSecond }) => writesPerSecond },
      { label: "Reads", colour: "c2", of: ({ readsPerSecond }) => readsPerSecond, dash: [6, 3] },
      { label: "Refused", colour: "c3", of: ({ refusedPerSecond }) => refusedPerSecond },
    ],
  },
  {
    title: "Latency, p99",
    format: latency,
    lines: () => [
      { label: "Writes", colour: "c1", of: ({ writeP99Ms }) => writeP99Ms },
      { label: "Reads", colour: "c2", of: ({ readP99Ms }) => readP99Ms, dash: [6, 3] },
    ],
  },
];

export class ChartsView {
  readonly #root: HTMLElement;
  #charts: Chart[] = [];
  #ids = "";

  constructor(root: HTMLElement) {
    this.#root = root;
    new ResizeObserver(() => this.#resize()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  show(samples: readonly Sample[], servers: readonly ShownServer[]): void {
    const ids = servers.map(({ id }) => id).join();
    if (ids !== this.#ids) {
      this.#ids = ids;
      this.#charts = KINDS.map((kind) => new Chart(kind, kind.lines(servers)));
      this.#root.replaceChildren(...this.#charts.map(({ root }) => root));
      for (const chart of this.#charts) chart.mount();
    }
    for (const chart of this.#charts) chart.show(samples);
  }

  #resize(): void {
    for (const chart of this.#charts) chart.resize();
  }

  #redraw(): void {
    for (const chart of this.#charts) chart.redraw();
  }
}

class Chart {
  readonly root: HTMLElement;
  readonly #place = element("div", { class: "plot", role: "img" });
  readonly #kind: Kind;
  readonly #lines: readonly Line[];
  readonly #values: readonly HTMLElement[];
  readonly #chips: readonly HTMLElement[];
  #plot: uPlotType | null = null;

  constructor(kind: Kind, lines: readonly Line[]) {
    this.#kind = kind;
    this.#lines = lines;
    this.#values = lines.map(() => element("span", { class: "value" }, UNKNOWN));
    this.#chips = lines.map(({ colour }) =>
      element("span", { class: `chip ${colour}`, "aria-hidden": "true" })
    );
    const legend = element(
      "ul",
      { class: "legend" },
      ...lines.map(({ label }, at) =>
        element("li", {}, this.#chips[at]!, `${label} `, this.#values[at]!)
      ),
    );
    this.root = element("figure", {}, element("figcaption", {}, kind.title), this.#place, legend);
  }

  /** Once it is part of the page: it takes its width from there. */
  mount(): void {
    const { format } = this.#kind;
    const axis = { stroke: () => this.#style("--quiet"), grid: this.#grid(), ticks: this.#grid() };
    const chips = this.#chips;
    this.#plot = new uPlot(
      {
        width: this.#width(),
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
        axes: [
          {
            ...axis,
            space: 80,
            values: (_plot, splits) => splits.map((s) => timeOfDay(s * 1_000)),
          },
          { ...axis, size: 64, values: (_plot, splits) => splits.map((one) => format(one)) },
        ],
        series: [
          {},
          ...this.#lines.map(({ label, dash }, at) => ({
            label,
            stroke: () => getComputedStyle(chips[at]!).backgroundColor,
            width: 1.75,
            points: { show: false },
            ...(dash !== undefined && { dash }),
          })),
        ],
      },
      [[], ...this.#lines.map(() => [])],
      this.#place,
    );
  }

  show(samples: readonly Sample[]): void {
    const latest = samples.at(-1);
    if (latest === undefined || this.#plot === null) return;
    const rows = this.#lines.map(({ of }) => samples.map((sample) => of(sample) ?? null));
    const nowS = latest.atMs / 1_000;
    const elapsedS = nowS - samples[0]!.atMs / 1_000;
    const spanS = Math.min(SPAN_S_MAX, Math.max(SPAN_S_MIN, elapsedS));
    this.#plot.batch(() => {
      this.#plot!.setData([samples.map(({ atMs }) => atMs / 1_000), ...rows], false);
      this.#plot!.setScale("x", { min: nowS - spanS, max: nowS });
    });
    const texts = rows.map((row) => this.#kind.format(row.at(-1) ?? null));
    for (const [at, text] of texts.entries()) setText(this.#values[at]!, text);
    const spoken = this.#lines.map(({ label }, at) => `${label}: ${texts[at]}`)
      .join(", ");
    setAttributes(this.#place, {
      "aria-label": `${this.#kind.title}, over the last minutes. Now ${spoken}`,
    });
  }

  resize(): void {
    const width = this.#width();
    if (this.#plot !== null && this.#plot.width !== width) {
      this.#plot.setSize({ width, height: HEIGHT });
    }
  }

  redraw(): void {
    this.#plot?.redraw(false, true);
  }

  #width(): number {
    return Math.max(160, Math.floor(this.#place.clientWidth));
  }

  #grid(): { stroke: () => string; width: number } {
    return { stroke: () => this.#style("--line"), width: 1 };
  }

  #style(name: string): string {
    return getComputedStyle(this.root).getPropertyValue(name);
  }
}
