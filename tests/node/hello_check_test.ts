/** Who may talk to a server of a cluster whose members change. */
import { assertEquals, assertMatch } from "@std/assert";
import { claimOf, encodeClaim } from "../../lib/node/members/claim.ts";
import type { MembersState } from "../../lib/node/members/known_member.ts";
import { KnownMembers } from "../../lib/node/members/known_members.ts";
import { checkHello } from "../../lib/node/peers/hello_check.ts";
import { RaftLog } from "../../lib/raft/log.ts";
import { UNFORMED } from "../../lib/storage/types.ts";
import { Feature, type Hello, NO_FEATURES, RefusalReason } from "../../lib/wire/rpc/rpc.ts";
import { history, member, voting } from "./configurations.ts";

const CLUSTER_ID = "0123456789abcdef0123456789abcdef";
const life = (n: number) => `${n}`.repeat(16);
const FOUNDERS = [1, 2, 3].map((id) => member(id, life(id)));
const [ONE, TWO] = FOUNDERS;
const OTHER_CLUSTER = "f".repeat(32);

/** Server 1 with this log; without one, it waits to be added. */
function serverWith(state: MembersState | null) {
  const members = new KnownMembers({
    serverId: 1,
    incarnation: life(1),
    listed: [],
    record: state === null ? null : {
      stage: "formed",
      clusterId: CLUSTER_ID,
      members: FOUNDERS.map(({ id, incarnation }) => ({ serverId: id, incarnation })),
    },
    joins: state === null,
    graceMs: 1_000,
  });
  if (state !== null) members.note(state, 0);
  const formation = {
    record: null,
    isFormed: state !== null,
    clusterId: state === null ? UNFORMED : CLUSTER_ID,
    joins: state === null ? CLUSTER_ID : null,
  };
  const check = (hello: Partial<Hello>) =>
    checkHello({ ...hello2(2), ...hello }, {
      incarnation: life(1),
      members,
      formation,
      clusterVersion: 0,
    });
  /** The name of the reason; null where it is welcome. */
  const reason = (hello: Partial<Hello>) => {
    const refused = check(hello)?.reason ?? 0;
    return Object.entries(RefusalReason).find(([, number]) => number === refused)?.[0] ?? null;
  };
  return { members, check, reason };
}

function hello2(from: number, incarnation = life(from)): Hello {
  return {
    protocolVersion: 2,
    clusterId: CLUSTER_ID,
    from,
    to: 1,
    incarnation,
    features: NO_FEATURES,
  };
}

function claiming(index: number, wanted: string | null = null) {
  return new Map([[Feature.claim, encodeClaim({ index, term: 1, wanted })]]);
}

Deno.test("claims: a server that is behind believes whoever names a newer configuration than it has", () => {
  const { reason } = serverWith({ ...history(FOUNDERS), commitIndex: 9 });
  const four = { from: 4, incarnation: life(4) };
  assertEquals(reason({ ...four, features: claiming(10) }), null);
  assertEquals(reason({ ...four, features: claiming(9) }), "removed");
  assertEquals(reason({ ...four, features: claiming(0) }), "stranger");
  assertEquals(reason(four), "stranger", "a build that claims nothing is judged by what is known");
  assertEquals(reason({ ...four, features: claiming(10), clusterId: UNFORMED }), "stranger");
  assertEquals(
    reason({ ...four, features: claiming(10), clusterId: OTHER_CLUSTER }),
    "otherCluster",
  );
  const newLife = { from: 2, incarnation: life(7) };
  assertEquals(reason({ ...newLife, features: claiming(10) }), null);
  assertEquals(reason({ ...newLife, features: claiming(0) }), "wrongIncarnation");
});

Deno.test("claims: who claims nothing, since its log begins after its removal, is told by whoever knows this term", () => {
  const state = { ...history(FOUNDERS), commitIndex: 0 };
  const four = { from: 4, incarnation: life(4), features: claiming(0) };
  assertEquals(serverWith(state).reason(four), "stranger", "of its term nothing is committed");
  assertEquals(serverWith({ ...state, term: 0 }).reason(four), "removed");
  const fresh = { ...four, clusterId: UNFORMED };
  assertEquals(serverWith({ ...state, term: 0 }).reason(fresh), "stranger");
});

