/** RAFTKV.MEMBER JOIN, ADD and REPLACE on the leader: who waits, who is taken in, and every refusal. */
import { assert, assertEquals } from "@std/assert";
import { decodeAddresses } from "../../lib/node/members/addresses.ts";
import type { MemberRequest, WaitingServer } from "../../lib/wire/members.ts";
import { TICKS } from "../raft/cluster.ts";
import { incarnation } from "../raft/members.ts";
import { Asked, led, listed } from "./asked_members.ts";

function waiting(id: number, life = 1, hostname = `h${id}`): WaitingServer {
  const ports = { clientPort: 9000 + id, logPort: 9100 + id };
  return { id, incarnation: incarnation(id, life), hostname, ...ports };
}

/** A server that is started to join, and says so. */
function start(asked: Asked, id: number, life = 1): void {
  asked.cluster.join(id, life);
  asked.ask({ kind: "join", server: waiting(id, life) });
}

function standing(asked: Asked, server: WaitingServer): string {
  const answer = asked.ask({ kind: "join", server });
  if (answer === null || typeof answer === "number" || answer.kind !== "waits") throw answer;
  return answer.standing;
}

function roles(asked: Asked): string {
  const { members } = listed(asked.ask({ kind: "list" }));
  return members.map(({ id, role }) => `${id} ${role}`).join(", ");
}

const NOBODY_WAITS = (id: number) =>
  `no server waits to join as ${id}: start it with an empty data directory, --id ${id} and --join`;

Deno.test("join: whoever waits is told its cluster and what it is to it, and is listed without its life", () => {
  const asked = led();
  assertEquals(asked.ask({ kind: "join", server: waiting(4) }), {
    ...{ kind: "waits", standing: "new", clusterId: "c".repeat(32) },
    ...{ electionTimeoutMs: TICKS, heartbeatIntervalMs: 2 },
  });
  assertEquals(standing(asked, waiting(3, 2)), "replaces");
  assertEquals(standing(asked, waiting(2)), "member");
  assertEquals(listed(asked.ask({ kind: "list" })).waiting, [
    { id: 3, hostname: "h3", clientPort: 9003, logPort: 9103, replaces: true },
    { id: 4, hostname: "h4", clientPort: 9004, logPort: 9104, replaces: false },
  ]);
});

Deno.test("join: more than 16 at a time are refused", () => {
  const asked = led();
  for (let id = 11; id <= 26; id++) assertEquals(standing(asked, waiting(id)), "new");
  assertEquals(
    asked.why({ kind: "join", server: waiting(27) }),
    "refused: 16 servers wait to join already: add some of them, or stop some",
  );
});

Deno.test("join: where a silent member says that it is, is a place to try; no other life is believed", () => {
  const asked = led();
  asked.silentMs = 2 * TICKS - 1;
  assertEquals(standing(asked, waiting(2)), "member");
  assertEquals(asked.heard, [], "it is there");
  asked.silentMs = 2 * TICKS;
  assertEquals(standing(asked, waiting(2, 2, "thief")), "replaces");
  assertEquals(standing(asked, waiting(4)), "new");
  assertEquals(asked.heard, []);
  assertEquals(standing(asked, waiting(2, 1, "moved")), "member");
  assertEquals(asked.heard, [`2 ${incarnation(2)} moved 9102`]);
});

Deno.test("join: another leadership has to be told anew", () => {
  const asked = led();
  start(asked, 4);
  asked.cluster.elect(2);
  asked.cluster.run(4);
  asked.cluster.elect(1);
  asked.cluster.run(4);
  assertEquals(
    asked.why({ kind: "add", id: 4, staysLearner: false }),
    `refused: ${NOBODY_WAITS(4)}`,
  );
});

Deno.test("add: who waits is a learner once that is committed, and a voter once it keeps up", () => {
  const asked = led();
  start(asked, 4);
  asked.cluster.isolate(4);
  assertEquals(asked.ask({ kind: "add", id: 4, staysLearner: false }), null);
  asked.run(1);
  assertEquals([asked.told, roles(asked)], [[{ kind: "done" }], expected("4 learner")]);
  asked.cluster.heal();
  asked.run(4 * TICKS);
  assertEquals(roles(asked), expected("4 voter"));
  // It has not asked since, and waits no more all the same.
  assertEquals(listed(asked.ask({ kind: "list" })).waiting, []);
  assertEquals(standing(asked, waiting(4)), "member");
  assertEquals(listed(asked.ask({ kind: "list" })).waiting, []);
  const { members } = asked.cluster.raft(1).state.configurations.current;
  assertEquals(decodeAddresses(members[3]!.addresses), {
    ...{ hostname: "h4", clientPort: 9004, logPort: 9104 },
  });
});

const expected = (fourth: string) => `1 voter, 2 voter, 3 voter, ${fourth}`;

