/** Composes the replies of one connection, in the order of its commands, and keeps them in order. */
import type { ByteWriter } from "../../util/bytes.ts";
import { Result, Status } from "../../kv/commands/result.ts";
import type { Codec, LogTime } from "../../wire/codec.ts";
import { ClientError, ReplyMode } from "../../wire/command_batch.ts";
import type { SessionHost } from "./session_host.ts";
import { type PendingCommands, PendingKind } from "./pending_commands.ts";
import { ReplyStream } from "./reply_stream.ts";

export class ReplyComposer {
  readonly stream = new ReplyStream();
  readonly #codec: Codec;
  readonly #host: SessionHost;
  readonly #pending: PendingCommands;
  readonly #outputBytesMax: number;
  readonly #readResult = new Result();

  constructor(
    codec: Codec,
    host: SessionHost,
    pending: PendingCommands,
    outputBytesMax: number,
  ) {
    this.#codec = codec;
    this.#host = host;
    this.#pending = pending;
    this.#outputBytesMax = outputBytesMax;
  }

  /** True while the client takes its replies more slowly than it asks. */
  get isFull(): boolean {
    return this.stream.pendingBytes >= this.#outputBytesMax;
  }

  /** Composes the reply to the next command, a write, from its `result`. */
  composeResult(result: Result): void {
    this.#compose(result, this.#host.leaderTime);
  }

  /** Composes the reply to the next command, which is of this kind and no write. */
  composeNow(kind: PendingKind): void {
    if (kind === PendingKind.refused) this.composeRefusal();
    else if (kind === PendingKind.local) this.composeLocal();
    else if (kind === PendingKind.staleRead) this.composeStaleRead();
    else this.composeRead(false);
  }

  /** Composes the reply to the next command, a local one. */
  composeLocal(): void {
    const pending = this.#pending;
    const replyMode = pending.replyMode(pending.evaluated);
    const start = pending.readStart(pending.evaluated);
    const bytes = pending.readBytes.bytes;
    this.#codec.writeLocal(this.stream.writer, replyMode, bytes, start, this.#host);
    pending.passEvaluated(this.stream.composed);
  }

  /** Composes the reply to the next command, a read, from what this server has applied. */
  composeStaleRead(): void {
    const pending = this.#pending;
    const start = pending.readStart(pending.evaluated);
    this.#host.read(pending.readBytes.bytes, start, this.#readResult);
    this.#compose(this.#readResult, this.#host.followerTime);
  }

  composeRefusal(): void {
    this.#codec.noteRefused(this.#pending.replyMode(this.#pending.evaluated), false);
    this.#writeError(this.stream.writer, this.#pending.evaluated);
    this.#pending.passEvaluated(this.stream.composed);
  }

  /**
   * Composes the reply to the next command, a read. False, where `strict`, if the key's time has come
   * on this leader but that is not committed yet: the key must be neither served nor denied.
   */
  composeRead(strict: boolean): boolean {
    const pending = this.#pending;
    const result = this.#readResult;
    const start = pending.readStart(pending.evaluated);
    this.#host.read(pending.readBytes.bytes, start, result);
    const isDue = result.status !== Status.notFound && result.deadlineMs !== 0 &&
      result.deadlineMs <= this.#host.leaderTime.nowMs();
    if (strict && isDue) return false;
    this.composeResult(result);
    return true;
  }

  /** Composes again what is not released, after some of it became refusals. */
  recompose(): void {
    const { stream } = this;
    const pending = this.#pending;
    stream.rewrite((out, copy) => {
      let from = stream.released;
      for (let p = pending.head; p < pending.evaluated; p++) {
        const to = pending.replyEnd(p);
        if (pending.kind(p) === PendingKind.refused) {
          this.#codec.noteRefused(pending.replyMode(p), true);
          this.#writeError(out, p);
        } else copy(from, to);
        pending.setReplyEnd(p, stream.positionOf(out));
        from = to;
      }
    });
  }

  #compose(result: Result, time: LogTime): void {
    const replyMode = this.#pending.replyMode(this.#pending.evaluated);
    this.#codec.writeResult(this.stream.writer, replyMode, result, time);
    this.#pending.passEvaluated(this.stream.composed);
  }

  #writeError(out: ByteWriter, position: number): void {
    const pending = this.#pending;
    let error = pending.error(position);
    const leader = error === ClientError.redirect ? this.#host.leaderAddress() : null;
    if (error === ClientError.redirect && leader === null) error = ClientError.noLeader;
    this.#host.meters.refusedFor(error);
    this.#codec.writeError(out, pending.replyMode(position), error, leader, pending.slot(position));
  }
}

/** True where a reply may take more than a few bytes, and more than its command did. */
export function mayBeLong(kind: PendingKind, replyMode: number): boolean {
  if (kind === PendingKind.local) return replyMode > ReplyMode.beginTransaction;
  return kind === PendingKind.read || kind === PendingKind.staleRead;
}
