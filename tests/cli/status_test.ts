/** What is made of the servers' answers: one picture, a table, and what is wrong. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { type Answer, gather } from "../../lib/cli/status/gather.ts";
import type { ClusterNow } from "../../lib/cli/status/ask_all.ts";
import { checks } from "../../lib/cli/status/checks.ts";
import { clusterView } from "../../lib/cli/status/cluster_view.ts";
import type { Finding } from "../../lib/cli/status/findings.ts";
import { fileSystems, readFstab } from "../../lib/cli/status/local_checks.ts";
import { readStatus } from "../../lib/cli/status/read_status.ts";
import { statusText } from "../../lib/cli/status/status_table.ts";
import { sampleOf, topText } from "../../lib/cli/status/top_text.ts";
import type { HostProcess } from "../../lib/host/process.ts";
import type { ServerFacts } from "../../lib/wire/status.ts";
import { answer, facts, leaderFacts, silent } from "./status_facts.ts";

const HEALTHY = { 1: leaderFacts(), 2: facts(), 3: facts() };

function all(of: Readonly<Record<number, ServerFacts>> = HEALTHY): Answer[] {
  return [1, 2, 3].map((id) => answer(id, of));
}

/** The servers were named on the command line. */
const NAMED: Pick<ClusterNow, "choice" | "answers"> = {
  choice: { servers: [], from: "--servers", credentials: {} },
  answers: [],
};

Deno.test("status: three healthy servers are a table without problems", () => {
  const view = clusterView(all());
  assertEquals([view.leaderId, view.leaderTerm, view.findings], [1, 5, []]);
  assertEquals(
    statusText(view, Infinity),
    `SERVER  ADDRESS  VERSION  ROLE      TERM  APPLIED  LAG  LAG BYTES  LAG TIME  KEYS   MEMORY      DISK  FSYNC P99  PROBLEMS
     1  h:9001   0.1.0    leader       5      100    -          -         -    10  100 MiB  20.0 MiB    1.50 ms  -
     2  h:9002   0.1.0    follower     5      100    0        0 B      0 ms    10  100 MiB  20.0 MiB    1.50 ms  -
     3  h:9003   0.1.0    follower     5      100    0        0 B      0 ms    10  100 MiB  20.0 MiB    1.50 ms  -

leader: server 1, term 5
cluster: ${"c".repeat(32)}, version 1
no problems
`,
  );
  const narrow = statusText(view, 80);
  assertMatch(narrow, /^SERVER {5}1 {9}2 {9}3\n/);
  for (const line of narrow.split("\n")) assert(line.length <= 80, line);
});

Deno.test("status: a silent server is shown by what others heard, marked with its age", () => {
  const view = clusterView([all()[0]!, all()[1]!, silent(3, "it is frozen")]);
  const row = view.rows[2]!;
  assertEquals([row.id, row.facts?.role, row.heard], [3, "follower", { byServer: 1, ageMs: 300 }]);
  assertEquals(view.findings, ["server 3 does not answer: it is frozen"]);
  const text = statusText(view, Infinity);
  assertMatch(text, /^ {5}3 {2}h:9003 .* follower\* .* no answer$/m);
  assertMatch(text, /^\* server 3: as server 1 heard it 300 ms ago$/m);
});

Deno.test("status: a leader that does not answer is no leader, however fresh what was heard of it", () => {
  const view = clusterView([silent(1, "it is frozen"), all()[1]!, all()[2]!]);
  assertEquals(view.leaderId, null);
  assertEquals(
    view.findings[0],
    "no leader answers: server 1 led until now and does not answer; server 2 last heard it 300 ms ago",
  );
  const sooner = answer(3, HEALTHY);
  const servers = sooner.status!.servers.map((one) => ({ ...one, silentMs: 120 }));
  const third = { ...sooner, status: { ...sooner.status!, servers } };
  assertMatch(
    clusterView([silent(1, "it is frozen"), all()[1]!, third]).findings[0]!,
    /; server 3 last heard it 120 ms ago$/,
  );
  const text = statusText(view, Infinity);
  assertMatch(text, /^ {5}1 {2}h:9001 .* was leader\* .* no answer$/m);
  const now = { answers: [], view, choice: { servers: [], from: "", credentials: {} } };
  const top = topText(view, null, sampleOf(now, 0), new Date(0), Infinity);
  assertMatch(top, /^ {5}1 {2}was leader\* /m);
});

