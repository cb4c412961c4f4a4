import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Cluster, withCluster } from "./harness.ts";
import { CASES } from "./redis_cases.ts";
import { encodeRequest, RedisSocket } from "./redis_socket.ts";
import { toBytes } from "./socket.ts";
import { RedisServer, redisTest } from "./redis_tools.ts";

const CASES_AT_LEAST = 400;

interface Case {
  readonly line: string;
  readonly commands: readonly (readonly string[])[];
  readonly differs: string | undefined;
}

redisTest(
  "replies are those of redis-server, byte by byte",
  ["redis-server"],
  async (t) => {
    const redis = await RedisServer.start();
    const compareAll = async (cluster: Cluster) => {
      await cluster.startAll();
      const [{ process, clientPort: port }] = cluster.servers as [Cluster["servers"][number]];
      // Commands on users are refused before that, which a busy machine may be late with.
      await process.logged("The cluster version is raised:");
      let count = 0;
      for (const { about, cases, differs } of CASES) {
        await t.step(about, async () => {
          const failures: string[] = [];
          for (const one of parseCases(cases, differs)) {
            count++;
            const failure = await compare(one, port, redis.port);
            if (failure !== null) failures.push(failure);
          }
          assertEquals(failures, []);
        });
      }
      assert(count >= CASES_AT_LEAST, `${count} cases, at least ${CASES_AT_LEAST} are wanted`);
    };
    try {
      await withCluster({ size: 1 }, compareAll);
    } finally {
      await redis.stop();
    }
  },
);

Deno.test("no case of the comparison stands there twice", () => {
  const lines = CASES.flatMap(({ cases }) => parseCases(cases, undefined)).map((one) => one.line);
  const twice = lines.filter((line, at) => lines.indexOf(line) !== at);
  assertEquals(twice, []);
  assertNotEquals(lines.length, 0);
});

/** What is wrong with a case; null where the replies are as they should. */
async function compare(one: Case, port: number, redisPort: number): Promise<string | null> {
  const ours = await replies(one, port);
  const theirs = await replies(one, redisPort);
  const areEqual = JSON.stringify(ours) === JSON.stringify(theirs);
  if (areEqual === (one.differs === undefined)) return null;
  return `${one.line}\n   ours   ${JSON.stringify(ours)}\n   theirs ${JSON.stringify(theirs)}`;
}

/** All commands of the case in one write; the end of the connection counts as a reply. */
async function replies(one: Case, port: number): Promise<string[]> {
  using before = await RedisSocket.connect(port);
  await before.ask("FLUSHALL");
  using socket = await RedisSocket.connect(port);
  const requests = one.commands.map(bytesOf);
  const bytes = new Uint8Array(requests.reduce((sum, request) => sum + request.length, 0));
  let at = 0;
  for (const request of requests) {
    bytes.set(request, at);
    at += request.length;
  }
  await socket.write(bytes);
  const found: string[] = [];
  for (const command of one.commands) {
    if (command[0] === "BLANK") continue;
    const reply = await socket.readRaw();
    found.push(isGreeting(command, reply) ? "a greeting" : reply);
    if (reply === "") break;
  }
  return found;
}

function bytesOf(command: readonly string[]): Uint8Array {
  if (command[0] === "INLINE") return toBytes("PING\r\n");
  return command[0] === "BLANK" ? toBytes(command[1]!) : encodeRequest(command);
}

/** HELLO tells of the server, so it can't be the same. */
function isGreeting(command: readonly string[], reply: string): boolean {
  return command[0]!.toUpperCase() === "HELLO" && /^[*%]/.test(reply);
}

function parseCases(text: string, differs: string | undefined): Case[] {
  return text.split("\n").filter((line) => line !== "").map((line) => ({
    line,
    commands: line.split(" | ").map((command) => command.split(" ").map(toArgument)),
    differs,
  }));
}

function toArgument(word: string): string {
  if (word === '""') return "";
  const repeated = /^(.)\*(\d+)$/.exec(word);
  if (repeated !== null) return repeated[1]!.repeat(Number(repeated[2]));
  return word.replace(/\\(x[0-9a-f]{2}|.)/g, (_, escape: string) => {
    if (escape.length === 3) return String.fromCharCode(parseInt(escape.slice(1), 16));
    return ({ s: " ", t: "\t", r: "\r", n: "\n", "0": "\0" } as Record<string, string>)[escape] ??
      escape;
  });
}
