/** The client libraries that people have, as subscribers: unchanged, over a kill of the leader. */
import { assert, assertEquals } from "@std/assert";
import { Cluster as IoRedisCluster, Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import type { Server } from "../harness.ts";
import { untilLoaded } from "../loaded.ts";
import { eventually } from "../patience.ts";
import { RedisSocket } from "../redis_socket.ts";
import { needsProgram } from "../requirements.ts";
import { libraryTest } from "./register.ts";

/** Publishes on `server`, again and again, until `isHeard`. */
async function publishUntil(
  server: Server,
  channel: string,
  message: string,
  isHeard: () => boolean,
): Promise<void> {
  await eventually(`${message} to be heard`, async () => {
    using socket = await RedisSocket.connect(server.clientPort);
    await socket.ask("PUBLISH", channel, message);
    return isHeard();
  });
}

async function write(server: Server, key: string): Promise<void> {
  using socket = await RedisSocket.connect(server.clientPort);
  assertEquals(await socket.ask("SET", key, "v"), "OK");
}

libraryTest(
  "ioredis: a subscriber subscribes again by itself after a kill",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const other = cluster.others(leader)[0]!;
    const client = new IoRedis({
      host: "127.0.0.1",
      port: leader.clientPort,
      retryStrategy: () => 50,
      maxRetriesPerRequest: null,
    });
    client.on("error", () => {});
    try {
      const heard: string[] = [];
      client.on("message", (channel, message) => heard.push(`${channel} ${message}`));
      client.on(
        "pmessage",
        (pattern, channel, message) => heard.push(`${pattern} ${channel} ${message}`),
      );
      assertEquals(await client.subscribe("news"), 1);
      assertEquals(await client.psubscribe("__keyspace@0__:a*"), 2);
      await publishUntil(other, "news", "before", () => heard.includes("news before"));
      await write(leader, "ab");
      await eventually("a change to be told", () => {
        return Promise.resolve(heard.includes("__keyspace@0__:a* __keyspace@0__:ab set"));
      });
      await leader.restart();
      await publishUntil(other, "news", "after", () => heard.includes("news after"));
      heard.length = 0;
      await write(await cluster.waitForLeader(), "ac");
      await eventually("a change to be told again", () => {
        return Promise.resolve(heard.includes("__keyspace@0__:a* __keyspace@0__:ac set"));
      });
      assertEquals(await client.unsubscribe("news"), 1);
    } finally {
      client.disconnect();
    }
  },
);

libraryTest(
  "ioredis: a cluster's client publishes and subscribes over a kill",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    // It subscribes on whichever it likes.
    await untilLoaded(cluster.servers);
    const nodes = cluster.servers.map(({ clientPort: port }) => ({ host: "127.0.0.1", port }));
    const subscriber = new IoRedisCluster(nodes, { clusterRetryStrategy: () => 50 });
    const publisher = new IoRedisCluster(nodes, { clusterRetryStrategy: () => 50 });
    for (const one of [subscriber, publisher]) one.on("error", () => {});
    try {
      const heard: string[] = [];
      subscriber.on("message", (_channel, message) => heard.push(message));
      assertEquals(await subscriber.subscribe("news"), 1);
      const until = (message: string) =>
        eventually(`${message} to be heard`, async () => {
          await publisher.publish("news", message).catch(() => {});
          return heard.includes(message);
        });
      await until("before");
      await leader.kill();
      await until("after");
    } finally {
      subscriber.disconnect();
      publisher.disconnect();
    }
  },
);

for (const RESP of [2, 3] as const) {
  libraryTest(`node-redis: a subscriber in version ${RESP}, over a kill`, {}, async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const other = cluster.others(leader)[0]!;
    const client = createClient({
      url: `redis://127.0.0.1:${leader.clientPort}`,
      RESP,
      socket: { reconnectStrategy: () => 50 },
    });
    client.on("error", () => {});
    await client.connect();
    try {
      const heard: string[] = [];
      await client.subscribe("news", (message) => heard.push(message));
      await client.pSubscribe(
        "__keyevent@0__:*",
        (key, channel) => heard.push(`${channel} ${key}`),
      );
      await publishUntil(other, "news", "before", () => heard.includes("before"));
      await write(leader, "k");
      await eventually("a change to be told", () => {
        return Promise.resolve(heard.includes("__keyevent@0__:set k"));
      });
      if (RESP === 3) {
        assertEquals(await client.get("k"), "v");
        assertEquals(await client.publish("news", "own"), 1);
      }
      await leader.restart();
      await publishUntil(other, "news", "after", () => heard.includes("after"));
      await client.unsubscribe("news");
      await client.pUnsubscribe();
      await eventually("the server to answer", async () => {
        // In version 2 this library gives bytes here, of any server.
        return String(await client.ping().catch(() => "")) === "PONG";
      });
    } finally {
      client.destroy();
    }
  });
}

libraryTest(
  "redis-cli: psubscribe shows what becomes of keys",
  { notRun: needsProgram("redis-cli", "--version") },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const child = new Deno.Command("redis-cli", {
      args: ["-p", `${leader.clientPort}`, "psubscribe", "__key*__:*"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    let shown = "";
    const reading = (async () => {
      for await (const chunk of child.stdout) shown += new TextDecoder().decode(chunk);
    })();
    try {
      await eventually("it to subscribe", () => Promise.resolve(shown.includes("psubscribe")));
      await write(leader, "k");
      await eventually("the change to be shown", () => {
        return Promise.resolve(
          shown.includes("__keyspace@0__:k") && shown.includes("__keyevent@0__:set"),
        );
      });
      assert(shown.indexOf("__keyspace@0__:k") < shown.indexOf("__keyevent@0__:set"));
    } finally {
      child.kill();
      await child.status;
      await reading;
    }
  },
);

libraryTest("node-redis: its client-side cache, over a kill of the leader", {}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  const client = createClient({
    url: `redis://127.0.0.1:${leader.clientPort}`,
    RESP: 3,
    clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: "LRU" },
    socket: { reconnectStrategy: () => 50 },
  });
  client.on("error", () => {});
  await client.connect();
  try {
    using writer = await RedisSocket.connect(leader.clientPort);
    for (let i = 0; i < 50; i++) {
      assertEquals(await writer.ask("SET", "k", `${i}`), "OK");
      await eventually("the new value to be seen", async () => await client.get("k") === `${i}`);
      // By now it is kept.
      assertEquals(await client.get("k"), `${i}`);
    }
    const listed = String(await writer.ask("CLIENT", "LIST"));
    assert(/flags=t /.test(listed), listed);
    await leader.restart();
    const next = await cluster.waitForLeader();
    using later = await RedisSocket.connect(next.clientPort);
    assertEquals(await later.ask("SET", "k", "after"), "OK");
    // It says where the leader is now, or has the new value: never the old one for good.
    await eventually("what it kept to be forgotten", async () => {
      const answer = await client.get("k").catch((error: Error) => error.message);
      return answer === "after" || /^MOVED/.test(String(answer));
    });
  } finally {
    client.destroy();
  }
});
