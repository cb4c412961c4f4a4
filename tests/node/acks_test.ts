/** What waited for a sync leaves right after it. */
import { assertEquals } from "@std/assert";
import { OneServer } from "./one_server.ts";

Deno.test("links are woken as soon as a batch is durable: the next turn may block on its own sync", () => {
  const server = new OneServer();
  const { links } = server.node;
  const session = server.node.openSession("client")!;
  server.send(session, "set a 0 1\r\n1\r\n");
  let wakes = 0;
  const wake = links.wake.bind(links);
  links.wake = () => {
    wakes++;
    wake();
  };
  server.disk.completeAll();
  assertEquals(wakes, 1, "and no turn has run");
});
