/** `raftkv member …` and `raftkv leader move`, beside a server that answers what a test says. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { MemberInfo, MemberList } from "../../client/mod.ts";
import type { CliError } from "../../lib/cli/exit_codes.ts";
import { awaitWaiting } from "../../lib/cli/members/await_waiting.ts";
import { awaitVoter, catchUpText } from "../../lib/cli/members/catch_up.ts";
import { membersText } from "../../lib/cli/members/member_table.ts";
import { type Answer, bulk, FakeServer } from "../client/fake_server.ts";
import { command, type CommandOptions } from "./fakes.ts";

function info(id: number, changes: Partial<MemberInfo> = {}): MemberInfo {
  return {
    id,
    role: "voter",
    isLeader: false,
    hostname: "10.0.0.1",
    clientPort: 9_000 + id,
    logPort: 9_100 + id,
    matchIndex: 12_345,
    lagEntries: 0,
    isReachable: true,
    keepsUp: true,
    staysLearner: false,
    isSentSnapshot: false,
    ...changes,
  };
}

const THREE = [info(1, { isLeader: true }), info(2), info(3)];

function list(
  members: readonly MemberInfo[] = THREE,
  changes: Partial<MemberList> = {},
): MemberList {
  return {
    ...{ configurationIndex: 7, isChanging: false, members, waiting: [], refusal: "" },
    ...changes,
  };
}

/** As a reply of version 3 of the protocol. */
function encoded(value: unknown): string {
  if (typeof value === "string") return bulk(value);
  if (Array.isArray(value)) return `*${value.length}\r\n${value.map(encoded).join("")}`;
  if (typeof value !== "object") return `:${Number(value)}\r\n`;
  const fields = Object.entries(value as object);
  const pairs = fields.map(([name, one]) => bulk(name) + encoded(one)).join("");
  return `%${fields.length}\r\n${pairs}`;
}

/** Runs a command line beside a leader that answers RAFTKV.MEMBER and RAFTKV.LEADER as `answer` says. */
async function beside(line: string, answer: Answer, options: CommandOptions = {}) {
  const server = await FakeServer.start();
  server.answer = answer;
  try {
    const args = [...line.split(" "), "--servers", server.address];
    return { ...await command(args, options), seen: server.seen.map((one) => one.join(" ")) };
  } finally {
    await server.stop();
  }
}

/** Lists `members`, and answers everything else with `reply`. */
function listing(members: readonly MemberInfo[], reply: string | null): Answer {
  return ([name = "", what]) =>
    !name.startsWith("RAFTKV.") ? undefined : what === "LIST" ? encoded(list(members)) : reply;
}

Deno.test("member list: a table of who is what, and how far", async () => {
  const members = [
    info(1, { role: "outgoing", isLeader: true }),
    info(2),
    info(3, { isReachable: false, keepsUp: false, matchIndex: 12_000, lagEntries: 345 }),
    info(4, { role: "learner", keepsUp: false, matchIndex: 45, lagEntries: 12_300 }),
    info(5, { role: "learner", staysLearner: true, hostname: "::1" }),
    info(6, { role: "incoming", hostname: "", clientPort: 0, logPort: 0 }),
    info(7, { role: "learner", keepsUp: false, isSentSnapshot: true }),
  ];
  const { code, out, error } = await beside("member list", (request) => {
    if (request[1] !== "LIST") return undefined;
    return encoded(list(members, { isChanging: true }));
  });
  assertEquals([code, error], [0, ""]);
  assertEquals(
    out,
    `SERVER  ROLE             ADDRESS        LOG PORT  MATCH INDEX     LAG  STATE
     1  outgoing, leads  10.0.0.1:9001      9101       12,345       -  -
     2  voter            10.0.0.1:9002      9102       12,345       0  keeps up
     3  voter            10.0.0.1:9003      9103       12,000     345  no answer
     4  learner          10.0.0.1:9004      9104           45  12,300  catches up, becomes a voter
     5  learner          [::1]:9005         9105       12,345       0  keeps up, stays a learner
     6  incoming         -                     -       12,345       0  keeps up
     7  learner          10.0.0.1:9007      9107       12,345       0  is sent a snapshot, becomes a voter

a change of members is under way
`,
  );
  const narrow = membersText(list(THREE), 60);
  assertMatch(narrow, /^SERVER +1 +2 +3\nROLE +voter, leads +voter +voter\n/);
  for (const line of narrow.split("\n")) assert(line.length <= 60, line);
});

