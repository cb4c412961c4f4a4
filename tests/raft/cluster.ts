/**
 * Several servers in one process: the real core, a queue of messages that a test may hold, drop,
 * copy and reorder, and disks that sync at once or when told. `Safety` watches all of them.
 */
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { Raft, type RaftEvent, type RaftOptions, type RaftState } from "../../lib/raft/raft.ts";
import {
  type Configuration,
  type EntriesRequest,
  type Entry,
  EntryKind,
  type HardState,
  type Incarnation,
  type MemberChange,
  type Message,
  type PersistBatch,
  type ReadState,
  type Ready,
  type ServerId,
  type SnapshotPosition,
} from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import type { JointQuorums } from "./joint_quorums.ts";
import { incarnation, member } from "./members.ts";
import { Safety } from "./safety.ts";
import {
  makeSnapshotState,
  type SnapshotFile,
  Snapshots,
  type SnapshotState,
} from "./snapshots.ts";
import { setElapsed, tick } from "./time.ts";

/** What one server's disk holds for certain. */
export interface Disk {
  hardState: HardState;
  /** Entries were lost that were durable, and not fetched again yet. */
  repairing?: boolean;
  /** The newest snapshot. */
  snapshot: SnapshotFile | null;
  /** The index of the first of `entries`, or of the one to come. */
  firstIndex: number;
  entries: Entry[];
}

export const EMPTY_HARD_STATE: HardState = { term: 0, votedFor: 0, suspect: false };
export const NO_SNAPSHOT: SnapshotPosition = { index: 0, term: 0 };

export function emptyDisk(): Disk {
  return { hardState: EMPTY_HARD_STATE, snapshot: null, firstIndex: 1, entries: [] };
}

/** Brings a batch onto the disk, as the write-ahead log would. */
export function writeBatch(disk: Disk, batch: PersistBatch): void {
  if (batch.hardState !== null) disk.hardState = batch.hardState;
  const first = batch.entries[0];
  if (first === undefined) return;
  const keep = first.index - disk.firstIndex;
  if (keep < 0) throw new Error(`Entry ${first.index} is compacted away on disk`);
  if (keep > disk.entries.length) throw new Error(`A gap before entry ${first.index} on disk`);
  disk.entries = [...disk.entries.slice(0, keep), ...batch.entries];
}

/** Recovery: a log that doesn't hold the newest snapshot's position is discarded. */
function discardOvertakenLog(disk: Disk): void {
  const position = disk.snapshot?.position;
  if (position === undefined || disk.firstIndex === position.index + 1) return;
  if (disk.entries[position.index - disk.firstIndex]?.term === position.term) return;
  disk.firstIndex = position.index + 1;
  disk.entries = [];
}

/** The bytes of a no-op in tests: one byte that is no entry kind with a meaning to the core. */
export const NOOP = new Uint8Array([1]);

/** Text as an entry's data. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(entry: Entry): string {
  return entry.data[0] === 1 ? "noop" : new TextDecoder().decode(entry.data);
}

/** The envelope of a configuration's entry, as the core reads it. */
export function makeConfigurationEntry(payload: Uint8Array): Uint8Array {
  const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
  writeEnvelope(data, EntryKind.configuration, 0);
  data.set(payload, ENVELOPE_BYTES);
  return data;
}

export const TICKS = 10;

/** The files give so many entries at a time. */
const FILE_READ_ENTRIES = 3;

/** Options of a server with nothing in it; `overrides` say what a test cares about. */
export function makeOptions(overrides: Partial<RaftOptions> = {}): RaftOptions {
  const random = new Random(overrides.id ?? 1);
  return {
    id: 1,
    configuration: makeConfiguration([1, 2, 3]),
    hardState: EMPTY_HARD_STATE,
    snapshot: NO_SNAPSHOT,
    entries: [],
    electionTimeoutMs: TICKS,
    heartbeatIntervalMs: 2,
    readPatienceMs: 2,
    broadcastIntervalMs: 1,
    nowMs: 0,
    random: () => random.u32(),
    makeNoop: () => NOOP,
    makeConfigurationEntry,
    appendBytesMax: 1_000,
    appendsInFlightMax: 4,
    appendBytesInFlightMax: 4_000,
    committedBytesMax: Infinity,
    thriftyAppends: false, // who is sent what does not depend on who was quick
    uncommittedBytesMax: 10_000,
    checkInvariants: true,
    ...overrides,
  };
}

