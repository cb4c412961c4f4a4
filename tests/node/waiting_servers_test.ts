/** Which servers wait to join, as the leader remembers them. */
import { assertEquals } from "@std/assert";
import { WAITING_MAX, WaitingServers } from "../../lib/node/members/waiting_servers.ts";
import type { WaitingServer } from "../../lib/wire/members.ts";

function server(id: number, life = 1): WaitingServer {
  const incarnation = `${life}`.repeat(8) + `${id}`.padStart(8, "0");
  return { id, incarnation, hostname: `h${id}`, clientPort: 9000, logPort: 9001 };
}

const ids = (servers: readonly WaitingServer[]) => servers.map(({ id }) => id);

Deno.test("waiting servers: each is remembered for 5 s after it said so last", () => {
  const waiting = new WaitingServers();
  waiting.note(server(5), 1_000);
  waiting.note(server(4), 2_000);
  assertEquals(ids(waiting.all(2_000)), [4, 5]);
  assertEquals(ids(waiting.all(5_999)), [4, 5]);
  waiting.note(server(5), 5_999);
  assertEquals(ids(waiting.all(7_000)), [5]);
  assertEquals(ids(waiting.all(10_999)), []);
});

Deno.test("waiting servers: the last address counts, and two lives of one id at two places are two", () => {
  const waiting = new WaitingServers();
  waiting.note(server(4), 0);
  waiting.note({ ...server(4), hostname: "elsewhere" }, 1);
  assertEquals(waiting.under(4, 1).map(({ hostname }) => hostname), ["elsewhere"]);
  waiting.note(server(4, 2), 2);
  assertEquals(waiting.under(4, 2).length, 2);
  waiting.forget(server(4).incarnation);
  assertEquals(waiting.under(4, 2), [server(4, 2)]);
});

Deno.test("waiting servers: a later life at the same place stands for the one before, at once", () => {
  const waiting = new WaitingServers();
  waiting.note(server(4), 0);
  waiting.note({ ...server(5), hostname: "h4" }, 0);
  waiting.note(server(4, 2), 1);
  assertEquals(waiting.under(4, 1), [server(4, 2)]);
  // Another id, or another port, is another server.
  assertEquals(ids(waiting.all(1)), [4, 5]);
  waiting.note({ ...server(4, 3), logPort: 9003 }, 2);
  assertEquals(waiting.under(4, 2).length, 2);
});

Deno.test("waiting servers: so many are remembered and no more; those that are may say so again", () => {
  const waiting = new WaitingServers();
  for (let id = 1; id <= WAITING_MAX; id++) assertEquals(waiting.note(server(id), 0), true);
  assertEquals(waiting.note(server(99), 1), false);
  assertEquals(waiting.note(server(3), 1), true);
  assertEquals(waiting.all(1).length, WAITING_MAX);
  // Room again, once some were not heard any more.
  assertEquals(waiting.note(server(99), 5_000), true);
  assertEquals(ids(waiting.all(5_000)), [3, 99]);
});
