/** Composes the replies of one connection, in the order of its commands, and keeps them in order. */
import { assert } from "../../util/assert.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { Result, Status } from "../../kv/commands/result.ts";
import { type ClientAccess, denialOf } from "../../wire/client_access.ts";
import type { Codec, LogTime } from "../../wire/codec.ts";
import { ClientError, ReplyMode } from "../../wire/command_batch.ts";
import type { Answer } from "../../wire/questions.ts";
import type { ClientWatches } from "../../wire/watching.ts";
import type { SessionHost } from "./session_host.ts";
import type { PendingCommands } from "./pending_commands.ts";
import { isDecidedByNode, PendingKind, waitsForOthers } from "./pending_kind.ts";
import { ReplyStream } from "./reply_stream.ts";

/** What replies are made of, of one connection. */
export interface ReplyParts {
  readonly codec: Codec;
  readonly host: SessionHost;
  readonly pending: PendingCommands;
  readonly access: ClientAccess;
  readonly watches: ReadingWatches;
}

/** What a connection is told besides replies, which may depend on what it reads. */
export interface ReadingWatches extends ClientWatches {
  readonly tracksReads: boolean;
  noteRead(bytes: Uint8Array, at: number): void;
  /** While this is so it is told of each command that is answered. */
  readonly isCaching: boolean;
  /** `begins`: it has begun a transaction. */
  passed(command: number, begins: boolean): void;
}

export class ReplyComposer {
  readonly stream = new ReplyStream();
  readonly #codec: Codec;
  readonly #host: SessionHost;
  readonly #pending: PendingCommands;
  readonly #outputBytesMax: number;
  readonly #access: ClientAccess;
  readonly #watches: ReadingWatches;
  readonly #readResult = new Result();

  constructor({ codec, host, pending, access, watches }: ReplyParts, outputBytesMax: number) {
    this.#codec = codec;
    this.#access = access;
    this.#watches = watches;
    this.#host = host;
    this.#pending = pending;
    this.#outputBytesMax = outputBytesMax;
  }

  /** True while the client takes its replies more slowly than it asks. */
  get isFull(): boolean {
    return this.stream.pendingBytes >= this.#outputBytesMax;
  }

  /** The client has to take replies first; to a user that is gone or off nothing is due but refusals. */
  get isBlocked(): boolean {
    return this.isFull && !this.#access.isRevoked;
  }

  /** Composes the reply to the next command, a write, from its `result`. */
  composeResult(result: Result): void {
    this.#compose(result, this.#host.leaderTime);
  }

  /** The same of a command that another server has decided, at its time. */
  composeForwarded(result: Result, time: LogTime): void {
    this.#compose(result, time);
  }

  /** Composes the reply to the next command, which is of this kind and no write. */
  composeNow(kind: PendingKind): void {
    if (kind === PendingKind.refused) this.composeRefusal();
    else if (kind === PendingKind.local) this.composeLocal();
    else if (kind === PendingKind.staleRead) this.composeStaleRead();
    else this.composeRead(false);
  }

  /**
   * Composes the reply to the next command, which is no write, as a write after it is applied now. That can't
   * wait: where there is no room for the reply, and it may be long, the command is refused.
   */
  composeBeforeWrite(): void {
    const pending = this.#pending;
    const kind = pending.kind(pending.evaluated);
    assert(
      !waitsForOthers(kind) && !isDecidedByNode(kind),
      "A write was applied before an earlier command",
    );
    if (this.isFull && mayBeLong(kind, pending.replyMode(pending.evaluated))) {
      pending.refuse(pending.evaluated, ClientError.busy);
      this.composeRefusal();
    } else this.composeNow(kind);
  }

  /**
   * Composes the reply to the next command, a local one. It was permitted when it came; but it may have
   * waited for its client for as long as that liked.
   */
  composeLocal(): void {
    const pending = this.#pending;
    const position = pending.evaluated;
    const replyMode = pending.replyMode(position);
    const start = pending.readStart(position);
    const bytes = pending.readBytes.bytes;
    let denial: ClientError | 0 = 0;
    if (replyMode > ReplyMode.beginTransaction) {
      denial = this.#access.denialOf(pending.command(position));
    }
    if (denial === 0) {
      const { writer } = this.stream;
      denial = this.#codec.writeLocal(
        writer,
        replyMode,
        bytes,
        start,
        this.#host,
        this.#watches,
      );
    }
    if (denial !== 0) {
      pending.refuse(position, denial);
      return this.composeRefusal();
    }
    this.#pass();
  }

  /** Composes the reply to the next command, a read, from what this server has applied. */
  composeStaleRead(): void {
    const pending = this.#pending;
    const start = pending.readStart(pending.evaluated);
    this.#host.read(pending.readBytes.bytes, start, this.#readResult);
    this.#noteRead(start);
    this.#compose(this.#readResult, this.#host.followerTime);
  }

  /** Composes the reply to the next command, which the node was asked; a number says why it was refused. */
  composeAnswer(answer: Answer | ClientError): void {
    const pending = this.#pending;
    if (typeof answer === "number") {
      pending.refuse(pending.evaluated, answer);
      return this.composeRefusal();
    }
    const replyMode = pending.replyMode(pending.evaluated);
    this.#codec.writeAnswer(this.stream.writer, replyMode, answer, this.#host);
    this.#pass();
  }

  composeRefusal(): void {
    this.#codec.noteRefused(this.#pending.replyMode(this.#pending.evaluated), false);
    this.#writeError(this.stream.writer, this.#pending.evaluated);
    this.#pass();
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
    this.#noteRead(start);
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

  /** Whoever is to be told of changes of what it reads is so from now on: nothing can come between. */
  #noteRead(start: number): void {
    if (!this.#watches.tracksReads || denialOf(this.#readResult.status) !== 0) return;
    this.#watches.noteRead(this.#pending.readBytes.bytes, start);
  }

  /** The next command is answered. */
  #pass(): void {
    const pending = this.#pending;
    if (this.#watches.isCaching) {
      const at = pending.evaluated;
      const begins = pending.replyMode(at) === ReplyMode.beginTransaction;
      this.#watches.passed(pending.command(at), begins);
    }
    pending.passEvaluated(this.stream.composed);
  }

  #compose(result: Result, time: LogTime): void {
    const denial = denialOf(result.status);
    if (denial !== 0) {
      this.#pending.refuse(this.#pending.evaluated, denial);
      return this.composeRefusal();
    }
    const replyMode = this.#pending.replyMode(this.#pending.evaluated);
    this.#codec.writeResult(this.stream.writer, replyMode, result, time);
    this.#pass();
  }

  #writeError(out: ByteWriter, position: number): void {
    const pending = this.#pending;
    let error = pending.error(position);
    const leader = error === ClientError.redirect ? this.#host.leaderAddress() : null;
    if (error === ClientError.redirect && leader === null) error = ClientError.noLeader;
    this.#host.meters.refusedFor(error);
    const [slot, command] = [pending.slot(position), pending.command(position)];
    this.#codec.writeError(out, pending.replyMode(position), error, leader, slot, command);
  }
}

/** True where a reply may take more than a few bytes, and more than its command did. */
function mayBeLong(kind: PendingKind, replyMode: number): boolean {
  if (kind === PendingKind.local) return replyMode > ReplyMode.beginTransaction;
  return kind === PendingKind.read || kind === PendingKind.staleRead;
}
