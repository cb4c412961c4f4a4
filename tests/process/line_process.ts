/** A program that is talked to while it runs: lines of its output as they come, bytes into its input. */
import { KeptText } from "./kept_text.ts";
import type { Cluster } from "./harness.ts";
import { eventually, within } from "./patience.ts";
import { BARE_ENVIRONMENT } from "./server_process.ts";

const DEADLINE_MS = 60_000;

export class LineProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #name: string;
  readonly #out = new KeptText();
  readonly #error = new KeptText();
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ended: Promise<number>;
  #read = 0;

  constructor(cluster: Cluster, [program, ...args]: readonly string[]) {
    this.#name = args.slice(-3).join(" ");
    this.#child = new Deno.Command(program!, {
      args,
      cwd: cluster.directory,
      env: { ...BARE_ENVIRONMENT },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#ended = this.#follow();
  }

  /** The next line of its output. */
  async line(): Promise<string> {
    const at = this.#read++;
    await eventually(`line ${at + 1} of ${this.#name}`, () => {
      if (this.#out.wholeLines().length > at) return true;
      if (!this.#hasEnded) return false;
      throw new Error(`${this.#name} ended: ${this.#out.text}${this.#error.text}`);
    }, DEADLINE_MS);
    return this.#out.wholeLines()[at]!;
  }

  /** Until it says on standard error that it waits. */
  async waiting(): Promise<void> {
    await eventually(`${this.#name} to wait`, () => this.#error.text.includes("waiting for"));
  }

  write(text: string): Promise<void> {
    return this.#input.write(new TextEncoder().encode(text));
  }

  endInput(): Promise<void> {
    return this.#input.close();
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  async ended(): Promise<{ code: number; out: string; error: string }> {
    const code = await within(DEADLINE_MS, `${this.#name} to end`, this.#ended);
    return { code, out: this.#out.text, error: this.#error.text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#ended;
    // It may be closed, or its reader gone.
    await this.#input.close().catch(() => {});
  }

  #hasEnded = false;

  async #follow(): Promise<number> {
    const gather = async (stream: ReadableStream<Uint8Array>, kept: KeptText) => {
      const decoder = new TextDecoder();
      for await (const bytes of stream) kept.add(decoder.decode(bytes, { stream: true }));
    };
    const [{ code }] = await Promise.all([
      this.#child.status,
      gather(this.#child.stdout, this.#out),
      gather(this.#child.stderr, this.#error),
    ]);
    this.#hasEnded = true;
    return code;
  }
}
