/** What clients publish, on its way to the other servers: at most once, and in nobody's way. */
import { encodePublish, Feature } from "../../wire/rpc/rpc.ts";
import type { PeerOutbound } from "./peer_outbound.ts";

/** Where more waits to be written on a link, a message is left out: what comes after it would wait for it. */
const PENDING_BYTES_MAX = 262_144;

/** Hands a message on to all that take such; returns how many links had no room for it. */
export function sendPublished(
  links: readonly PeerOutbound[],
  channel: Uint8Array,
  message: Uint8Array,
): number {
  let dropped = 0;
  for (const link of links) {
    if (!link.supports(Feature.publish) || link.closing !== null) continue;
    if (link.pendingBytes > PENDING_BYTES_MAX) dropped++;
    else link.sendOf(Feature.publish, (out) => encodePublish(out, channel, message));
  }
  return dropped;
}
