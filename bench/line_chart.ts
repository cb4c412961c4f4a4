/** Panels of lines over one measure that is multiplied from point to point, side by side. */
import { element, svgDocument, text } from "./svg.ts";

export interface Line {
  readonly name: string;
  readonly colour: string;
  /** One value for each place of the horizontal axis; null where nothing was measured. */
  readonly values: readonly (number | null)[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

export interface LineChart {
  readonly title: string;
  readonly note: string;
  /** The names of the places of the horizontal axis, evenly spaced. */
  readonly places: readonly string[];
  readonly placesTitle: string;
  readonly panels: readonly Panel[];
}

const PANEL_WIDTH = 400;
const PLOT_HEIGHT = 220;
const MARGIN = 24;
const AXIS_WIDTH = 62;
const HEAD_HEIGHT = 92;
const FOOT_HEIGHT = 68;
/** Values further apart than this are shown on a logarithmic axis. */
const LINEAR_RATIO_MAX = 20;

interface Axis {
  /** 0 at the bottom, 1 at the top. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** From zero and linear, or by powers of ten where values lie far apart. */
export function axisFor(values: readonly number[]): Axis {
  const positive = values.filter((value) => value > 0);
  const [least, most] = [Math.min(...positive), Math.max(...positive)];
  if (positive.length === 0) return { at: () => 0, ticks: [0] };
  if (most / least <= LINEAR_RATIO_MAX) {
    const step = niceStep(most / 4);
    const ticks = Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
    return { at: (value) => value / ticks.at(-1)!, ticks };
  }
  const low = Math.floor(Math.log10(least));
  const high = Math.ceil(Math.log10(most));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const at = (value: number) => value <= 0 ? 0 : (Math.log10(value) - low) / (high - low);
  return { at, ticks };
}

/** 1, 2 or 5 times a power of ten, not below `step`. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= step * 0.999)!;
}

/** `12000` as `12 k`, so that axes stay narrow. */
export function shortNumber(value: number): string {
  if (value >= 1_000_000) return `${trimmed(value / 1_000_000)} M`;
  return value >= 1_000 ? `${trimmed(value / 1_000)} k` : trimmed(value);
}

const trimmed = (value: number) => String(Number(value.toPrecision(3)));

export function lineChart({ title, note, places, placesTitle, panels }: LineChart): string {
  const width = MARGIN + panels.length * (PANEL_WIDTH + MARGIN);
  const height = HEAD_HEIGHT + PLOT_HEIGHT + FOOT_HEIGHT;
  const parts = [text(title, { x: MARGIN, y: 32, class: "title" })];
  panels.forEach((panel, i) => {
    const x = MARGIN + i * (PANEL_WIDTH + MARGIN);
    parts.push(drawPanel(panel, places, placesTitle, x));
  });
  parts.push(text(note, { x: MARGIN, y: height - 12, class: "note" }));
  return svgDocument(width, height, ...parts);
}

function drawPanel(
  panel: Panel,
  places: readonly string[],
  placesTitle: string,
  x: number,
): string {
  const left = x + AXIS_WIDTH;
  const width = PANEL_WIDTH - AXIS_WIDTH;
  const bottom = HEAD_HEIGHT + PLOT_HEIGHT;
  const placeX = (place: number) => left + width * (place + 0.5) / places.length;
  const axis = axisFor(panel.lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const y = (value: number) => bottom - PLOT_HEIGHT * axis.at(value);
  const parts = [text(panel.title, { x, y: 58 })];
  for (const tick of axis.ticks) {
    const line = { x1: left, x2: left + width, y1: y(tick), y2: y(tick), class: "axis" };
    parts.push(element("line", line));
    const label = { x: left - 8, y: y(tick) + 4, "text-anchor": "end", class: "note" };
    parts.push(text(shortNumber(tick), label));
  }
  places.forEach((place, i) => {
    const label = { x: placeX(i), y: bottom + 18, "text-anchor": "middle", class: "note" };
    parts.push(text(place, label));
  });
  const below = { x: left + width / 2, y: bottom + 36, "text-anchor": "middle", class: "note" };
  parts.push(text(placesTitle, below));
  panel.lines.forEach((line, i) => {
    const points = line.values.flatMap((value, place) =>
      value === null ? [] : [[placeX(place), y(value)] as const]
    );
    const joined = points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ");
    parts.push(element("polyline", {
      points: joined,
      fill: "none",
      stroke: line.colour,
      "stroke-width": 2,
    }));
    for (const [cx, cy] of points) {
      parts.push(element("circle", { cx, cy, r: 3.5, fill: line.colour }));
    }
    const keyX = left + i * 90;
    parts.push(
      element("rect", { x: keyX, y: 68, width: 12, height: 12, rx: 2, fill: line.colour }),
    );
    parts.push(text(line.name, { x: keyX + 18, y: 79 }));
  });
  return parts.join("\n");
}
