/** One change of members, from the request to what it came to. */
import { type CallOptions, type Client, type MemberList, Unknown } from "../../../client/mod.ts";
import type { Session } from "../connect/with_client.ts";
import type { Tool } from "../tool.ts";
import { failureWith } from "./outcome.ts";

/**
 * Makes one change, which `run` asks for, and ends when it is committed. Where no answer came, it is looked
 * whether the members are by now as they should be.
 * @throws {CliError} where it was refused, or nobody can tell what it came to.
 */
export async function change(
  tool: Tool,
  { client, each }: Session,
  run: (client: Client, each: CallOptions) => Promise<unknown>,
  isAsWished: (list: MemberList) => boolean,
): Promise<void> {
  try {
    await run(client, each);
  } catch (error) {
    if (!(error instanceof Unknown)) throw error;
    if (!tool.signal.aborted) {
      const list = await client.members(each).catch(() => null);
      if (list !== null && !list.isChanging && isAsWished(list)) return;
    }
    throw failureWith(error, tool, MAYBE);
  }
}

const MAYBE =
  "the change may be done or not: raftkv member list shows it, and the same command may " +
  "be given again";
