/**
 * What the checks see of a real node. Indexes and terms count from the origin, so that the checks need not know
 * of it.
 *
 * A class, not an object of closures: it is asked some twenty times after each step, and each start of a server
 * makes one. Code compiled for the closures of one start is thrown away at the next.
 */
import type { Store } from "../../lib/kv/store.ts";
import type { ForwardMeters } from "../../lib/node/session/forwarding.ts";
import type { Node } from "../../lib/node/node.ts";
import { neededByEntries } from "../../lib/node/peers/peer_version.ts";
import { NO_TERM, type RaftLog } from "../../lib/raft/log.ts";
import { leaderOf, type RaftState } from "../../lib/raft/state.ts";
import { leftoverOf } from "./leftovers.ts";
import type { SimOptions } from "./options.ts";
import type { ServerProbe } from "./server_probe.ts";

export class NodeProbe implements ServerProbe {
  readonly #node: Node;
  readonly #options: SimOptions;
  readonly #firstIndex: number;
  readonly #firstTerm: number;
  /** The core's, which stays the same once there is one. */
  #raftState: RaftState | null = null;

  constructor(node: Node, options: SimOptions) {
    this.#node = node;
    this.#options = options;
    this.#firstIndex = options.origin.index;
    this.#firstTerm = options.origin.term;
  }

  get #state(): RaftState {
    return this.raft()!;
  }

  get #log(): RaftLog {
    return this.raft()!.log;
  }

  get #store(): Store {
    return this.#node.store!;
  }

  /** A log that is repaired from the very beginning holds nothing yet that the checks know of. */
  isOpen(): boolean {
    const state = this.raft();
    return state !== null && state.log.snapshot.index >= this.#firstIndex;
  }

  isPrepared(): boolean {
    return this.#node.links.formation.record?.stage === "prepared";
  }

  clusterId(): string | null {
    const { isFormed, clusterId } = this.#node.links.formation;
    return isFormed ? clusterId : null;
  }

  isLeader(): boolean {
    return this.#state.role.kind === "leader";
  }

  isSuspect(): boolean {
    return this.#state.suspect;
  }

  isDurablySound(): boolean {
    const { suspect, output } = this.#state;
    return !suspect && output.durableVersion === output.hardStateVersion;
  }

  raft(): RaftState | null {
    return this.#raftState ??= this.#node.raft?.state ?? null;
  }

  term(): number {
    return this.#state.term - this.#firstTerm;
  }

  votedFor(): number {
    return this.#state.votedFor;
  }

  commitIndex(): number {
    return this.#state.commitIndex - this.#firstIndex;
  }

  appliedIndex(): number {
    return this.#store.appliedIndex - this.#firstIndex;
  }

  snapshotIndex(): number {
    return this.#log.snapshot.index - this.#firstIndex;
  }

  lastIndex(): number {
    return this.#log.lastIndex - this.#firstIndex;
  }

  /** What is unknown stays below zero. */
  termAt(index: number): number {
    const term = this.#log.termAt(index + this.#firstIndex);
    return term === NO_TERM ? NO_TERM : term - this.#firstTerm;
  }

  dataAt(index: number): Uint8Array {
    return this.#log.at(index + this.#firstIndex).data;
  }

  reaches(index: number): boolean {
    return this.#node.log!.reader.reaches(index);
  }

  hasRoom(): boolean {
    return this.#node.log!.hasRoom();
  }

  durableIndex(): number {
    return this.#log.durableIndex - this.#firstIndex;
  }

  matchIndexOf(id: number): number {
    return (leaderOf(this.#state)?.progress.get(id)?.matchIndex ?? 0) - this.#firstIndex;
  }

  store(): Store | null {
    return this.#node.store;
  }

  digest(): string {
    return `${this.#store.digest()}, cluster version ${this.#store.clusterVersion}`;
  }

  clusterVersion(): number {
    return this.#store.clusterVersion;
  }

  versionInLog(): number {
    return Math.max(this.#store.clusterVersion, neededByEntries(this.#log.entries));
  }

  clockMs(): number {
    return this.#store.clockMs;
  }

  waitingCommands(): number {
    return this.#node.clientLoad.waitingCommands;
  }

  waitingEntries(): number {
    return this.#node.clientLoad.waitingEntries;
  }

  hasDueKeys(): boolean {
    return this.#store.hasDueKeys();
  }

  heldCommands(): number {
    return this.#node.clientLoad.heldCommands;
  }

  forwarded(): ForwardMeters | null {
    return this.#options.forwarding === undefined ? null : this.#node.clientLoad.forwarded;
  }

  leftover(): string | null {
    return leftoverOf(this.#node, this.#options);
  }
}