/** For random walks: small windows and pieces, so that a few entries reach every bound. */
export const WALK_OVERRIDES: Partial<RaftOptions> = {
  thriftyAppends: true,
  committedBytesMax: 4,
  appendBytesMax: 8,
  appendsInFlightMax: 3,
  appendBytesInFlightMax: 20,
};

export interface Server {
  readonly id: ServerId;
  /** Which life of this id it is: its data directory was made anew so often. */
  readonly life: number;
  /** The configuration that it began with: those that join know no members, or the founders. */
  readonly first: Configuration;
  raft: Raft;
  disk: Disk;
  up: boolean;
  /** Batches wait for `syncDisk` instead of being durable at once. */
  held: boolean;
  batch: PersistBatch | null;
  /** A snapshot replaced the log meanwhile: of the batch only the hard state is written. */
  batchOvertaken: boolean;
  readonly snapshots: SnapshotState;
  /** Entries that the files are asked for: answered at once unless `reads` of files are held. */
  readonly fileReads: { requests: EntriesRequest[]; held: boolean; answered: number };
  applied: Entry[];
  reads: ReadState[];
  readonly events: RaftEvent[];
}

type BootedServer = Pick<Server, "id" | "life" | "first" | "disk" | "events">;

export interface ClusterOptions {
  readonly voters?: readonly ServerId[];
  readonly learners?: readonly ServerId[];
  readonly seed?: number;
  readonly disks?: ReadonlyMap<ServerId, Disk>;
  readonly overrides?: Partial<RaftOptions>;
  /** Counts votes and acks of its own; not where disks lose what they held. */
  readonly quorums?: JointQuorums;
  /** Sees every ready that a server hands out. */
  readonly onReady?: (server: Server, ready: Ready) => void;
  readonly onEvent?: (id: ServerId, event: RaftEvent) => void;
}

export class Cluster {
  readonly servers = new Map<ServerId, Server>();
  readonly configuration: Configuration;
  readonly safety = new Safety();
  readonly snapshots = new Snapshots((messages) => this.#enqueue(messages));
  readonly random: Random;
  /** Messages under way, oldest first. */
  queue: Message[] = [];
  /** Messages that `process` put into the queue since the last `takeSent`. */
  sent: Message[] = [];
  /** One-way cuts, as `from>to`. */
  readonly cuts = new Set<string>();
  readonly #options: ClusterOptions;
  /** Earlier and later lives of ids, which run and are not reached: see `swap`. */
  readonly #aside: Server[] = [];
  /** The life of the server that a message is from, and the one that it is for: undefined for any. */
  readonly #ends = new WeakMap<Message, { from: Incarnation; to: Incarnation | undefined }>();

  constructor(options: ClusterOptions = {}) {
    this.#options = options;
    this.configuration = makeConfiguration(options.voters ?? [1, 2, 3], options.learners);
    this.random = new Random(options.seed ?? 1);
    for (const id of [...this.configuration.voters, ...this.configuration.learners]) {
      this.#addServer(id, 1, options.disks?.get(id) ?? emptyDisk(), this.configuration);
    }
  }

  #addServer(id: ServerId, life: number, disk: Disk, first: Configuration): void {
    const events: RaftEvent[] = [];
    this.servers.set(id, {
      id,
      life,
      first,
      raft: this.#boot({ id, life, first, disk, events }),
      disk,
      up: true,
      held: false,
      batch: null,
      batchOvertaken: false,
      snapshots: makeSnapshotState(),
      fileReads: { requests: [], held: false, answered: 0 },
      applied: [...disk.snapshot?.contents ?? []],
      reads: [],
      events,
    });
  }

  /**
   * A server that is no member yet, with nothing on its disk; `life`: of that id. `knowsFounders`: its log
   * begins with the configuration that the cluster was founded with.
   */
  join(id: ServerId, life = 1, knowsFounders = false): void {
    const first = knowsFounders ? this.configuration : makeConfiguration([]);
    const before = this.servers.get(id);
    if (before !== undefined) this.#aside.push(before);
    this.#addServer(id, life, emptyDisk(), first);
  }

