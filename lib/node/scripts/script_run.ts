/** One script on its way: from its question to its reply, however often it has to be run for that. */
import { type Result, Status } from "../../kv/commands/result.ts";
import { denialOf } from "../../wire/client_access.ts";
import type { ClientError } from "../../wire/command_batch.ts";
import type { ScriptRequest } from "../../wire/scripts.ts";
import type { ClientPace } from "../session/client_pace.ts";
import type { NodeSession, Proposer } from "../session/session_host.ts";

export type EvalRequest = ScriptRequest & { readonly kind: "eval" };

/** What became of its transaction. */
export type Ending =
  /** All of it was done. */
  | "done"
  /** Somebody changed what it had read: nothing was done. */
  | "lost"
  /** Its user lost a permission meanwhile: what it still may was done. */
  | "denied"
  /** It did not come into the log: nothing was done. */
  | ClientError;

export interface RunEvents {
  /** The transaction of `run` is over. */
  ended(run: ScriptRun, ending: Ending): void;
}

export class ScriptRun implements Proposer {
  readonly session: NodeSession;
  readonly position: number;
  readonly request: EvalRequest;
  readonly script: string;
  /** The command's number: its writes are judged by it. */
  readonly command: number;
  readonly startedMs: number;
  losses = 0;
  /** The keys that are its own until it is over. */
  readonly held = new Set<string>();
  /** Its transaction is gathered, or in the log. */
  isUnderWay = false;
  /** What it gave when it was run last. */
  reply = "";
  readonly #events: RunEvents;

  constructor(
    asked: Pick<ScriptRun, "session" | "position" | "request" | "script" | "command" | "startedMs">,
    events: RunEvents,
  ) {
    this.session = asked.session;
    this.position = asked.position;
    this.request = asked.request;
    this.script = asked.script;
    this.command = asked.command;
    this.startedMs = asked.startedMs;
    this.#events = events;
  }

  /** Its keys are let go in any case. */
  get isGone(): boolean {
    return false;
  }

  get pace(): ClientPace {
    return this.session.pace;
  }

  beforeApply(): void {}

  applied(_position: number, { status, list, listLength }: Result): void {
    let ending: Ending = status === Status.list ? "done" : "lost";
    if (denialOf(status) !== 0) ending = denialOf(status) as ClientError;
    for (let i = 0; ending === "done" && i < listLength; i++) {
      if (denialOf(list[i]!.status) !== 0) ending = "denied";
    }
    this.#events.ended(this, ending);
  }

  advance(): void {}

  refuseWrites(_position: number, _count: number, error: ClientError): void {
    this.#events.ended(this, error);
  }
}
