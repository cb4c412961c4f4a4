/** Groups of horizontal bars, each group on a scale of its own: for values that lie far apart. */
import { element, svgDocument, text } from "./svg.ts";

export interface Bar {
  /** Which series it belongs to, by place in `series`. */
  readonly series: number;
  readonly value: number;
  readonly label: string;
  /** A value that was wanted, drawn as a line across the bar. */
  readonly wanted?: number | undefined;
}

export interface BarChart {
  readonly title: string;
  readonly note: string;
  readonly series: readonly { readonly name: string; readonly colour: string }[];
  readonly groups: readonly { readonly title: string; readonly bars: readonly Bar[] }[];
}

const WIDTH = 860;
const MARGIN = 24;
const TITLES_WIDTH = 190;
const LABELS_WIDTH = 170;
const BAR_HEIGHT = 18;
const BAR_GAP = 4;
const GROUP_GAP = 20;
const HEAD_HEIGHT = 78;

export function barChart({ title, note, series, groups }: BarChart): string {
  const left = MARGIN + TITLES_WIDTH;
  const room = WIDTH - left - LABELS_WIDTH - MARGIN;
  const parts = [text(title, { x: MARGIN, y: 32, class: "title" }), legend(series)];
  let top = HEAD_HEIGHT;
  for (const group of groups) {
    const height = group.bars.length * (BAR_HEIGHT + BAR_GAP) - BAR_GAP;
    const most = Math.max(...group.bars.map(({ value, wanted = 0 }) => Math.max(value, wanted)));
    parts.push(text(group.title, { x: MARGIN, y: top + height / 2 + 5 }));
    group.bars.forEach((bar, i) => {
      const y = top + i * (BAR_HEIGHT + BAR_GAP);
      const width = Math.max(1, room * bar.value / most);
      const fill = series[bar.series]!.colour;
      parts.push(element("rect", { x: left, y, width, height: BAR_HEIGHT, rx: 2, fill }));
      const marks = [width];
      if (bar.wanted !== undefined) {
        const x = left + room * bar.wanted / most;
        marks.push(x - left);
        parts.push(
          element("line", { x1: x, x2: x, y1: y - 2, y2: y + BAR_HEIGHT + 2, class: "mark" }),
        );
      }
      const labelX = left + Math.max(...marks) + 8;
      parts.push(text(bar.label, { x: labelX, y: y + BAR_HEIGHT - 5 }));
    });
    top += height + GROUP_GAP;
  }
  parts.push(element("line", {
    x1: left,
    x2: left,
    y1: HEAD_HEIGHT - 6,
    y2: top - GROUP_GAP + 6,
    class: "axis",
  }));
  parts.push(text(note, { x: MARGIN, y: top + 6, class: "note" }));
  return svgDocument(WIDTH, top + 24, ...parts);
}

/** One line of coloured squares and names. */
function legend(series: BarChart["series"]): string {
  let x = MARGIN;
  const parts: string[] = [];
  for (const { name, colour } of series) {
    parts.push(element("rect", { x, y: 46, width: 12, height: 12, rx: 2, fill: colour }));
    parts.push(text(name, { x: x + 18, y: 57 }));
    x += 18 + name.length * 7.2 + 24;
  }
  return parts.join("\n");
}
