/** deploy/prometheus-alerts.yml: each alert fires for what it is about, and no other with it. */
import { assert, assertEquals } from "@std/assert";
import { FAMILIES } from "../../lib/admin/metrics.ts";
import { needsProgram, run, testNamed } from "../process/requirements.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url).pathname;
const RULES = `${DEPLOY}prometheus-alerts.yml`;
const rules = Deno.readTextFileSync(RULES);
const reason = needsProgram("promtool", "--version");

/** Series of one server by their names without `raftkv_` and instance; each value as promtool has them. */
type Series = Readonly<Record<string, string>>;

const HEALTHY: Series = {
  up: "1x400",
  scrape_duration_seconds: "0.01x400",
  raft_has_leader: "1x400",
  raft_is_leader: "0x400",
  raft_leader_changes_total: "1x400",
  raft_is_suspect: "0x400",
  raft_is_repairing: "0x400",
  disk_is_short: "0x400",
  disk_refuses_sets: "0x400",
  disk_syncing_seconds: "0x400",
  'disk_fsync_seconds_bucket{le="0.002"}': "0+100x400",
  'disk_fsync_seconds_bucket{le="0.256"}': "0+100x400",
  'disk_fsync_seconds_bucket{le="+Inf"}': "0+100x400",
  clock_log_ahead_seconds: "0x400",
  process_free_descriptors: "32x400",
  'client_refused_total{error="busy"}': "0x400",
  'client_refused_total{error="redirect"}': "0+1000x400",
  'build_info{version="1.0.0"}': "1x400",
  'peer_is_heard{peer="8"}': "1x400",
  'peer_is_heard{peer="9"}': "1x400",
};
const LEADER: Series = {
  ...HEALTHY,
  raft_is_leader: "1x400",
  'raft_follower_lag_seconds{peer="2"}': "0x400",
  'raft_follower_lag_seconds{peer="3"}': "0x400",
};
/** What is left of a server that can't be scraped. */
const DOWN: Series = { up: "0x400", scrape_duration_seconds: "0.001x400" };

/** What the second and third server show, or all three, and the alert that this raises. */
const CASES:
  readonly (readonly [about: string, alert: string | null, servers: readonly Series[]])[] = [
    ["all is well", null, [LEADER, HEALTHY, HEALTHY]],
    ["one is dead", "RaftkvServerDown", [
      { ...LEADER, 'peer_is_heard{peer="8"}': "0x400" },
      DOWN,
      { ...HEALTHY, 'peer_is_heard{peer="8"}': "0x400" },
    ]],
    ["one is frozen", "RaftkvServerSilent", [
      { ...LEADER, 'peer_is_heard{peer="8"}': "0x400" },
      { ...DOWN, scrape_duration_seconds: "5x400" },
      { ...HEALTHY, 'peer_is_heard{peer="8"}': "0x400" },
    ]],
    ["nobody leads", "RaftkvNoLeader", [
      { ...HEALTHY, raft_has_leader: "0x400", 'client_refused_total{error="busy"}': "0+600x400" },
      { ...HEALTHY, raft_has_leader: "0x400" },
      { ...HEALTHY, raft_has_leader: "0x400" },
    ]],
    ["two can't reach each other", "RaftkvServersCutOff", [
      LEADER,
      { ...HEALTHY, 'peer_is_heard{peer="9"}': "0x400" },
      { ...HEALTHY, 'peer_is_heard{peer="8"}': "0x400" },
    ]],
    ["the leader changes all the time", "RaftkvLeaderUnstable", [
      { ...LEADER, raft_leader_changes_total: "0+1x400" },
      HEALTHY,
      HEALTHY,
    ]],
    ["a follower's disk is full, and it falls behind", "RaftkvDiskFull", [
      { ...LEADER, 'raft_follower_lag_seconds{peer="2"}': "0+60x400" },
      { ...HEALTHY, disk_is_short: "1x400", disk_refuses_sets: "1x400" },
      HEALTHY,
    ]],
    ["the quota is reached", "RaftkvRefusesSets", [
      { ...LEADER, disk_refuses_sets: "1x400" },
      { ...HEALTHY, disk_refuses_sets: "1x400" },
      { ...HEALTHY, disk_refuses_sets: "1x400" },
    ]],
    ["syncs are slow", "RaftkvSlowDisk", [
      LEADER,
      { ...HEALTHY, 'disk_fsync_seconds_bucket{le="0.002"}': "0+50x400" },
      HEALTHY,
    ]],
    ["a sync does not end", "RaftkvSlowDisk", [
      LEADER,
      { ...HEALTHY, disk_syncing_seconds: "0+60x400" },
      HEALTHY,
    ]],
    ["a follower does not keep up", "RaftkvFollowerBehind", [
      { ...LEADER, 'raft_follower_lag_seconds{peer="2"}': "20x400" },
      HEALTHY,
      HEALTHY,
    ]],
    ["a log was damaged", "RaftkvLogDamaged", [
      LEADER,
      { ...HEALTHY, raft_is_repairing: "1x400" },
      HEALTHY,
    ]],
    ["a clock is behind", "RaftkvClockDiffers", [
      LEADER,
      { ...HEALTHY, clock_log_ahead_seconds: "-7x400" },
      HEALTHY,
    ]],
    ["descriptors run out", "RaftkvDescriptorsShort", [
      LEADER,
      { ...HEALTHY, process_free_descriptors: "20x400" },
      HEALTHY,
    ]],
    ["a server is overloaded", "RaftkvCommandsRefused", [
      { ...LEADER, 'client_refused_total{error="busy"}': "0+600x400" },
      HEALTHY,
      HEALTHY,
    ]],
    ["backups are taken", null, [
      { ...LEADER, backup_every_seconds: "3600x400", backup_last_timestamp_seconds: "0x400" },
      { ...HEALTHY, backup_every_seconds: "3600x400", backup_last_timestamp_seconds: "0+60x400" },
      HEALTHY,
    ]],
    ["certificates are good for long", null, [
      { ...LEADER, 'tls_certificate_expiry_seconds{port="client"}': "2600000-60x400" },
      HEALTHY,
      HEALTHY,
    ]],
    ["a certificate expires", "RaftkvCertificateExpires", [
      { ...LEADER, 'tls_certificate_expiry_seconds{port="client"}': "500000-60x400" },
      HEALTHY,
      HEALTHY,
    ]],
    ["an audit log is written", null, [
      { ...LEADER, audit_is_failing: "0x400", audit_dropped_total: "5x400" },
      HEALTHY,
      HEALTHY,
    ]],
    ["an audit log can't be written", "RaftkvAuditFails", [
      { ...LEADER, audit_is_failing: "1x400", audit_dropped_total: "0+5x400" },
      HEALTHY,
      HEALTHY,
    ]],
    ["a disk is too slow for the audit log", "RaftkvAuditFails", [
      { ...LEADER, audit_is_failing: "0x400", audit_dropped_total: "0+5x400" },
      HEALTHY,
      HEALTHY,
    ]],
    ["backups fail", "RaftkvBackupOverdue", [
      { ...LEADER, backup_every_seconds: "60x400", backup_last_timestamp_seconds: "0x400" },
      { ...HEALTHY, backup_every_seconds: "60x400", backup_last_timestamp_seconds: "60x400" },
      HEALTHY,
    ]],
    ["an upgrade is left half done", "RaftkvVersionsDiffer", [
      LEADER,
      Object.fromEntries(
        Object.entries(HEALTHY).map(([name, values]) => [name.replace("1.0.0", "1.1.0"), values]),
      ),
      HEALTHY,
    ]],
  ];

