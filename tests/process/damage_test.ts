import { assert, assertEquals, assertMatch } from "@std/assert";
import { clusterTest, type Server } from "./harness.ts";

/** The files of a server's log, oldest first. */
function segments(server: Server): string[] {
  const directory = `${server.dataDirectory}/wal`;
  return [...Deno.readDirSync(directory)].map(({ name }) => `${directory}/${name}`).sort();
}

/** Flips one bit of `value`, found by its own bytes in the server's log; returns how to undo it. */
function flipBitOf(server: Server, value: string): () => void {
  const needle = new TextEncoder().encode(value);
  for (const path of segments(server)) {
    const bytes = Deno.readFileSync(path);
    for (let at = bytes.indexOf(needle[0]!); at !== -1; at = bytes.indexOf(needle[0]!, at + 1)) {
      if (!needle.every((byte, i) => bytes[at + i] === byte)) continue;
      const damaged = bytes.slice();
      damaged[at + 3]! ^= 0x10;
      Deno.writeFileSync(path, damaged);
      return () => Deno.writeFileSync(path, bytes);
    }
  }
  throw new Error(`${value} is nowhere in the log of server ${server.id}`);
}

clusterTest(
  "process: a damaged log is fetched again from the others, and no wrong byte is served",
  {},
  async (cluster) => {
    await cluster.startAll();
    using client = cluster.client();
    assertEquals(await client.set("a", "the value that is damaged"), "OK 1");
    assertEquals(await client.set("b", "another value behind it"), "OK 1");
    const leader = await cluster.waitForLeader();
    const follower = cluster.others(leader)[0]!;
    for (const damaged of [follower, leader]) {
      assertEquals((await damaged.terminate()).code, 0);
      flipBitOf(damaged, "the value that is damaged");
      damaged.start();
      assertEquals(await client.get("a"), "the value that is damaged");
      await damaged.process.logged("The log is repaired");
      assertMatch(damaged.process.error, /The log is damaged: fetching again/);
      assertMatch(damaged.process.error, /wal\/\d+\.log/);
      assertEquals(await client.get("b"), "another value behind it");
    }
    // The two that were damaged are a majority now: what they fetched is all there is.
    const third = cluster.servers.find((one) => one !== leader && one !== follower)!;
    await third.kill();
    await cluster.waitForLeader();
    assertEquals(await client.get("a"), "the value that is damaged");
    assertEquals(await client.get("b"), "another value behind it");
    assertEquals(await client.set("b", "and on"), "OK 2");
    // Repaired for good: the next start is an ordinary one.
    assertEquals((await follower.terminate()).code, 0);
    follower.start();
    await cluster.waitForLeader();
    assert(!follower.process.error.includes("The log is damaged"));
  },
);

clusterTest(
  "process: an only server with a damaged log refuses to start, names the file, changes nothing",
  { size: 1 },
  async (cluster) => {
    await cluster.startAll();
    const server = cluster.server(1);
    using client = cluster.client();
    assertEquals(await client.set("a", "the value that is damaged"), "OK 1");
    assertEquals(await client.set("b", "another value behind it"), "OK 1");
    assertEquals((await server.terminate()).code, 0);
    const mend = flipBitOf(server, "the value that is damaged");
    const before = segments(server).map((path) => Deno.readFileSync(path));
    server.start();
    const ended = await server.process.ended();
    assertEquals(ended.code, 1);
    assertMatch(ended.error, /damaged/);
    assertMatch(ended.error, /wal\/\d+\.log/);
    // What can't be trusted is not changed either: it may be needed to find out what happened.
    const after = segments(server).map((path) => Deno.readFileSync(path));
    assertEquals(after.length, before.length);
    assert(after.every((bytes, i) => bytes.every((byte, at) => byte === before[i]![at])));
    mend();
    server.start();
    await cluster.waitForLeader();
    assertEquals(await client.get("a"), "the value that is damaged");
  },
);
