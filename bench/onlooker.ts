/**
 * Looks at servers from a process of its own, so that what it takes is not taken from who measures: reads
 * event streams of one server and scrapes every server once a second, until its standard input ends. With
 * no streams and no ports to scrape it does nothing until then.
 *
 *   deno run --allow-net bench/onlooker.ts STREAMS STREAM_PORT SCRAPED_PORT,...
 *
 * Writes "ready" once all streams are open, and at the end what it was given, as JSON.
 */
import { Scraper, Streams } from "./admin_load.ts";

/** What a look came to. */
export interface Looked {
  readonly pages: number;
  readonly pageBytes: number;
  readonly streamBytes: number;
}

/** An onlooker that runs; `stop` returns what it saw. */
export class Onlooker {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Returns once all its streams are open. */
  static async start(streams: number, port: number, scraped: readonly number[]): Promise<Onlooker> {
    const program = new URL(import.meta.url).pathname;
    const onlooker = new Onlooker(
      new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--allow-net", program, `${streams}`, `${port}`, scraped.join()],
        stdin: "piped",
        stdout: "piped",
      }).spawn(),
    );
    const { value } = await onlooker.#lines.read();
    if (value !== "ready\n") throw new Error(`The onlooker did not begin: ${value ?? "it ended"}`);
    return onlooker;
  }

  async stop(): Promise<Looked> {
    await this.#child.stdin.close();
    let text = "";
    for (;;) {
      const { value, done } = await this.#lines.read();
      if (done) break;
      text += value;
    }
    const { success } = await this.#child.status;
    if (!success) throw new Error("The onlooker failed: see its error above");
    return JSON.parse(text) as Looked;
  }
}

async function main([count, port, scraped]: string[]): Promise<void> {
  const streams = new Streams();
  for (let i = 0; i < Number(count); i++) await streams.add(Number(port));
  const scraper = new Scraper(scraped ? scraped.split(",").map(Number) : []);
  console.log("ready");
  for await (const _ of Deno.stdin.readable) { /* nothing is said to it but its end */ }
  await scraper.stop();
  await streams.close();
  const looked: Looked = {
    pages: scraper.pages,
    pageBytes: scraper.bytes,
    streamBytes: streams.bytes,
  };
  console.log(JSON.stringify(looked));
}

if (import.meta.main) await main(Deno.args);
