/**
 * What a leader owes a follower that it streams a snapshot to. The snapshot has to lead up to the log
 * that the leader holds in memory: else the follower takes it over and needs the next one, with a
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

/** So many times its bound the log in memory may grow for a stream, see lib/node/snapshots/snapshots.ts. */
const PINNED_FACTOR = 64;
/** The silence after which a sender has to send again, with room for when it looks at its clock. */
const SILENCE_MAX_MS = 1_500;
/** And for the sending itself, once that has been noticed. */
const LATE_MAX_MS = 100;

/** A stream as it goes on. */
interface Stream {
  readonly term: number;
  readonly index: number;
  /** When something of it left or was answered, by the leader's own clock. */
  activeMs: number;
  /** When it was found silent for too long; Infinity while it was not. */
  lateMs: number;
}

/** A leader's log in memory. */
interface Held {
  readonly term: number;
  firstIndex: number;
  /** It had to cut its log in front of this one whatever is streamed: it had grown too long. */
  cutIndex: number;
}

/** The part of a server that is looked at. */
export interface StreamingServer {
  readonly id: number;
  readonly monotonicMs: number;
  readonly state: RaftState;
}

export class StreamChecks {
  readonly #logMemoryBytes: number;
  readonly #streams = new Map<string, Stream>();
  readonly #held = new Map<number, Held>();
  /** What is wrong with the piece of a snapshot that left last in this step. */
  #gap: string | null = null;

  constructor(logMemoryBytes: number) {
    this.#logMemoryBytes = logMemoryBytes;
  }

  /** A frame leaves a server, at the end of one of its steps. */
  sent({ id, monotonicMs, state }: StreamingServer, to: number, frame: Uint8Array): void {
    if (frame[TYPE] !== FrameType.snapshotChunk || state.role.kind !== "leader") return;
    const term = readU64(frame, TERM);
    if (term !== state.term) return;
    const index = readU64(frame, INDEX);
    this.#streams.set(`${id}/${to}`, { term, index, activeMs: monotonicMs, lateMs: Infinity });
    const held = this.#held.get(id);
    const cutIndex = held?.term === term ? held.cutIndex : 0;
    this.#gap = null;
    if (state.log.firstIndex - 1 <= Math.max(index, cutIndex)) return;
    // Judged at the end of the step: another stream may be about to take this one's place.
    this.#gap =
      `leader ${id} sends server ${to} a snapshot that ends at ${index}; its log goes on ` +
      `with ${state.log.firstIndex}`;
  }

  /** A frame reaches a server. */
  received({ id, monotonicMs }: StreamingServer, from: number, frame: Uint8Array): void {
    if (frame[TYPE] !== FrameType.snapshotChunkResponse) return;
    const stream = this.#streams.get(`${id}/${from}`);
    if (stream?.index !== readU64(frame, INDEX)) return;
    stream.activeMs = monotonicMs;
    stream.lateMs = Infinity;
  }

  /**
   * Looks at a server after a step. `bytesBetween`: of the committed entries behind one index and up
   * to another.
   */
  check(
    { id, monotonicMs, state }: StreamingServer,
    isWoken: boolean,
    bytesBetween: (behind: number, upTo: number) => number,
  ): void {
    const gap = this.#gap;
    this.#gap = null;
    if (state.role.kind !== "leader") {
      this.#held.delete(id);
      return;
    }
    if (gap !== null) throw new CheckFailure("a snapshot leads to the log", gap);
    this.#follow(id, state, bytesBetween);
    if (this.#streams.size === 0) return;
    for (const { id: follower, mode } of state.role.progress.values()) {
      const key = `${id}/${follower}`;
      const stream = this.#streams.get(key);
      if (stream === undefined) continue;
      if (mode !== "snapshot" || stream.term !== state.term) this.#streams.delete(key);
      else if (isWoken) {
        this.#checkSilence(stream, monotonicMs, `leader ${id} has sent ${follower}`);
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

  #follow(
    id: number,
    { term, log, output }: RaftState,
    bytesBetween: (behind: number, upTo: number) => number,
  ): void {
    const held = this.#held.get(id);
    if (held?.term !== term) {
      this.#held.set(id, { term, firstIndex: log.firstIndex, cutIndex: 0 });
      return;
    }
    if (held.firstIndex === log.firstIndex) return;
    const bytes = bytesBetween(held.firstIndex - 1, output.applyingIndex);
    if (bytes > this.#logMemoryBytes * PINNED_FACTOR) held.cutIndex = log.firstIndex - 1;
    held.firstIndex = log.firstIndex;
  }
}
