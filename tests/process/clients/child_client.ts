/** A client library of another language, in a process of its own that is asked line by line. */
import { assert } from "../../../lib/util/assert.ts";
import { within } from "../patience.ts";
import type { Answer, LibraryClient } from "./library_client.ts";

/** What the program is told: its first argument, as JSON. */
export interface ChildSetup {
  readonly cluster: boolean;
  readonly ports: readonly number[];
  readonly options: unknown;
  /** Whether it makes a new client after an error. */
  readonly renews: boolean;
}

/** No library here waits longer for one command, fail-over included. */
const ANSWER_DEADLINE_MS = 60_000;

export class ChildClient implements LibraryClient {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  #text = "";

  private constructor(program: string, file: string, setup: ChildSetup) {
    this.#child = new Deno.Command(program, {
      args: [file, JSON.stringify(setup)],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Rejects, with what the library said, where no client could be made. */
  static async start(program: string, file: string, setup: ChildSetup): Promise<ChildClient> {
    const client = new ChildClient(program, file, setup);
    const answer = await client.#readAnswer();
    if ("error" in answer) {
      await client.close();
      throw new Error(answer.error);
    }
    return client;
  }

  async incr(key: string): Promise<Answer> {
    await this.#input.write(new TextEncoder().encode(`INCR ${key}\n`));
    return await this.#readAnswer();
  }

  async close(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#input.abort().catch(() => {});
    await this.#output.cancel();
    await this.#child.status;
  }

  async #readAnswer(): Promise<Answer> {
    const line = await within(ANSWER_DEADLINE_MS, "the client's answer", this.#readLine());
    const space = line.indexOf(" ");
    const [kind, text] = [line.slice(0, space), line.slice(space + 1)];
    assert(kind === "ok" || kind === "error", `The client's program said: ${line}`);
    return kind === "ok" ? { value: text } : { error: text };
  }

  async #readLine(): Promise<string> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`The client's program ended; it last said: ${this.#text}`);
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }
}
