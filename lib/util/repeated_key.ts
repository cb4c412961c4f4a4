/** Keys that stand twice in one object of a JSON text: JSON.parse takes the last, and tells nobody. */

/** Where a key stands that was there before; lines from 1. */
export interface RepeatedKey {
  /** From the outermost object: keys, and places in arrays. */
  readonly path: readonly (string | number)[];
  readonly firstLine: number;
  readonly line: number;
}

/** An object or array that is not closed yet. */
interface Open {
  /** Lines of the keys so far; null of an array. */
  readonly lines: Map<string, number> | null;
  /** Of what comes next. */
  step: string | number;
}

/** A text, a bracket or a comma of JSON, or a line end. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],\n]/g;

/** The first key that stands twice; `json` is valid JSON (RFC 8259, section 4, leaves open what it means). */
export function repeatedKey(json: string): RepeatedKey | null {
  const open: Open[] = [];
  let line = 1;
  let isKeyNext = false;
  for (const [token] of json.matchAll(TOKEN)) {
    const inner = open.at(-1);
    if (token === "\n") line++;
    else if (token === "{" || token === "[") {
      open.push({ lines: token === "{" ? new Map() : null, step: 0 });
      isKeyNext = token === "{";
    } else if (token === "}" || token === "]") {
      open.pop();
      isKeyNext = false;
    } else if (token === ",") {
      isKeyNext = inner!.lines !== null;
      if (typeof inner!.step === "number") inner!.step++;
    } else if (isKeyNext) {
      isKeyNext = false;
      const key = JSON.parse(token) as string;
      const { lines } = inner!;
      inner!.step = key;
      const firstLine = lines!.get(key);
      if (firstLine !== undefined) return { path: open.map(({ step }) => step), firstLine, line };
      lines!.set(key, line);
    }
  }
  return null;
}
