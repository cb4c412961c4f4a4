/** What the page says of servers and of the whole. */
import { assertEquals, assertMatch } from "@std/assert";
import { lagSentence } from "../../page/lag.ts";
import { followSentence, headline, roleOf, shownServers } from "../../page/model.ts";
import { bytes, count, duration, latency, listed, rate } from "../../page/words.ts";
import { facts, leaderTwo, seenServer, statusWith } from "./statuses.ts";

const rolesOf = (status: Parameters<typeof shownServers>[0]) =>
  shownServers(status).map(({ role }) => role);

Deno.test("page: all is well, in one sentence", () => {
  const status = statusWith();
  assertEquals(headline(status), {
    level: "well",
    text: "Server 2 leads in term 5, and servers 1 and 3 follow.",
  });
  assertEquals(rolesOf(status), ["follower", "leader", "follower"]);
  assertEquals(followSentence(shownServers(status)), "Servers 1 and 3 follow server 2.");
});

Deno.test("page: who is silent or lost has no role, whatever it said last", () => {
  for (const reach of ["silent", "lost"] as const) {
    const lost = seenServer(2, leaderTwo(), { reach, silentMs: 62_000 });
    const status = statusWith([seenServer(1, facts({ leaderId: 0 })), lost], { leaderId: 0 });
    assertEquals(rolesOf(status), ["follower", "unheard"]);
    const [, shown] = shownServers(status);
    assertEquals([shown!.facts, shown!.followsId], [null, 0]);
    assertMatch(
      shown!.absence,
      /^Not heard for 1 min 2 s, since \d\d:\d\d:03: down, frozen or cut off$/,
    );
    assertEquals(headline(status), {
      level: "warning",
      text: "Server 1 hears no leader at the moment. Server 2 is not heard.",
    });
  }
});

Deno.test("page: a follower that misses its leader says for how long, as long as it follows it", () => {
  const frozen = seenServer(2, leaderTwo(), { reach: "silent", silentMs: 420 });
  const others = [
    seenServer(1, facts({ leaderId: 2 })),
    frozen,
    seenServer(3, facts({ leaderId: 2 })),
  ];
  const silences = (leaderId: number) =>
    shownServers(statusWith(others, { leaderId })).map((
      one,
    ) => [one.followsId, one.leaderSilentMs]);
  assertEquals(silences(0), [[2, 420], [0, null], [2, null]]);
  assertEquals(silences(2), [[2, null], [0, null], [2, null]], "it is not missed yet");
});

Deno.test("page: that there is no leader is bad once the asked server calls it a problem", () => {
  const noLeader = { kind: "noLeader", text: "No leader has been known for 2000 ms" } as const;
  const own = facts({ leaderId: 0, problems: [noLeader] });
  assertEquals(headline(statusWith([seenServer(1, own)], { leaderId: 0 })), {
    level: "bad",
    text: "Server 1 knows no leader, so nothing can be written there.",
  });
});

Deno.test("page: since the start not heard is said so, without a made-up time", () => {
  const status = statusWith([
    seenServer(1, facts({ leaderId: 2 })),
    seenServer(2, leaderTwo()),
    seenServer(3, null, { reach: "lost", silentMs: null }),
  ]);
  assertEquals(
    shownServers(status)[2]!.absence,
    "Not heard since server 1 started: down, frozen or cut off",
  );
  assertEquals(headline(status), {
    level: "warning",
    text: "Server 2 leads in term 5. Server 3 is not heard.",
  });
});

Deno.test("page: the asked server's word for who leads goes before older facts of others", () => {
  // 3 has just won; its facts are of a moment before, and so are those of 2.
  const servers = [
    seenServer(1, facts({ leaderId: 3, term: 6 })),
    seenServer(2, leaderTwo()),
    seenServer(3, facts({ role: "candidate", term: 6, leaderId: 0 })),
  ];
  assertEquals(rolesOf(statusWith(servers, { leaderId: 3 })), [
    "follower",
    "formerLeader",
    "leader",
  ]);
  assertEquals(headline(statusWith(servers, { leaderId: 3 })).text, "Server 3 leads in term 6.");
  // What the new leader said last was before there was a cluster.
  const unformed = seenServer(3, facts({ role: "unformed", term: 0, leaderId: 0 }));
  const early = statusWith([servers[0]!, unformed], { leaderId: 3 });
  assertEquals(headline(early).text, "Server 3 leads in term 6, and server 1 follows.");
  assertEquals(shownServers(early).map(({ term }) => term), [6, 6]);
  assertEquals(roleOf(0, seenServer(2, leaderTwo())), "formerLeader");
  assertEquals(roleOf(0, seenServer(2, facts({ role: "preCandidate" }))), "candidate");
});

