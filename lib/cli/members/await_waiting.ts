/** Waits until a server asks to become a member, and says so once. */
import type { MemberList } from "../../../client/mod.ts";
import { addressText } from "../../util/address.ts";
import type { Session } from "../connect/with_client.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { pause } from "../output/pause.ts";
import type { Tool } from "../tool.ts";

const LOOK_MS = 1_000;

/**
 * The list in which server `id` waits, or that `isOver` says yes to: nobody has to be waited for then.
 * @throws {CliError} where it was interrupted; nothing was changed by then.
 */
export async function awaitWaiting(
  tool: Tool,
  { client, each }: Session,
  id: number,
  isOver: (list: MemberList) => boolean,
): Promise<MemberList> {
  let isSaid = false;
  try {
    for (;;) {
      const list = await client.members(each);
      if (list.waiting.some((one) => one.id === id) || isOver(list)) return list;
      if (!isSaid) tool.say(waitingText(id, list));
      isSaid = true;
      await pause(LOOK_MS, tool.signal);
    }
  } catch (error) {
    if (!tool.signal.aborted) throw error;
    const message = isSaid ? `interrupted; server ${id} did not ask, and nothing was changed` : "";
    throw new CliError(EXIT.interrupted, message, { cause: error });
  }
}

/** What to start, with the address of a server that can be asked. */
function waitingText(id: number, { members }: MemberList): string {
  const ports = members.filter((one) => one.id !== id && one.hostname !== "")
    .map(({ hostname, clientPort }) => addressText(hostname, clientPort));
  const servers = ports.slice(0, 3).join(",") || "HOST:PORT";
  return `waiting for server ${id}: start it on an empty data directory with ` +
    `raftkv serve --id ${id} --join ${servers}`;
}
