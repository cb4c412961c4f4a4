/** How both ends of a connection between servers see that it still carries. */
export interface LinkPace {
  /** A connection over which nothing came back for so long is given up. */
  readonly silenceMaxMs: number;
  /** How often the end that made it sends something, so that something can come back. */
  readonly pingIntervalMs: number;
  /** The other end answers no more often than this. */
  readonly pongPauseMs: number;
  /** The longest step of listening time (listening_time.ts). */
  readonly stepMaxMs: number;
}

/** A link to a follower that is unreachable must not last much longer than its election timeout. */
const SILENCE_ELECTION_TIMEOUTS = 3;
const SILENCE_MIN_MS = 1_000;
/** Far less than a handshake may take, whatever the timing is. */
const STEP_MAX_MS = 1_000;

export function linkPace(electionTimeoutMs: number): LinkPace {
  const silenceMaxMs = Math.max(SILENCE_MIN_MS, SILENCE_ELECTION_TIMEOUTS * electionTimeoutMs);
  const pingIntervalMs = Math.ceil(silenceMaxMs / 4);
  return {
    silenceMaxMs,
    pingIntervalMs,
    pongPauseMs: pingIntervalMs,
    stepMaxMs: Math.min(pingIntervalMs, STEP_MAX_MS),
  };
}
