/** What a call is told whose time is up. */
import type { Call } from "./call.ts";

/** Why no leader is there: what a search came to, or has come to by now, or why the last one was left. */
export interface SearchFailure {
  readonly reasons: ReadonlyMap<string, string>;
  /** One of the servers was there. */
  readonly answered: boolean;
  /** False where a server that is named may be there all the same: nothing was heard of it yet. */
  readonly isOver: boolean;
}

/** It was sent, and not answered. */
export function expireSent(call: Call): void {
  const why = `${call.server} did not answer ${within(call)}`;
  call.giveUp("deadline", why, "reply");
}

/** It waits to be sent: to `server`, or until one is found. */
export function expireWaiting(
  call: Call,
  server: string | null,
  failure: SearchFailure | null,
): void {
  if (server !== null) {
    const why = call.delay === null
      ? `${server} is busy: it was not sent ${within(call)}`
      : `${server} said again and again ${within(call)}: ${call.delay}`;
    return call.giveUp("deadline", why, "queue");
  }
  if (failure === null) {
    return call.giveUp("deadline", `no server was found that leads ${within(call)}`, "connect");
  }
  const said = [...failure.reasons].map(([one, why]) => `${one}: ${why}`).join("; ");
  const isUnreachable = failure.isOver && !failure.answered;
  const what = isUnreachable ? "no server could be reached" : "no server was found that leads";
  const phase = failure.answered ? "leader" : "connect";
  call.giveUp("deadline", `${what} ${within(call)} (${said})`, phase);
}

function within(call: Call): string {
  return `within ${Math.round(call.timeoutMs)} ms`;
}
