/** `raftkv member replace`, once its flags are parsed. */
import { type MemberList, type ReplaceStep, Unknown } from "../../../client/mod.ts";
import type { ClientFlags } from "../connect/flag_types.ts";
import { type Session, withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { awaitWaiting } from "../members/await_waiting.ts";
import { awaitVoter } from "../members/catch_up.ts";
import { failureWith } from "../members/outcome.ts";
import { pause } from "../output/pause.ts";
import { runTool, type Tool } from "../tool.ts";

const SURE_MS = 2_000;

export async function runMemberReplace(
  this: CliContext,
  flags: ClientFlags,
  id: number,
): Promise<void> {
  await runTool(this, async (tool) => {
    const role = await withClient(tool, flags, (session) => replace(tool, session, id));
    const done = `server ${id} is a ${role}`;
    await tool.print(`${done}\n`, `it was done all the same: ${done}`);
  });
}

/** Takes the step that is next, whichever that is: an earlier command may have taken some. */
async function replace(tool: Tool, session: Session, id: number): Promise<"voter" | "learner"> {
  const again = `raftkv member replace ${id}`;
  for (;;) {
    const list = await awaitWaiting(tool, session, id, (now) => needsNobody(now, id));
    if (isDone(list, id)) {
      // A server that has just died seems to answer for a moment.
      await pause(SURE_MS, tool.signal);
      if (!isDone(await session.client.members(session.each), id)) continue;
      tool.say(`server ${id} answers: there is nothing to replace`);
      return "voter";
    }
    const step = await nextStep(tool, session, id, again);
    if (step === "voter") return "voter";
    if (step === null) continue;
    if (step === "added") tool.say(`the old server ${id} is out, the new one is a learner`);
    return await awaitVoter(tool, session, id, again);
  }
}

/** Nobody has to ask to be taken in: there is a new one already, or one that answers. */
function needsNobody({ members, isChanging }: MemberList, id: number): boolean {
  const member = members.find((one) => one.id === id);
  if (isChanging) return true;
  if (member === undefined) return false;
  return member.isReachable || (member.role === "learner" && !member.staysLearner);
}

function isDone({ members, waiting }: MemberList, id: number): boolean {
  const isVoter = members.some((one) => one.id === id && one.isReachable && one.role === "voter");
  return isVoter && !waiting.some((one) => one.id === id);
}

/** Null where no answer came: each step is taken once, however often it is asked for. */
async function nextStep(
  tool: Tool,
  { client, each }: Session,
  id: number,
  again: string,
): Promise<ReplaceStep | null> {
  try {
    return await client.replaceMember(id, each);
  } catch (error) {
    if (error instanceof Unknown && !tool.signal.aborted) return null;
    throw failureWith(error, tool, `${again} continues from there`);
  }
}
