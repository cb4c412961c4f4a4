/**
 * When the cluster version is raised: by the leader, with an entry of the log, once every member of the
 * configuration has said that it can read the next one. A member that is not heard now counts as one that
 * can't: it may be down because it gets another build. So all have to be heard, in several looks one after
 * the other, and none of them may hold the raise back.
 *
 * That is no promise for later: a server may be stopped after the last look and come back as an earlier
 * build before it has the entry. Whoever lacks the version is then refused by its handshake, and no
 * append that has the entry is sent to it (peers/peer_version.ts).
 *
 * One exception: members change from version 2 on, and a server that is lost for ever would hold that back
 * for ever. So whoever is about to be removed is not waited for while it is silent: should it come back
 * after all, as an earlier build and before it is removed, it is kept out as said above.
 */
import { encodeClusterVersion } from "../kv/cluster_version.ts";
import { memberIds } from "../raft/configuration.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../raft/envelope.ts";
import { EntryKind, NOBODY, type ServerId } from "../raft/types.ts";
import { neededByEntries, type PeerVersion } from "./peers/peer_version.ts";
import type { Replica } from "./replica.ts";
import { type NodeState, scheduleTurn } from "./state.ts";

/** So many looks in a row have to find all members there, an election timeout apart. */
const LOOKS = 3;
/** For so many looks the raise does without whoever is being removed: who removes it asks on. */
const WITHOUT_LOOKS = 3 * LOOKS;

/** When `elapseRaise` has something to do, by the monotonic clock. */
export function nextRaiseMs(state: NodeState): number {
  return raisableBy(state) === null ? Infinity : state.raise.lookMs;
}

/** Looks whether the version can be raised, and does it. */
export function elapseRaise(state: NodeState, nowMs: number): void {
  const { raise, clocks, options } = state;
  const replica = raisableBy(state);
  if (replica === null) {
    raise.looks = 0;
    raise.index = 0;
    return;
  }
  if (nowMs < raise.lookMs) return;
  raise.lookMs = nowMs + options.config.timing.electionTimeoutMs;
  if (replica.store.appliedIndex < raise.index) return;
  if (waitsFor(state, replica).length > 0) {
    raise.looks = 0;
    return;
  }
  if (++raise.looks < LOOKS) return;
  const data = new Uint8Array(ENVELOPE_BYTES + 2);
  writeEnvelope(data, EntryKind.clusterVersion, clocks.leader.nowMs());
  data.set(encodeClusterVersion(nextVersion(state, replica)), ENVELOPE_BYTES);
  const result = replica.raft.propose(data);
  if (!result.accepted) return;
  raise.looks = 0;
  raise.index = result.index;
  logWithout(state, replica);
  scheduleTurn(state);
}

/**
 * The cluster version that whoever is in touch with this server has to know: the one that it has applied
 * and, where it leads, also those that its log may yet make the cluster's.
 */
export function neededVersion({ replica }: NodeState): number {
  if (replica === null) return 0;
  const { store, raft: { state } } = replica;
  if (state.role.kind !== "leader") return store.clusterVersion;
  const { log } = state;
  const waiting = store.appliedIndex < log.lastIndex ? log.slice(store.appliedIndex + 1) : [];
  return Math.max(store.clusterVersion, neededByEntries(waiting));
}

/**
 * Why a leader does not raise the version, half a sentence for each server; empty where nothing is to be
 * raised or nobody is waited for.
 */
export function raiseWaits(state: NodeState): string[] {
  const { replica, links: { ownVersion }, ledTerm } = state;
  if (replica === null || ledTerm === 0) return [];
  return replica.store.clusterVersion < ownVersion.max ? waitsFor(state, replica) : [];
}

/**
 * Somebody removes these servers: for some looks the raise does not wait for those of them that are silent.
 * Where that is all that it waited for, the change can be asked for again a moment later.
 */
export function raiseWithout(state: NodeState, ids: readonly ServerId[]): void {
  const { raise, clock, options: { config } } = state;
  raise.without = ids;
  raise.withoutUntilMs = clock.monotonicMs() + WITHOUT_LOOKS * config.timing.electionTimeoutMs;
}

/**
 * Once a turn. Says, once, that a raise is ahead: not before this server has applied all that the leader
 * says is committed, for a server that has just started does not know yet what was raised long ago. The
 * first entry of the leader's term comes after all that earlier leaders have committed.
 */
