/** Ranges by real servers: pages over the death of a leader, and what the command line shows of them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect } from "../../client/mod.ts";
import { cli } from "./cli_process.ts";
import { clusterTest } from "./harness.ts";

const KEYS = 3_000;

function keyOf(n: number): string {
  return `page:${String(n).padStart(5, "0")}`;
}

clusterTest(
  "ranges: pages go on over the death of the leader, each key once and in order",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    await using client = await connect({
      servers: cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`),
      timeoutMs: 20_000,
    });
    const numbers = Array.from({ length: KEYS }, (_, n) => n * 7 % KEYS);
    await Promise.all(numbers.map((n) => client.set(keyOf(n), `${n}`)));
    await Promise.all(["pagd", "page;", "pag"].map((key) => client.set(key, "other")));
    const found: string[] = [];
    const values: string[] = [];
    for await (const { key, value } of client.text.scan("page:", { keysAtATime: 100 })) {
      found.push(key);
      values.push(value);
      if (found.length === KEYS / 3) await leader.kill();
      // A write that was acknowledged before the page is asked for is on it.
      if (found.length === KEYS / 2 - 1) await client.set(keyOf(KEYS - 1), "new");
    }
    assertEquals(found, Array.from({ length: KEYS }, (_, n) => keyOf(n)));
    assertEquals(values.pop(), "new");
    assertEquals(values, Array.from({ length: KEYS - 1 }, (_, n) => `${n}`));

    // The index is in no file: a server that starts builds it from what it has.
    await leader.restart();
    const page = await client.text.range("page:", "page;", { limit: 2 });
    assertEquals(page.entries.map(({ key }) => key), [keyOf(0), keyOf(1)]);
    assert(page.next !== null);

    const shown = await cli(cluster, ["scan", "page:", "--limit", "2", "--after", keyOf(6)]);
    assertMatch(
      shown.out,
      /^KEY +VERSION +TTL +VALUE\npage:00007 +1 +- +7\npage:00008 +1 +- +8\n$/,
    );
    assertMatch(shown.error, /there are more: --after page:00008/);
    // What is to be typed next is a word that a shell takes so, or there is another way.
    for (const key of ["q\nx", "q a $b", "q z"]) await client.set(key, "1");
    const quoted = await cli(cluster, ["scan", "q", "--limit", "2"]);
    assertMatch(quoted.error, /there are more: --after 'q a \$b' shows them/);
    const unseen = await cli(cluster, ["scan", "q", "--limit", "1"]);
    assertMatch(unseen.error, /a higher --limit shows them; --after can't name the key q\\nx/);
    const raw = await cli(cluster, ["scan", "pag", "--limit", "1", "--output", "raw"]);
    assertEquals(raw.out, "pag\n");
    const lines = await cli(cluster, ["scan", "page;", "--output", "json"]);
    assertEquals(JSON.parse(lines.out).value, "other");
    assertEquals(lines.error, "");
  },
);
