/** ACL GENPASS, beside that of redis-server 7.0: how long, of which letters, and what it refuses. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { withCluster } from "./harness.ts";
import { RedisSocket, type Reply } from "./redis_socket.ts";
import { RedisServer, redisTest } from "./redis_tools.ts";

/** What stands after the command: numbers of bits, and what is none. */
const ARGUMENTS: readonly (readonly string[])[] = [
  [],
  ...["1", "3", "4", "5", "8", "63", "64", "65", "255", "256", "257", "1024", "4095", "4096"]
    .map((bits) => [bits]),
  ...["0", "-1", "-256", "4097", "9223372036854775807", "-9223372036854775808"].map((
    bits,
  ) => [bits]),
  ...["9223372036854775808", "", " 8", "8 ", "+8", "08", "8.0", "1e2", "0x10", "eight", "8\0"]
    .map((text) => [text]),
  ["8", "8"],
  ["8", "8", "8"],
];

/** A password by how long it is; errors and all else as they are. */
function shapeOf(reply: Reply): string {
  if (reply instanceof Error) return reply.message;
  if (typeof reply !== "string") throw new Error(`${reply}`);
  assertMatch(reply, /^([0-9a-f]*|QUEUED)$/);
  return reply === "QUEUED" ? reply : `${reply.length} digits`;
}

redisTest(
  "ACL GENPASS gives as many digits as redis-server's, refuses what that does, and never the same twice",
  ["redis-server"],
  async () => {
    const redis = await RedisServer.start();
    try {
      await withCluster({ size: 1 }, async (cluster) => {
        await cluster.startAll();
        using ours = await RedisSocket.connect(cluster.server(1).clientPort);
        using theirs = await RedisSocket.connect(redis.port);
        const shapes = new Set<string>();
        for (const words of ARGUMENTS) {
          const shape = shapeOf(await ours.ask("ACL", "GENPASS", ...words));
          const wanted = shapeOf(await theirs.ask("ACL", "GENPASS", ...words));
          assertEquals(shape, wanted, `GENPASS ${JSON.stringify(words)}`);
          shapes.add(shape);
        }
        // The lengths that there are, 64 first, and the three errors.
        assertEquals(shapes.size, 8 + 3, [...shapes].join("; "));
        await drawsAnew(ours);
      });
    } finally {
      await redis.stop();
    }
  },
);

/** All different, and each digit as often as any other. */
async function drawsAnew(socket: RedisSocket): Promise<void> {
  const drawn = new Set<string>();
  const counts = new Map<string, number>();
  for (let i = 0; i < 500; i++) {
    const password = await socket.ask("ACL", "GENPASS");
    if (typeof password !== "string") throw new Error(`${password}`);
    drawn.add(password);
    for (const digit of password) counts.set(digit, (counts.get(digit) ?? 0) + 1);
  }
  assertEquals(drawn.size, 500);
  assertEquals(counts.size, 16);
  // Of 32,000 digits each comes 2,000 times; the standard deviation is 43.
  for (const [digit, count] of counts) {
    assert(Math.abs(count - 2_000) < 8 * 43, `${digit}: ${count}`);
  }
}
