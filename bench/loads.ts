/** Loads of redis-benchmark, as the command lines of benchmarks name them. */

export interface Load {
  readonly test: "SET" | "GET";
  readonly connections: number;
  readonly pipeline: number;
}

/**
 * Of `SET:100:16`, by commas: what is asked, connections, pipeline.
 * @throws {Error} where a part is none.
 */
export function parseLoads(text: string): Load[] {
  return text.split(",").map((part) => {
    const match = /^(SET|GET):(\d+):(\d+)$/i.exec(part.trim());
    if (match === null) throw new Error(`--loads: ${JSON.stringify(part)} is no SET:100:16`);
    const test = match[1]!.toUpperCase() as Load["test"];
    return { test, connections: Number(match[2]), pipeline: Number(match[3]) };
  });
}
