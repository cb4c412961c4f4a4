/** What RAFTKV.MEMBER and RAFTKV.LEADER come to on the leader: answers, and every refusal's words. */
import { assert, assertEquals } from "@std/assert";
import { ClientError } from "../../lib/wire/command_batch.ts";
import { Cluster, TICKS } from "../raft/cluster.ts";
import { member } from "../raft/members.ts";
import { Asked, led, listed, UNFORMED } from "./asked_members.ts";

Deno.test("members: a change is answered when it is committed, and once", () => {
  for (
    const request of [
      { kind: "remove", id: 3 },
      { kind: "remove", id: 1 }, // the leader
      { kind: "demote", id: 2 },
      { kind: "promote", id: 4 },
      { kind: "remove", id: 4 },
    ] as const
  ) {
    const asked = led([4]);
    assertEquals(asked.ask(request), null);
    asked.commands.note();
    assertEquals(asked.told, []);
    asked.run(2 * TICKS);
    assertEquals(asked.told, [{ kind: "done" }], `${request.kind} ${request.id}`);
    asked.commands.end();
    assertEquals(asked.told.length, 1);
  }
});

Deno.test("members: whoever does not lead sends on, formed or not", () => {
  for (const id of [2, UNFORMED]) {
    const asked = new Asked(led().cluster, id);
    for (const kind of ["list", "moveLeader", "remove"] as const) {
      const request = kind === "list"
        ? { kind }
        : kind === "remove"
        ? { kind, id: 3 }
        : { kind, to: null };
      assertEquals(asked.ask(request), ClientError.redirect);
    }
  }
});

Deno.test("members: who is no member, votes already, learns already, or is the only voter", () => {
  const asked = led([4]);
  for (const kind of ["remove", "promote", "demote"] as const) {
    assertEquals(
      asked.why({ kind, id: 9 }),
      "refused: server 9 is no member: servers 1, 2, 3 and 4 are",
    );
  }
  assertEquals(asked.why({ kind: "promote", id: 2 }), "refused: server 2 votes already");
  assertEquals(asked.why({ kind: "demote", id: 4 }), "refused: server 4 is a learner already");
  const alone = new Cluster({ voters: [1] });
  alone.tick();
  const only = new Asked(alone);
  for (const kind of ["remove", "demote"] as const) {
    assertEquals(
      only.why({ kind, id: 1 }),
      "refused: server 1 is the only voter, and a cluster needs one: make another one a voter first",
    );
  }
  assertEquals(only.why({ kind: "remove", id: 2 }), "refused: server 2 is no member: server 1 is");
});

Deno.test("members: a learner that the leader makes a voter can't be told to stay one", () => {
  const asked = led();
  const { cluster } = asked;
  cluster.join(4);
  cluster.isolate(4);
  assert(cluster.raft(1).proposeChange([{ kind: "add", ...member(4) }]).accepted);
  asked.run(4);
  assertEquals(
    asked.why({ kind: "demote", id: 4 }),
    "refused: server 4 is a learner already, and the leader makes it a voter once it keeps up: " +
      "to keep it a learner, remove it and add it again as one",
  );
  assertEquals(
    asked.why({ kind: "promote", id: 4 }),
    `refused: server 4 does not keep up yet, it lacks ${cluster.raft(1).state.log.lastIndex} ` +
      "entries: try again once the list shows that it keeps up",
  );
});

Deno.test("members: where no majority would be left, it is said who is missing", () => {
  const asked = led();
  asked.cluster.crash(3);
  asked.cluster.raft(1).peerDisconnected(3);
  assertEquals(
    asked.why({ kind: "remove", id: 2 }),
    "refused: no majority of the voters would be left that can be counted on: server 3 does not " +
      "answer: get it back first, or remove it first",
  );
  // That one can go.
  assertEquals(asked.ask({ kind: "remove", id: 3 }), null);
  const suspect = led();
  const { progress } = suspect.cluster.raft(1).leader!;
  progress.get(3)!.isSuspect = true;
  assertEquals(
    suspect.why({ kind: "demote", id: 2 }),
    "refused: no majority of the voters would be left that can be counted on: server 3 is suspect, " +
      "and may have forgotten a promise: get it back first, or remove it first",
  );
  progress.get(2)!.isHeard = false;
  assertEquals(
    suspect.why({ kind: "remove", id: 1 }),
    "refused: no majority of the voters would be left that can be counted on: server 2 does not " +
      "answer, server 3 is suspect, and may have forgotten a promise: get them back first, or " +
      "remove them first",
  );
});

Deno.test("members: where no majority with room would be left, it is said whose disk is full", () => {
  const asked = led([], [3]);
  assertEquals(
    asked.why({ kind: "remove", id: 2 }),
    "refused: server 3 has no room on its disk: make some there first",
  );
});

