/** Bugs of client sessions: about a third of the seeds have some (tests/sim/sessions_options.ts). */
import { type Mutant, mutant } from "./mutant.ts";

export const SESSIONS: readonly Mutant[] = [
  mutant("session-done-again", "A write that is sent again is done again", [
    "kv/sessions/session_commands.ts",
    "    if (reply !== undefined) {\n",
    "    if (reply !== undefined && sequence < 0) {\n",
  ]),
  mutant("session-acks-its-own", "A write drops the reply that it may be asked for again", [
    "kv/sessions/session_commands.ts",
    "    sessions.touch(session, this.#keys.clockMs, lowestOf(bytes, offset));",
    "    sessions.touch(session, this.#keys.clockMs, sequence);\n    void lowestOf;",
  ]),
  mutant(
    "session-part-applied",
    "Of a transaction in a session, what is sent again runs its last command",
    [
      "kv/sessions/session_commands.ts",
      "      retag(bytes, innerOf(bytes, offset), result);\n",
      "      retag(bytes, innerOf(bytes, offset), result);\n      if (result.status === Status.list) this.#run(bytes, at, result);\n",
    ],
  ),
  mutant("session-by-entry", "A server that applies another's entries keeps no replies", [
    "kv/sessions/session_commands.ts",
    "    sessions.keepReply(session, sequence, this.#kept(result));",
    "    if (this.#keys.index % 2 === 0) sessions.keepReply(session, sequence, this.#kept(result));",
  ]),
  mutant("session-ends-early", "A session ends after its time whether it is used or not", [
    "kv/sessions/client_sessions.ts",
    "    session.deadlineMs = clockMs + session.ttlMs;\n    session.lowest",
    "    session.deadlineMs = Math.min(session.deadlineMs, clockMs + 5_000);\n    session.lowest",
  ]),
  mutant("session-keys-stay", "Keys that are bound to a session stay when it ends", [
    "kv/sessions/session_commands.ts",
    "      if (keys.find(bytes, 0, bytes.length) && keys.head.version === version) keys.remove();",
    "      if (keys.find(bytes, 0, bytes.length) && keys.head.version < version) keys.remove();",
  ]),
];