  /** Those that are reached, and those that are not. */
  allLives(): Server[] {
    return [...this.servers.values(), ...this.#aside];
  }

  /** The lives of an id that are not reached. */
  livesAside(id: ServerId): number[] {
    return this.#aside.filter((one) => one.id === id).map(({ life }) => life);
  }

  /** Another life of an id is reached from now on, in whatever state it was left; the one of today is not. */
  swap(id: ServerId, life: number): void {
    const at = this.#aside.findIndex((one) => one.id === id && one.life === life);
    const [server] = this.#aside.splice(at, 1);
    if (at < 0 || server === undefined) throw new Error(`No life ${life} of server ${id} is aside`);
    this.#aside.push(this.at(id));
    this.servers.set(id, server);
    this.safety.restart(
      id,
      server.applied.at(-1)?.index ?? server.disk.snapshot?.position.index ?? 0,
    );
  }

  /** Changes members on `id` (the newest leader unless named), without delivering. */
  change(changes: readonly MemberChange[], id = this.leader().state.id): number {
    const result = this.raft(id).proposeChange(changes);
    if (!result.accepted) throw new Error(`Server ${id} refused: ${JSON.stringify(result)}`);
    this.process(id);
    return result.index;
  }

  #watch(state: RaftState): void {
    this.safety.watch(state);
    this.#options.quorums?.watch(state);
  }

