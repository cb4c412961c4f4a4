/**
 * What a formed server runs: the core, the store that it feeds, and the log below it. Opened once the
 * cluster is formed, from what the data directory holds.
 */
import { ClientError } from "../wire/command_batch.ts";
import type { Clock, Rng } from "../host/ports.ts";
import { SnapshotReader } from "../kv/snapshot_reader.ts";
import { Store, type StoreOptions } from "../kv/store.ts";
import { changesUsers } from "../kv/users/operations.ts";
import { makeConfiguration } from "../raft/configuration.ts";
import { entryKind, entryStampMs, ENVELOPE_BYTES, writeEnvelope } from "../raft/envelope.ts";
import { Raft, type RaftEvent } from "../raft/raft.ts";
import { type DiskRoom, EntryKind, type ServerId } from "../raft/types.ts";
import type { DataDirectory } from "../storage/data_directory.ts";
import type { FormationRecord, LogStorage, RecoveredLog, SnapshotFile } from "../storage/types.ts";
import type { StatusNotice } from "../wire/rpc/rpc.ts";
import { NO_ADDRESSES } from "./members/addresses.ts";
import { hashSeedOf } from "./peers/cluster_id.ts";
import type { Meters } from "./facts/meters.ts";
import type { Clocks } from "./time/clocks.ts";
import type { Limits, StorageLimits, Timing } from "./limits.ts";
import { Persister, type PersistEvents } from "./log/persister.ts";
import { RoleLog } from "./reports/role_log.ts";
import type { MessageSender, NodeHost } from "./api.ts";
import type { WriteLimit } from "./snapshots/catch_up_pace.ts";
import { Snapshots } from "./snapshots/snapshots.ts";
import type { Standstill } from "./reports/standstill.ts";

/** A round of reads whose followers are slow: the others are asked, too. */
const READ_PATIENCE_MS = 20;
/** Followers that are not the fastest get what has gathered this often. */
const BROADCAST_INTERVAL_MS = 10;

export interface Replica {
  readonly raft: Raft;
  /** Replaced where this server is restored from a leader's snapshot. */
  store: Store;
  readonly snapshots: Snapshots;
  readonly log: LogStorage;
  readonly persister: Persister;
  readonly roleLog: RoleLog;
  /** Entries of the log that were not in the snapshot when this process began change users. */
  readonly beganWithUsers: boolean;
  /** True until what damage took from the log is here again, durable and verified. */
  isRepairing: boolean;
  /** True while this server's vote counts only with all others', see HardState.suspect. */
  isSuspect: boolean;
}

export interface ReplicaOptions {
  readonly serverId: ServerId;
  readonly timing: Timing;
  readonly limits: Limits;
  readonly storage: StorageLimits;
  readonly directory: DataDirectory;
  readonly formation: FormationRecord;
  readonly clock: Clock;
  readonly clocks: Clocks;
  readonly rng: Rng;
  readonly host: NodeHost;
  readonly meters: Meters;
  readonly checkInvariants: boolean;
  readonly standstill: Standstill;
  readonly links: MessageSender;
  readonly pace: WriteLimit;
  readonly events: PersistEvents;
  /** See RaftOptions.roomOf. */
  readonly roomOf: (id: ServerId) => DiskRoom;
  /** True where that server takes a snapshot that is still being made. */
  readonly takesPieces: (id: ServerId) => boolean;
}

