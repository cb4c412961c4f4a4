/** Results as files: numbers as JSON, and a chart of them. */

const CHARTS = new URL("../docs/charts/", import.meta.url).pathname;

export interface ResultFiles {
  /** Where the files go; "" stands for docs/charts. */
  readonly json: string;
  readonly chart: string;
  /** A trial goes nowhere unless it was said where. */
  readonly quick: boolean;
}

export function writeResults(name: string, files: ResultFiles, json: object, chart: string): void {
  const write = (path: string, text: string) => {
    if (path === "") return;
    Deno.writeTextFileSync(path, text);
    console.log(`Written to ${path}`);
  };
  const standard = (extension: string) => files.quick ? "" : `${CHARTS}${name}.${extension}`;
  console.log();
  Deno.mkdirSync(CHARTS, { recursive: true });
  write(files.json || standard("json"), JSON.stringify(json, null, 1) + "\n");
  write(files.chart || standard("svg"), chart);
}