/** `name{labels}` with the server's own labels, and the project's prefix where it is none of Prometheus's. */
function seriesOf(server: Series, instance: string) {
  return Object.entries(server).map(([key, values]) => {
    const [name, labels = ""] = key.split(/[{}]/);
    const isOwn = name !== "up" && name !== "scrape_duration_seconds";
    const all = [`job="raftkv"`, `instance="${instance}"`, ...labels === "" ? [] : [labels]].join(
      ",",
    );
    return { series: `${isOwn ? "raftkv_" : ""}${name}{${all}}`, values };
  });
}

Deno.test(testNamed("alerts: promtool finds the rules right", reason), () => {
  assertEquals(run("promtool", "check", "rules", RULES), null);
  assertEquals(run("promtool", "check", "config", `${DEPLOY}prometheus.yml`), null);
});

Deno.test(
  testNamed("alerts: each is raised by what it is about, and no other with it", reason),
  () => {
    const tests = CASES.map(([name, alert, servers]) => ({
      name,
      interval: "1m",
      input_series: servers.flatMap((server, at) => seriesOf(server, `s${at + 1}`)),
      promql_expr_test: [{
        expr: 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
        eval_time: "2h",
        exp_samples: alert === null ? [] : [{ labels: `{alertname="${alert}"}`, value: 1 }],
      }],
    }));
    const directory = Deno.makeTempDirSync({ prefix: "raftkv-alerts-" });
    try {
      const file = `${directory}/test.yml`;
      const group = { rule_files: [RULES], evaluation_interval: "1m", tests };
      Deno.writeTextFileSync(file, JSON.stringify(group));
      assertEquals(run("promtool", "test", "rules", file), null);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
    const named = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
    assertEquals(named.filter((name) => !CASES.some(([, alert]) => alert === name)), []);
  },
);

Deno.test("alerts: every metric that they and the dashboard name is one that servers have", () => {
  const dashboard = Deno.readTextFileSync(`${DEPLOY}grafana.json`);
  const known = new Set(FAMILIES.flatMap(({ name, type }) => {
    return type === "histogram"
      ? ["bucket", "sum", "count"].map((part) => `${name}_${part}`)
      : [name];
  }));
  for (const [name] of `${rules}\n${dashboard}`.matchAll(/\braftkv_\w+/g)) {
    assert(known.has(name), name);
  }
});

Deno.test("alerts: each has a sentence, what to do, and a severity", () => {
  for (const part of rules.split("- alert: ").slice(1)) {
    for (const word of ["summary: ", "description: ", "severity: "]) {
      assert(part.includes(word), `${part.split("\n")[0]} has no ${word}`);
    }
  }
});

Deno.test("dashboard: JSON, with a title on each panel and queries in each", () => {
  const dashboard = JSON.parse(Deno.readTextFileSync(`${DEPLOY}grafana.json`));
  const panels = dashboard.panels.filter((panel: { type: string }) => panel.type !== "row");
  assert(panels.length >= 12);
  const ids = new Set<number>();
  for (const { id, title, targets, datasource } of panels) {
    assert(title.length > 0 && targets.length > 0, title);
    assertEquals(datasource.uid, "${datasource}");
    ids.add(id);
  }
  assertEquals(ids.size, panels.length);
});
