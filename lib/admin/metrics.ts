/** What `/metrics` shows, a family a row, when somebody asks: a test compares docs/admin.md with it. */
import type { NodeCounts } from "../node/facts/node_view.ts";
import type { FollowerFacts } from "../wire/status.ts";
import { PROBLEM_KINDS } from "../wire/status.ts";
import { ClientError } from "../wire/command_batch.ts";
import { counter, type Family, gauge, pageOf, type Samples } from "./metrics_text.ts";
import { FORWARDING } from "./forward_metrics.ts";
import { TLS } from "./tls_metrics.ts";
import { PUBSUB } from "./pubsub_metrics.ts";
import { WATCHES } from "./watch_metrics.ts";

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

interface Counts extends NodeCounts {
  readonly streams: number;
}

export function metricsText(counts: NodeCounts, streams: number): string {
  return pageOf(FAMILIES, { ...counts, streams });
}

/** The names of errors, as labels: `ClientError` with underscores. */
const ERROR_LABELS: readonly (readonly [string, ClientError])[] = Object.entries(ClientError).map((
  [name, error],
) => [`error="${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}"`, error]);

const PROBLEM_LABELS = PROBLEM_KINDS.map((kind) => [`kind="${kind}"`, kind] as const);

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1_000;
}

/** Of each follower, what is known of it. */
function followers(
  { facts }: Counts,
  read: (follower: FollowerFacts) => number | null,
): Samples<number> {
  return facts.followers.flatMap((one) => {
    const value = read(one);
    return value === null ? [] : [[`peer="${one.id}"`, value] as const];
  });
}

const PROCESS: readonly Family<Counts>[] = [
  gauge("raftkv_build_info", "1; the label has the version.", ({ facts }) => {
    return [[`version="${facts.version.replace(/[^\w.+-]/g, "_")}"`, 1]];
  }),
  gauge(
    "raftkv_cluster_version",
    "The cluster version that this server has applied; docs/versions.md.",
    (c) => c.facts.clusterVersion,
  ),
  gauge("raftkv_process_uptime_seconds", "Since the process started.", (c) => {
    return seconds(c.facts.uptimeMs);
  }),
  counter("raftkv_process_cpu_seconds_total", "Processor time of the process.", (c) => {
    return seconds(c.machine.cpuMs);
  }),
  gauge("raftkv_process_resident_memory_bytes", "Resident memory of the process.", (c) => {
    return c.facts.memoryBytes;
  }),
  gauge(
    "raftkv_process_free_descriptors",
    "Files and connections that may still be opened, counted up to 32 every 10 s.",
    (c) => c.facts.freeDescriptors,
  ),
  counter(
    "raftkv_process_standstill_seconds_total",
    "Time in which the event loop did not run: stopped, starved, computing, or on the disk.",
    (c) => seconds(c.stoodStillMs),
  ),
  gauge(
    "raftkv_clock_log_ahead_seconds",
    "How far the log's time is ahead of this server's wall clock; below 0: behind.",
    (c) => seconds(c.facts.clockAheadMs),
  ),
  ...TLS,
  gauge("raftkv_problem", "1 where RAFTKV.STATUS shows a problem of this kind, else 0.", (c) => {
    const kinds = new Set(c.facts.problems.map(({ kind }) => kind));
    return PROBLEM_LABELS.map(([label, kind]) => [label, kinds.has(kind) ? 1 : 0]);
  }),
  gauge("raftkv_admin_event_streams", "Open streams of /events.", (c) => c.streams),
];

