/**
 * What the node decides for a connection and answers later: questions about members and users, and who the
 * client is. The codec parses nothing after one of these before it is answered, so it is the last command.
 */
import { takeCredentials } from "../../wire/acl.ts";
import type { ClientAccess } from "../../wire/client_access.ts";
import { ClientError } from "../../wire/command_batch.ts";
import { type Answer, takeQuestion } from "../../wire/questions.ts";
import type { PendingCommands } from "./pending_commands.ts";
import { PendingKind } from "./pending_kind.ts";
import type { ReplyComposer } from "./reply_composer.ts";
import { AWAIT_LEADER, type NodeSession, type SessionHost } from "./session_host.ts";

export class Asking {
  readonly #session: NodeSession;
  readonly #pending: PendingCommands;
  readonly #replies: ReplyComposer;
  readonly #host: SessionHost;
  readonly #access: ClientAccess;

  constructor(
    session: NodeSession,
    pending: PendingCommands,
    replies: ReplyComposer,
    host: SessionHost,
    access: ClientAccess,
  ) {
    this.#session = session;
    this.#pending = pending;
    this.#replies = replies;
    this.#host = host;
    this.#access = access;
  }

  /** Puts the next command to the node. */
  ask(): void {
    const [pending, host, access] = [this.#pending, this.#host, this.#access];
    const position = pending.evaluated;
    const kind = pending.kind(position);
    const { bytes } = pending.readBytes;
    const start = pending.readStart(position);
    if (kind === PendingKind.authenticate) {
      const { name, password } = takeCredentials(bytes, start);
      pending.noteAsked(position);
      host.authenticate(this.#session, position, name, password);
      return;
    }
    const question = takeQuestion(bytes, start);
    pending.noteAsked(position);
    // It waited for its round: by now there may be users, or the user may do less.
    if (question.kind !== "resetUser" || access.userId !== 0) {
      if (access.isShut) return this.#take(position, ClientError.notAuthenticated);
      if (!access.mayRun(pending.command(position))) {
        return this.#take(position, ClientError.notPermitted);
      }
    }
    const answer = host.ask(this.#session, position, question, pending.command(position));
    if (answer !== null) this.#take(position, answer);
  }

  /** The answer to what was asked at `position`; false where that waits for none any more. */
  answered(position: number, answer: Answer | ClientError): boolean {
    const pending = this.#pending;
    if (position !== pending.evaluated || position >= pending.tail) return false;
    const kind = pending.kind(position);
    if (kind !== PendingKind.asked && kind !== PendingKind.authenticating) return false;
    this.#take(position, answer);
    return true;
  }

  #take(position: number, answer: Answer | ClientError): void {
    const replies = this.#replies;
    if (typeof answer === "number") return replies.composeAnswer(answer);
    if (answer.kind === "write") return this.#write(position, answer.bytes);
    if (answer.kind === "authenticated") {
      const session = this.#session;
      if (session.gate?.admits(answer.userId) === false) {
        replies.composeAnswer(ClientError.tooManyOfUser);
        return session.end("its user has limits.perUser.connectionsMax connections");
      }
      this.#access.userId = answer.userId;
    }
    replies.composeAnswer(answer);
  }

  /** It came to a write: that goes into the log, where this server still leads. */
  #write(position: number, bytes: Uint8Array): void {
    const [pending, replies, host] = [this.#pending, this.#replies, this.#host];
    const refusal = host.refusal();
    const error = refusal === AWAIT_LEADER
      ? ClientError.noLeader
      : refusal || host.writeRefusal(bytes, 0);
    if (error !== 0) return replies.composeAnswer(error);
    pending.noteWritten(position, host.monotonicMs());
    host.append(this.#session, position, bytes, 0, bytes.length, 1);
  }
}
