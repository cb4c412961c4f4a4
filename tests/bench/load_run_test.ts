import { assert, assertEquals, assertRejects } from "@std/assert";
import { findLeader } from "../../bench/find_leader.ts";
import { type LoadOptions, preload, runLoad } from "../../bench/load_run.ts";
import { type FakeServer, startFakeServer } from "./fake_server.ts";

const LOAD: LoadOptions = {
  connections: 3,
  pipeline: 4,
  valueBytes: 100,
  keys: 50,
  setShare: 1,
  seconds: 60,
  requests: 2_000,
  seed: 1,
};

async function withServers(
  count: number,
  run: (servers: FakeServer[]) => Promise<void>,
): Promise<void> {
  const servers = Array.from({ length: count }, startFakeServer);
  try {
    await run(servers);
  } finally {
    for (const server of servers) await server.close();
  }
}

const addresses = (servers: readonly FakeServer[]) => servers.map((server) => server.address);

const redirectTo = (server: FakeServer) => `ERR_REDIRECT 127.0.0.1 ${server.address.port}\r\n`;

Deno.test("a load of R requests gets R answers and R latencies", async () => {
  await withServers(1, async (servers) => {
    const result = await runLoad(addresses(servers), LOAD);
    assertEquals(result.answered, LOAD.requests);
    assertEquals(result.latency.count, LOAD.requests);
    assertEquals(result.errors, {});
    assertEquals(servers[0]!.store.size, LOAD.keys);
  });
});

Deno.test("gets find every key that was loaded before", async () => {
  await withServers(1, async (servers) => {
    await preload(addresses(servers), LOAD);
    assertEquals(servers[0]!.store.size, LOAD.keys);
    const result = await runLoad(addresses(servers), { ...LOAD, setShare: 0 });
    assertEquals([result.answered, result.misses], [LOAD.requests, 0]);
  });
});

Deno.test("large values in a deep pipeline pass in both directions", async () => {
  await withServers(1, async (servers) => {
    const load = { ...LOAD, valueBytes: 300_000, keys: 4, pipeline: 16, requests: 100 };
    await preload(addresses(servers), load);
    const result = await runLoad(addresses(servers), { ...load, setShare: 0.5 });
    assertEquals([result.answered, result.misses, result.errors], [100, 0, {}]);
  });
});

Deno.test("a server that lost the leadership is left for the one it points to", async () => {
  await withServers(2, async (servers) => {
    const [first, second] = servers as [FakeServer, FakeServer];
    second.refusal = redirectTo(first);
    const running = runLoad(addresses(servers), {
      ...LOAD,
      requests: 100_000,
    }, {
      onStart: () => {
        first.refusal = redirectTo(second);
        second.refusal = null;
      },
    });
    const result = await running;
    assertEquals(first.store.size, 0);
    assertEquals(second.store.size, LOAD.keys);
    assert(result.errors["ERR_REDIRECT"]! >= 1);
    const failed = Object.values(result.errors).reduce((sum, count) => sum + count, 0);
    assertEquals(result.answered + failed, 100_000);
  });
});

Deno.test("a leader that none of the known servers is can be found by a redirect", async () => {
  await withServers(2, async (servers) => {
    const [first, second] = servers as [FakeServer, FakeServer];
    first.refusal = redirectTo(second);
    assertEquals(await findLeader([first.address], 1_000), second.address);
  });
});

Deno.test("without a leader the search ends with what each server said", async () => {
  await withServers(1, async (servers) => {
    servers[0]!.refusal = "ERR_NO_LEADER\r\n";
    await assertRejects(
      () => findLeader(addresses(servers), 50),
      Error,
      `127.0.0.1:${servers[0]!.address.port}: ERR_NO_LEADER`,
    );
  });
});
