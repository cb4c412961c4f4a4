/** What a connection is told of the server, by the port that it came to. */
import type { ServerView, ServerViewSource } from "../codec.ts";
import type { RespRequest } from "./resp_request.ts";

/**
 * To a client of the forward port there is one server, which does all that it is asked: whoever leads, and
 * wherever that is. So a client without cluster mode has nowhere to go, and no reason to.
 */
export function viewFor(r: RespRequest, source: ServerViewSource): ServerView {
  const view = source.serverView();
  if (r.identity.isForwarding !== true) return view;
  const { serverId } = view;
  return { ...view, isAlone: true, leaderId: serverId, lastLeaderId: serverId, peers: [] };
}
