/** `raftkv member remove`, `promote` and `demote`, once their flags are parsed. */
import type { CallOptions, Client, MemberInfo } from "../../../client/mod.ts";
import type { ClientFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { change } from "../members/change.ts";
import { runTool } from "../tool.ts";

export async function runMemberRemove(
  this: CliContext,
  flags: ClientFlags,
  id: number,
): Promise<void> {
  await changeOne(this, flags, id, {
    run: (client, each) => client.removeMember(id, each),
    isDone: (member) => member === undefined,
    done: `server ${id} is no member any more`,
  });
}

export async function runMemberPromote(
  this: CliContext,
  flags: ClientFlags,
  id: number,
): Promise<void> {
  await changeOne(this, flags, id, {
    run: (client, each) => client.promoteMember(id, each),
    isDone: (member) => member?.role === "voter",
    done: `server ${id} is a voter`,
  });
}

export async function runMemberDemote(
  this: CliContext,
  flags: ClientFlags,
  id: number,
): Promise<void> {
  await changeOne(this, flags, id, {
    run: (client, each) => client.demoteMember(id, each),
    isDone: (member) => member?.role === "learner" && member.staysLearner,
    done: `server ${id} is a learner`,
  });
}

interface OneChange {
  readonly run: (client: Client, each: CallOptions) => Promise<void>;
  /** Of the server as it is listed then; undefined: it is no member. */
  readonly isDone: (member: MemberInfo | undefined) => boolean;
  readonly done: string;
}

async function changeOne(
  context: CliContext,
  flags: ClientFlags,
  id: number,
  { run, isDone, done }: OneChange,
): Promise<void> {
  await runTool(context, async (tool) => {
    await withClient(
      tool,
      flags,
      (session) =>
        change(tool, session, run, ({ members }) => isDone(members.find((one) => one.id === id))),
    );
    await tool.print(`${done}\n`, `it was done all the same: ${done}`);
  });
}
