/** Which names and addresses lead to the machine itself, in every spelling that people and systems use. */
import { assertEquals } from "@std/assert";
import { isLoopback, isLoopbackRemote } from "../../lib/util/address.ts";

Deno.test("addresses: loopback in all its spellings, and nothing that only looks like it", () => {
  const own = ["localhost", "LocalHost", "127.0.0.1", "127.8.9.10", "::1", "0:0:0:0:0:0:0:1"]
    .concat(
      "::ffff:127.0.0.1",
      "::FFFF:127.1.2.3",
      "::ffff:7f00:1",
      "0:0:0:0:0:ffff:7fff:ffff",
    );
  const others = ["", "::", "0.0.0.0", "::ffff:0.0.0.0", "::ffff:10.0.0.1", "::ffff:7e00:1"].concat(
    "::2",
    "1::1",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "128.0.0.1",
    "127.0.0.1.example.com",
    "localhost.example.com",
    "fe80::1%lo",
    "[::1]",
    ":::1",
  );
  assertEquals(own.filter((name) => !isLoopback(name)), []);
  assertEquals(others.filter(isLoopback), []);
});

Deno.test("addresses: the other end of a connection, with its port", () => {
  const own = ["127.0.0.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5", "[::ffff:7f00:1]:5", "::1:5"];
  const others = ["10.0.0.1:5", "[::ffff:10.0.0.1]:5", "[fe80::1]:5", "unix", ""];
  assertEquals(own.filter((remote) => !isLoopbackRemote(remote)), []);
  assertEquals(others.filter(isLoopbackRemote), []);
});
