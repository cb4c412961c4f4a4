import { strictEqual } from "node:assert/strict";
import { open, Refused } from "../../client/mod.ts";
import { withServers } from "./fake_server.ts";
import { errorOf, test } from "./runtime.ts";

const WRONG = [
  "ERR syntax error",
  "ERR a position is a revision, or <revision>@<cluster id>",
  "ERR an empty key is not allowed here",
  "ERR a key has more than 1024 bytes (limits.redisKeyBytesMax)",
];

test("client: a watch that every server would refuse is refused by the first one, in its words", async () => {
  await withServers(2, async (server, other) => {
    for (const text of WRONG) {
      let asked = 0;
      for (const one of [server!, other!]) {
        one.answer = ([name]) => {
          if (name !== "RAFTKV.WATCH") return undefined;
          asked++;
          return `-${text}\r\n`;
        };
      }
      using client = open({ servers: [server!.address, other!.address], timeoutMs: 60_000 });
      const refused = await errorOf(Refused, client.watch("k", { after: "x" }).next());
      strictEqual(refused.message.includes(text), true);
      strictEqual(refused.code, "ERR");
      strictEqual(asked, 1);
    }
  });
});

test("client: a watch that one server has no room for is had from another", async () => {
  await withServers(2, async (server, other) => {
    for (const [i, one] of [server!, other!].entries()) {
      const answer = i === 0
        ? "-ERR there are as many watches as limits.watchesMax lets there be\r\n"
        : `*2\r\n:7\r\n$32\r\n${"0".repeat(32)}\r\n` +
          "*4\r\n$12\r\nraftkv.watch\r\n$1\r\nk\r\n:8\r\n*1\r\n" +
          "*4\r\n$3\r\nset\r\n$1\r\nk\r\n:1\r\n$1\r\nv\r\n";
      one.answer = ([name]) => name === "RAFTKV.WATCH" ? answer : undefined;
    }
    using client = open({ servers: [server!.address, other!.address], timeoutMs: 60_000 });
    for await (const { revision, events } of client.text.watch("k")) {
      strictEqual(revision, 8);
      strictEqual(events[0]?.value, "v");
      break;
    }
  });
});
