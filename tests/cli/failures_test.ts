/** What a failed call is to the person. */
import { assertEquals } from "@std/assert";
import { FakeServer } from "../client/fake_server.ts";
import { command } from "./fakes.ts";

Deno.test("failures: a leader of an earlier build, which does not know a command, is told as such", async () => {
  const server = await FakeServer.start();
  server.answer = ([name = ""]) =>
    name.startsWith("RAFTKV.") ? `-ERR unknown command '${name}'\r\n` : undefined;
  try {
    for (const line of ["set a b", "cas a 1 b", "getm a"]) {
      const { code, out, error } = await command([...line.split(" "), "--servers", server.address]);
      const name = `RAFTKV.${line.startsWith("getm") ? "GET" : line.split(" ")[0]!.toUpperCase()}`;
      assertEquals([code, out, error], [
        1,
        "",
        `raftkv: ${server.address} does not know ${name}, so it runs an earlier build: finish the ` +
        "upgrade (raftkv check says where); nothing was done\n",
      ]);
    }
  } finally {
    await server.stop();
  }
});
