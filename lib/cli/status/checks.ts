/**
 * What somebody who is asked for help would look at, from what the servers say: each probe says what it
 * found, and what to do where that is not as it should be. Pure.
 */
import type { ServerFacts } from "../../wire/status.ts";
import { visibleText } from "../output/escape.ts";
import { counted, msText, secondsText } from "../output/units.ts";
import type { ClusterNow } from "./ask_all.ts";
import { nameOf, type ServerRow } from "./cluster_view.ts";
import { type Finding, type Now, ok, unknown } from "./findings.ts";
import { clusterFile, leader, oneCluster, servers } from "./server_checks.ts";

/** All of them, in the order in which one would look. */
export function checks(now: Now): Finding[] {
  const { rows, removedIds } = now.view;
  // What a server says of itself that is no member is nothing of the cluster's.
  const answering = rows.filter(({ id, failure, facts }) =>
    failure === null && facts !== null && !(id !== null && removedIds.includes(id))
  );
  return [
    ...servers(now),
    ...leader(now),
    ...oneCluster(now),
    ...clusterFile(now),
    // Who was removed has its own probe.
    ...reported(answering.filter(({ id }) => id === null || !now.view.removedIds.includes(id))),
    ...versions(answering),
    ...clusterVersion(now.view, answering),
    ...clocks(now),
    ...syncs(answering),
    ...room(answering),
    ...descriptors(answering),
    ...elections(answering),
    ...lag(rows),
  ];
}

/** What servers say of themselves; what other probes look at closer is left to them. */
function reported(rows: readonly ServerRow[]): Finding[] {
  const elsewhere = ["noLeader", "noMajority", "peerSilent", "peerLost", "slowDisk", "descriptors"];
  return rows.flatMap((row) =>
    row.facts!.problems.filter(({ kind }) => !elsewhere.includes(kind)).map((
      { kind, text },
    ): Finding => ({
      probe: "reports",
      verdict: ROLLING.includes(kind) ? "warning" : "fault",
      found: `${nameOf(row)}: ${visibleText(text)}`,
      advice: REPORTED[kind] ?? "docs/operating.md has what its log says of it",
    }))
  );
}

/** An operator has said so, for a while. */
const ROLLING: readonly string[] = ["secretOptional", "tlsOptional"];

const REPORTED: Readonly<Record<string, string>> = {
  unformed: "start every server of the cluster file once",
  removed: "stop it, and take it out of the lists that clients and commands have",
  loading: "wait: it reads its data",
  repairing: "wait until it has fetched its log from the others; keep those running",
  suspect: "start all other servers: it counts again once it has heard from them",
  diskFull: "make room on its disk; deletes still work",
  setsRefused: "make room: delete keys, free the disk, or raise storage.dataBytesMax",
  clock: "set the clocks right: chronyc tracking, timedatectl",
  backupFailed:
    "look after backup.path on that server's machine: room, rights, whether it is mounted",
  secretOptional: "give all servers the secret, then take secretOptional out: docs/security.md",
  tlsOptional: "give all servers TLS, then take tls.log.optional out: docs/security.md",
};

function versions(rows: readonly ServerRow[]): Finding[] {
  const probe = "versions";
  const byVersion = new Map<string, string[]>();
  for (const row of rows) {
    const version = visibleText(row.facts!.version);
    byVersion.set(version, [...byVersion.get(version) ?? [], nameOf(row)]);
  }
  if (byVersion.size === 0) return [];
  if (byVersion.size === 1) return [ok(probe, `all run ${[...byVersion.keys()][0]}`)];
  const found = [...byVersion].map(([version, names]) => `${version} on ${names.join(", ")}`);
  return [{
    probe,
    verdict: "warning",
    found: `they differ: ${found.join("; ")}`,
    advice: "finish the upgrade, one server at a time, the leader last",
  }];
}