export function noteRaiseAhead(state: NodeState): void {
  const { raise, replica, links: { ownVersion, statuses }, options: { host } } = state;
  if (raise.isSaid || replica === null) return;
  const { store: { clusterVersion, appliedIndex }, raft: { state: raft } } = replica;
  if (clusterVersion < ownVersion.max) {
    if (raft.log.termAt(appliedIndex) !== raft.term) return;
    if (raft.role.kind !== "leader") {
      const report = raft.leaderId === NOBODY ? null : statuses.of(raft.leaderId);
      if (report === null || report.appliedIndex > appliedIndex) return;
    }
    host.log({
      level: "info",
      message: ownVersion.isHeld
        ? "The cluster version is held back here: builds before this one can be started again"
        : "The cluster version is raised once all servers can read the next one: builds before " +
          "this one can't be started from then on",
      fields: { clusterVersion, known: ownVersion.max },
    });
  }
  raise.isSaid = true;
}

/** The store has applied something, or is another one: logs where its cluster version is a new one. */
export function noteClusterVersion(state: NodeState, clusterVersion: number): void {
  if (clusterVersion === state.clusterVersion) return;
  state.clusterVersion = clusterVersion;
  state.links.versionRaised(clusterVersion);
  state.options.host.log({
    level: "info",
    message: "The cluster version is raised: builds before it can't be started here any more",
    fields: { clusterVersion },
  });
}

/** Where this server leads, has applied all of its log and knows a later version; else null. */
function raisableBy({ replica, links: { ownVersion } }: NodeState): Replica | null {
  if (replica === null || ownVersion.isHeld) return null;
  const { store, raft: { state } } = replica;
  if (state.role.kind !== "leader" || store.clusterVersion >= ownVersion.max) return null;
  // A raise that an earlier leader began is applied first.
  return state.log.termAt(store.appliedIndex) === state.term ? replica : null;
}

function waitsFor(state: NodeState, { raft, store }: Replica): string[] {
  const { options: { serverId }, links } = state;
  const found: string[] = [];
  if (links.ownVersion.isHeld) found.push(holds(serverId));
  for (const id of memberIds(raft.state.configurations.current)) {
    if (id === serverId) continue;
    const version = heardVersion(state, id);
    if (version === null) {
      if (!doesWithout(state, id)) found.push(`server ${id} is not heard`);
    } else if (version.max <= store.clusterVersion) found.push(lacks(id, version));
    else if (version.isHeld) found.push(holds(id));
  }
  return found;
}

function logWithout(state: NodeState, { raft }: Replica): void {
  for (const id of memberIds(raft.state.configurations.current)) {
    if (!doesWithout(state, id) || heardVersion(state, id) !== null) continue;
    state.options.host.log({
      level: "warning",
      message:
        "The cluster version is raised without a server that is silent, as it is removed: should " +
        "it come back before, as an earlier build, it is kept out",
      fields: { peer: id },
    });
  }
}

function doesWithout({ raise, clock }: NodeState, id: ServerId): boolean {
  return raise.without.includes(id) && clock.monotonicMs() < raise.withoutUntilMs;
}

/** Which cluster versions a server can read; null where it was not heard for an election timeout. */
function heardVersion({ links, options }: NodeState, id: ServerId): PeerVersion | null {
  const { electionTimeoutMs } = options.config.timing;
  const link = links.outbound.find(({ peerId }) => peerId === id);
  const isHeard = link?.isUp === true && links.silence.of(id).silentMs < electionTimeoutMs;
  return isHeard ? link.version : null;
}

function holds(id: ServerId): string {
  return `server ${id} holds it back (holdClusterVersion)`;
}

function lacks(id: ServerId, { max }: PeerVersion): string {
  return `server ${id} runs a build that can read ${max} at most`;
}

/** The highest that all who are heard can read. */
function nextVersion(state: NodeState, { raft }: Replica): number {
  const { options: { serverId }, links } = state;
  let lowest = links.ownVersion.max;
  for (const id of memberIds(raft.state.configurations.current)) {
    const version = id === serverId ? null : heardVersion(state, id);
    if (version !== null) lowest = Math.min(lowest, version.max);
  }
  return lowest;
}
