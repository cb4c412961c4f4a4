/**
 * Snapshots in a test cluster: files whose contents are the entries applied, streams of two chunks
 * with an answer each, and installs that a test may hold between "durable" and "restored".
 */
import type {
  Configuration,
  Entry,
  Message,
  Ready,
  ServerId,
  SnapshotChunk,
  SnapshotChunkResponse,
  SnapshotPosition,
} from "../../lib/raft/types.ts";
import type { Server } from "./cluster.ts";
import { leaderOf } from "../../lib/raft/state.ts";

export interface SnapshotFile {
  readonly position: SnapshotPosition;
  readonly configuration: Configuration;
  /** Every entry applied up to the position, from the first one on. */
  readonly contents: readonly Entry[];
}

/** A stream is given up after so many ticks (two election timeouts) without an answer. */
const STREAM_TICKS = 20;
const TOTAL_BYTES = 2;

export interface Stream {
  readonly file: SnapshotFile;
  silentTicks: number;
}

/** One server's part in snapshots. */
export interface SnapshotState {
  /** Leader: to whom what is streamed. */
  readonly streams: Map<ServerId, Stream>;
  /** Follower: the one that comes in. */
  part: { readonly position: SnapshotPosition; heldBytes: number } | null;
  /** Durable, not restored yet. */
  installing: SnapshotFile | null;
  held: boolean;
}

export function makeSnapshotState(): SnapshotState {
  return { streams: new Map(), part: null, installing: null, held: false };
}

export class Snapshots {
  /** All that were ever taken: two of one position must not differ. */
  readonly #files = new Map<string, SnapshotFile>();
  readonly #send: (messages: Message[]) => void;
  /** How often a snapshot replaced a log, and how often it was not needed any more. */
  replaced = 0;
  refused = 0;

  constructor(send: (messages: Message[]) => void) {
    this.#send = send;
  }

  /** A durable snapshot of what `server` has applied, up to `index` where that is given. */
  take(server: Server, index?: number): SnapshotPosition {
    const { log, output } = server.raft.state;
    const at = index ?? Math.min(output.applyingIndex, log.durableIndex);
    const position = { index: at, term: log.termAt(at) };
    const contents = server.applied.slice(0, at);
    const file = { position, configuration: server.raft.configurationAt(at), contents };
    const known = this.#files.get(keyOf(position));
    if (known !== undefined && known.contents.some((entry, i) => entry !== contents[i])) {
      throw new Error(`Two snapshots at ${keyOf(position)} differ`);
    }
    if (known === undefined) this.#files.set(keyOf(position), file);
    keepNewest(server, known ?? file);
    return position;
  }

  handle(server: Server, ready: Ready): void {
    for (const id of ready.snapshotsNeeded) this.#begin(server, id);
    for (const chunk of ready.snapshotChunks) this.#receive(server, chunk);
    for (const answer of ready.snapshotAnswers) this.#continue(server, answer);
  }

  #begin(server: Server, id: ServerId): void {
    const { streams } = server.snapshots;
    const { snapshot } = server.disk;
    const matchIndex = leaderOf(server.raft.state)!.progress.get(id)!.matchIndex;
    const old = streams.get(id);
    if (old !== undefined && old.file.position.index > matchIndex) return;
    if (snapshot === null) throw new Error(`Server ${server.id} compacted without a snapshot`);
    streams.set(id, { file: snapshot, silentTicks: 0 });
    this.#sendChunk(server, id, snapshot, 0);
  }

  #sendChunk(server: Server, to: ServerId, { position }: SnapshotFile, offset: number): void {
    const { id: from, raft } = server;
    const { index, term: snapshotTerm } = position;
    const { term } = raft.state;
    const data = new Uint8Array(1);
    this.#send([{
      ...{ kind: "snapshotChunk", from, to, term, index, snapshotTerm },
      ...{ offset, totalBytes: TOTAL_BYTES, data },
    }]);
  }

  #continue(server: Server, answer: SnapshotChunkResponse): void {
    const stream = server.snapshots.streams.get(answer.from);
    if (stream === undefined || !isAt(answer, stream.file.position)) return;
    stream.silentTicks = 0;
    if (answer.offset < TOTAL_BYTES) {
      this.#sendChunk(server, answer.from, stream.file, answer.offset);
    }
  }

  #receive(server: Server, chunk: SnapshotChunk): void {
    const { snapshots, raft } = server;
    const { index, snapshotTerm } = chunk;
    if (snapshots.part === null || !isAt(chunk, snapshots.part.position)) {
      snapshots.part = { position: { index, term: snapshotTerm }, heldBytes: 0 };
    }
    const { part } = snapshots;
    const isNew = chunk.offset === part.heldBytes && chunk.data.length > 0;
    if (isNew) part.heldBytes += chunk.data.length;
    const { term } = raft.state;
    const offset = part.heldBytes;
    const ends = { from: server.id, to: chunk.from, term };
    this.#send([{ kind: "snapshotChunkResponse", ...ends, index, snapshotTerm, offset }]);
    if (!isNew || part.heldBytes < (chunk.totalBytes ?? Infinity)) return;
    const file = this.#files.get(keyOf(part.position));
    if (file === undefined) throw new Error(`Nobody took a snapshot at ${keyOf(part.position)}`);
    keepNewest(server, file);
    snapshots.installing = file;
  }

  /** Takes over what is whole and durable, unless it is held. */
  install(server: Server): boolean | null {
    const { snapshots, raft, disk } = server;
    const file = snapshots.installing;
    if (file === null) return null;
    snapshots.installing = null;
    snapshots.part = null;
    const replaced = raft.restore(file.position, file.configuration);
    if (!replaced) {
      this.refused++;
      return false;
    }
    this.replaced++;
    disk.firstIndex = file.position.index + 1;
    disk.entries = [];
    server.applied = [...file.contents];
    server.batchOvertaken = server.batch !== null;
    return true;
  }

  tick(server: Server): void {
    for (const [id, stream] of server.snapshots.streams) {
      const needed = server.raft.needsSnapshot(id);
      if (needed && ++stream.silentTicks < STREAM_TICKS) continue;
      server.snapshots.streams.delete(id);
      server.raft.snapshotFailed(id);
    }
  }
}

function keepNewest(server: Server, file: SnapshotFile): void {
  const { disk } = server;
  if (file.position.index > (disk.snapshot?.position.index ?? 0)) disk.snapshot = file;
}

function keyOf({ index, term }: SnapshotPosition): string {
  return `${index}/t${term}`;
}

function isAt(
  message: { readonly index: number; readonly snapshotTerm: number },
  position: SnapshotPosition,
): boolean {
  return message.index === position.index && message.snapshotTerm === position.term;
}
