/** Redis's own programs, where the machine has them: a server to compare with, and its tools. */
import { testNamed } from "./requirements.ts";
import { freePorts } from "../../bench/free_ports.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";

/** Why tests that need a program of Redis are left out; null where it is there. */
export function missing(...programs: string[]): string | null {
  for (const program of programs) {
    try {
      new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" })
        .outputSync();
    } catch {
      return `${program} is not installed (Debian: redis-tools, redis-server)`;
    }
  }
  return null;
}

/** A redis-server that keeps nothing. */
export class RedisServer {
  readonly port: number;
  readonly #child: Deno.ChildProcess;

  private constructor(port: number, child: Deno.ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(extra: readonly string[] = [], directory?: string): Promise<RedisServer> {
    const port = freePorts(1)[0]!;
    const child = new Deno.Command("redis-server", {
      args: ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]
        .concat(extra),
      ...(directory === undefined ? {} : { cwd: directory }),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const server = new RedisServer(port, child);
    await eventually("redis-server to listen", async () => {
      try {
        using socket = await RedisSocket.connect(port);
        return await socket.ask("PING") === "PONG";
      } catch {
        return false;
      }
    });
    return server;
  }

  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
  }
}

/** Registers a test that needs programs of Redis; where they are missing it says so. */
export function redisTest(
  name: string,
  programs: readonly string[],
  run: (t: Deno.TestContext) => Promise<void>,
): void {
  const reason = missing(...programs);
  Deno.test(testNamed(name, reason), run);
}
