/**
 * An orderly stop: the leadership is handed over, open commands are answered or given up, a write under
 * way is awaited, the log is closed. All of it takes a bounded time, whatever the other servers do.
 */
import { ClientError } from "../wire/command_batch.ts";
import type { MemberCommands } from "./members/member_commands.ts";
import type { Replica } from "./replica.ts";
import type { Sessions } from "./session/sessions.ts";
import type { NodeHost } from "./api.ts";

/** How long open commands and the handover may take. */
const HANDOVER_MS = 700;
/** How often it is looked how far things are. */
const LOOK_MS = 10;
/** How long a sync under way is awaited. */
const DRAIN_MS = 1_300;

export interface ShutdownOptions {
  /** Null where the cluster is not formed. */
  readonly replica: Replica | null;
  readonly sessions: Sessions;
  readonly members: Pick<MemberCommands, "end">;
  readonly host: Pick<NodeHost, "log">;
  readonly nowMs: number;
  /** The process may end. */
  readonly done: () => void;
}

export class Shutdown {
  /** The log is closed, and the last replies leave. */
  isOver = false;
  readonly #options: ShutdownOptions;
  #handsOver = false;
  #isEnding = false;
  #lookedMs = 0;

  constructor(options: ShutdownOptions) {
    this.#options = options;
    const { replica, host } = options;
    if (replica?.raft.state.role.kind !== "leader") return;
    this.#handsOver = replica.raft.transferLeadership();
    const message = this.#handsOver
      ? "Handing the leadership over"
      : "Nobody to hand the leadership to";
    host.log({ level: "info", message, fields: {} });
  }

  /** The leadership is being handed over: commands wait for the server that takes it. */
  get awaitsSuccessor(): boolean {
    return this.#handsOver && !this.#isEnding;
  }

  nextDeadlineMs(): number {
    return this.isOver ? Infinity : this.#lookedMs + LOOK_MS;
  }

  /** `replica`: what this server runs now; the cluster may have formed since the stop began. */
  elapse(nowMs: number, replica: Replica | null): void {
    const { sessions, members, done } = this.#options;
    this.#lookedMs = nowMs;
    if (this.isOver) return;
    const passedMs = nowMs - this.#options.nowMs;
    const stillLeads = this.#handsOver && replica?.raft.state.role.kind === "leader";
    if (passedMs < HANDOVER_MS && (stillLeads || sessions.havePending)) return;
    this.#isEnding = true;
    members.end();
    sessions.leadershipLost(ClientError.noLeader);
    sessions.endAll("this server is shutting down");
    const isWriting = replica?.persister.isBusy === true;
    if (isWriting && passedMs < DRAIN_MS) return;
    this.isOver = true;
    // A sync that never ends must not keep the process from ending: what it covers was not acknowledged.
    if (!isWriting) replica?.log.close();
    done();
  }
}