Deno.test("claims: who was removed is refused once that is committed and a moment is over, and told", () => {
  const without2 = history(FOUNDERS, voting(ONE!, FOUNDERS[2]!));
  const { members, check, reason } = serverWith({ ...history(FOUNDERS), commitIndex: 0 });
  const two = { from: 2, incarnation: life(2), features: claiming(0) };
  members.note({ ...without2, commitIndex: 0 }, 0);
  assertEquals(reason(two), null, "it may be needed");
  members.note(without2, 10);
  assertEquals(reason(two), null, "it may have to hand over");
  assertEquals(members.nextDeadlineMs(), 1_010);
  members.note(without2, 1_010);
  assertEquals(reason(two), "removed");
  assertMatch(check(two)!.text, /^server 2 with this data directory was removed from the cluster/);
  assertEquals(reason({ ...two, features: NO_FEATURES }), "stranger");
});

Deno.test("claims: a process that begins judges by what it knows to be committed, and again later", () => {
  const log = history(FOUNDERS, voting(ONE!, FOUNDERS[2]!));
  const { members, reason } = serverWith({ ...log, commitIndex: 0 });
  const two = { from: 2, incarnation: life(2), features: claiming(0) };
  assertEquals(reason(two), null);
  let changes = 0;
  members.watch(() => changes++);
  members.note(log, 0);
  assertEquals([reason(two), changes], ["removed", 1]);
});

Deno.test("claims: the old self of a server that was replaced has no part any more", () => {
  const replaced = history(FOUNDERS, voting(ONE!, TWO!), voting(ONE!, TWO!, member(3, life(9))));
  const { reason } = serverWith(replaced);
  assertEquals(reason({ from: 3, incarnation: life(3), features: claiming(0) }), "removed");
  assertEquals(reason({ from: 3, incarnation: life(9), features: claiming(0) }), null);
  assertEquals(
    reason({ from: 3, incarnation: life(8), features: claiming(0) }),
    "wrongIncarnation",
  );
  assertEquals(reason({ from: 3, incarnation: life(8), clusterId: UNFORMED }), "wrongIncarnation");
});

Deno.test("claims: an earlier life of a member is none of it, whatever is known to be committed", () => {
  const replaced = history(FOUNDERS, voting(ONE!, TWO!), voting(ONE!, TWO!, member(3, life(9))));
  // Its process has just begun.
  const { members, reason } = serverWith({ ...replaced, commitIndex: 0 });
  for (const index of [0, 1, 2]) {
    assertEquals(reason({ from: 3, incarnation: life(3), features: claiming(index) }), "removed");
  }
  assertEquals(reason({ from: 3, incarnation: life(9), features: claiming(0) }), null);
  // It may be a later one that this server does not know yet; the same index may be another leader's.
  const later = (index: number, term: number) => {
    const features = new Map([[Feature.claim, encodeClaim({ index, term, wanted: null })]]);
    return reason({ from: 3, incarnation: life(8), features });
  };
  assertEquals([later(3, 0), later(3, 1), later(2, 0)], [null, null, "wrongIncarnation"]);
  // Nor does anybody's word of where an earlier life is hide where the member is.
  assertEquals(members.of(3)!.incarnation, life(9));
});

Deno.test("claims: numbers that no log has are no claim, and this server does not repeat them", () => {
  const { members, reason } = serverWith(history(FOUNDERS));
  for (const at of [0, 8]) {
    const value = encodeClaim({ index: 5, term: 1, wanted: life(1) });
    value.fill(0xff, at, at + 8);
    const features = new Map([[Feature.claim, value]]);
    assertEquals(reason({ from: 4, incarnation: life(4), features }), "stranger");
    assertEquals(claimOf(features), null);
    members.welcomed(2, life(2), claimOf(features));
  }
  assertEquals(members.claimTo(2).index, 0);
});

Deno.test("claims: who is meant for another life of this server is refused", () => {
  const { reason } = serverWith(history(FOUNDERS));
  assertEquals(reason({ features: claiming(0, life(1)) }), null);
  assertEquals(reason({ features: claiming(0, life(5)) }), "wrongIncarnation");
});

