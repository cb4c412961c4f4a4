/**
 * The protocol of one stream, at the server that leads: commands as another server has encoded them, answers
 * as that one's codec will write them for its client. So both servers come to the same reply.
 */
import type { Result } from "../../kv/commands/result.ts";
import { broken } from "../../util/assert.ts";
import { type ByteWriter, readU64 } from "../../util/bytes.ts";
import type { ClientAccess } from "../client_access.ts";
import type { ClientFacts } from "../clients.ts";
import type { Codec, LogTime, ServerViewSource } from "../codec.ts";
import { Action, BATCH_COMMANDS_MAX, ClientError, type CommandBatch } from "../command_batch.ts";
import type { Answer } from "../questions.ts";
import { writeLine } from "../resp/resp_bytes.ts";
import { writeMemberAnswer } from "../resp/resp_members.ts";
import { RESP3 } from "../resp/resp_replies.ts";
import {
  beginReplyAnswer,
  encodeErrorAnswer,
  encodeResultAnswer,
  encodeUsersAnswer,
  endReplyAnswer,
} from "./forwarded_answers.ts";
import { putReply } from "../scripts.ts";
import { FORWARDED_HEAD_BYTES, forwardedLength, forwardedProblem } from "./forwarded_commands.ts";

const FACTS: ClientFacts = {
  clientId: 0,
  protocol: 0,
  name: "",
  isReadonly: false,
  queuedCommands: -1,
  watchedKeys: 0,
  transactionBytes: 0,
  command: "",
  libraryName: "",
  libraryVersion: "",
};

export class ForwardCodec implements Codec {
  readonly #access: ClientAccess;
  readonly #commandBytesMax: number;
  #bytesNeeded = 0;
  /** Bytes of a command that is too long: refused already, and passed over as they come. */
  #passOver = 0;
  /** A question is not answered: what comes after it has to come after it. */
  #isAsking = false;
  /** Commands that came, and those that are answered: one that came before a question answers none. */
  #came = 0;
  #answered = 0;

  /** `access`: who asks, by the word of the server that forwards. */
  constructor(access: ClientAccess, commandBytesMax: number) {
    this.#access = access;
    this.#commandBytesMax = commandBytesMax;
  }

  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number {
    const countMax = Math.min(batch.count + room, BATCH_COMMANDS_MAX);
    let at = start;
    this.#bytesNeeded = 0;
    while (at < end && batch.count < countMax && !this.#isAsking) {
      if (this.#passOver > 0) {
        const count = Math.min(this.#passOver, end - at);
        this.#passOver -= count;
        at += count;
        continue;
      }
      const length = forwardedLength(bytes, at, end);
      if (length > this.#commandBytesMax) {
        this.#refuse(batch);
        this.#passOver = length;
      } else if (length === 0 || length > end - at) {
        this.#bytesNeeded = Math.max(length, FORWARDED_HEAD_BYTES + 4);
        break;
      } else {
        this.#take(bytes, at, at + length, batch);
        at += length;
      }
    }
    return at - start;
  }

  /** What is none of this server's commands is not done; those of other clients are none the worse for it. */
  #refuse(batch: CommandBatch): void {
    this.#came++;
    batch.add(Action.refuse, ClientError.command, batch.bytes.length);
  }

  #take(bytes: Uint8Array, at: number, end: number, batch: CommandBatch): void {
    if (forwardedProblem(bytes, at, end) !== null) return this.#refuse(batch);
    const action = bytes[at]! as Action;
    const command = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    this.#came++;
    this.#isAsking = action === Action.ask;
    if (this.#isAsking) this.#access.userId = readU64(bytes, at + 4);
    const start = batch.bytes.length;
    batch.bytes.slice(bytes, at + FORWARDED_HEAD_BYTES, end);
    batch.add(action, bytes[at + 1]!, start, 0, command);
  }

  bytesNeeded(): number {
    return this.#bytesNeeded;
  }

  isMidCommand(): boolean {
    return false;
  }

  get isPassingOver(): boolean {
    return this.#passOver > 0;
  }

  get isUndecided(): boolean {
    return false;
  }

  fellSilent(): void {}

  heldBytes(): number {
    return 0;
  }

  facts(): ClientFacts {
    return FACTS;
  }

  isWaiting(): boolean {
    return this.#isAsking;
  }

  /** Nothing is taken in after a question, so it is the last that came. */
  #noteAnswered(): void {
    if (++this.#answered === this.#came) this.#isAsking = false;
  }

  writeResult(out: ByteWriter, _replyMode: number, result: Result, time: LogTime): void {
    this.#noteAnswered();
    encodeResultAnswer(out, result, time);
  }

  writeLocal(): ClientError | 0 {
    return broken("A command that a codec answers by itself was forwarded");
  }

  writeAnswer(
    out: ByteWriter,
    replyMode: number,
    answer: Answer,
    source: ServerViewSource,
  ): void {
    this.#noteAnswered();
    if (answer.kind === "users") {
      return encodeUsersAnswer(out, source.serverView().appliedIndex);
    }
    const at = beginReplyAnswer(out);
    switch (answer.kind) {
      case "script":
        putReply(out, answer);
        break;
      case "wrongRule":
        writeLine(out, answer.why);
        break;
      case "write":
      case "authenticated":
        broken(`An answer of the kind ${answer.kind} was forwarded`);
        break;
      default:
        writeMemberAnswer(out, (replyMode & RESP3) !== 0, answer);
    }
    endReplyAnswer(out, at);
  }

  noteRefused(_replyMode: number, isRevoked: boolean): void {
    // What is revoked was answered before.
    if (!isRevoked) this.#noteAnswered();
  }

  writeError(out: ByteWriter, _replyMode: number, error: ClientError): void {
    encodeErrorAnswer(out, error);
  }
}