/** What may be in the log; a leader that could raise it says whom it waits for. */
function clusterVersion({ leaderId }: ClusterNow["view"], rows: readonly ServerRow[]): Finding[] {
  const probe = "cluster version";
  const leader = rows.find(({ id }) => id === leaderId)?.facts ?? null;
  if (leader === null) return [];
  const { clusterVersion: version, clusterVersionWaits: waits } = leader;
  if (waits === null) return [ok(probe, `${version}`)];
  return [{
    probe,
    verdict: "warning",
    found: `${version}, and could be ${leader.clusterVersionMax}: ${visibleText(waits)}`,
    advice: "until then servers can be started with the build before again; then finish the " +
      "upgrade, and take --hold-cluster-version away (docs/operating.md)",
  }];
}

/** More than that is no delay of a message: leases of other programs and TTLs begin to suffer. */
const CLOCK_WARNING_MS = 500;

/** Each server's wall clock against this machine's, and so against each other's. */
function clocks({ answers }: Now): Finding[] {
  const probe = "clocks";
  const offsets = answers.flatMap(({ status, askedMs, answeredMs }) => {
    if (status === null) return [];
    // The answer was made somewhere between; half the way is the best guess, and half of it the error.
    const errorMs = (answeredMs - askedMs) / 2;
    return [{ id: status.serverId, offsetMs: status.wallMs - askedMs - errorMs, errorMs }];
  });
  if (offsets.length < 2) {
    return offsets.length === 0 ? [] : [unknown(probe, "only one server answers")];
  }
  const [first, last] = [
    offsets.reduce((a, b) => b.offsetMs < a.offsetMs ? b : a),
    offsets.reduce((a, b) => b.offsetMs > a.offsetMs ? b : a),
  ];
  const differenceMs = last.offsetMs - first.offsetMs;
  const errorMs = first.errorMs + last.errorMs;
  const found = `differ by at most ${msText(differenceMs)}, measured to ${msText(errorMs)}`;
  if (differenceMs - errorMs <= CLOCK_WARNING_MS) return [ok(probe, found)];
  return [{
    probe,
    verdict: "warning",
    found: `${found}: server ${first.id} is behind server ${last.id}`,
    advice:
      "set them right: chronyc tracking, timedatectl. No data is at risk; times to live are off",
  }];
}

/** etcd's advice for the same figure, and from where a leader's heartbeats are at risk. */
const SYNC_WARNING_MS = 10;
const SYNC_FAULT_MS = 100;

function syncs(rows: readonly ServerRow[]): Finding[] {
  const probe = "fsync";
  const slow = rows.filter(({ facts }) => (facts!.fsyncP99Ms ?? 0) > SYNC_WARNING_MS);
  if (slow.length > 0) {
    return slow.map((row) => ({
      probe,
      verdict: row.facts!.fsyncP99Ms! > SYNC_FAULT_MS ? "fault" : "warning",
      found: `${nameOf(row)}: 99 of 100 take up to ${msText(row.facts!.fsyncP99Ms!)}`,
      advice: "every write waits for the disks of a majority: look for what else writes there " +
        "(iostat -x 1), move the data to a faster disk, or give it one of its own",
    }));
  }
  const known = rows.flatMap(({ facts }) => facts!.fsyncP99Ms ?? []);
  if (known.length === 0) return rows.length === 0 ? [] : [unknown(probe, "no writes lately")];
  return [ok(probe, `99 of 100 take up to ${msText(Math.max(...known))}`)];
}

function room(rows: readonly ServerRow[]): Finding[] {
  const probe = "room on disk";
  const short = rows.filter(({ facts }) => facts!.isDiskShort || facts!.refusesSets);
  if (short.length === 0) {
    return rows.length === 0 ? [] : [ok(probe, "no server is short of it")];
  }
  return short.map((row) => ({
    probe,
    verdict: "fault",
    found: `${nameOf(row)}: ${row.facts!.refusesSets ? "sets are refused" : "lives on reserves"}`,
    advice: "make room (df -h, df -i on its machine); deletes still work",
  }));
}

