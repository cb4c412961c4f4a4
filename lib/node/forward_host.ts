/** What other servers forward to this node, joined with what does its own clients' commands. */
import { NOBODY } from "../raft/types.ts";
import type { ServerId } from "../raft/types.ts";
import { ClientAccess } from "../wire/client_access.ts";
import { clientCommandBytesMax, encodedRunBytesMax } from "../wire/client_codec.ts";
import { ForwardCodec } from "../wire/forward/forward_codec.ts";
import { FORWARDED_HEAD_BYTES } from "../wire/forward/forwarded_commands.ts";
import type { Evaluator } from "./evaluator.ts";
import { ForwardedStreams } from "./forward/forwarded_streams.ts";
import type { ForwardPipe, ForwardReceiver } from "./peers/forward_pipe.ts";
import { Session } from "./session/session.ts";
import type { NodeState } from "./state.ts";

/** Takes in the commands that server `from` forwards over a connection of their own. */
export function acceptForwarded(
  state: NodeState,
  evaluator: Evaluator,
  from: ServerId,
  pipe: ForwardPipe,
): ForwardReceiver {
  const { options: { config: { limits } }, sessions, sessionLimits } = state;
  const commandBytesMax = FORWARDED_HEAD_BYTES + encodedRunBytesMax(clientCommandBytesMax(limits));
  const streamLimits = { ...sessionLimits, commandBytesMax };
  return new ForwardedStreams(from, pipe, {
    commandBytesMax,
    streamsMax: limits.connectionsMax,
    openStream: () => {
      if (state.shutdown !== null || state.replica === null) return null;
      const access = new ClientAccess(evaluator.users, false);
      const codec = new ForwardCodec(access, commandBytesMax);
      const session = new Session(`server ${from}`, codec, evaluator, streamLimits, access);
      sessions.addForwarded(session);
      return session;
    },
  });
}

/** Once a turn, where any are sent on: to whom. */
export function noteForwards({ forwards, replica }: NodeState): void {
  const raft = replica?.raft.state;
  forwards.note(raft?.leaderId ?? NOBODY, raft?.role.kind === "leader");
}