const RAFT: readonly Family<Counts>[] = [
  gauge("raftkv_raft_term", "The term.", (c) => c.facts.term),
  gauge("raftkv_raft_is_leader", "1 where this server leads.", ({ facts }) => {
    return Number(facts.role === "leader");
  }),
  gauge("raftkv_raft_has_leader", "1 where this server knows a leader.", ({ facts }) => {
    return Number(facts.leaderMissingMs === 0);
  }),
  gauge(
    "raftkv_raft_leader_missing_seconds",
    "For how long no leader has been known; 0 while one is.",
    (c) => seconds(c.facts.leaderMissingMs),
  ),
  counter("raftkv_raft_elections_total", "How often this server stood for election.", (c) => {
    return c.facts.electionsTotal;
  }),
  counter(
    "raftkv_raft_leader_changes_total",
    "How often it came to know another leader than before.",
    (c) => c.facts.leaderChangesTotal,
  ),
  gauge("raftkv_raft_last_index", "The end of the log.", (c) => c.facts.lastIndex),
  gauge("raftkv_raft_commit_index", "Up to here the log is committed.", (c) => c.facts.commitIndex),
  gauge("raftkv_raft_applied_index", "Up to here it is applied.", (c) => c.facts.appliedIndex),
  gauge("raftkv_raft_durable_index", "Up to here it is synced on this server's disk.", (c) => {
    return c.facts.durableIndex;
  }),
  gauge(
    "raftkv_raft_follower_lag_entries",
    "On a leader: entries that a follower has not confirmed; absent where that is unknown.",
    (c) => followers(c, ({ lagEntries }) => lagEntries),
  ),
  gauge(
    "raftkv_raft_follower_lag_bytes",
    "Their bytes; absent where they are not held any more, or more than 10,000.",
    (c) => followers(c, ({ lagBytes }) => lagBytes),
  ),
  gauge(
    "raftkv_raft_follower_lag_seconds",
    "The age of the oldest of them; 0 without any, absent where it is not held any more.",
    (c) => followers(c, ({ lagMs }) => seconds(lagMs)),
  ),
  gauge("raftkv_raft_is_suspect", "1 where its vote counts only with all others'.", (c) => {
    return Number(c.isSuspect);
  }),
  gauge("raftkv_raft_is_repairing", "1 while a damaged log is fetched again.", (c) => {
    return Number(c.isRepairing);
  }),
  {
    name: "raftkv_raft_commit_seconds",
    help: "From an entry's proposal on this server until it is applied here.",
    type: "histogram",
    read: (c) => c.meters.commit,
  },
  {
    name: "raftkv_raft_apply_seconds",
    help: "Applying what one turn has committed.",
    type: "histogram",
    read: (c) => c.meters.apply,
  },
  gauge("raftkv_peer_is_heard", "1 where another server is heard, 0 where it is silent.", (c) => {
    return c.peers.map(({ id, reach }) => [`peer="${id}"`, Number(reach === "heard")]);
  }),
  gauge(
    "raftkv_peer_silent_seconds",
    "Since anything came from another server; absent where nothing has since the start.",
    (c) =>
      c.peers.flatMap(({ id, silentMs }) => {
        return silentMs === null ? [] : [[`peer="${id}"`, silentMs / 1_000] as const];
      }),
  ),
  gauge("raftkv_peer_outbox_bytes", "Bytes that wait to be written to another server.", (c) => {
    return c.peers.map(({ id, outboxBytes }) => [`peer="${id}"`, outboxBytes]);
  }),
];

const CATCH_UP: readonly Family<Counts>[] = [
  gauge(
    "raftkv_follower_write_share",
    "The share of the writes that goes on while a follower could not catch up else; 1: all.",
    (c) => c.writeShare,
  ),
  counter(
    "raftkv_follower_given_up_total",
    "How often a follower was given up for a while, as more was written than reached it.",
    (c) => c.meters.catchUp.givenUp,
  ),
  gauge(
    "raftkv_follower_write_bytes_per_second",
    "What was written when a follower was given up last; 0: none was.",
    (c) => c.meters.catchUp.writeBytesPerSecond,
  ),
  gauge(
    "raftkv_follower_taken_bytes_per_second",
    "What came to that follower then.",
    (c) => c.meters.catchUp.followerBytesPerSecond,
  ),
];

const DISK: readonly Family<Counts>[] = [
  gauge("raftkv_disk_used_bytes", "What the data directory takes, by part.", (c) => {
    return [['part="log"', c.logBytes], ['part="snapshots"', c.snapshotBytes]];
  }),
  gauge(
    "raftkv_disk_is_short",
    "1 where the disk is full or has no room for the next snapshot.",
    (c) => Number(c.facts.isDiskShort),
  ),
  gauge("raftkv_disk_refuses_sets", "1 where sets are refused, or would be if it led.", (c) => {
    return Number(c.facts.refusesSets);
  }),
  gauge(
    "raftkv_disk_reserved_log_bytes",
    "What the log can take on a full disk; absent while it is not.",
    (c) => c.facts.reservedLogBytes,
  ),
  gauge(
    "raftkv_disk_syncing_seconds",
    "How long the write and sync that is under way has taken; 0 without one.",
    (c) => seconds(c.syncingMs),
  ),
  counter("raftkv_disk_blocking_seconds_total", "Time in calls to the disk that block.", (c) => {
    return seconds(c.machine.diskMs);
  }),
  {
    name: "raftkv_disk_write_seconds",
    help: "Writing a batch to the log, its sync left out.",
    type: "histogram",
    read: (c) => c.meters.write,
  },
  {
    name: "raftkv_disk_fsync_seconds",
    help: "Syncing a batch of the log.",
    type: "histogram",
    read: (c) => c.meters.fsync,
  },
  {
    name: "raftkv_snapshot_take_seconds",
    help: "Taking a snapshot, until it is durable.",
    type: "histogram",
    read: (c) => c.meters.snapshot,
  },
  gauge("raftkv_snapshot_last_index", "The newest snapshot; 0 without one.", (c) => {
    return c.facts.snapshotIndex;
  }),
  gauge("raftkv_snapshot_is_sending", "1 while followers are sent one, or wait for it.", (c) => {
    return Number(c.isSendingSnapshot);
  }),
  gauge("raftkv_snapshot_is_receiving", "1 while this server receives one.", (c) => {
    return Number(c.isReceivingSnapshot);
  }),
];