Deno.test("members: one change at a time, and it is said which one is under way", () => {
  const asked = led();
  asked.cluster.cut([1], [2, 3]);
  assertEquals(asked.ask({ kind: "remove", id: 3 }), null);
  assertEquals(
    asked.why({ kind: "demote", id: 2 }),
    "later: the change before is not committed yet (voters 1 2 outgoing 1 2 3): wait until the " +
      "list shows it",
  );
});

Deno.test("members: a new leader, one that hands over and one with too much to do are asked again later", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  const asked = new Asked(cluster);
  cluster.cut([1], [2, 3]);
  while (cluster.raft(1).propose(new Uint8Array(500)).accepted);
  assertEquals(
    asked.why({ kind: "remove", id: 3 }),
    "later: too much waits to be committed on server 1: try again in a moment",
  );
  const handing = led();
  handing.cluster.cut([1], [2, 3]);
  assertEquals(handing.ask({ kind: "moveLeader", to: 2 }), null);
  assertEquals(
    handing.why({ kind: "remove", id: 3 }),
    "later: server 1 hands the leadership over: try again in a moment",
  );
  assertEquals(
    handing.why({ kind: "moveLeader", to: 3 }),
    "later: the leadership is being handed to server 2: try again in a moment",
  );
  const { cluster: moved } = led();
  moved.raft(1).transferLeadership(2);
  moved.processAll();
  while (!moved.leaders().includes(2)) moved.deliverAt(0);
  assertEquals(
    new Asked(moved, 2).why({ kind: "remove", id: 3 }),
    "later: server 2 has just come to lead: try again in a moment",
  );
});

Deno.test("members: before version 2 of the cluster nothing changes, and it is said what holds it back", () => {
  const asked = led();
  asked.version = 1;
  asked.waits = ["server 2 is not heard", "server 3 runs a build that can read 1 at most"];
  assertEquals(
    asked.why({ kind: "remove", id: 3 }),
    "refused: the cluster version is 1, and members change from 2 on: server 2 is not heard, " +
      "server 3 runs a build that can read 1 at most: see raftkv check",
  );
  // Nobody has to wait to hear of it.
  const refusal = () => listed(asked.ask({ kind: "list" })).refusal;
  assertEquals(`refused: ${refusal()}`, asked.why({ kind: "remove", id: 3 }));
  asked.waits = [];
  assertEquals(refusal(), "");
  assertEquals(
    asked.why({ kind: "remove", id: 3 }),
    "later: the cluster version is 1, and members change from 2 on: it is being raised, try again " +
      "in a moment",
  );
});

Deno.test("members: a leadership that ends leaves open what became of the change, and so does a stop", () => {
  const asked = led();
  asked.cluster.cut([1], [2, 3]);
  assertEquals(asked.ask({ kind: "remove", id: 3 }), null);
  asked.run(3 * TICKS);
  assertEquals(asked.told, [{
    kind: "unknown",
    why: "server 1 leads no more, the change may be done or not: look at the list of members",
  }]);
  const stopped = led();
  stopped.cluster.cut([1], [2, 3]);
  stopped.ask({ kind: "remove", id: 3 });
  stopped.commands.end();
  const why = "the server stops, what was asked may be done: look at the list of members";
  assertEquals(stopped.told, [{ kind: "unknown", why }]);
  // What comes of it later is nobody's.
  stopped.run(3 * TICKS);
  assertEquals(stopped.told.length, 1);
});

Deno.test("members: the list says of each member what the leader knows", () => {
  const asked = led([4]);
  const { cluster } = asked;
  const { lastIndex } = cluster.raft(1).state.log;
  const list = listed(asked.ask({ kind: "list" }));
  assertEquals([list.configurationIndex > 0, list.isChanging], [true, false]);
  const here = { isReachable: true, keepsUp: true, isSentSnapshot: false };
  assertEquals(list.members[0], {
    ...{ id: 1, role: "voter", isLeader: true, hostname: "h1", clientPort: 9001, logPort: 9101 },
    ...{ matchIndex: lastIndex, lagEntries: 0, staysLearner: false, ...here },
  });
  assertEquals(list.members[2], {
    ...{ id: 3, role: "voter", isLeader: false, hostname: "", clientPort: 0, logPort: 0 },
    ...{ matchIndex: lastIndex, lagEntries: 0, staysLearner: false, ...here },
  });
  assertEquals(list.members[3], {
    ...{ id: 4, role: "learner", isLeader: false, hostname: "h4", clientPort: 9004, logPort: 9104 },
    ...{ matchIndex: lastIndex, lagEntries: 0, staysLearner: true, ...here },
  });
  // And while one is away, and voters change.
  cluster.crash(2);
  cluster.raft(1).peerDisconnected(2);
  cluster.propose("x");
  cluster.run(2 * TICKS);
  cluster.cut([1], [3, 4]);
  assertEquals(asked.ask({ kind: "promote", id: 4 }), null);
  const during = listed(asked.ask({ kind: "list" }));
  const rows = during.members.map(({ id, role, isReachable, keepsUp }) => {
    return [id, role, isReachable, keepsUp];
  });
  assertEquals(rows, [
    [1, "voter", true, true],
    [2, "voter", false, false],
    [3, "voter", true, true],
    [4, "incoming", true, true],
  ]);
  assertEquals([during.isChanging, during.members[1]!.lagEntries > 0], [true, true]);
});

