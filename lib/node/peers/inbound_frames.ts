/** What comes in over a link whose handshake has passed, handed to whom it is for. */
import type { Frame, Hello } from "../../wire/rpc/rpc.ts";
import type { LinkOwner } from "./peer_link.ts";

/** Takes in a frame of the server that said `hello`; why the connection is to end, or null. */
export function passOn(
  frame: Frame,
  { from, incarnation }: Hello,
  links: LinkOwner,
): string | null {
  switch (frame.type) {
    case "message":
      if (frame.message.from !== from || frame.message.to !== links.serverId) {
        return "a message under another server's name";
      }
      links.receiveMessage(frame.message, incarnation);
      return null;
    case "formation":
      links.receiveNotice(from, frame.notice);
      return null;
    case "digest":
      links.receiveDigest(from, frame.notice);
      return null;
    case "status":
      links.receiveStatus(from, frame.status);
      return null;
    case "facts":
      links.receiveFacts(from, frame.notice);
      return null;
    case "addresses":
      return links.receiveAddresses(from, incarnation, frame.notice);
    case "publish":
      links.receivePublish(frame.notice);
      return null;
    case "forward":
    case "forwardTaken":
    case "forwardEnd":
      return `a ${frame.type} frame on a connection for messages`;
    default:
      return `a second ${frame.type} frame`;
  }
}
