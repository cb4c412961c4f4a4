/** A Redis client library as the tests see it: one command at a time, and what its user is told. */
import { Cluster as IoRedisCluster, Redis as IoRedis, type RedisOptions } from "ioredis";
import { createClient, createCluster } from "redis";
import { needsProgram } from "../requirements.ts";
import { ChildClient } from "./child_client.ts";
import type { Answer, LibraryClient } from "./library_client.ts";

/** A library with a set of options. */
export interface Library {
  /** As in docs/clients.md. */
  readonly name: string;
  /** Whether it is the library's client for clusters, which follows the leader by itself. */
  readonly isCluster: boolean;
  /** As its user writes them; "" for the defaults. */
  readonly options: string;
  /** Why it can't run here; null where it can. */
  readonly notRun: string | null;
  /** Rejects where the library can't be made a client of these servers. */
  connect(ports: readonly number[]): Promise<LibraryClient>;
}

/** What `work` comes to for whoever called it. */
async function answerOf(work: Promise<unknown>): Promise<Answer> {
  try {
    return { value: String(await work) };
  } catch (error) {
    return { error: `${(error as Error).name}: ${(error as Error).message}` };
  }
}

const hosts = (ports: readonly number[]) => ports.map((port) => ({ host: "127.0.0.1", port }));
const ignore = () => {};

type IoRedisClusterOptions = NonNullable<ConstructorParameters<typeof IoRedisCluster>[1]>;

/** Waits for the connection, which a library makes in the background. */
async function ready(client: IoRedis | IoRedisCluster): Promise<LibraryClient> {
  client.on("error", ignore);
  if (client.status !== "ready") {
    await new Promise<void>((resolve, reject) => {
      client.once("ready", resolve);
      client.once("end", () => reject(new Error("It gave up before it was connected")));
    });
  }
  return { incr: (key) => answerOf(client.incr(key)), close: () => client.disconnect() };
}

export function ioredis(options: RedisOptions = {}): Library {
  return {
    name: "ioredis",
    isCluster: false,
    options: shown(options),
    notRun: null,
    connect: ([port]) => ready(new IoRedis({ host: "127.0.0.1", port: port!, ...options })),
  };
}

export function ioredisCluster(options: IoRedisClusterOptions = {}): Library {
  return {
    name: "ioredis Cluster",
    isCluster: true,
    options: shown(options),
    notRun: null,
    connect: (ports) => ready(new IoRedisCluster(hosts(ports), { ...options })),
  };
}

type NodeRedisOptions = NonNullable<Parameters<typeof createClient>[0]>;
type NodeRedisClusterOptions = Omit<Parameters<typeof createCluster>[0], "rootNodes">;

export function nodeRedis(options: NodeRedisOptions = {}): Library {
  return {
    name: "node-redis createClient",
    isCluster: false,
    options: shown(options),
    notRun: null,
    connect: async ([port]) => {
      const client = createClient({ url: `redis://127.0.0.1:${port}`, ...options });
      client.on("error", ignore);
      await client.connect();
      return { incr: (key) => answerOf(client.incr(key)), close: () => client.destroy() };
    },
  };
}

export function nodeRedisCluster(options: NodeRedisClusterOptions = {}): Library {
  return {
    name: "node-redis createCluster",
    isCluster: true,
    options: shown(options),
    notRun: null,
    connect: async (ports) => {
      const rootNodes = ports.map((port) => ({ url: `redis://127.0.0.1:${port}` }));
      const client = createCluster({ rootNodes, ...options });
      client.on("error", ignore);
      client.on("node-error", ignore);
      await client.connect();
      return { incr: (key) => answerOf(client.incr(key)), close: () => client.destroy() };
    },
  };
}

/** Options for a program in another language: JSON, in that language's names. */
type ChildOptions = Readonly<Record<string, unknown>> | readonly unknown[];

/** The first Python that has redis-py: the one on the PATH need not be the system's. */
function python(): { program: string; notRun: string | null } {
  for (const program of ["python3", "/usr/bin/python3"]) {
    if (needsProgram(program, "-c", "import redis") === null) return { program, notRun: null };
  }
  return { program: "python3", notRun: "redis-py is not installed (Debian: python3-redis)" };
}

const found = {
  python: python(),
  php: needsProgram("php", "-r", "exit(extension_loaded('redis') ? 0 : 1);") === null
    ? null
    : "phpredis is not installed (Debian: php-cli, php-redis)",
  ruby: needsProgram("ruby", "-e", "require 'redis'") === null
    ? null
    : "redis-rb is not installed (Debian: ruby-redis)",
};

export function redisPy(isCluster: boolean, options: ChildOptions = {}, renews = false): Library {
  const { program, notRun } = found.python;
  const name = isCluster ? "redis-py RedisCluster" : "redis-py Redis";
  return childLibrary([program, "redis_py.py"], notRun, { name, isCluster, options, renews });
}

/** The options of its cluster client are its constructor's arguments after the seeds. */
export function phpredis(isCluster: boolean, options: ChildOptions = [], renews = false): Library {
  const name = isCluster ? "phpredis RedisCluster" : "phpredis Redis";
  return childLibrary(["php", "phpredis.php"], found.php, { name, isCluster, options, renews });
}

export function redisRb(isCluster: boolean, options: ChildOptions = {}): Library {
  const name = isCluster ? "redis-rb cluster:" : "redis-rb url:";
  const what = { name, isCluster, options, renews: false };
  return childLibrary(["ruby", "redis_rb.rb"], found.ruby, what);
}

function childLibrary(
  [program, script]: readonly [string, string],
  notRun: string | null,
  { name, isCluster, options, renews }: {
    name: string;
    isCluster: boolean;
    options: ChildOptions;
    renews: boolean;
  },
): Library {
  const file = new URL(script, import.meta.url).pathname;
  return {
    name,
    isCluster,
    options: shown(options) + (renews ? "a new one after an error" : ""),
    notRun,
    connect: (ports) =>
      ChildClient.start(program, file, { cluster: isCluster, ports, options, renews }),
  };
}

/** Options without their outer brackets, as a table or a test's name holds them. */
function shown(options: object): string {
  return JSON.stringify(options, (_, value) => typeof value === "function" ? `${value}` : value)
    .slice(1, -1).replaceAll('"', "").replaceAll(":", ": ").replaceAll(",", ", ");
}
