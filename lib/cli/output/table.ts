/** Tables of plain text, as one can paste them into a report. Pure. */

/** Code points that take two columns of a terminal: East Asian scripts and pictures. */
const WIDE = new RegExp(
  "[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f" +
    "\\uff00-\\uff60\\uffe0-\\uffe6\\u{1f300}-\\u{1faff}\\u{20000}-\\u{3fffd}]",
  "u",
);
const NO_WIDTH = /[\p{Mn}\p{Me}]/u;

/** How many columns of a terminal `text` takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  }
  return width;
}

export interface Column {
  readonly title: string;
  /** Numbers stand at the right; texts, the default, at the left. */
  readonly right?: boolean;
}

/** Columns as wide as their widest cell, two spaces apart, without borders; every line ends in "\n". */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const all = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, at) => Math.max(...all.map((row) => widthOf(row[at] ?? ""))));
  return all.map((row) => {
    const cells = columns.map(({ right }, at) => {
      const cell = row[at] ?? "";
      const room = " ".repeat(widths[at]! - widthOf(cell));
      return right ? room + cell : cell + room;
    });
    return cells.join("  ").trimEnd() + "\n";
  }).join("");
}

/**
 * The same with a line for each of the columns and a column for each of the rows: what the first column
 * says of a row stands above it.
 */
export function transposed(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const [first, ...others] = columns;
  const heads = [first!.title, ...rows.map((row) => row[0]!)].map((title) => ({ title }));
  return table(heads, others.map(({ title }, at) => [title, ...rows.map((row) => row[at + 1]!)]));
}

/** How many columns of a terminal the widest line takes. */
export function widestLine(text: string): number {
  return Math.max(...text.split("\n").map(widthOf));
}

/** Lines of at most so many columns, broken where a word begins; a longer word stays whole. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line.trim() === "" || widthOf(longer) <= columns) line = longer;
    else {
      lines.push(line.trimEnd());
      line = word;
    }
  }
  return [...lines, line];
}

/** As much of `text` as fits into so many columns; what is left out is shown by "…". */
export function clip(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let out = "";
  let width = 0;
  for (const character of text) {
    width += widthOf(character);
    if (width > columns - 1) break;
    out += character;
  }
  return `${out}…`;
}