/** Recovers snapshot and log; throws `DataDirectoryError` where they can't be trusted. */
export function openReplica(options: ReplicaOptions): Replica {
  const { clock, host, timing, formation, directory, storage, links } = options;
  const storeOptions = { hashSeed: hashSeedOf(formation.members) };
  const replica = { store: new Store(storeOptions) };
  const startedMs = clock.monotonicMs();
  const { log, recovered } = directory.openLog({
    load: (file) => replica.store = loadStore(storeOptions, file),
    repair: true,
  });
  const tookMs = clock.monotonicMs() - startedMs;
  const roleLog = new RoleLog(host);
  const onEvent = (event: RaftEvent) => {
    options.meters.roleChanged(event);
    roleLog.changed(event, clock.monotonicMs());
  };
  const raft = makeRaft(options, recovered, replica, onEvent);
  const persister = new Persister({
    log,
    clock,
    slowSyncMs: timing.slowSyncMs,
    host,
    meters: options.meters,
    events: options.events,
    standstill: options.standstill,
    raft,
    isSuspectOnDisk: recovered.hardState.suspect || recovered.damaged !== null,
  });
  const snapshots = new Snapshots({
    raft,
    files: directory.snapshots,
    storeOptions,
    limits: storage,
    clock,
    host,
    links,
    reader: log.reader,
    compaction: persister,
    catchUp: { reader: log.reader, pace: options.pace, host, meters: options.meters.catchUp },
    takesPieces: options.takesPieces,
    taken: options.meters.snapshot,
  });
  logRecovered(options, recovered, log, tookMs);
  const isRepairing = recovered.damaged !== null;
  // A repair that is not over makes it so as well, whatever its hard state has come to.
  const isSuspect = raft.state.suspect;
  const beganWithUsers = recovered.entries.some((entry) =>
    entry.index > replica.store.appliedIndex && entryKind(entry) === EntryKind.commands &&
    changesUsers(entry.data, ENVELOPE_BYTES)
  );
  const parts = {
    raft,
    snapshots,
    log,
    persister,
    roleLog,
    beganWithUsers,
    isRepairing,
    isSuspect,
  };
  return Object.assign(replica, parts);
}

/** True while there is nothing to read yet: nothing was ever applied, or the log is being repaired. */
export function isLoading(replica: Replica | null): boolean {
  return replica === null || replica.store.appliedIndex === 0 || replica.raft.repairing;
}

/** What the other servers are told of this one. */
export function statusOf(
  replica: Replica,
  { leader: leaderClock }: Pick<Clocks, "leader">,
  space: { takesEntries(replica: Replica): boolean },
): StatusNotice {
  const { raft, store, log } = replica;
  return {
    hasRoom: log.hasRoom(),
    canWrite: space.takesEntries(replica),
    isSuspect: raft.state.suspect,
    isRepairing: raft.repairing,
    appliedIndex: store.appliedIndex,
    logTimeMs: raft.state.role.kind === "leader" ? leaderClock.nowMs() : 0,
  };
}

/**
 * Called when a batch is durable: logs once that a suspect server has caught up. One that repairs its log
 * does not vote before that has ended either.
 */
export function noteSound(replica: Replica, host: NodeHost): void {
  const { raft, isSuspect } = replica;
  if (!isSuspect || raft.state.suspect || raft.repairing) return;
  replica.isSuspect = false;
  host.log({
    level: "info",
    message: "Caught up: this server's vote counts in full again",
    fields: {},
  });
}

/** Called when a batch is durable: ends the repair of a damaged log once the core has ended it. */
export function finishRepair(replica: Replica, host: NodeHost): void {
  if (!replica.isRepairing || replica.raft.repairing) return;
  replica.isRepairing = false;
  replica.log.finishRepair();
  host.log({ level: "info", message: "The log is repaired", fields: {} });
}

/** Loads a snapshot whole; throws where it is damaged, and the one before it is tried. */
export function loadStore(options: StoreOptions, file: SnapshotFile): Store {
  const reader = new SnapshotReader({ ...options, capacityHint: file.head.keys }, file.head);
  for (let records = file.nextSection(); records !== null; records = file.nextSection()) {
    reader.add(records);
  }
  return reader.finish();
}