Deno.test("claims: a server that waits to be added takes those that know of it, of that cluster alone", () => {
  const { reason } = serverWith(null);
  const leader = { features: claiming(5, life(1)) };
  assertEquals(reason(leader), null);
  assertEquals(reason({ features: claiming(5) }), "unformed");
  assertEquals(reason({ features: NO_FEATURES }), "unformed");
  assertEquals(reason({ ...leader, clusterId: OTHER_CLUSTER }), "otherCluster");
  assertEquals(reason({ ...leader, clusterId: UNFORMED }), "otherCluster");
  assertEquals(reason({ ...leader, to: 2 }), "wrongServer");
});

Deno.test("claims: a server claims its newest configuration that lists it, or what it was told", () => {
  const log = history(FOUNDERS, voting(ONE!, TWO!), voting(TWO!));
  const { members } = serverWith(log);
  assertEquals(members.claimTo(2).index, 1);
  assertEquals(members.claimTo(2).wanted, life(2));
  // Two knows of a later one that lists both.
  members.welcomed(2, life(2), { index: 7, term: 1, wanted: life(1) });
  assertEquals(members.claimTo(2).index, 7);
  members.welcomed(2, life(2), { index: 9, term: 1, wanted: null });
  assertEquals(members.claimTo(2).index, 7);
});

Deno.test("claims: what a server was told counts until its own log says which configurations list it", () => {
  const log = history(FOUNDERS, voting(ONE!, TWO!), voting(TWO!));
  const { members } = serverWith(log);
  members.welcomed(2, life(2), { index: 7, term: 1, wanted: life(1) });
  members.note({ ...log, commitIndex: 6 }, 0);
  assertEquals(members.claimTo(2).index, 7);
  members.note({ ...log, commitIndex: 7 }, 0);
  assertEquals(members.claimTo(2).index, 1);
  // So is a word that comes late.
  members.welcomed(2, life(2), { index: 5, term: 1, wanted: life(1) });
  members.note({ ...log, commitIndex: 7 }, 0);
  assertEquals(members.claimTo(2).index, 1);
});

Deno.test("claims: a server is not told that a configuration lists it by one that was only told of it itself", () => {
  const { members } = serverWith(history(FOUNDERS));
  members.welcomed(2, life(2), { index: 7, term: 0, wanted: life(1) });
  assertEquals(members.claimTo(2).index, 0);
  // What it was told itself leaves without a term, too.
  members.welcomed(2, life(2), { index: 5, term: 1, wanted: life(1) });
  assertEquals(members.claimTo(3), { index: 5, term: 0, wanted: life(3) });
});

Deno.test("claims: nobody is told of a configuration that does without it that it lists it", () => {
  const before = history(FOUNDERS, voting(...FOUNDERS));
  const after = history(FOUNDERS, voting(...FOUNDERS), voting(ONE!, TWO!));
  const logTo = (index: number) => new RaftLog({ index, term: 1 }, []);
  const { members } = serverWith({ ...before, log: logTo(1) });
  const there = { hostname: "there", clientPort: 1, logPort: 2 };
  members.claimed(3, life(3), there);
  members.note({ ...after, log: logTo(2) }, 0);
  // Three is leaving: what lists both is older.
  assertEquals(members.claimTo(3), { index: 1, term: 0, wanted: life(3) });
  members.welcomed(4, life(4), { index: 8, term: 1, wanted: null });
  members.claimed(4, life(4), there);
  assertEquals(members.claimTo(4), { index: 2, term: 0, wanted: life(4) });
});

Deno.test("claims: a guest is connected to where it says that it is, as long as it is there", () => {
  const { members } = serverWith({ ...history(FOUNDERS), commitIndex: 3 });
  const places = () => members.linked.map(({ id, places: [place] }) => `${id} ${place!.hostname}`);
  const four = { hostname: "four", clientPort: 1, logPort: 2 };
  members.welcomed(4, life(4), { index: 8, term: 1, wanted: null });
  assertEquals(places(), []);
  members.claimed(4, life(4), four);
  assertEquals(places(), ["4 four"]);
  assertEquals(members.claimTo(4).wanted, life(4));
  // A member's id, and a newer life than is known here: that one is answered, no other.
  members.welcomed(3, life(9), { index: 8, term: 1, wanted: null });
  members.claimed(3, life(9), { ...four, hostname: "new three" });
  assertEquals(places(), ["3 new three", "4 four"]);
  members.left(4, life(4));
  members.left(3, life(9));
  assertEquals(places(), []);
});