/** Below that a burst of clients, or a snapshot, may find none. */
const DESCRIPTORS_MIN = 32;

function descriptors(rows: readonly ServerRow[]): Finding[] {
  const probe = "descriptors";
  const counts = rows.flatMap((row) => {
    const free = row.facts!.freeDescriptors;
    return free === null ? [] : [{ row, free }];
  });
  const few = counts.filter(({ free }) => free < DESCRIPTORS_MIN);
  if (few.length === 0) {
    if (counts.length === 0) return rows.length === 0 ? [] : [unknown(probe, "not counted")];
    return [ok(probe, `at least ${DESCRIPTORS_MIN} are free on each`)];
  }
  return few.map(({ row, free }) => ({
    probe,
    verdict: "fault",
    found: `${nameOf(row)}: ${free} are free`,
    advice: "raise its limit (ulimit -n, LimitNOFILE=), or lower limits.connectionsMax",
  }));
}

/** Leaders last until something ends them; more changes than this are not maintenance. */
const CHANGES_PER_HOUR = 2;
/** Before that a few elections are the start. */
const UPTIME_MS_MIN = 10 * 60_000;
const CHANGES_MIN = 3;

function elections(rows: readonly ServerRow[]): Finding[] {
  const probe = "elections";
  const told = rows.map((row) => ({ row, ...changesOf(row.facts!) }));
  const restless = told.filter(({ changes, perHour }) =>
    changes >= CHANGES_MIN && perHour > CHANGES_PER_HOUR
  );
  if (restless.length > 0) {
    const { row, changes, uptimeMs } = restless.reduce((a, b) => b.perHour > a.perHour ? b : a);
    return [{
      probe,
      verdict: "warning",
      found: `${nameOf(row)} saw ${counted(changes, "change")} of leader in ` +
        secondsText(uptimeMs / 1_000),
      advice: "look for the reasons in the logs (Now follower, was leader): slow disks, a busy " +
        "machine, a lossy network; then raise timing.electionTimeoutMs",
    }];
  }
  if (told.length === 0) return [];
  const most = told.reduce((a, b) => b.changes > a.changes ? b : a);
  return [
    ok(
      probe,
      `at most ${counted(most.changes, "change")} of leader in ${
        secondsText(most.uptimeMs / 1_000)
      }`,
    ),
  ];
}

function changesOf({ leaderChangesTotal, uptimeMs }: ServerFacts) {
  const hours = Math.max(uptimeMs, UPTIME_MS_MIN) / 3_600_000;
  // The first leader that a process comes to know is no change.
  const changes = Math.max(0, leaderChangesTotal - 1);
  return { changes, perHour: changes / hours, uptimeMs };
}

const LAG_WARNING_MS = 1_000;

function countedLag(entries: number | null): string {
  return entries === null ? "an unknown number of entries" : counted(entries, "entry", "entries");
}

function lag(rows: readonly ServerRow[]): Finding[] {
  const probe = "lag";
  const followers = rows.flatMap((row) => row.follower === null ? [] : [{ row, ...row.follower }]);
  if (followers.length === 0) return [];
  const late = followers.filter(({ mode, lagMs, lagEntries }) =>
    // Where its place is unknown, as after its connection ended, another check says so.
    mode === "snapshot" || (lagMs ?? (lagEntries ? Infinity : 0)) > LAG_WARNING_MS
  );
  if (late.length === 0) return [ok(probe, "every follower is up to date")];
  return late.map(({ row, mode, lagMs, lagEntries }) => ({
    probe,
    verdict: "warning",
    found: `${nameOf(row)} is ${countedLag(lagEntries)} behind` +
      (lagMs === null ? "" : `, ${msText(lagMs)}`) +
      (mode === "snapshot" ? ", and gets a snapshot" : ""),
    advice: mode === "snapshot"
      ? "wait: it is being brought up to date"
      : "look at its disk, its processor and the network between it and the leader",
  }));
}
