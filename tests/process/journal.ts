/**
 * What the test under way did and waited for, and when: printed where it fails. One test of a file
 * runs at a time, so there is one journal.
 */

const LINES_MAX = 200;

let startedAtMs = performance.now();
let lines: string[] = [];
let leftOut = 0;

/** Forgets what the test before did. */
export function startJournal(): void {
  startedAtMs = performance.now();
  lines = [];
  leftOut = 0;
}

/** Adds a line with the time since the test began; the oldest lines give way. */
export function note(text: string): void {
  if (lines.length === LINES_MAX) {
    lines.shift();
    leftOut++;
  }
  lines.push(`${seconds(performance.now() - startedAtMs).padStart(9)}  ${text}`);
}

/** The lines, oldest first. */
export function journal(): string {
  const head = leftOut === 0 ? [] : [`(${leftOut} lines before)`];
  return [...head, ...lines].join("\n");
}

/** `ms` as people read it. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
