import { assertEquals, assertRejects } from "@std/assert";
import { LeaderClient } from "../../bench/leader_client.ts";
import { startFakeServer } from "./fake_server.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a set finds the leader by a redirect, and a get reads it back", async () => {
  const [follower, leader] = [startFakeServer(), startFakeServer()];
  follower.refusal = `ERR_REDIRECT 127.0.0.1 ${leader.address.port}\r\n`;
  const client = new LeaderClient([follower.address, leader.address], 5_000);
  await client.set("key", bytes("two\r\nlines"));
  assertEquals(await client.get("key"), bytes("two\r\nlines"));
  assertEquals(await client.get("other"), null);
  assertEquals(client.counts.retries, 1);
  client.close();
  await follower.close();
  await leader.close();
});

Deno.test("a server that is gone is left for the next", async () => {
  const [gone, leader] = [startFakeServer(), startFakeServer()];
  const client = new LeaderClient([gone.address, leader.address], 5_000);
  await client.set("key", bytes("1"));
  await gone.close();
  await client.set("key", bytes("2"));
  assertEquals(leader.store.get("key"), "2");
  client.close();
  await leader.close();
});

Deno.test("an error that does not go away is reported once the deadline has passed", async () => {
  const server = startFakeServer();
  server.refusal = "ERR_NO_SPACE\r\n";
  const client = new LeaderClient([server.address], 100);
  await assertRejects(() => client.set("key", bytes("1")), Error, "answered ERR_NO_SPACE");
  client.close();
  await server.close();
});