function makeRaft(
  options: ReplicaOptions,
  recovered: RecoveredLog,
  contents: { readonly store: Store },
  onEvent: (event: RaftEvent) => void,
): Raft {
  const { timing, limits, formation, directory, clocks, rng } = options;
  const raft: Raft = new Raft({
    id: options.serverId,
    incarnation: directory.identity.incarnation,
    configuration: recovered.snapshot?.configuration ??
      makeConfiguration(formation.members.map((member) => member.serverId)),
    founders: formation.members.map(({ serverId, incarnation }) => ({
      id: serverId,
      incarnation,
      staysLearner: false,
      // The cluster file says where founders are.
      addresses: NO_ADDRESSES,
    })),
    hardState: recovered.hardState,
    snapshot: recovered.snapshot?.position ?? { index: 0, term: 0 },
    entries: recovered.entries,
    repair: recovered.damaged !== null,
    electionTimeoutMs: timing.electionTimeoutMs,
    heartbeatIntervalMs: timing.heartbeatIntervalMs,
    readPatienceMs: READ_PATIENCE_MS,
    broadcastIntervalMs: BROADCAST_INTERVAL_MS,
    nowMs: options.clock.monotonicMs(),
    random: () => rng.u32(),
    // The core makes this entry when it becomes leader: the moment when a leader's clock starts.
    makeNoop: () => {
      const last = raft.state.log.entries.at(-1);
      const lastStampMs = last === undefined ? contents.store.clockMs : entryStampMs(last);
      clocks.beginTerm(lastStampMs, raft.state.log.lastTerm);
      return timeEntry(clocks.leader.nowMs());
    },
    makeConfigurationEntry: (payload) => {
      const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
      writeEnvelope(data, EntryKind.configuration, clocks.leader.nowMs());
      data.set(payload, ENVELOPE_BYTES);
      return data;
    },
    roomOf: options.roomOf,
    appendBytesMax: limits.appendBytesMax,
    appendsInFlightMax: limits.appendsInFlightMax,
    appendBytesInFlightMax: limits.appendBytesInFlightMax,
    thriftyAppends: true,
    committedBytesMax: limits.entryBytesMax,
    uncommittedBytesMax: limits.uncommittedBytesMax,
    checkInvariants: options.checkInvariants,
    onEvent,
  });
  return raft;
}

/** The envelope of an entry that does nothing but let time pass up to `stampMs`. */
export function timeEntry(stampMs: number): Uint8Array {
  const data = new Uint8Array(ENVELOPE_BYTES);
  writeEnvelope(data, EntryKind.noop, stampMs);
  return data;
}

function logRecovered(
  { host, formation }: ReplicaOptions,
  { hardState, entries, snapshot, cutBytes, damaged, notes }: RecoveredLog,
  log: LogStorage,
  tookMs: number,
): void {
  for (const message of notes) host.log({ level: "warning", message, fields: {} });
  if (damaged !== null) {
    const message =
      "The log is damaged: fetching again from the others what is lost. Until that is " +
      "done this server has no say in elections, and serves nothing of it";
    const { fromIndex, lastIndexSeen, reason } = damaged;
    host.log({ level: "error", message, fields: { fromIndex, lastIndexSeen, reason } });
  }
  const isSuspect = hardState.suspect && damaged === null;
  // That of a server that was restored with others, and begins: nothing was cut off there.
  const isEmpty = cutBytes === 0 && entries.length === 0 && snapshot !== null;
  const suspect = `Log recovered${isEmpty ? ", without entries" : " with its tail cut off"}: ` +
    "this server's vote counts only with all others' until it has caught up";
  host.log({
    level: isSuspect ? "warning" : "info",
    message: isSuspect ? suspect : "Log recovered",
    fields: {
      clusterId: formation.clusterId,
      term: hardState.term,
      lastIndex: entries.at(-1)?.index ?? snapshot?.position.index ?? 0,
      snapshotIndex: snapshot?.position.index ?? 0,
      entries: entries.length,
      logBytes: log.bytes(),
      cutBytes,
      tookMs: Math.round(tookMs),
    },
  });
}

/**
 * Why a command is refused that the cluster's version does not allow, as far as this leader has applied it:
 * that may be less than its log has, and than a server has applied that forwards to it, before an entry of
 * its own term is applied. Until then it is no leader yet.
 */
export function tooEarly(replica: Replica | null): ClientError {
  if (replica === null) return ClientError.noLeader;
  return isAllApplied(replica) ? ClientError.clusterVersion : ClientError.noLeader;
}

/** As a leader it has applied an entry of its own term, and so all that was committed before. */
export function isAllApplied({ raft: { state }, store }: Replica): boolean {
  return state.log.termAt(store.appliedIndex) === state.term;
}
