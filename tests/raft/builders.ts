/** Short ways to write logs, disks and messages in tests. */
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { Raft, type RaftOptions } from "../../lib/raft/raft.ts";
import type {
  AppendRequest,
  AppendResponse,
  Entry,
  Heartbeat,
  HeartbeatResponse,
  Message,
  PersistBatch,
  Ready,
  SnapshotChunk,
  SnapshotChunkResponse,
  TimeoutNow,
  VoteRequest,
  VoteResponse,
} from "../../lib/raft/types.ts";
import { bytes, type Disk, makeOptions } from "./cluster.ts";
import { setElapsed, tick } from "./time.ts";

/** `log(4).terms(2, 2, 3)` are the entries 4/t2 5/t2 6/t3; data is the same for the same position. */
export function log(first: number): { terms(...terms: number[]): Entry[] } {
  return {
    terms: (...terms) => terms.map((term, i) => entry(first + i, term)),
  };
}

const made = new Map<string, Entry>();

/** The entry of that index and term: always the same object, as it would be in a real cluster. */
export function entry(index: number, term: number): Entry {
  const key = `${index}/t${term}`;
  let known = made.get(key);
  if (known === undefined) made.set(key, known = { index, term, data: bytes(key) });
  return known;
}

/** A disk with these terms as its log, from index 1 on. */
export function disk(terms: number[], term = terms.at(-1) ?? 0, suspect = false): Disk {
  return {
    hardState: { term, votedFor: 0, suspect },
    snapshot: null,
    firstIndex: 1,
    entries: log(1).terms(...terms),
  };
}

/** Any message kind without the fields that have a usual value. */
type Sketch<T extends Message> = { readonly kind: T["kind"] } & Partial<T>;

const DEFAULTS = {
  voteRequest: { preVote: false, lastIndex: 0, lastTerm: 0, transfer: false },
  voteResponse: { preVote: false, granted: true, suspect: false, repairing: false, removed: false },
  appendRequest: { prevIndex: 0, prevTerm: 0, entries: [], commitIndex: 0, readRound: 0 },
  appendResponse: { success: true, index: 0, hintIndex: 0, hintTerm: 0, readRound: 0 },
  heartbeat: { commitIndex: 0, readRound: 0 },
  heartbeatResponse: { readRound: 0 },
  timeoutNow: {},
  snapshotChunk: { index: 1, snapshotTerm: 1, offset: 0, totalBytes: 1, data: new Uint8Array(1) },
  snapshotChunkResponse: { index: 1, snapshotTerm: 1, offset: 1 },
} as const;

/** A message from server 2 to server 1 in term 1, unless the sketch says otherwise. */
export function message(
  sketch:
    | Sketch<VoteRequest>
    | Sketch<VoteResponse>
    | Sketch<AppendRequest>
    | Sketch<AppendResponse>
    | Sketch<Heartbeat>
    | Sketch<HeartbeatResponse>
    | Sketch<TimeoutNow>
    | Sketch<SnapshotChunk>
    | Sketch<SnapshotChunkResponse>,
): Message {
  return { from: 2, to: 1, term: 1, ...DEFAULTS[sketch.kind], ...sketch } as Message;
}

/** Server 1 of `voters`, alone on a bench: messages go in by hand, `take` shows what comes out. */
export class Bench {
  readonly raft: Raft;
  batch: PersistBatch | null = null;
  /** False: no file holds what left memory, and the core is told so at once. */
  hasFiles = false;

  constructor(terms: number[] = [], overrides: Partial<RaftOptions> = {}, voters = [1, 2, 3]) {
    const { hardState, entries } = disk(terms);
    const configuration = makeConfiguration(voters);
    this.raft = new Raft(makeOptions({ configuration, hardState, entries, ...overrides }));
  }

  get state(): Raft["state"] {
    return this.raft.state;
  }

  /** Steps one message and returns all that comes out, synced at once. */
  step(sketch: Parameters<typeof message>[0]): Message[] {
    this.raft.step(message(sketch));
    return this.take();
  }

  /** All messages that come out, those after a sync included; every sync ends at once. */
  take(): Message[] {
    const out: Message[] = [];
    if (this.batch !== null) out.push(...this.sync());
    while (this.raft.hasReady()) {
      out.push(...this.takeHeld());
      if (this.batch !== null) out.push(...this.sync());
    }
    return out;
  }

  /** One ready; its sync ends at once, and its messages are the caller's to look at. */
  takeReady(): Ready {
    const ready = this.#ready();
    if (ready.persist !== null) this.raft.advance(ready.persist);
    return ready;
  }

  #ready(): Ready {
    const ready = this.raft.ready();
    if (this.hasFiles || ready.entriesNeeded.length === 0) return ready;
    for (const request of ready.entriesNeeded) this.raft.entriesRead(request, null);
    const { messages, snapshotsNeeded } = this.raft.ready();
    return { ...ready, messages: [...ready.messages, ...messages], snapshotsNeeded };
  }

  /** The messages that may leave now; the batch stays under way in `batch`. */
  takeHeld(): Message[] {
    const ready = this.#ready();
    if (ready.persist !== null) this.batch = ready.persist;
    return [...ready.messages];
  }

  /** Ends the sync under way; returns what may leave with it. */
  sync(): Message[] {
    const { batch } = this;
    if (batch === null) throw new Error("No sync is under way");
    this.batch = null;
    this.raft.advance(batch);
    return [...batch.messagesAfterSync];
  }

  /** Lets the election timer run out now. */
  timeout(): Message[] {
    setElapsed(this.state, this.state.electionTimeoutMs);
    tick(this.raft);
    return this.take();
  }

  /** Makes server 1 the leader of the next term, by the votes of server 2. */
  lead(): Message[] {
    this.timeout();
    const term = this.state.term + 1;
    this.step({ kind: "voteResponse", preVote: true, term });
    return this.step({ kind: "voteResponse", term });
  }
}
