/** `raftkv member add`, once its flags are parsed. */
import type { CallOptions, Client, MemberInfo, MemberList } from "../../../client/mod.ts";
import type { ClientFlags } from "../connect/flag_types.ts";
import { type Session, withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { awaitWaiting } from "../members/await_waiting.ts";
import { awaitVoter } from "../members/catch_up.ts";
import { change } from "../members/change.ts";
import { runTool, type Tool } from "../tool.ts";

export type AddFlags = ClientFlags & { readonly learner: boolean };

export async function runMemberAdd(this: CliContext, flags: AddFlags, id: number): Promise<void> {
  await runTool(this, async (tool) => {
    const role = await withClient(
      tool,
      flags,
      (session) => add(tool, session, id, flags.learner),
    );
    const done = `server ${id} is a ${role}`;
    await tool.print(`${done}\n`, `it was done all the same: ${done}`);
  });
}

async function add(
  tool: Tool,
  session: Session,
  id: number,
  learner: boolean,
): Promise<"voter" | "learner"> {
  const isMember = ({ members }: MemberList) => members.some((one) => one.id === id);
  const list = await awaitWaiting(tool, session, id, (now) => {
    if (isMember(now)) return true;
    if (now.refusal !== null) throw new CliError(EXIT.refused, now.refusal);
    return false;
  });
  const member = list.members.find((one) => one.id === id);
  if (member === undefined) {
    const asked = (client: Client, each: CallOptions) => client.addMember(id, { ...each, learner });
    await change(tool, session, asked, isMember);
    if (!learner) tool.say(`server ${id} is a learner`);
  } else {
    const why = whyNot(member, list.waiting.some((one) => one.id === id && one.replaces), learner);
    if (why !== null) throw new CliError(EXIT.refused, why);
  }
  return learner ? "learner" : await awaitVoter(tool, session, id, `raftkv member add ${id}`);
}

/** Null where the member is what was asked for, or on the way to it: the command was given before. */
function whyNot(
  { id, role, staysLearner }: MemberInfo,
  otherWaits: boolean,
  learner: boolean,
): string | null {
  if (otherWaits) {
    return `server ${id} is a member already, and the one that asks has another data directory: ` +
      `where the member's is lost, raftkv member replace ${id}`;
  }
  if (learner === (role === "learner" && staysLearner)) return null;
  return learner
    ? `server ${id} is a member already, and votes or soon will: raftkv member demote ${id}`
    : `server ${id} is a member already, and stays a learner: raftkv member promote ${id}`;
}
