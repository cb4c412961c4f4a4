/**
 * Whose certificate it is: where servers speak TLS to each other, a server's own must be for the name that
 * goes with its id, so that one server's key can't speak for another.
 */
import type { ServerId } from "../../raft/types.ts";
import { RefusalReason } from "../../wire/rpc/rpc.ts";
import type { Refused } from "./refused.ts";

/** Names of a wrong certificate that are said. */
const NAMES_SHOWN = 3;

/** The DNS name that server `id`'s certificate has, beside any others. */
export function certificateName(id: ServerId): string {
  return `raftkv-server-${id}`;
}

/**
 * Null where server `id` may come with a certificate for `names`; undefined: the connection is plain, and
 * nobody was asked for one.
 */
export function certificateRefusal(
  id: ServerId,
  names: readonly string[] | undefined,
): Refused | null {
  const wanted = certificateName(id);
  if (names === undefined || names.includes(wanted)) return null;
  const shown = names.slice(0, NAMES_SHOWN).map((name) => name.slice(0, 40)).join(", ");
  const text =
    `server ${id} shows a certificate for ${shown || "no name"}, and not for ${wanted}: ` +
    "give it its own (docs/security.md)";
  return { reason: RefusalReason.certificate, text };
}
