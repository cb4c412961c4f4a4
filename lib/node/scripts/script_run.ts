/** One script on its way: from its question to its reply, however often it has to be run for that. */
import type { EvalRequest } from "../../wire/scripts.ts";
import type { NodeSession } from "../session/session_host.ts";

/** What it takes to ask for a script. */
export interface AskedScript {
  readonly session: NodeSession;
  readonly position: number;
  readonly request: EvalRequest;
  readonly script: string;
  /** The command's number: its writes are judged by it. */
  readonly command: number;
  readonly startedMs: number;
  /** Of two scripts the one with the lower number came first. */
  readonly order: number;
}

/** From here on a script that loses shares its transaction with no other one. */
const ALONE_AFTER_LOSSES = 4;

export class ScriptRun {
  readonly asked: AskedScript;
  losses = 0;
  /** A transaction that it shared was larger than one may be. */
  wasTooMuch = false;
  /** A read round that began after it had come is confirmed. */
  isConfirmed: boolean;
  /** What it gave when it was run last. */
  reply = "";
  /** Its transaction is gathered, or in the log. */
  isUnderWay = false;

  constructor(asked: AskedScript) {
    this.asked = asked;
    // Its session has waited for the round.
    this.isConfirmed = asked.request.isReadOnly;
  }

  get isAlone(): boolean {
    return this.wasTooMuch || this.losses >= ALONE_AFTER_LOSSES;
  }

  get userId(): number {
    return this.asked.session.access.userId;
  }
}
