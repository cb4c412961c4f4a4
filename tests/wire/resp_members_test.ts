/** RAFTKV.MEMBER and RAFTKV.LEADER on one connection: what is asked, when, and what is answered. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { COMMANDS } from "../../lib/wire/resp/resp_table.ts";
import { AWAIT_LEADER } from "../../lib/node/session/session_host.ts";
import { ClientError } from "../../lib/wire/command_batch.ts";
import type { MemberAnswer, MemberView } from "../../lib/wire/members.ts";
import { OneClient, OneServer, requestBytes } from "./resp_driver.ts";

function one(): { server: OneServer; client: OneClient } {
  const server = new OneServer();
  return { server, client: new OneClient(server) };
}

const words = (replies: readonly unknown[]) =>
  replies.map((reply) => reply instanceof Error ? reply.message : reply);

Deno.test("resp members: what each command asks", () => {
  const { server, client } = one();
  const replies = client.ask(
    ["RAFTKV.MEMBER", "LIST"],
    ["raftkv.member", "remove", "3"],
    ["RAFTKV.MEMBER", "Promote", "4"],
    ["RAFTKV.MEMBER", "DEMOTE", "9007199254740991"],
    ["RAFTKV.MEMBER", "ADD", "4"],
    ["RAFTKV.MEMBER", "add", "4", "learner"],
    ["RAFTKV.MEMBER", "REPLACE", "3"],
    ["RAFTKV.MEMBER", "JOIN", "4", "0123456789abcdef", "d.example", "9006", "65535"],
    ["RAFTKV.LEADER", "MOVE"],
    ["RAFTKV.LEADER", "move", "to", "2"],
  );
  const place = { hostname: "d.example", clientPort: 9006, logPort: 65535 };
  assertEquals(server.asked.map(({ request }) => request), [
    { kind: "list" },
    { kind: "remove", id: 3 },
    { kind: "promote", id: 4 },
    { kind: "demote", id: Number.MAX_SAFE_INTEGER },
    { kind: "add", id: 4, staysLearner: false },
    { kind: "add", id: 4, staysLearner: true },
    { kind: "replace", id: 3 },
    { kind: "join", server: { id: 4, incarnation: "0123456789abcdef", ...place } },
    { kind: "moveLeader", to: null },
    { kind: "moveLeader", to: 2 },
  ]);
  assertEquals(replies, Array(10).fill("OK"));
});

Deno.test("resp members: what is no such command is refused before anybody is asked", () => {
  const { server, client } = one();
  const noId = "ERR a server's id is a whole number from 1 on: see RAFTKV.MEMBER LIST";
  for (const id of ["0", "-1", "1.5", "", "x", "01x", "9007199254740992", "1".repeat(900)]) {
    assertEquals(words(client.ask(["RAFTKV.MEMBER", "REMOVE", id])), [noId], id);
    assertEquals(words(client.ask(["RAFTKV.LEADER", "MOVE", "TO", id])), [noId], id);
  }
  assertEquals(
    words(client.ask(
      ["RAFTKV.MEMBER"],
      ["RAFTKV.MEMBER", "EXPEL", "3"],
      ["RAFTKV.MEMBER", "LIST", "3"],
      ["RAFTKV.MEMBER", "REMOVE"],
      ["RAFTKV.MEMBER", "REMOVE", "3", "4"],
      ["RAFTKV.LEADER", "LIST"],
      ["RAFTKV.LEADER", "MOVE", "2"],
      ["RAFTKV.LEADER", "MOVE", "ONTO", "2"],
      ["RAFTKV.LEADER", "MOVE", "TO", "2", "NOW"],
    )),
    [
      "ERR wrong number of arguments for 'raftkv.member' command",
      "ERR unknown subcommand 'EXPEL'. Try RAFTKV.MEMBER HELP.",
      "ERR wrong number of arguments for 'raftkv.member|list' command",
      "ERR wrong number of arguments for 'raftkv.member|remove' command",
      "ERR wrong number of arguments for 'raftkv.member|remove' command",
      "ERR unknown subcommand 'LIST'. Try RAFTKV.LEADER HELP.",
      "ERR syntax error",
      "ERR syntax error",
      "ERR syntax error",
    ],
  );
  assertEquals(server.asked, []);
});

Deno.test("resp members: what a server says that waits to join is checked field by field", () => {
  const { server, client } = one();
  const good = ["4", "0123456789abcdef", "d.example", "9006", "9007"];
  const [life, host, port] = ["an incarnation is", "a hostname has", "a port is"];
  const wrong: [number, string, string][] = [
    ...[[0, "0"], [0, "x"]].map(([i, text]) =>
      [i, text, "a server's id is"] as [number, string, string]
    ),
    ...[
      "",
      "0123456789abcde",
      "0123456789abcdef0",
      "0123456789ABCDEF",
      "0123456789abcdeg",
      "0000000000000000",
    ]
      .map((text) => [1, text, life] as [number, string, string]),
    ...["", "a b", "a\r\nb", "ä", "x".repeat(254), "y".repeat(900)]
      .map((text) => [2, text, host] as [number, string, string]),
    ...["0", "-1", "65536", "1e3", "09001", "", "9".repeat(500)]
      .map((text) => [3, text, port] as [number, string, string]),
    [4, "0", port],
  ];
  for (const [i, text, problem] of wrong) {
    const [reply] = words(client.ask(["RAFTKV.MEMBER", "JOIN", ...good.with(i, text)]));
    assert(String(reply).startsWith(`ERR ${problem}`), `${JSON.stringify(text)}: ${reply}`);
  }
  for (const count of [4, 6]) {
    const args = [...good, "more"].slice(0, count);
    const [reply] = words(client.ask(["RAFTKV.MEMBER", "JOIN", ...args]));
    assert(String(reply).startsWith("ERR wrong number of arguments"), String(reply));
  }
  assertEquals(words(client.ask(["RAFTKV.MEMBER", "ADD", "4", "VOTER"])), ["ERR syntax error"]);
  assertEquals(server.asked, []);
  client.ask(["RAFTKV.MEMBER", "JOIN", ...good.with(2, "x".repeat(253))]);
  assertEquals(server.asked.length, 1);
});

Deno.test("resp members: they can't stand in a transaction, nor in lines", () => {
  const { server, client } = one();
  assertEquals(
    words(client.ask(["MULTI"], ["RAFTKV.MEMBER", "REMOVE", "3"], ["EXEC"])),
    [
      "OK",
      "ERR this command is not supported within a transaction",
      "EXECABORT Transaction discarded because of previous errors.",
    ],
  );
  assertEquals(server.asked, []);
});

Deno.test("resp members: HELP names every subcommand, and COMMAND tells of both commands", () => {
  const { client } = one();
  const all = [
    ["MEMBER", ["LIST", "ADD", "REPLACE", "REMOVE", "PROMOTE", "DEMOTE", "JOIN"]],
    ["LEADER", ["MOVE"]],
    ["BACKUP", ["INDEX", "BEGIN", "STATE", "READ", "END"]],
  ] as const;
  for (const [name, subcommands] of all) {
    const [help] = client.ask([`RAFTKV.${name}`, "HELP"]) as [string[]];
    for (const word of [...subcommands, "HELP"]) {
      assert(help.some((line) => line.startsWith(word)), word);
    }
  }
  const [wrong] = client.ask(["RAFTKV.BACKUP", "HELP", "me"]);
  assertMatch(String(wrong), /wrong number of arguments for 'raftkv.backup\|help' command/);
  const [info] = client.ask(["COMMAND", "INFO", "raftkv.member", "raftkv.leader"]) as [unknown[][]];
  assertEquals(info.map((row) => row.slice(0, 3)), [
    ["raftkv.member", -2, ["admin", "noscript"]],
    ["raftkv.leader", -2, ["admin", "noscript"]],
  ]);
  for (const { name, summary } of COMMANDS) assert(summary.length > 0, name);
});

const MEMBER: MemberView = {
  id: 3,
  role: "learner",
  isLeader: false,
  hostname: "c.example",
  clientPort: 9004,
  logPort: 9005,
  matchIndex: 90,
  lagEntries: 10,
  isReachable: true,
  keepsUp: false,
  staysLearner: true,
  isSentSnapshot: true,
};

Deno.test("resp members: the list, in both versions of the protocol, and nothing but what clients may see", () => {
  const { server, client } = one();
  // What a caller has besides, a structural type would let through.
  const more = { ...MEMBER, incarnation: "0123456789abcdef" };
  const { id, hostname, clientPort, logPort } = MEMBER;
  const waits = { id, hostname, clientPort, logPort, replaces: true, incarnation: "f".repeat(16) };
  const list = {
    configurationIndex: 7,
    isChanging: true,
    members: [more],
    waiting: [waits],
    refusal: "no",
  };
  server.answer = { kind: "members", list };
  const member = [
    ...["id", 3, "role", "learner", "isLeader", 0, "hostname", "c.example"],
    ...["clientPort", 9004, "logPort", 9005, "matchIndex", 90, "lagEntries", 10],
    ...["isReachable", 1, "keepsUp", 0, "staysLearner", 1, "isSentSnapshot", 1],
  ];
  const waiting = ["id", 3, "hostname", "c.example", "clientPort", 9004, "logPort", 9005];
  const expected = [
    ...["configurationIndex", 7, "isChanging", 1, "members", [member]],
    ...["waiting", [[...waiting, "replaces", 1]], "refusal", "no"],
  ];
  assertEquals(client.ask(["RAFTKV.MEMBER", "LIST"]), [expected]);
  assert(client.output.startsWith("*10\r\n"), "version 2 has no maps");
  client.ask(["HELLO", "3"]);
  assertEquals(client.ask(["RAFTKV.MEMBER", "LIST"]), [expected]);
  assert(client.output.startsWith("%5\r\n"), "version 3 has");
});

Deno.test("resp members: what each answer looks like", () => {
  const { server, client } = one();
  const shown: [MemberAnswer, unknown][] = [
    [{ kind: "done" }, "OK"],
    [{ kind: "step", step: "catchingUp" }, "catchingUp"],
    [{
      ...{ kind: "waits", standing: "replaces", clusterId: "c0ffee" },
      ...{ electionTimeoutMs: 300, heartbeatIntervalMs: 100 },
    }, [
      ...["standing", "replaces", "clusterId", "c0ffee"],
      ...["electionTimeoutMs", 300, "heartbeatIntervalMs", 100],
    ]],
    [{ kind: "leads", id: 2 }, 2],
    [{ kind: "refused", why: "server 9 is no member" }, "ERR server 9 is no member"],
    [{ kind: "later", why: "in a moment" }, "TRYAGAIN in a moment"],
    [{ kind: "unknown", why: "look" }, "ERR outcome unknown: look"],
  ];
  for (const [answer, reply] of shown) {
    server.answer = answer;
    assertEquals(words(client.ask(["RAFTKV.MEMBER", "REMOVE", "3"])), [reply]);
  }
});

Deno.test("resp members: what stands before a question is done before it, what stands after it, after its answer", () => {
  for (const pieceBytes of [1, 7, 10_000]) {
    const { server, client } = one();
    server.answer = null;
    const seen: unknown[] = [];
    const value = () => new OneClient(server, 2).ask(["GET", "k"])[0];
    server.laterAnswer = () => {
      seen.push(client.session.wantsInput, client.session.nextBatch());
      return { kind: "leads", id: seen.length };
    };
    const ask = server.ask.bind(server);
    server.ask = (session, position, request) => {
      seen.push(server.store.keys);
      return ask(session, position, request);
    };
    client.send(
      requestBytes([
        ["SET", "k", "1"],
        ["RAFTKV.MEMBER", "REMOVE", "3"],
        ["INCR", "k"],
        ["RAFTKV.LEADER", "MOVE"],
        ["GET", "k"],
      ]),
      pieceBytes,
    );
    assertEquals(client.replies(), ["OK", 3, 2, 6, "2"]);
    assertEquals(seen, [1, false, null, 1, false, null]);
    assertEquals(value(), "2");
  }
});

Deno.test("resp members: on a server that does not lead they are sent on; without a leader they wait for one", () => {
  const { server, client } = one();
  server.refusedWith = ClientError.redirect;
  server.leader = { hostname: "b", port: 9002 };
  const list = ["RAFTKV.MEMBER", "LIST"];
  assertEquals(words(client.ask(list, ["PING"])), ["MOVED 0 b:9002", "PONG"]);
  assertEquals(server.asked, []);
  server.refusedWith = AWAIT_LEADER;
  client.output = "";
  client.send(requestBytes([list, ["PING"]]), undefined, false);
  assertEquals([client.output, client.session.heldCommands], ["", 1]);
  server.refusedWith = 0;
  client.session.resumeHeld(-Infinity);
  client.send(new Uint8Array(0));
  assertEquals(client.replies(), ["OK", "PONG"]);
});

Deno.test("resp members: a leadership that is lost before a question is put refuses it, and nobody is asked", () => {
  const { server, client } = one();
  client.send(requestBytes([["RAFTKV.MEMBER", "REMOVE", "3"]]), undefined, false);
  server.loseLeadership([client.session], { hostname: "b", port: 9002 });
  client.send(new Uint8Array(0));
  assertEquals(words(client.replies()), ["MOVED 0 b:9002"]);
  assertEquals(server.asked, []);
});

Deno.test("resp members: a leadership that is lost afterwards leaves the answer to the node", () => {
  const { server, client } = one();
  server.answer = null;
  client.send(requestBytes([["RAFTKV.LEADER", "MOVE"]]), undefined, false);
  const rounds = server.confirmRounds();
  assertEquals([rounds, server.asked.length], [1, 1]);
  server.loseLeadership([client.session], { hostname: "b", port: 9002 });
  server.laterAnswer = () => ({ kind: "leads", id: 2 });
  client.send(new Uint8Array(0));
  assertEquals(client.replies(), [2]);
});

Deno.test("resp members: what is not answered in time may be done or not, and a late answer is nobody's", () => {
  const { server, client } = one();
  server.answer = null;
  client.send(requestBytes([["RAFTKV.MEMBER", "REMOVE", "3"]]), undefined, false);
  server.confirmRounds();
  client.session.checkDeadlines(server.nowMs + 5_000, 5_000, 60_000);
  client.send(new Uint8Array(0));
  const [late] = words(client.replies());
  assert(String(late).startsWith("ERR outcome unknown: "), String(late));
  client.session.answered(server.asked[0]!.position, { kind: "done" });
  server.answer = { kind: "leads", id: 1 };
  assertEquals(client.ask(["RAFTKV.LEADER", "MOVE"]), [1]);
});

Deno.test("resp members: a client that left is told nothing", () => {
  const { server, client } = one();
  server.answer = null;
  client.send(requestBytes([["RAFTKV.MEMBER", "REMOVE", "3"]]), undefined, false);
  server.confirmRounds();
  client.session.disconnected();
  client.session.answered(server.asked[0]!.position, { kind: "done" });
  assertEquals(client.session.takeOutput(), null);
});