Deno.test("add: one that is to stay a learner does", () => {
  const asked = led();
  start(asked, 4);
  assertEquals(asked.ask({ kind: "add", id: 4, staysLearner: true }), null);
  asked.run(4 * TICKS);
  assertEquals(roles(asked), expected("4 learner"));
  assertEquals(
    asked.why({ kind: "add", id: 4, staysLearner: true }),
    "refused: server 4 is a member, a learner, already",
  );
});

Deno.test("add: whoever does not wait, is a member, or waits twice is not added", () => {
  const asked = led();
  const add = (id: number): MemberRequest => ({ kind: "add", id, staysLearner: false });
  assertEquals(asked.why(add(4)), `refused: ${NOBODY_WAITS(4)}`);
  start(asked, 5);
  assertEquals(
    asked.why(add(4)),
    "refused: no server waits to join as 4 (server 5 does): start it with an empty data directory, " +
      "--id 4 and --join",
  );
  assertEquals(asked.why(add(3)), "refused: server 3 is a member already");
  asked.ask({ kind: "join", server: waiting(3, 2) });
  assertEquals(
    asked.why(add(3)),
    "refused: server 3 is a member with another data directory: replace it, or give the new server " +
      "an id of its own",
  );
  asked.ask({ kind: "join", server: waiting(5, 2, "elsewhere") });
  assertEquals(
    asked.why(add(5)),
    "refused: two servers wait to join as 5, at h5:9105 and elsewhere:9105: stop the one that is not " +
      "meant",
  );
});

Deno.test("add: a server that was taken in and removed waits no more, though it asked a moment ago", () => {
  const asked = led();
  start(asked, 4);
  asked.ask({ kind: "add", id: 4, staysLearner: true });
  asked.run(4);
  asked.ask({ kind: "remove", id: 4 });
  asked.run(4);
  assertEquals(roles(asked), "1 voter, 2 voter, 3 voter");
  assertEquals(listed(asked.ask({ kind: "list" })).waiting, []);
  assertEquals(
    asked.why({ kind: "add", id: 4, staysLearner: false }),
    `refused: ${NOBODY_WAITS(4)}`,
  );
});

Deno.test("add: not a server that only its own machine reaches, where the others are elsewhere", () => {
  const asked = led();
  asked.ask({ kind: "join", server: waiting(4, 1, "127.0.0.1") });
  assertEquals(
    asked.why({ kind: "add", id: 4, staysLearner: false }),
    "refused: server 4 waits at 127.0.0.1, which only its own machine can reach, and others are at " +
      "h1: start it with --hostname, and a name or address that all reach",
  );
});

Deno.test("add: before version 2 of the cluster it is said what holds that back", () => {
  const asked = led();
  start(asked, 4);
  asked.version = 1;
  asked.waits = ["server 2 is not heard"];
  assertEquals(
    asked.why({ kind: "add", id: 4, staysLearner: false }),
    "refused: the cluster version is 1, and members change from 2 on: server 2 is not heard: see " +
      "raftkv check",
  );
});

/** Server 3 of three is gone for good, and its disk with it. */
function lost(): Asked {
  const asked = led();
  asked.cluster.crash(3);
  asked.cluster.raft(1).peerDisconnected(3);
  return asked;
}

Deno.test("replace: the earlier life is removed, the new one added, and it votes once it keeps up", () => {
  const asked = lost();
  start(asked, 3, 2);
  assertEquals(asked.ask({ kind: "replace", id: 3 }), null);
  asked.run(4);
  assertEquals(asked.told, [{ kind: "step", step: "added" }]);
  const { configurations } = asked.cluster.raft(1).state;
  assertEquals(configurations.current.members[2]!.incarnation, incarnation(3, 2));
  assert(!["1 voter, 2 voter"].includes(roles(asked)), "the new one is a member");
  asked.run(4 * TICKS);
  assertEquals(roles(asked), "1 voter, 2 voter, 3 voter");
  assertEquals(asked.ask({ kind: "replace", id: 3 }), { kind: "step", step: "voter" });
});

Deno.test("replace: while the new one catches up, that is what the same command answers", () => {
  const asked = lost();
  start(asked, 3, 2);
  asked.cluster.isolate(3);
  asked.ask({ kind: "replace", id: 3 });
  asked.run(4);
  assertEquals(roles(asked), "1 voter, 2 voter, 3 learner");
  assertEquals(asked.ask({ kind: "replace", id: 3 }), { kind: "step", step: "catchingUp" });
});

Deno.test("replace: interrupted after the removal, the same command continues", () => {
  const asked = lost();
  assertEquals(asked.ask({ kind: "remove", id: 3 }), null);
  asked.run(4);
  start(asked, 3, 2);
  assertEquals(asked.ask({ kind: "replace", id: 3 }), null);
  asked.run(4 * TICKS);
  assertEquals(roles(asked), "1 voter, 2 voter, 3 voter");
});

