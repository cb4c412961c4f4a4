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
  "process: a damaged log serves nothing, names the file, and the others go on",
  {},
  async (cluster) => {
    await cluster.startAll();
    using client = cluster.client();
    assertEquals(await client.set("a", "the value that is damaged"), "OK 1");
    assertEquals(await client.set("b", "another value behind it"), "OK 1");
    const leader = await cluster.waitForLeader();
    for (const damaged of [cluster.others(leader)[0]!, leader]) {
      assertEquals((await damaged.terminate()).code, 0);
      const mend = flipBitOf(damaged, "the value that is damaged");
      const before = segments(damaged).map((path) => Deno.readFileSync(path));
      damaged.start();
      const ended = await damaged.process.ended();
      assertEquals(ended.code, 1);
      assertMatch(ended.error, /damaged/);
      assertMatch(ended.error, /wal\/\d+\.log/);
      // What can't be trusted is not changed either: it may be needed to find out what happened.
      const after = segments(damaged).map((path) => Deno.readFileSync(path));
      assertEquals(after.length, before.length);
      assert(after.every((bytes, i) => bytes.every((byte, at) => byte === before[i]![at])));
      assertEquals(await client.get("a"), "the value that is damaged");
      assertEquals(await client.get("b"), "another value behind it");
      mend();
      damaged.start();
      await cluster.waitForLeader();
      assertEquals(
        await client.set("b", "another value behind it"),
        `OK ${damaged === leader ? 3 : 2}`,
      );
    }
  },
);