const BACKUPS: readonly Family<Counts>[] = [
  gauge("raftkv_backup_is_writer", "1 where this server has to write the scheduled ones.", (c) => {
    return Number(c.meters.backups.isWriter);
  }),
  gauge("raftkv_backup_every_seconds", "How often one is scheduled; 0: none is.", (c) => {
    return seconds(c.meters.backups.everyMs);
  }),
  gauge(
    "raftkv_backup_last_timestamp_seconds",
    "When the last one that this server knows of was sound, since 1970; 0: none.",
    (c) => seconds(c.meters.backups.lastMs),
  ),
  counter("raftkv_backup_taken_total", "Scheduled ones that were written and verified.", (c) => {
    return c.meters.backups.taken;
  }),
  counter("raftkv_backup_failed_total", "Scheduled ones that failed.", (c) => {
    return c.meters.backups.failed;
  }),
];

const AUDIT: readonly Family<Counts>[] = [
  counter("raftkv_audit_written_total", "Lines of the audit log that were written.", (c) => {
    return c.machine.audit?.written ?? 0;
  }),
  counter("raftkv_audit_dropped_total", "Lines that the disk did not take in time.", (c) => {
    return c.machine.audit?.dropped ?? 0;
  }),
  gauge("raftkv_audit_is_failing", "1 while the audit log can't be written.", (c) => {
    return Number(c.machine.audit?.isFailing ?? false);
  }),
];

const CLIENTS: readonly Family<Counts>[] = [
  gauge("raftkv_client_connections", "Open connections of clients.", (c) => c.facts.connections),
  {
    name: "raftkv_client_request_seconds",
    help: "From a command's arrival until its reply may leave, by kind.",
    type: "histogram",
    read: (c) =>
      Object.entries(c.meters.requests.byKind).map(([kind, one]) => [`kind="${kind}"`, one]),
  },
  counter("raftkv_client_refused_total", "Commands that were refused, by error.", (c) => {
    return ERROR_LABELS.map(([label, error]) => [label, c.meters.requests.refused[error]!]);
  }),
  counter(
    "raftkv_client_turned_away_total",
    "Connections that were not let in, by the bound that was reached.",
    (c) => [
      ['by="connections_max"', c.meters.connections.turnedAway],
      ['by="per_address"', c.meters.connections.turnedAwayAddress],
    ],
  ),
  counter(
    "raftkv_client_held_back_total",
    "How often a connection had to wait, as limits.perAddress or limits.perUser were used up.",
    (c) => c.heldBack,
  ),
  gauge(
    "raftkv_client_bounded_addresses",
    "Addresses of clients that are remembered for limits.perAddress and limits.perUser.",
    (c) => c.boundedAddresses,
  ),
  counter("raftkv_client_killed_total", "Connections that CLIENT KILL ended.", (c) => {
    return c.meters.connections.killed;
  }),
  gauge("raftkv_client_buffer_bytes", "What all connections hold in buffers.", (c) => {
    return c.clientBufferBytes;
  }),
  gauge("raftkv_queue_held_commands", "Commands that wait until a leader is known.", (c) => {
    return c.heldCommands;
  }),
  gauge("raftkv_queue_waiting_entries", "Entries whose clients wait for them.", (c) => {
    return c.waitingEntries;
  }),
  gauge("raftkv_queue_waiting_rounds", "Rounds of reads that wait to be confirmed.", (c) => {
    return c.waitingRounds;
  }),
  gauge("raftkv_queue_gathered_bytes", "Commands on their way into the log.", (c) => {
    return c.gatheredBytes;
  }),
  gauge("raftkv_queue_uncommitted_bytes", "On a leader: entries that are not committed.", (c) => {
    return c.uncommittedBytes;
  }),
  gauge("raftkv_store_keys", "Keys.", (c) => c.facts.keys),
  gauge("raftkv_store_expiring_keys", "Keys with a time to live.", (c) => c.facts.expiringKeys),
  gauge("raftkv_store_content_bytes", "Bytes of keys and values.", (c) => c.facts.contentBytes),
  gauge("raftkv_store_client_sessions", "Client sessions.", (c) => c.clientSessions),
  gauge("raftkv_store_client_session_bytes", "Kept replies and bound keys of sessions.", (c) => {
    return c.clientSessionBytes;
  }),
  gauge("raftkv_store_scripts", "Scripts that were loaded.", (c) => c.loadedScripts),
  gauge("raftkv_store_script_bytes", "What they take.", (c) => c.loadedScriptBytes),
];

/** In the order of the page. */
export const FAMILIES: readonly Family<Counts>[] = [
  ...PROCESS,
  ...RAFT,
  ...CATCH_UP,
  ...DISK,
  ...BACKUPS,
  ...AUDIT,
  ...CLIENTS,
  ...WATCHES,
  ...PUBSUB,
  ...FORWARDING,
];