Deno.test("member list: JSON is one document, raw a line each; whatever a server sends is text on a terminal", async () => {
  const answer = listing([info(1, { hostname: "a\x1b[2J" })], null);
  const json = await beside("member list --output json", answer);
  assertEquals(JSON.parse(json.out).members[0].hostname, "a\x1b[2J");
  const raw = await beside("member list --output raw", answer);
  assertEquals(raw.out.trimEnd().split("\n").map((line) => JSON.parse(line).id), [1]);
  const text = await beside("member list", answer);
  assertMatch(text.out, /a\\x1b\[2J:9001/);
});

Deno.test("member add: where members can't be added at all, nobody is waited for", async () => {
  const refusal = "the cluster version is 1, and members change from 2 on: server 2 is not heard";
  const answer: Answer = ([name = ""]) =>
    name.startsWith("RAFTKV.") ? encoded(list(THREE, { refusal })) : undefined;
  const { code, error, seen } = await beside("member add 4", answer);
  assertEquals(code, 1);
  assertMatch(error, /^raftkv: the cluster version is 1, .*: server 2 is not heard$/m);
  assertEquals(seen.filter((line) => line.startsWith("RAFTKV.")), ["RAFTKV.MEMBER LIST"]);
});

Deno.test("member remove, promote and demote: done when the server says so, refused in its words", async () => {
  const cases = [
    ["member remove 3", "RAFTKV.MEMBER REMOVE 3", "server 3 is no member any more"],
    ["member promote 3", "RAFTKV.MEMBER PROMOTE 3", "server 3 is a voter"],
    ["member demote 3", "RAFTKV.MEMBER DEMOTE 3", "server 3 is a learner"],
  ] as const;
  for (const [line, request, done] of cases) {
    const { code, out, error, seen } = await beside(line, listing(THREE, "+OK\r\n"));
    assertEquals([code, out, error, seen], [0, `${done}\n`, "", [request]]);
    const refused = await beside(line, listing(THREE, "-ERR server 3 does not answer\r\n"));
    assertEquals([refused.code, refused.out], [1, ""]);
    assertEquals(refused.error, "raftkv: server 3 does not answer\n");
  }
});

Deno.test("member remove: where the answer is lost, the list tells whether it was done", async () => {
  const cut = (members: readonly MemberInfo[]): Answer => (request, peer) => {
    if (request[1] !== "REMOVE") return listing(members, null)(request, peer);
    peer.socket.destroy();
    return null;
  };
  const done = await beside("member remove 3", cut(THREE.slice(0, 2)));
  assertEquals([done.code, done.out, done.error], [0, "server 3 is no member any more\n", ""]);
  const unknown = await beside("member remove 3", cut(THREE));
  assertEquals([unknown.code, unknown.out], [4, ""]);
  assertMatch(unknown.error, /the change may be done or not: raftkv member list shows it/);
  assertEquals(unknown.seen.filter((one) => one.includes("REMOVE")).length, 1, "never sent twice");
});

const FOURTH = {
  id: 4,
  hostname: "10.0.0.4",
  clientPort: 9_000,
  logPort: 9_001,
  replaces: false,
};

/** A leader whose list is the next of `lists`, and the last one for ever; other requests get `replies`. */
function inTurn(lists: readonly MemberList[], ...replies: readonly (string | null)[]): Answer {
  let [listed, asked] = [0, 0];
  return (request, peer) => {
    if (!request[0]!.startsWith("RAFTKV.")) return undefined;
    if (request[1] === "LIST") return encoded(lists[Math.min(listed++, lists.length - 1)]);
    const reply = replies[Math.min(asked++, replies.length - 1)]!;
    if (reply === null) peer.socket.destroy();
    return reply;
  };
}

Deno.test("member list: who waits is shown, with the command that takes it in", async () => {
  const waiting = [FOURTH, { ...FOURTH, id: 3, replaces: true }];
  const { out } = await beside("member list", inTurn([list(THREE, { waiting })]));
  assertEquals(
    out.split("\n\n")[1],
    [
      "server 4 at 10.0.0.4:9000 asks to become a member: raftkv member add 4",
      "server 3 at 10.0.0.4:9000 asks to take the place of the member 3: raftkv member replace 3",
      "",
    ].join("\n"),
  );
});

Deno.test("member add: waits for the server, adds it, and looks on until it votes", async () => {
  const learner = info(4, { role: "learner", keepsUp: false, lagEntries: 7 });
  const lists = [list(), list(THREE, { waiting: [FOURTH] }), list([...THREE, learner])];
  const voter = list([...THREE, info(4)]);
  const { code, out, error, seen } = await beside(
    "member add 4",
    inTurn([...lists, voter], "+OK\r\n"),
  );
  assertEquals([code, out], [0, "server 4 is a voter\n"]);
  assertEquals(error.split("\n"), [
    "raftkv: waiting for server 4: start it on an empty data directory with raftkv serve --id 4 " +
    "--join 10.0.0.1:9001,10.0.0.1:9002,10.0.0.1:9003",
    "raftkv: server 4 is a learner",
    "",
  ]);
  assertEquals(seen.filter((one) => !one.endsWith("LIST")), ["RAFTKV.MEMBER ADD 4"]);
  const only = await beside("member add 4 --learner", inTurn([lists[1]!], "+OK\r\n"));
  assertEquals([only.code, only.out, only.error], [0, "server 4 is a learner\n", ""]);
  assertEquals(only.seen.at(-1), "RAFTKV.MEMBER ADD 4 LEARNER");
});

Deno.test("member add: given again it looks on, and adds nothing; where it can't be, it is said", async () => {
  const learner = info(4, { role: "learner" });
  const again = await beside(
    "member add 4",
    inTurn([list([...THREE, learner]), list([...THREE, info(4)])]),
  );
  assertEquals([again.code, again.out], [0, "server 4 is a voter\n"]);
  assertEquals(again.seen.filter((one) => !one.endsWith("LIST")), []);
  const cases: [string, MemberList, RegExp][] = [
    [
      "member add 3",
      list(THREE, { waiting: [{ ...FOURTH, id: 3, replaces: true }] }),
      /replace 3$/,
    ],
    ["member add 3 --learner", list(), /raftkv member demote 3$/],
    [
      "member add 4",
      list([...THREE, info(4, { role: "learner", staysLearner: true })]),
      /stays a learner: raftkv member promote 4$/,
    ],
  ];
  for (const [line, one, sentence] of cases) {
    const { code, out, error } = await beside(line, inTurn([one]));
    assertEquals([code, out], [1, ""], line);
    assertMatch(error.trimEnd(), sentence);
  }
  // Taken out again while it caught up.
  const out = await beside("member add 4", inTurn([list([...THREE, learner]), list()]));
  assertEquals([out.code, out.error], [1, "raftkv: server 4 was taken out meanwhile\n"]);
});

Deno.test("member replace: step by step, again where an answer is lost, and from wherever it was left", async () => {
  const lost = list([info(1, { isLeader: true }), info(2), info(3, { isReachable: false })]);
  const waiting = [{ ...FOURTH, id: 3, replaces: true }];
  const learner = list([...THREE.slice(0, 2), info(3, { role: "learner", keepsUp: false })]);
  const done = await beside(
    "member replace 3",
    inTurn([lost, { ...lost, waiting }, { ...lost, waiting }, learner, list()], null, "+added\r\n"),
  );
  assertEquals([done.code, done.out], [0, "server 3 is a voter\n"]);
  assertMatch(
    done.error,
    /^raftkv: waiting for server 3: start it .* --id 3 --join 10\.0\.0\.1:9001,/,
  );
  assertMatch(done.error, /\nraftkv: the old server 3 is out, the new one is a learner\n$/);
  assertEquals(done.seen.filter((one) => one.endsWith("REPLACE 3")).length, 2);
  const later = await beside("member replace 3", inTurn([learner, list()], "+catchingUp\r\n"));
  assertEquals([later.code, later.out, later.error], [0, "server 3 is a voter\n", ""]);
  const over = await beside("member replace 3", inTurn([list()]));
  assertEquals([over.code, over.out], [0, "server 3 is a voter\n"]);
  assertEquals(over.error, "raftkv: server 3 answers: there is nothing to replace\n");
  // One that has just died seems to be there for a moment.
  const dying = await beside(
    "member replace 3",
    inTurn([list(), lost, { ...lost, waiting }, learner, list()], "+added\r\n"),
  );
  assertEquals([dying.code, dying.seen.some((one) => one.endsWith("REPLACE 3"))], [0, true]);
  const alive = await beside(
    "member replace 3",
    inTurn([list(THREE, { waiting })], "-ERR server 3 answers\r\n"),
  );
  assertEquals([alive.code, alive.out], [1, ""]);
  assertMatch(alive.error, /^raftkv: server 3 answers; raftkv member replace 3 continues/);
});

Deno.test("member: how far a new server is, in a line", () => {
  const learner = info(4, { role: "learner", keepsUp: false, lagEntries: 12_345 });
  const cases: [Partial<MemberInfo>, number | null, string][] = [
    [{}, null, "server 4 catches up: 12,345 entries left"],
    [{}, 3_210, "server 4 catches up: 12,345 entries left, 3,210/s"],
    [{ lagEntries: 1 }, 0, "server 4 catches up: 1 entry left, 0/s"],
    [{ isSentSnapshot: true }, 0, "server 4 is sent a snapshot"],
    [{ isReachable: false }, 0, "server 4 does not answer the leader yet"],
    [{ keepsUp: true }, 0, "server 4 keeps up, and is about to be made a voter"],
  ];
  for (const [changes, rate, text] of cases) {
    assertEquals(catchUpText({ ...learner, ...changes }, rate), text);
  }
});

Deno.test("member: Ctrl-C says what continues by itself, and which command looks on", async () => {
  const end = new AbortController();
  let said = "";
  const write = (text: string) => void (said += text);
  const console = { errorIsTerminal: true, size: () => ({ columns: 40, rows: 24 }) };
  const tool = { signal: end.signal, console, host: { writeError: write }, say: write };
  const session = (members: readonly MemberInfo[]) => ({
    client: { members: () => Promise.resolve(list(members)) },
    each: {},
  });
  const interrupted = async (running: Promise<unknown>) => {
    setTimeout(() => end.abort(), 20);
    const error = await running.then(() => null, (error: CliError) => error);
    assertEquals(error?.exit, 130);
    return error!.message;
  };
  const learner = info(4, { role: "learner", keepsUp: false, lagEntries: 12_345 });
  assertEquals(
    await interrupted(awaitVoter(tool as never, session([learner]) as never, 4, "raftkv x 4")),
    "interrupted; server 4 is a learner by now, and the leader makes it a voter by itself once it " +
      "keeps up; raftkv x 4 looks on",
  );
  // On a narrow terminal the line fits, and it is taken away.
  assertEquals(said, "\r\x1b[Kserver 4 catches up: 12,345 entries le…\r\x1b[K");
});

Deno.test("member add: Ctrl-C before anybody asked changes nothing", async () => {
  const end = new AbortController();
  const said: string[] = [];
  const tool = { signal: end.signal, say: (text: string) => void said.push(text) };
  const session = { client: { members: () => Promise.resolve(list()) }, each: {} };
  setTimeout(() => end.abort(), 20);
  const waiting = awaitWaiting(tool as never, session as never, 4, () => false);
  const error = await waiting.catch((error) => error);
  assertEquals([error.exit, error.message], [
    130,
    "interrupted; server 4 did not ask, and nothing was changed",
  ]);
  assertEquals(said.length, 1);
});

Deno.test("leader move: names who leads then", async () => {
  const to = await beside("leader move --to 2", listing(THREE, ":2\r\n"));
  assertEquals([to.code, to.out, to.seen], [0, "server 2 leads\n", ["RAFTKV.LEADER MOVE TO 2"]]);
  const any = await beside("leader move", listing(THREE, ":3\r\n"));
  assertEquals([any.code, any.out, any.seen], [0, "server 3 leads\n", ["RAFTKV.LEADER MOVE"]]);
});

Deno.test("member, leader: an earlier build that leads is told as such", async () => {
  for (const line of ["member list", "member remove 3", "leader move", "cas a 1 b"]) {
    const { code, error } = await beside(line, () => undefined);
    assertEquals(code, 1);
    assertMatch(
      error,
      /^raftkv: 127\.0\.0\.1:\d+ does not know RAFTKV\.[A-Z]+, so it runs an earlier build: finish the upgrade \(raftkv check says where\); nothing was done\n$/,
    );
  }
});

Deno.test("completion: ids of members", async () => {
  const server = await FakeServer.start();
  server.answer = inTurn([list(THREE, { waiting: [FOURTH] })]);
  const complete = async (...words: string[]) => (await command(["__complete", ...words])).out;
  try {
    const servers = ["--servers", server.address];
    assertEquals(await complete("member", ...servers, ""), "");
    const ids = async (...words: string[]) =>
      (await complete(...words)).split("\n").map((line) => line.split("\t")[0]!)
        .filter((word) => /^\d/.test(word));
    assertEquals(await ids("member", "remove", ...servers, ""), ["1", "2", "3"]);
    assertEquals(await ids("leader", "move", ...servers, "--to", ""), ["1", "2", "3"]);
    assertEquals(await ids("member", "replace", ...servers, ""), ["1", "2", "3"]);
    // Those that can be added are those that ask.
    assertEquals(await ids("member", "add", ...servers, ""), ["4"]);
    assertMatch(await complete("member", "pro"), /^promote\t/);
  } finally {
    await server.stop();
  }
});