Deno.test("status: without a majority it says how many are missing", () => {
  const lonely = facts({ role: "preCandidate", leaderId: 0, leaderMissingMs: 2_500 });
  const view = clusterView([
    silent(1, "connection refused"),
    answer(2, { 1: null, 2: lonely, 3: null }),
    silent(3, "connection refused"),
  ]);
  assertEquals(view.rows.map(({ id, failure }) => [id, failure === null]), [
    [1, false],
    [2, true],
    [3, false],
  ]);
  assertEquals(
    view.findings[0],
    "no leader, for 2.50 s now: 1 server answers of 3, and 2 are needed",
  );
});

Deno.test("status: of two that say they lead, the higher term does", () => {
  const old = leaderFacts({ term: 4 });
  const now = leaderFacts({ term: 6, leaderId: 2 });
  const of = { 1: old, 2: now, 3: facts({ term: 6, leaderId: 2 }) };
  assertEquals(clusterView(all(of)).leaderId, 2);
});

Deno.test("status: two names of one server are one row; servers of two clusters are told", () => {
  const twice = clusterView([...all(), { ...all()[0]!, server: { hostname: "other", port: 1 } }]);
  assertEquals(twice.rows.map(({ id }) => id), [1, 2, 3]);
  const mixed = clusterView([all()[0]!, answer(2, HEALTHY, { clusterId: "d".repeat(32) })]);
  assertMatch(mixed.findings.join(), /different clusters: server 1 to c+; server 2 to d+/);
});

