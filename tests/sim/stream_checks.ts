/**
 * What a leader owes a follower that it streams a snapshot to. The snapshot has to lead up to the log
 * that the leader holds, in memory or in files: else the follower takes it over and needs the next one, with a
 * steady load for ever. And what is lost on the way has to be sent again.
 *
 * Both would show as slowness alone, which no bound on progress sees.
 */
import type { RaftState } from "../../lib/raft/state.ts";
import { readU64 } from "../../lib/util/bytes.ts";
import { FrameType } from "../../lib/wire/rpc/rpc_types.ts";
import { CheckFailure } from "./world.ts";

// docs/protocol.md: where a frame has its type, its term, and the snapshot's index.
const TYPE = 4;
const TERM = 21;
const INDEX = 29;

/** The silence after which a sender has to send again, with room for when it looks at its clock. */
const SILENCE_MAX_MS = 1_500;
/** And for the sending itself, once that has been noticed. */
const LATE_MAX_MS = 100;

/** Whether a frame is a piece of a snapshot, or answers one. */
export function isOfStream(frame: Uint8Array): boolean {
  return isChunk(frame) || frame[TYPE] === FrameType.snapshotChunkResponse;
}

/** Of one that is whole, or of one that is still being made. */
function isChunk(frame: Uint8Array): boolean {
  const type = frame[TYPE];
  return type === FrameType.snapshotChunk || type === FrameType.snapshotPiece;
}

/** A stream as it goes on. */
interface Stream {
  readonly term: number;
  readonly index: number;
  /** When something of it left or was answered, by the leader's own clock. */
  activeMs: number;
  /** When it was found silent for too long; Infinity while it was not. */
  lateMs: number;
}

/** The part of a server that is looked at. */
export interface StreamingServer {
  readonly id: number;
  readonly monotonicMs: number;
  readonly state: RaftState;
  /** Its files hold all that follows `index`, and that entry's term. */
  reaches(index: number): boolean;
  /** Its disk was full or harmed: files that a follower needs may be gone. */
  readonly mayLackFiles: boolean;
}

export class StreamChecks {
  /** Files for followers are never given up for their bound. */
  readonly #keepsFiles: boolean;
  readonly #streams = new Map<string, Stream>();
  /** What is wrong with the piece of a snapshot that left last in this step. */
  #gap: string | null = null;

  constructor(keepsFiles: boolean) {
    this.#keepsFiles = keepsFiles;
  }

  /** A frame leaves a server for that with the id `to`, at the end of one of its steps. */
  sent(server: StreamingServer, to: number, frame: Uint8Array): void {
    const { id, monotonicMs, state } = server;
    if (!isChunk(frame) || state.role.kind !== "leader") return;
    const term = readU64(frame, TERM);
    if (term !== state.term) return;
    const index = readU64(frame, INDEX);
    this.#streams.set(`${id}/${to}`, { term, index, activeMs: monotonicMs, lateMs: Infinity });
    this.#gap = null;
    if (state.log.firstIndex - 1 <= index || server.reaches(index)) return;
    if (server.mayLackFiles || !this.#keepsFiles) return;
    // Judged at the end of the step: another stream may be about to take this one's place.
    this.#gap =
      `leader ${id} sends server ${to} a snapshot that ends at ${index}; its log continues ` +
      `with ${state.log.firstIndex} in memory, and its files begin later`;
  }

  /** A frame reaches a server. */
  received({ id, monotonicMs }: StreamingServer, from: number, frame: Uint8Array): void {
    if (frame[TYPE] !== FrameType.snapshotChunkResponse) return;
    const stream = this.#streams.get(`${id}/${from}`);
    if (stream?.index !== readU64(frame, INDEX)) return;
    stream.activeMs = monotonicMs;
    stream.lateMs = Infinity;
  }

  /** Looks at a server after a step. */
  check(server: StreamingServer, isWoken: boolean): void {
    const { id, state } = server;
    const gap = this.#gap;
    this.#gap = null;
    if (state.role.kind !== "leader") return;
    if (gap !== null) throw new CheckFailure("a snapshot leads to the log", gap);
    if (this.#streams.size === 0) return;
    for (const { id: follower, mode } of state.role.progress.values()) {
      const key = `${id}/${follower}`;
      const stream = this.#streams.get(key);
      if (stream === undefined) continue;
      if (mode !== "snapshot" || stream.term !== state.term) this.#streams.delete(key);
      else if (isWoken) {
        this.#checkSilence(stream, server.monotonicMs, `leader ${id} has sent ${follower}`);
      }
    }
  }

  #checkSilence(stream: Stream, monotonicMs: number, who: string): void {
    const silentMs = Math.round(monotonicMs - stream.activeMs);
    if (silentMs <= SILENCE_MAX_MS) return;
    if (monotonicMs - stream.lateMs > LATE_MAX_MS) {
      throw new CheckFailure("a stream goes on", `${who} nothing of a snapshot for ${silentMs} ms`);
    }
    // Its clock may have jumped: what is sent for that leaves with a turn after this.
    stream.lateMs = Math.min(stream.lateMs, monotonicMs);
  }
}
