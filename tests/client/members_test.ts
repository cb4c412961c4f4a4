import { deepStrictEqual, match, rejects, strictEqual, throws } from "node:assert/strict";
import { connect, NotDone, open, Refused, Unknown } from "../../client/mod.ts";
import { type FakeServer, withServers } from "./fake_server.ts";
import { errorOf, test, until } from "./runtime.ts";

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
const map = (fields: Record<string, string | number>) =>
  `%${Object.keys(fields).length}\r\n` +
  Object.entries(fields).map(([name, value]) =>
    bulk(name) + (typeof value === "number" ? `:${value}\r\n` : value)
  ).join("");

const MEMBER = {
  ...{ id: 3, role: bulk("learner"), isLeader: 0, hostname: bulk("c.example"), clientPort: 9004 },
  ...{ logPort: 9005, matchIndex: 90, lagEntries: 10, isReachable: 1, keepsUp: 0 },
  ...{ staysLearner: 1, isSentSnapshot: 1 },
};

function listOf(member: Record<string, string | number>): string {
  const { id, hostname, clientPort, logPort } = MEMBER;
  const waits = map({ id, hostname, clientPort, logPort, replaces: 1 });
  const waiting = `*1\r\n${waits}`;
  return map({ configurationIndex: 7, isChanging: 0, members: `*1\r\n${map(member)}`, waiting });
}

/** What was asked about members, and nothing else. */
const asked = (server: FakeServer) => server.seen.filter(([name]) => name!.startsWith("RAFTKV."));

test("client: the members, by the names of their fields, whatever else a later build tells", async () => {
  await withServers(1, async (server) => {
    server!.answer = ([name]) => {
      return name === "RAFTKV.MEMBER" ? listOf({ ...MEMBER, mood: bulk("good") }) : undefined;
    };
    await using client = await connect({ servers: [server!.address] });
    deepStrictEqual(await client.members(), {
      configurationIndex: 7,
      isChanging: false,
      refusal: null,
      members: [{
        ...{ id: 3, role: "learner", isLeader: false, hostname: "c.example", clientPort: 9004 },
        ...{ logPort: 9005, matchIndex: 90, lagEntries: 10, isReachable: true, keepsUp: false },
        ...{ staysLearner: true, isSentSnapshot: true },
      }],
      waiting: [{
        ...{ id: 3, hostname: "c.example", clientPort: 9004, logPort: 9005, replaces: true },
      }],
    });
    deepStrictEqual(asked(server!), [["RAFTKV.MEMBER", "LIST"]]);
  });
});

test("client: what is no list of members is said to be none", async () => {
  const { id: _, ...nameless } = MEMBER;
  const wrong = [
    "+OK\r\n",
    map({ configurationIndex: 7, isChanging: 0, members: ":3\r\n" }),
    listOf(nameless),
    listOf({ ...MEMBER, role: bulk("king") }),
    listOf({ ...MEMBER, hostname: 7 }),
  ];
  for (const reply of wrong) {
    await withServers(1, async (server) => {
      server!.answer = ([name]) => name === "RAFTKV.MEMBER" ? reply : undefined;
      await using client = open({ servers: [server!.address] });
      strictEqual((await errorOf(NotDone, client.members())).code, "protocol", reply);
    });
  }
});

test("client: what each change of members sends, and gives", async () => {
  await withServers(1, async (server) => {
    server!.answer = ([name, word]) => {
      if (name === "RAFTKV.LEADER") return ":2\r\n";
      if (word === "REPLACE") return "+added\r\n";
      return name === "RAFTKV.MEMBER" ? "+OK\r\n" : undefined;
    };
    await using client = await connect({ servers: [server!.address] });
    strictEqual(await client.removeMember(3), undefined);
    await client.promoteMember(4);
    await client.demoteMember(5);
    await client.addMember(6);
    await client.addMember(7, { learner: true });
    strictEqual(await client.replaceMember(3), "added");
    strictEqual(await client.moveLeader(), 2);
    strictEqual(await client.moveLeader({ to: 2, timeoutMs: 1_000 }), 2);
    deepStrictEqual(asked(server!), [
      ["RAFTKV.MEMBER", "REMOVE", "3"],
      ["RAFTKV.MEMBER", "PROMOTE", "4"],
      ["RAFTKV.MEMBER", "DEMOTE", "5"],
      ["RAFTKV.MEMBER", "ADD", "6"],
      ["RAFTKV.MEMBER", "ADD", "7", "LEARNER"],
      ["RAFTKV.MEMBER", "REPLACE", "3"],
      ["RAFTKV.LEADER", "MOVE"],
      ["RAFTKV.LEADER", "MOVE", "TO", "2"],
    ]);
  });
});

test("client: ids and options that are none are told before anything is sent", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    throws(() => client.removeMember(0), RangeError);
    throws(() => client.promoteMember(1.5), RangeError);
    throws(() => client.demoteMember("3" as unknown as number), TypeError);
    throws(() => client.addMember(4, { learner: 1 as unknown as boolean }), TypeError);
    throws(() => client.replaceMember(-3), RangeError);
    throws(() => client.moveLeader({ to: -1 }), RangeError);
    throws(() => client.moveLeader({ too: 1 } as unknown as { to: number }), /is to meant/);
    throws(() => client.removeMember(3, { to: 1 } as unknown as { timeoutMs: number }), TypeError);
    deepStrictEqual(asked(server!), []);
  });
});

test("client: a change that is refused, unknown, or put off until the deadline", async () => {
  await withServers(1, async (server) => {
    let reply = "-ERR server 9 is no member: servers 1, 2 and 3 are\r\n";
    server!.answer = ([name]) => name === "RAFTKV.MEMBER" ? reply : undefined;
    await using client = await connect({ servers: [server!.address] });
    const refused = await errorOf(Refused, client.removeMember(9));
    match(refused.message, /^RAFTKV.MEMBER REMOVE was refused by .*: ERR server 9 is no member/);
    reply = "-ERR outcome unknown: server 1 leads no more\r\n";
    const unknown = await errorOf(Unknown, client.removeMember(3));
    match(unknown.message, /^RAFTKV.MEMBER REMOVE: outcome unknown: .*server 1 leads no more/);
    reply = "-TRYAGAIN the change before is not committed yet\r\n";
    const late = await errorOf(NotDone, client.removeMember(3, { timeoutMs: 300 }));
    strictEqual(late.code, "deadline");
    match(late.message, /the change before is not committed yet; nothing was done/);
    strictEqual(asked(server!).length > 3, true, "it was not tried again");
  });
});

test("client: other calls don't wait until a change is committed", async () => {
  await withServers(1, async (server) => {
    let release = () => {};
    server!.answer = ([name], peer) => {
      if (name !== "RAFTKV.MEMBER") return undefined;
      release = () => peer.write("+OK\r\n");
      return null;
    };
    await using client = await connect({ servers: [server!.address] });
    let isDone = false;
    const change = client.removeMember(3).then(() => isDone = true);
    await until("the change to be asked for", () => asked(server!).length === 1);
    await client.set("k", "v");
    strictEqual(isDone, false);
    release();
    await change;
    client.close();
    await rejects(client.members(), NotDone);
  });
});