Deno.test("replace: a learner that stays one is still one where it was interrupted after the removal", () => {
  const asked = lost();
  assertEquals(asked.ask({ kind: "demote", id: 3 }), null);
  asked.run(4);
  assertEquals(roles(asked), "1 voter, 2 voter, 3 learner");
  assertEquals(asked.ask({ kind: "remove", id: 3 }), null);
  asked.run(4);
  start(asked, 3, 2);
  assertEquals(asked.ask({ kind: "replace", id: 3 }), null);
  asked.run(4 * TICKS);
  assertEquals(roles(asked), "1 voter, 2 voter, 3 learner");
});

Deno.test("replace: a learner's place is taken in one change, so nothing of it can be forgotten in between", () => {
  const asked = lost();
  assertEquals(asked.ask({ kind: "demote", id: 3 }), null);
  asked.run(4);
  start(asked, 3, 2);
  assertEquals(asked.ask({ kind: "replace", id: 3 }), null);
  const seen = new Set<string>();
  for (let i = 0; i < 4 * TICKS; i++) {
    asked.run(1);
    const { members } = listed(asked.ask({ kind: "list" }));
    seen.add(`${roles(asked)}, stays: ${members.find(({ id }) => id === 3)?.staysLearner}`);
  }
  assertEquals([...seen], ["1 voter, 2 voter, 3 learner, stays: true"]);
  assertEquals(asked.told.at(-1), { kind: "step", step: "added" });
  const { configurations } = asked.cluster.raft(1).state;
  assertEquals(configurations.newest.incarnations.get(3), incarnation(3, 2));
});

Deno.test("replace: a leadership lost on the way leaves open how far it came, and the next leader continues", () => {
  const asked = lost();
  start(asked, 3, 2);
  asked.cluster.cut([1], [2]);
  assertEquals(asked.ask({ kind: "replace", id: 3 }), null);
  asked.run(3 * TICKS);
  assertEquals(asked.told, [{
    kind: "unknown",
    why: "server 1 leads no more, the change may be done or not: look at the list of members",
  }]);
  asked.cluster.heal();
  asked.cluster.elect(1);
  asked.cluster.run(4);
  const next = new Asked(asked.cluster, 1);
  next.ask({ kind: "join", server: waiting(3, 2) });
  for (let tries = 0; next.told.length === 0 && tries < 3; tries++) {
    next.ask({ kind: "replace", id: 3 });
    next.run(4);
  }
  next.run(4 * TICKS);
  assertEquals(roles(next), "1 voter, 2 voter, 3 voter");
});

Deno.test("replace: where the new one can't be added after all, it is said that the earlier one is gone", () => {
  const asked = lost();
  start(asked, 3, 2);
  assertEquals(asked.ask({ kind: "replace", id: 3 }), null);
  // It is committed, and before anybody looks, too much waits to be committed.
  asked.cluster.run(4);
  asked.cluster.cut([1], [2]);
  while (asked.cluster.raft(1).propose(new Uint8Array(500)).accepted);
  asked.changes.note();
  assertEquals(asked.told, [{
    kind: "unknown",
    why:
      "the earlier server 3 is removed, and the new one is not added yet: too much waits to be " +
      "committed on server 1: try again in a moment; then replace it again",
  }]);
});

Deno.test("replace: not while the earlier life answers, nor where nobody waits", () => {
  const asked = led([4]);
  asked.ask({ kind: "join", server: waiting(3, 2) });
  assertEquals(
    asked.why({ kind: "replace", id: 3 }),
    "refused: server 3 answers with the data directory that it joined with, and is not replaced " +
      "while it does: stop it first, or give the new server an id of its own",
  );
  asked.ask({ kind: "join", server: waiting(1, 2) });
  assert(asked.why({ kind: "replace", id: 1 }).startsWith("refused: server 1 answers"), "it leads");
  assertEquals(asked.ask({ kind: "replace", id: 2 }), { kind: "step", step: "voter" });
  assertEquals(asked.ask({ kind: "replace", id: 4 }), { kind: "step", step: "catchingUp" });
  assertEquals(
    asked.why({ kind: "replace", id: 9 }),
    "refused: server 9 is no member: servers 1, 2, 3 and 4 are; no server waits to join as 9 " +
      "(servers 1 and 3 do): start it with an empty data directory, --id 9 and --join",
  );
  assertEquals(
    lost().why({ kind: "replace", id: 3 }),
    `refused: server 3 does not answer, and ${NOBODY_WAITS(3)}`,
  );
});

Deno.test("replace: a learner that was to stay one is replaced by one that is to", () => {
  const asked = led([4]);
  asked.cluster.crash(4);
  asked.cluster.raft(1).peerDisconnected(4);
  start(asked, 4, 2);
  assertEquals(asked.ask({ kind: "replace", id: 4 }), null);
  asked.run(6 * TICKS);
  assertEquals(asked.told, [{ kind: "step", step: "added" }]);
  assertEquals(roles(asked), expected("4 learner"));
  assertEquals(listed(asked.ask({ kind: "list" })).members[3]!.staysLearner, true);
});