Deno.test("members: as it was founded, a cluster's configuration has index 0", () => {
  const answer = listed(led().ask({ kind: "list" }));
  assertEquals(answer.configurationIndex, 0);
  assertEquals(answer.members.map(({ id, role }) => [id, role]), [
    [1, "voter"],
    [2, "voter"],
    [3, "voter"],
  ]);
});

Deno.test("leader: moved where it is wanted, or to the best, and answered with who leads then", () => {
  for (const to of [2, 3, null]) {
    const asked = led();
    assertEquals(asked.ask({ kind: "moveLeader", to }), null);
    assertEquals(asked.told, []);
    asked.run(TICKS);
    const [leader] = asked.cluster.leaders();
    assertEquals(asked.told, [{ kind: "leads", id: leader! }]);
    assertEquals(to === null || to === leader, true);
  }
});

Deno.test("leader: it is where it was wanted already", () => {
  assertEquals(led().ask({ kind: "moveLeader", to: 1 }), { kind: "leads", id: 1 });
});

Deno.test("leader: why it is not moved there, or nowhere", () => {
  const full: number[] = [];
  const asked = led([4], full);
  const { cluster } = asked;
  assertEquals(
    asked.why({ kind: "moveLeader", to: 4 }),
    "refused: server 4 does not vote, and only voters lead: promote it first",
  );
  assertEquals(
    asked.why({ kind: "moveLeader", to: 9 }),
    "refused: server 9 is no member: servers 1, 2, 3 and 4 are",
  );
  cluster.crash(3);
  cluster.raft(1).peerDisconnected(3);
  assertEquals(
    asked.why({ kind: "moveLeader", to: 3 }),
    "refused: server 3 does not answer: start it, or see its log",
  );
  full.push(2);
  assertEquals(
    asked.why({ kind: "moveLeader", to: null }),
    "refused: no other voter can take the leadership: server 2 has no room on its disk: make some " +
      "there first, server 3 does not answer: start it, or see its log",
  );
  const suspect = led();
  suspect.cluster.raft(1).leader!.progress.get(2)!.isSuspect = true;
  assertEquals(
    suspect.why({ kind: "moveLeader", to: 2 }),
    "refused: server 2 is suspect, and may have forgotten a promise: wait until the others have " +
      "told it",
  );
  const behind = led();
  behind.cluster.holdDisk(2);
  for (let i = 0; i < 6; i++) behind.cluster.propose("x".repeat(900));
  behind.cluster.settle();
  assertEquals(
    behind.why({ kind: "moveLeader", to: 2 }),
    "refused: server 2 lacks 6 entries: wait until it has them",
  );
  const alone = new Cluster({ voters: [1] });
  alone.tick();
  assertEquals(
    new Asked(alone).why({ kind: "moveLeader", to: null }),
    "refused: server 1 is the only voter: make another one a voter first",
  );
});

Deno.test("leader: of a server that has just come back it is said that it is to be known in a moment", () => {
  const asked = led();
  const { progress } = asked.cluster.raft(1).leader!;
  for (const one of progress.values()) one.mode = "probe";
  const what = (id: number) =>
    `what server ${id} has of the log is not known yet: try again in a moment`;
  assertEquals(asked.why({ kind: "moveLeader", to: 3 }), `later: ${what(3)}`);
  assertEquals(
    asked.why({ kind: "moveLeader", to: null }),
    `later: no other voter can take the leadership: ${what(2)}, ${what(3)}`,
  );
});

Deno.test("leader: a server that does not take over is named, and the leadership stays", () => {
  const asked = led();
  asked.cluster.crash(2);
  assertEquals(asked.ask({ kind: "moveLeader", to: 2 }), null);
  asked.run(TICKS);
  assertEquals(asked.told, [{
    kind: "refused",
    why: `server 2 did not take over, and server 1 leads still: see the log of ` +
      "server 2",
  }]);
});

Deno.test("leader: where another one came to lead, that is said", () => {
  const asked = led();
  const { cluster } = asked;
  cluster.cut([1], [2]);
  assertEquals(asked.ask({ kind: "moveLeader", to: 2 }), null);
  cluster.elect(3);
  cluster.heal();
  asked.run(TICKS);
  assertEquals(asked.told, [{
    kind: "refused",
    why: "server 3 leads now, and not server 2, to which the leadership was handed: move it again",
  }]);
});
