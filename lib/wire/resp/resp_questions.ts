/** Questions to the node: that may take long, and what comes after one has to come after its answer. */
import { Action, type CommandBatch } from "../command_batch.ts";
import { RESP3, RespMode } from "./resp_replies.ts";

const QUESTION_MODES: ReadonlySet<number> = new Set([
  RespMode.member,
  RespMode.authenticate,
  RespMode.acl,
  RespMode.script,
  RespMode.reset,
  RespMode.subscribing,
  RespMode.tracking,
]);
/** What decides how the commands after it are read. */
const CHANGES: ReadonlySet<number> = new Set([
  RespMode.reset,
  RespMode.subscribing,
  RespMode.tracking,
]);

/** True for the reply mode of what nothing is parsed after before it is answered. */
export function isOfQuestion(mode: number): boolean {
  return QUESTION_MODES.has(mode);
}

/** The last command of the batch is one that nothing is parsed after before it is answered. */
export function asks({ count, actions, replies }: CommandBatch): boolean {
  if (count === 0) return false;
  const action = actions[count - 1];
  return action === Action.ask || action === Action.authenticate ||
    (action === Action.local && CHANGES.has(replies[count - 1]! & ~RESP3));
}