Deno.test("status: what servers say is shown as text, whatever it holds", () => {
  const evil = facts({ version: "\x1b[2J", problems: [{ kind: "clock", text: "a\nb\x1b[0m" }] });
  const text = statusText(clusterView(all({ ...HEALTHY, 2: evil })), Infinity);
  assert(!text.includes("\x1b"));
  assertMatch(text, /^ {2}server 2: a\\nb\\x1b\[0m$/m);
});

Deno.test("status: servers that nobody named are asked too, and all within the time", async () => {
  const asked: string[] = [];
  const startMs = performance.now();
  const answers = await gather([{ hostname: "h", port: 9_001 }], (server, timeoutMs) => {
    asked.push(`${server.hostname}:${server.port}`);
    if (server.port === 9_003) {
      return new Promise((_, reject) => setTimeout(() => reject(new Error("silent")), timeoutMs));
    }
    return Promise.resolve(JSON.stringify(answer(server.port - 9_000, HEALTHY).status));
  }, 200);
  assert(performance.now() - startMs < 2_000);
  assertEquals(asked, ["h:9001", "h:9002", "h:9003"]);
  assertEquals(answers.map(({ failure }) => failure), [null, null, "silent"]);
});

Deno.test("status: a reply that is none is refused, field by field", () => {
  const good = answer(1, HEALTHY).status!;
  const json = JSON.parse(JSON.stringify(good));
  assertEquals(readStatus(JSON.stringify({ ...json, later: 1 })).servers.length, 3);
  const wrong: [unknown, RegExp][] = [
    [1, /is no object/],
    [{ ...json, format: 2 }, /format 2, known is 1/],
    [{ ...json, servers: null }, /servers is no list/],
    [{ ...json, serverId: "1" }, /serverId is no number/],
    [{ ...json, clusterId: "x".repeat(5_000) }, /clusterId is no text/],
    [{ ...json, servers: new Array(2_000).fill(json.servers[0]) }, /servers is no list/],
    [{ ...json, servers: [{ ...json.servers[0], reach: "x" }] }, /reach is none of/],
    [{ ...json, servers: [{ ...json.servers[0], facts: { term: 1 } }] }, /is no number/],
  ];
  for (const [value, why] of wrong) {
    const error = assertThrows(() => readStatus(JSON.stringify(value)), Error);
    assertMatch(error.message, why);
  }
  assertThrows(() => readStatus("HTTP/1.1 400"), Error, "no JSON: is it a raftkv server?");
});

function findings(answers: readonly Answer[]): Finding[] {
  const choice = {
    servers: answers.map(({ server }) => server),
    from: "--servers",
    credentials: {},
  };
  return checks({ answers, choice, view: clusterView(answers) });
}

/** The probes that are not ok, with their verdicts. */
function wrong(answers: readonly Answer[]): string[] {
  return findings(answers).filter(({ verdict }) => verdict !== "ok").map(({ probe, verdict }) =>
    `${probe}: ${verdict}`
  );
}

Deno.test("check: a healthy cluster passes every probe", () => {
  const found = findings(all());
  assertEquals(found.filter(({ verdict }) => verdict !== "ok"), []);
  assertEquals(found.map(({ probe }) => probe), [
    "servers",
    "leader",
    "list of servers",
    "versions",
    "cluster version",
    "clocks",
    "fsync",
    "room on disk",
    "descriptors",
    "elections",
    "lag",
  ]);
});

Deno.test("check: each probe finds its fault and no other, and says what to do", () => {
  const second = (changes: Partial<ServerFacts>) => all({ ...HEALTHY, 2: facts(changes) });
  const late = leaderFacts();
  const lagging = { ...late.followers[0]!, lagEntries: 500, lagMs: 9_000 };
  const clusterVersionWaits = "server 2 runs a build that can read 1 at most";
  const waiting = { ...late, clusterVersionWaits };
  const cases: [string, Answer[]][] = [
    ["servers: fault", [all()[0]!, all()[1]!, silent(3, "connection refused: nothing there")]],
    ["versions: warning", second({ version: "0.2.0" })],
    ["cluster version: warning", all({ ...HEALTHY, 1: waiting })],
    ["fsync: warning", second({ fsyncP99Ms: 30 })],
    ["fsync: fault", second({ fsyncP99Ms: 300 })],
    ["room on disk: fault", second({ refusesSets: true })],
    ["descriptors: fault", second({ freeDescriptors: 5 })],
    ["elections: warning", second({ leaderChangesTotal: 20 })],
    ["reports: fault", second({ problems: [{ kind: "clock", text: "behind" }] })],
    ["leader: warning", second({ leaderId: 3 })],
    ["cluster: fault", [
      all()[0]!,
      all()[1]!,
      answer(3, HEALTHY, { clusterId: "d".repeat(32) }),
    ]],
    ["lag: warning", all({ ...HEALTHY, 1: { ...late, followers: [lagging, late.followers[1]!] } })],
    ["clocks: warning", [all()[0]!, all()[1]!, answer(3, HEALTHY, { wallMs: 1_003_000 })]],
  ];
  for (const [verdict, answers] of cases) {
    assertEquals(wrong(answers), [verdict]);
    const found = findings(answers).find((one) => one.verdict !== "ok")!;
    assert(found.advice.length > 10, `${verdict} without advice`);
  }
});

Deno.test("check: a member with an empty directory, and a server that is none any more, are told what to do", () => {
  const unformed = facts({ role: "unformed", leaderId: 0, problems: [] });
  const empty = answer(3, { 3: unformed }, { clusterId: "0".repeat(32) });
  const members = { 1: leaderFacts(), 2: facts() };
  const problems = [{ kind: "loading", text: "Nothing is here yet" } as const];
  const removed = answer(4, { 4: facts({ problems }) });
  const found = (answers: Answer[]) => {
    const now = {
      answers,
      view: clusterView(answers),
      choice: { servers: [], from: "c", credentials: {} },
    };
    return checks(now).filter(({ probe }) => probe === "servers");
  };
  const [wiped, ...others] = found([...all().slice(0, 2), empty]);
  assertEquals([wiped?.verdict, others], ["fault", []]);
  assertMatch(wiped!.found, /^server 3 has an empty data directory, and the cluster knows it/);
  assertMatch(wiped!.advice, /serve --id 3 --join HOST:PORT .* raftkv member replace 3$/);
  const [gone, ...rest] = found([answer(1, members), answer(2, members), removed]);
  assertEquals([gone?.verdict, gone?.found, rest], [
    "warning",
    "server 4 answers, and is no member any more",
    [],
  ]);
  // What it says of itself is nothing of the cluster's.
  assertEquals(clusterView([answer(1, members), answer(2, members), removed]).findings, [
    "server 4 answers, and is no member any more: stop it",
  ]);
  const [down] = found([
    ...all().slice(0, 2),
    silent(3, "connection refused: nothing listens there"),
  ]);
  assertMatch(
    down!.advice,
    /where its disk is gone: raftkv serve --id 3 .* raftkv member replace 3$/,
  );
});

Deno.test("check: a leader of the build before is no lost one", () => {
  const failure = "it does not know RAFTKV.STATUS: an older build, or no raftkv server";
  const answers = [silent(1, failure), ...all().slice(1)];
  const view = clusterView(answers);
  assertMatch(view.findings[0]!, /server 1 is followed, and runs an earlier build/);
  const found = checks({ answers, view, choice: { servers: [], from: "c", credentials: {} } });
  const leader = found.find(({ probe }) => probe === "leader");
  assertEquals([leader?.verdict, leader?.advice], [
    "warning",
    "finish the upgrade: docs/operating.md",
  ]);
  // Nor is it missing where a majority is counted.
  const unled = { ...HEALTHY, 2: facts({ leaderId: 0, leaderMissingMs: 900 }), 3: null };
  const two = clusterView([silent(1, failure), answer(2, unled), silent(3, "connection refused")]);
  assertEquals(two.findings[0], "no leader, for 900 ms now");
});

Deno.test("check: a slow answer is no wrong clock", () => {
  const slow = { askedMs: 1_000_000, answeredMs: 1_002_000 };
  assertEquals(wrong([all()[0]!, all()[1]!, answer(3, HEALTHY, { wallMs: 1_001_900 }, slow)]), []);
});

Deno.test("check: a server that is none of the cluster's is told by name", () => {
  const found = findings([...all(), { ...silent(9, "connection refused") }]);
  const list = found.find(({ probe }) => probe === "list of servers")!;
  assertEquals(list.verdict, "warning");
  assertMatch(list.found, /^h:9009 from --servers is none/);
});

Deno.test("check: file systems are judged by /etc/fstab, and what it does not list is not guessed", () => {
  const fstab =
    "# a comment\n/dev/a / ext4 rw 0 1\nnas:/x /nfs nfs4 rw 0 0\n/dev/b /ro xfs ro 0 0\n" +
    "/dev/c /with\\040space btrfs defaults 0 0\ntmpfs /mem tmpfs rw 0 0\n/dev/d /z zfs rw 0 0\n";
  assertEquals(readFstab(fstab).length, 6);
  const cluster = '{"path":"d","servers":[{"id":1,"hostname":"h","clientPort":1,"logPort":2}]}';
  const judge = (point: string | null) => {
    const host = {
      environment: () => undefined,
      readTextFile: (path: string) => path === "/etc/fstab" ? fstab : cluster,
    } as unknown as HostProcess;
    return fileSystems(host, undefined, NAMED, () => point).map(({ verdict, found }) =>
      `${verdict} ${found}`
    );
  };
  assertEquals(judge("/"), ["ok server 1: ext4 on /"]);
  assertEquals(judge("/with space"), ["ok server 1: btrfs on /with space"]);
  assertEquals(judge("/nfs"), [
    "warning server 1: nfs4 on /nfs, over the network or in user space",
  ]);
  assertEquals(judge("/ro"), ["fault server 1: xfs on /ro, read-only"]);
  assertEquals(judge("/mem"), ["fault server 1: tmpfs on /mem, which is memory"]);
  assertEquals(judge("/dev/shm"), ["fault server 1: tmpfs on /dev/shm, which is memory"]);
  assertEquals(judge("/z"), ["warning server 1: zfs on /z, which was not tried"]);
  assertMatch(judge("/other")[0]!, /^unknown server 1: \/etc\/fstab does not list \/other/);
  assertMatch(judge(null)[0]!, /^unknown no server's data directory is here/);
});

Deno.test("check: file systems without a cluster file are those of the servers that answer, where others were named", () => {
  const host = { environment: () => undefined, readTextFile: () => null } as unknown as HostProcess;
  const directories = (now: typeof NAMED) => {
    const looked: string[] = [];
    fileSystems(host, undefined, now, (path) => {
      looked.push(path);
      return "/";
    });
    return looked;
  };
  const answers = [answer(4, HEALTHY), answer(7, HEALTHY), silent(9, "connection refused")];
  assertEquals(directories({ ...NAMED, answers }), ["data/4", "data/7"]);
  const choice = { servers: [], from: "the defaults", credentials: {} };
  assertEquals(directories({ choice, answers }), ["data/1", "data/2", "data/3"]);
});

Deno.test("top: rates are counted over the server's own time, and not over a restart", () => {
  const at = (changes: Partial<ServerFacts>) => {
    const answers = all({ ...HEALTHY, 1: leaderFacts(changes) });
    return {
      answers,
      view: clusterView(answers),
      choice: { servers: [], from: "", credentials: {} },
    };
  };
  const before = at({ uptimeMs: 10_000, writesTotal: 100, readsTotal: 0 });
  const now = at({ uptimeMs: 12_000, writesTotal: 2_100, readsTotal: 50 });
  const line = (from: typeof before | null, to: typeof now) => {
    const sample = from === null ? null : sampleOf(from, 0);
    const text = topText(to.view, sample, sampleOf(to, 2_000), new Date(0), Infinity);
    assertMatch(text, /^raftkv top {2}1970-01-01 00:00:00 UTC {2}leader 1, term 5\n/);
    return text.split("\n")[3]!.trim().split(/ {2,}/).slice(0, 4);
  };
  assertEquals(line(before, now), ["1", "leader", "1,000", "25"]);
  assertEquals(line(null, now), ["1", "leader", "-", "-"]);
  assertEquals(line(now, before), ["1", "leader", "-", "-"]);
});

Deno.test("top: on a narrow terminal all figures and sentences are there, and no line is too long", () => {
  const failure = "connection refused: nothing listens there";
  const answers = [...all(HEALTHY).slice(0, 2), silent(3, failure)];
  const view = clusterView(answers);
  const now = { answers, view, choice: { servers: [], from: "", credentials: {} } };
  const draw = (columns: number) =>
    topText(view, null, sampleOf(now, 0), new Date(0), columns).trimEnd().split("\n");
  const wide = draw(Infinity);
  assertEquals(draw(200), wide);
  for (const columns of [40, 60, 80]) {
    const lines = draw(columns);
    for (const line of lines) assert(line.length <= columns, `${columns}: ${line}`);
    const words = (text: readonly string[]) => text.join(" ").split(/ +/).sort();
    assertEquals(words(lines), words(wide), `${columns} columns`);
  }
  assertEquals(draw(40)[0], "raftkv top  1970-01-01 00:00:00 UTC");
  assertEquals(draw(40)[1], "leader 1, term 5");
  assertMatch(draw(40)[3]!, /^SERVER +1 +2 +3$/);
});
