/**
 * A connection for one transaction at a time: what is watched belongs to a connection, so transactions
 * that read can't share the one that all other calls use.
 */
import { Call } from "./call.ts";
import type { Connection, ConnectionEvents, End } from "./connection.ts";
import { judge } from "./refusals.ts";
import { type Reply, ReplyError } from "./reply_parser.ts";
import type { Argument } from "./request_writer.ts";

/** Nothing of the transaction was done, and it may begin anew. */
export class Restart extends Error {
  override readonly name: string = "Restart";
}

export interface LaneEvents {
  laneEnded(lane: Lane): void;
  /** Its server does not lead: another one does, or none that is known (null). */
  laneMoved(lane: Lane, leader: string | null): void;
}

export interface LaneCall<T> {
  readonly name: string;
  readonly requests: readonly (readonly Argument[])[];
  readonly isWrite: boolean;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly decode: (reply: Reply) => T;
}

export class Lane implements ConnectionEvents {
  readonly connection: Connection;
  readonly #events: LaneEvents;

  /** Takes over a connection that nothing is under way on. */
  constructor(connection: Connection, events: LaneEvents) {
    this.connection = connection;
    this.#events = events;
    connection.events = this;
  }

  get server(): string {
    return this.connection.server;
  }

  /** Rejects with `Restart` where nothing was done and trying again may help. */
  call<T>(settings: LaneCall<T>): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      const call = new Call({ ...settings, resolve, reject });
      if (call.isSettled) return;
      if (this.connection.isUsable) this.connection.send(call);
      else call.reject(new Restart(`${this.server}: the connection was lost`));
    }) as Promise<T>;
  }

  close(why: string): void {
    this.connection.close(why);
  }

  answered(call: Call, reply: Reply): void {
    const error = reply instanceof ReplyError ? reply : call.problem;
    if (error !== null) return this.#refused(call, error);
    call.take(reply);
  }

  ended(_connection: Connection, { why, cause, culprit, unanswered }: End): void {
    for (const call of unanswered) {
      if (!call.isWrite && call !== culprit) call.reject(new Restart(`${this.server}: ${why}`));
      else call.giveUp("lost", `${this.server}: ${why}`, "reply", cause ?? undefined);
    }
    this.#events.laneEnded(this);
  }

  #refused(call: Call, error: ReplyError): void {
    const retry = judge(call, error);
    if (retry === null) return;
    call.reject(new Restart(`${this.server} says: ${error.text}`));
    if (retry.why === "busy") return;
    this.#events.laneMoved(this, retry.why === "moved" ? retry.leader : null);
  }
}
