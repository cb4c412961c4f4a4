/**
 * One client, in a process of its own, that makes the calls it is told to. Each is compiled as in a program
 * that has it alone, and none pays for what another one leaves behind: node-redis has a timer of 5 s for
 * each call, which goes off in somebody else's turn though the call was answered long before. So a process
 * is stopped while it is not its turn, and does what it has left over before its next turn is measured.
 *
 *   deno run --allow-net --allow-env --allow-sys bench/client_caller.ts NAME HOSTNAME PORT
 *
 * Writes "ready" once it is connected; then for each turn that it reads, a line of JSON, what that came
 * to, another one. Ends with its standard input.
 */
import { Redis } from "ioredis";
import { createClient } from "redis";
import { connect } from "../client/mod.ts";
import { pauseMs } from "./find_leader.ts";
import { formatAddress } from "./line_client.ts";
import { cpuOf, usedUs } from "./process_cpu.ts";

/** What may be measured: ours as it is by default, ours as the others work, and the others. */
export const CALLER_NAMES = [
  "raftkv/client",
  "raftkv/client, sessions: false",
  "ioredis",
  "node-redis",
] as const;
export type CallerName = typeof CALLER_NAMES[number];

const KEYS = 1_000;

export interface Turn {
  readonly kind: "set" | "get";
  /** So many calls are under way at any time. */
  readonly calls: number;
  readonly seconds: number;
  readonly valueBytes: number;
}

export interface Taken {
  readonly done: number;
  readonly elapsedMs: number;
}

/** What was left over has been done once so little is used between two looks. */
const QUIET_US = 5_000;
const LOOK_MS = 50;
const QUIET_TIMEOUT_MS = 30_000;

/** A process that makes calls; `close` ends it. */
export class ClientCaller {
  readonly name: CallerName;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #onUnload = () => this.#kill();
  #text = "";

  private constructor(name: CallerName, child: Deno.ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    globalThis.addEventListener("unload", this.#onUnload);
  }

  /** Returns once it is connected to the server. */
  static async start(name: CallerName, hostname: string, port: number): Promise<ClientCaller> {
    const file = (path: string) => new URL(path, import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--allow-net", "--allow-env", "--allow-sys"]
        .concat(`--config=${file("../deno.json")}`, `--lock=${file("../tests/deno.lock")}`)
        .concat("--frozen", file("client_caller.ts"), name, hostname, `${port}`),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const caller = new ClientCaller(name, child);
    const word = await caller.#line();
    if (word !== "ready") throw new Error(`${name} did not begin: it wrote ${word}`);
    caller.rest();
    return caller;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Goes on; returns, in µs of processor time, what it had left over once it has done that. */
  async wake(): Promise<number> {
    Deno.kill(this.pid, "SIGCONT");
    const beganUs = usedUs(cpuOf(this.pid));
    const deadlineMs = performance.now() + QUIET_TIMEOUT_MS;
    for (let before = beganUs;;) {
      await pauseMs(LOOK_MS);
      const now = usedUs(cpuOf(this.pid));
      if (now - before < QUIET_US) return now - beganUs;
      if (performance.now() > deadlineMs) throw new Error(`${this.name} does not come to rest`);
      before = now;
    }
  }

  /** Between `wake` and `rest`. */
  async take(turn: Turn): Promise<Taken> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(turn)}\n`));
    return JSON.parse(await this.#line()) as Taken;
  }

  /** It stands still, whatever it has left to do. */
  rest(): void {
    Deno.kill(this.pid, "SIGSTOP");
  }

  async close(): Promise<void> {
    globalThis.removeEventListener("unload", this.#onUnload);
    Deno.kill(this.pid, "SIGCONT");
    await this.#input.close().catch(() => this.#kill());
    await this.#output.cancel();
    await this.#child.status;
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`${this.name} ended early: see its error above`);
      this.#text += value;
    }
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

interface Calls {
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<unknown>;
  close(): void;
}

async function open(name: CallerName, hostname: string, port: number): Promise<Calls> {
  if (name === "ioredis") {
    const redis = new Redis({ host: hostname, port });
    await redis.ping();
    return {
      set: (key, value) => redis.set(key, value),
      get: (key) => redis.get(key),
      close: () => redis.disconnect(),
    };
  }
  if (name === "node-redis") {
    const redis = createClient({ url: `redis://${hostname}:${port}` });
    redis.on("error", (error) => {
      throw error;
    });
    await redis.connect();
    return {
      set: (key, value) => redis.set(key, value),
      get: (key) => redis.get(key),
      close: () => redis.destroy(),
    };
  }
  const servers = [formatAddress({ hostname, port })];
  const client = await connect({ servers, sessions: name === "raftkv/client" });
  return {
    set: (key, value) => client.text.set(key, value),
    get: (key) => client.text.get(key),
    close: () => client.close(),
  };
}

/** Each of the callers makes its next call once the one before is answered. */
async function take(own: Calls, { kind, calls, seconds, valueBytes }: Turn): Promise<Taken> {
  const value = "x".repeat(valueBytes);
  let done = 0;
  const beganMs = performance.now();
  const endMs = beganMs + 1_000 * seconds;
  const one = kind === "set"
    ? async () => {
      while (performance.now() < endMs) await own.set(`key:${++done % KEYS}`, value);
    }
    : async () => {
      while (performance.now() < endMs) await own.get(`key:${++done % KEYS}`);
    };
  await Promise.all(Array.from({ length: calls }, one));
  return { done, elapsedMs: performance.now() - beganMs };
}

async function main([name, hostname, port]: string[]): Promise<void> {
  const own = await open(name as CallerName, hostname!, Number(port));
  console.log("ready");
  let text = "";
  for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      console.log(JSON.stringify(await take(own, JSON.parse(text.slice(0, end)) as Turn)));
      text = text.slice(end + 1);
    }
  }
  own.close();
}

if (import.meta.main) await main(Deno.args);