Deno.test("page: a server of an earlier build is heard, and nothing is made up for it", () => {
  const older = "It is of an earlier build, which tells nothing of itself";
  const status = statusWith([
    seenServer(1, facts({ leaderId: 2 })),
    seenServer(2, null, { unknownBecause: older }),
    seenServer(3, null, { unknownBecause: older }),
  ]);
  assertEquals(rolesOf(status), ["follower", "leader", "untold"]);
  assertEquals(shownServers(status)[2]!.absence, older);
  assertEquals(headline(status).text, "Server 2 leads in term 5.");
});

Deno.test("page: problems and a cluster that is not formed come first", () => {
  const slow = { kind: "slowDisk", text: "Its disk is slow" } as const;
  const status = statusWith([
    seenServer(1, facts({ leaderId: 2 })),
    seenServer(2, leaderTwo({ problems: [slow] })),
    seenServer(3, facts({ leaderId: 2 })),
  ]);
  assertEquals(headline(status).text, "Server 2 leads in term 5. There are problems on server 2.");
  assertEquals(shownServers(status)[1]!.problems, ["Its disk is slow"]);
  const text = "The cluster is not formed: waiting for server 2 once";
  const unformed = facts({
    role: "unformed",
    leaderId: 0,
    problems: [{ kind: "unformed", text }],
  });
  assertEquals(headline(statusWith([seenServer(1, unformed)], { leaderId: 0 })), {
    level: "bad",
    text,
  });
});

Deno.test("page: how far behind a server is, by its leader's word", () => {
  const lag = (follower: object) => {
    const all = [{
      id: 3,
      mode: "replicate",
      matchIndex: 1,
      lagEntries: 0,
      lagBytes: 0,
      lagMs: 0,
      ...follower,
    }] as const;
    const status = statusWith([
      seenServer(1, facts({ leaderId: 2 })),
      seenServer(2, leaderTwo({ followers: all })),
      seenServer(3, facts({ leaderId: 2 })),
    ]);
    return lagSentence(status, shownServers(status)[2]!);
  };
  assertEquals(lag({}), "level");
  assertEquals(lag({ lagEntries: 1, lagBytes: 300, lagMs: 0.4 }), "1 entry, 300 B behind");
  assertEquals(
    lag({ lagEntries: 12_345, lagBytes: null, lagMs: 4_200 }),
    "12,345 entries, 4.2 s behind",
  );
  assertEquals(lag({ mode: "snapshot", lagEntries: 5 }), "is sent a snapshot");
  const well = statusWith();
  assertEquals(lagSentence(well, shownServers(well)[1]!), "leads");
  const alone = statusWith([seenServer(1, facts({ leaderId: 0 }))], { leaderId: 0 });
  assertEquals(lagSentence(alone, shownServers(alone)[0]!), "–");
});

Deno.test("page: numbers and times as people read them", () => {
  assertEquals([0, 999, 1_000, 1_234_567, null].map(count), [
    "0",
    "999",
    "1,000",
    "1,234,567",
    "–",
  ]);
  assertEquals([0, 999, 1_024, 10_240, 1_500_000, 5 * 1024 ** 3].map(bytes), [
    "0 B",
    "999 B",
    "1.0 KiB",
    "10 KiB",
    "1.4 MiB",
    "5.0 GiB",
  ]);
  const times = [0, 999, 1_000, 9_949, 9_999, 59_999, 60_000, 200_000, 3_600_000, 90_000_000];
  assertEquals(times.map(duration), [
    "0 ms",
    "999 ms",
    "1.0 s",
    "9.9 s",
    "10 s",
    "1 min",
    "1 min",
    "3 min 20 s",
    "1 h",
    "1 d 1 h",
  ]);
  assertEquals([0.311, 12.2, 140, 2_500, null].map(latency), [
    "0.31 ms",
    "12 ms",
    "140 ms",
    "2.5 s",
    "–",
  ]);
  assertEquals([0, 0.4, 1_234.5, null].map(rate), ["0 /s", "0.4 /s", "1,235 /s", "–"]);
  assertEquals([[1], [1, 2], [1, 2, 3]].map(listed), ["1", "1 and 2", "1, 2 and 3"]);
});
