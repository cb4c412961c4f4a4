/** `raftkv clients`: beside a server that answers what a test says. */
import { assertEquals, assertMatch } from "@std/assert";
import { clientRow, clientsText } from "../../lib/cli/status/client_table.ts";
import { type Answer, bulk, FakeServer } from "../client/fake_server.ts";
import { command } from "./fakes.ts";

const LINE = "id=7 addr=10.0.0.1:5 laddr=10.0.0.9:9000 name=me age=7384 idle=3 flags=N db=0 " +
  "obl=1048576 tot-mem=1200000 cmd=client|list user=ann redir=-1 resp=3 lib-name=x lib-ver=1.2";

function statusOf(address: string): string {
  const [hostname = "", port = ""] = address.split(":");
  const self = { id: 4, hostname, clientPort: Number(port), logPort: 1, reach: "self" };
  const unknown = { silentMs: null, facts: null, factsAgeMs: null, unknownBecause: "a test" };
  const servers = [{ ...self, ...unknown }];
  const status = { format: 1, clusterId: "c", serverId: 4, wallMs: 1, leaderId: 4, servers };
  return bulk(JSON.stringify(status));
}

/** Runs a command line beside a server 4 that answers CLIENT as `answer` says. */
async function beside(line: string, answer: Answer) {
  const server = await FakeServer.start();
  server.answer = (request, ...more) => {
    if (request[0] === "RAFTKV.STATUS") return statusOf(server.address);
    return request[0] === "CLIENT" ? answer(request, ...more) : undefined;
  };
  try {
    const said = await command([...line.split(" "), "--servers", server.address]);
    const seen = server.seen.filter(([name]) => name === "CLIENT").map((one) => one.join(" "));
    return { ...said, seen };
  } finally {
    await server.stop();
  }
}

Deno.test("clients: a table, a document, and the servers' own lines", async () => {
  const answer = () => bulk(`${LINE}\nid=9 addr=[::1]:6 user=default cmd=NULL resp=0\n`);
  const table = await beside("clients", answer);
  assertEquals(
    table.out,
    `SERVER  ID  ADDRESS     NAME  USER     PROTOCOL    AGE  IDLE  COMMAND        WAITS   MEMORY
     4   7  10.0.0.1:5  me    ann      redis3    2h03m    3s  client|list  1.0 MiB  1.1 MiB
     4   9  [::1]:6     -     default  lines        0s    0s  -                0 B      0 B
`,
  );
  assertEquals([table.code, table.seen], [0, ["CLIENT LIST"]]);
  const json = JSON.parse((await beside("clients --output json", answer)).out);
  assertEquals([json.length, json[0].server, json[0].waitingBytes], [2, 4, 1_048_576]);
  assertEquals([json[0].library, json[1].command], ["x 1.2", ""]);
  const raw = await beside("clients list --output raw", answer);
  assertEquals(raw.out.split("\n")[0], `server=4 ${LINE}`);
});

Deno.test("clients: nothing that a client says of itself reaches the terminal as it is", () => {
  const row = clientRow(1, "id=1 addr=a:1 name=\x1b[2J\u202ex user=\u0007 resp=2");
  const text = clientsText([row]);
  assertMatch(text, /\\x1b\[2J\\xe2\\x80\\xaex {2}\\x07/);
});

Deno.test("clients kill: whom, and how many there were", async () => {
  const one = await beside("clients kill 10.0.0.1:5 --user ann", () => ":2\r\n");
  assertEquals([one.code, one.out], [0, "server 4: 2 connections ended\n"]);
  assertEquals(one.seen, ["CLIENT KILL SKIPME yes ADDR 10.0.0.1:5 USER ann"]);
  const byId = await beside("clients kill --on 4 --id 7", () => ":1\r\n");
  assertEquals(byId.seen, ["CLIENT KILL SKIPME yes ID 7"]);
  const none = await beside("clients kill 10.0.0.1:5", () => ":0\r\n");
  assertEquals([none.code, none.error], [1, "raftkv: there is no such connection\n"]);
  const elsewhere = await beside("clients kill --on 5 --id 7", () => ":1\r\n");
  assertEquals([elsewhere.code, elsewhere.seen], [3, []]);
});

Deno.test("clients kill: refused in words, and before anybody is asked, where nobody is named", async () => {
  for (
    const [line, words] of [["clients kill", /whose connections/], ["clients kill --id 7", /--on/]]
  ) {
    const said = await beside(line as string, () => ":9\r\n");
    assertEquals([said.code, said.seen], [2, []]);
    assertMatch(said.error, words as RegExp);
  }
});

Deno.test("clients: a server that refuses is said, with exit code 3 where no other answers", async () => {
  const said = await beside("clients", () => "-NOPERM this user has no permissions to run it\r\n");
  assertEquals(said.code, 3);
  assertMatch(said.error, /127\.0\.0\.1:\d+: .*NOPERM/);
});
