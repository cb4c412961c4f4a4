/** A silent link is given up after its limit, also where nothing but its deadline wakes the node. */
import { assert } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { PROTOCOL_VERSION } from "../../lib/wire/rpc/rpc.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { connectAll, Server } from "./linked_servers.ts";

for (const timeoutMs of [300, 2_000, 5_000, 10_000, 60_000]) {
  Deno.test(`listening time: links that are silent end in time where an election takes ${timeoutMs} ms`, () => {
    const random = new Random(1);
    const servers = [1, 2, 3].map((id) =>
      new Server(id, [1, 2, 3], random, PROTOCOL_VERSION, new SimDisk(), timeoutMs)
    );
    const wires = connectAll(servers);
    let nowMs = 1_000;
    const step = (carries: boolean) => {
      for (const server of servers) {
        server.nowMs = nowMs;
        if (server.links.nextDeadlineMs() <= nowMs) server.elapse(nowMs);
        server.links.wake();
      }
      if (carries) { for (const wire of wires) wire.pump(); }
    };
    for (; nowMs < 1_000 + 5 * timeoutMs; nowMs += 10) step(true);
    const silentSinceMs = nowMs;
    const limitMs = Math.max(1_000, 3 * timeoutMs);
    while (servers[0]!.links.outbound.every((link) => !link.closing)) {
      step(false);
      nowMs += 10;
      assert(nowMs - silentSinceMs < 1.3 * limitMs, `${nowMs - silentSinceMs} of ${limitMs} ms`);
    }
  });
}