  #boot({ id, life, first, disk, events }: BootedServer): Raft {
    const random = this.random.fork();
    discardOvertakenLog(disk);
    this.safety.restart(id, disk.snapshot?.position.index ?? 0);
    return new Raft(makeOptions({
      configuration: disk.snapshot?.configuration ?? first,
      incarnation: incarnation(id, life),
      founders: [...this.configuration.voters, ...this.configuration.learners].map((one) =>
        member(one)
      ),
      random: () => random.u32(),
      ...this.#options.overrides,
      id,
      hardState: disk.hardState,
      repair: disk.repairing === true,
      snapshot: disk.snapshot?.position ?? NO_SNAPSHOT,
      entries: [...disk.entries],
      onEvent: (event) => {
        events.push(event);
        this.#options.onEvent?.(id, event);
      },
    }));
  }

  at(id: ServerId): Server {
    const server = this.servers.get(id);
    if (server === undefined) throw new Error(`No server ${id}`);
    return server;
  }

  raft(id: ServerId): Raft {
    return this.at(id).raft;
  }

  /** Ids of those that are up and lead, by term. */
  leaders(): ServerId[] {
    return [...this.servers.values()]
      .filter(({ up, raft }) => up && raft.state.role.kind === "leader")
      .sort((a, b) => a.raft.state.term - b.raft.state.term)
      .map(({ id }) => id);
  }

  /** The leader of the newest term. */
  leader(): Raft {
    const id = this.leaders().at(-1);
    if (id === undefined) throw new Error("Nobody leads");
    return this.raft(id);
  }

  /** Takes all that a server hands out; a disk that is not held syncs at once. */
  process(id: ServerId): void {
    const server = this.at(id);
    while (server.up && server.raft.hasReady()) {
      const ready = server.raft.ready();
      this.#options.onReady?.(server, ready);
      this.#enqueue(ready.messages);
      for (const entry of ready.committed) this.safety.apply(server.id, entry);
      server.applied.push(...ready.committed);
      server.reads.push(...ready.reads);
      this.#watch(server.raft.state);
      if (ready.persist !== null) server.batch = ready.persist;
      if (!server.held) this.#finishBatch(server);
      server.fileReads.requests.push(...ready.entriesNeeded);
      if (!server.fileReads.held) this.#answerReads(server);
      this.snapshots.handle(server, ready);
      if (!server.snapshots.held) this.#install(server);
    }
  }

  /** What the disk holds of the entries asked for, a few at a time. */
  #answerReads({ disk, raft, fileReads }: Server): void {
    for (const request of fileReads.requests.splice(0)) {
      const { fromIndex, toIndex } = request;
      const at = fromIndex - disk.firstIndex;
      const from = Math.max(0, at);
      const entries = disk.entries.slice(from, Math.max(from, toIndex + 1 - disk.firstIndex));
      const { index, term } = disk.snapshot?.position ?? NO_SNAPSHOT;
      const isBeginning = at === -1 && fromIndex === index;
      if (isBeginning) entries.unshift({ index, term, data: new Uint8Array(0) });
      const isThere = at >= 0 || isBeginning;
      if (isThere) fileReads.answered++;
      raft.entriesRead(request, isThere ? entries.slice(0, FILE_READ_ENTRIES) : null);
      this.safety.watch(raft.state);
    }
  }

  /** Whether reads of files wait; those that wait are answered once they are not held any more. */
  holdReads(id: ServerId, held = true): void {
    const server = this.at(id);
    server.fileReads.held = held;
    if (held) return;
    this.#answerReads(server);
    this.process(id);
  }

  /** Drops entries up to `index` from memory alone. */
  trim(id: ServerId, index: number): void {
    const { raft } = this.at(id);
    raft.compact(index);
    this.safety.watch(raft.state);
    this.process(id);
  }

  #install(server: Server): boolean | null {
    const replaced = this.snapshots.install(server);
    if (replaced) this.safety.restart(server.id, server.applied.length);
    const position = server.disk.snapshot?.position ?? NO_SNAPSHOT;
    const life = incarnation(server.id, server.life);
    if (replaced) this.#options.quorums?.installed(life, position.index, position.term);
    this.#watch(server.raft.state);
    return replaced;
  }

  /** Takes over the snapshot that is held; null where there is none. */
  install(id: ServerId): boolean | null {
    const replaced = this.#install(this.at(id));
    this.process(id);
    return replaced;
  }

  /** Whether installs wait for `install` between being durable and taking over. */
  holdInstall(id: ServerId, held = true): void {
    this.at(id).snapshots.held = held;
    if (!held) this.install(id);
  }

  /** A durable snapshot up to `index`, or of all that can be in one. */
  snapshot(id: ServerId, index?: number): SnapshotPosition {
    return this.snapshots.take(this.at(id), index);
  }

  /** Drops entries up to `index` from memory and disk; the newest snapshot must cover them. */
  compact(id: ServerId, index: number): void {
    const { raft, disk } = this.at(id);
    if (index > (disk.snapshot?.position.index ?? 0)) throw new Error(`No snapshot holds ${index}`);
    raft.compact(index);
    const count = Math.max(0, index + 1 - disk.firstIndex);
    disk.entries = disk.entries.slice(count);
    disk.firstIndex += count;
    this.#watch(raft.state);
    this.process(id);
  }

  snapshotFailed(id: ServerId, follower: ServerId): void {
    const { raft, snapshots } = this.at(id);
    snapshots.streams.delete(follower);
    raft.snapshotFailed(follower);
    this.process(id);
  }

  processAll(): void {
    for (const id of this.servers.keys()) this.process(id);
  }

  #enqueue(messages: readonly Message[]): void {
    for (const message of messages) {
      const sender = this.at(message.from);
      const { incarnations } = sender.raft.state.configurations.versions.at(-1)!;
      // As links do: what rests on what a server is known to hold goes to the life that it is known of. An
      // answer goes to whoever is there.
      const to = message.kind.endsWith("Response") ? undefined : incarnations.get(message.to);
      this.#ends.set(message, { from: incarnation(sender.id, sender.life), to });
    }
    this.queue.push(...messages);
    this.sent.push(...messages);
  }

  #finishBatch(server: Server): void {
    const { batch } = server;
    if (batch === null) return;
    const written = server.batchOvertaken ? { ...batch, entries: [] } : batch;
    writeBatch(server.disk, written);
    this.#options.quorums?.wrote(incarnation(server.id, server.life), written);
    server.batch = null;
    server.batchOvertaken = false;
    this.#enqueue(batch.messagesAfterSync);
    server.raft.advance(batch);
    if (!server.raft.repairing) server.disk.repairing = false;
    this.#watch(server.raft.state);
  }

  /** Ends the sync under way; the next batch is held again where the disk is. */
  syncDisk(id: ServerId): void {
    this.#finishBatch(this.at(id));
    this.process(id);
  }

  holdDisk(id: ServerId, held = true): void {
    this.at(id).held = held;
    if (!held) this.syncDisk(id);
  }

  takeSent(): Message[] {
    const sent = this.sent;
    this.sent = [];
    return sent;
  }

  isCut(from: ServerId, to: ServerId): boolean {
    return this.cuts.has(`${from}>${to}`);
  }

  /** Cuts both ways between each of `a` and each of `b`; messages on the way are lost. */
  cut(a: readonly ServerId[], b: readonly ServerId[]): void {
    for (const from of a) {
      for (const to of b) {
        this.cutOneWay(from, to);
        this.cutOneWay(to, from);
      }
    }
  }

  cutOneWay(from: ServerId, to: ServerId): void {
    if (from !== to) this.cuts.add(`${from}>${to}`);
  }

  isolate(id: ServerId): void {
    this.cut([id], [...this.servers.keys()].filter((other) => other !== id));
  }

  heal(): void {
    this.cuts.clear();
  }

  /** Whom a message reaches that is delivered now; null where it is lost, or is for another life. */
  targetOf(message: Message): Server | null {
    const target = this.servers.get(message.to);
    if (target?.up !== true || this.isCut(message.from, message.to)) return null;
    const to = this.#ends.get(message)?.to;
    return to === undefined || to === incarnation(target.id, target.life) ? target : null;
  }

  /** Delivers the message at `position` of the queue, unless its link is cut or its target down. */
  deliverAt(position: number): Message | undefined {
    const [message] = this.queue.splice(position, 1);
    if (message === undefined) return undefined;
    const target = this.targetOf(message);
    if (target !== null) {
      target.raft.step(message, this.#ends.get(message)?.from ?? null);
      this.#watch(target.raft.state);
      this.process(message.to);
    }
    return message;
  }

  /** Delivers until nothing is under way. */
  settle(most = 20_000): void {
    this.processAll();
    for (let i = 0; this.queue.length > 0; i++) {
      if (i >= most) throw new Error(`Still talking after ${most} messages`);
      this.deliverAt(0);
    }
  }

  /** One tick on `ids` (all that are up unless named), without delivering. */
  tick(ids: Iterable<ServerId> = this.servers.keys()): void {
    for (const id of ids) {
      const server = this.at(id);
      if (!server.up) continue;
      tick(server.raft);
      this.snapshots.tick(server);
      this.#watch(server.raft.state);
      this.process(id);
    }
  }

  /** `ticks` ticks on all, delivering everything after each. */
  run(ticks: number): void {
    for (let i = 0; i < ticks; i++) {
      this.tick();
      this.settle();
    }
  }

  /** Runs until `done` holds; throws where it does not within `most` ticks. */
  runUntil(done: () => boolean, most = 20 * TICKS): number {
    for (let i = 0; i < most; i++) {
      if (done()) return i;
      this.run(1);
    }
    if (!done()) throw new Error(`Not within ${most} ticks`);
    return most;
  }

  /** Lets the election timer of `id` run out now. */
  timeout(id: ServerId): void {
    const { raft } = this.at(id);
    setElapsed(raft.state, raft.state.electionTimeoutMs);
    tick(raft);
    this.process(id);
  }

  /** Lets `id` win an election: all other timers count as run out, too. */
  elect(id: ServerId): Raft {
    for (const other of this.servers.values()) {
      if (other.raft.state.role.kind !== "leader") setElapsed(other.raft.state, TICKS);
    }
    this.timeout(id);
    this.settle();
    const raft = this.raft(id);
    if (raft.state.role.kind !== "leader") throw new Error(`Server ${id} was not elected`);
    return raft;
  }

  /** Proposes on `id` (the newest leader unless named), without delivering. */
  propose(text: string, id = this.leader().state.id): number {
    const result = this.raft(id).propose(bytes(text));
    if (!result.accepted) throw new Error(`Server ${id} refused: ${result.reason}`);
    this.process(id);
    return result.index;
  }

  /** Kills a process: what its disk does not hold is gone. */
  crash(id: ServerId): void {
    const server = this.at(id);
    server.up = false;
    server.batch = null;
    server.batchOvertaken = false;
    server.fileReads.requests = [];
    server.snapshots.streams.clear();
    server.snapshots.part = server.snapshots.installing = null;
  }

  /**
   * Kills a process, and its disk loses entries from `fromIndex` on and what it knew of terms and votes
   * since `hardState`. `repairing` where the next start can prove it, else it is suspect. The others
   * see their connections break, so nothing from before reaches or leaves the next process.
   */
  damage(id: ServerId, fromIndex: number, hardState: HardState, repairing: boolean): void {
    this.crash(id);
    const { disk } = this.at(id);
    disk.entries = disk.entries.slice(0, Math.max(0, fromIndex - disk.firstIndex));
    disk.hardState = { ...hardState, suspect: true };
    if (repairing) disk.repairing = true;
    this.queue = this.queue.filter(({ from, to }) => from !== id && to !== id);
    for (const { id: other, up, raft } of this.servers.values()) {
      if (up) raft.peerDisconnected(id);
      if (up) this.process(other);
    }
  }

  /** Starts the process again, `suspect` where recovery cut a tail that may have been synced. */
  restart(id: ServerId, suspect = false): void {
    const server = this.at(id);
    if (suspect) server.disk.hardState = { ...server.disk.hardState, suspect };
    server.raft = this.#boot(server);
    server.up = true;
    server.applied = [...server.disk.snapshot?.contents ?? []];
    server.reads = [];
  }
}
