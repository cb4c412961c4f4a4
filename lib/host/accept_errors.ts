/**
 * What an error of accept(2) is about: one connection, or everything. A connection that is reset before
 * it is accepted takes its place in the queue with it; the runtime tells of it as ENOTCONN, since it
 * asks the connection for its other end. Whoever resets connections must not hold up those after them.
 */

/**
 * - `oneConnection`: it is gone, the next may be there already.
 * - `noRoom`: there are no descriptors or no memory for it; it stays in the queue, so the next try
 *   fails as well until something is given back.
 * - `unknown`: neither is sure.
 */
export type AcceptErrorKind = "oneConnection" | "noRoom" | "unknown";

/** From accept(2), "Error handling", with what comes of asking a connection for its addresses. */
const ONE_CONNECTION = new Set([
  "ENOTCONN",
  "ECONNABORTED",
  "ECONNRESET",
  "EPIPE",
  "EPROTO",
  "EPERM",
  "EINTR",
  "EAGAIN",
  "ENETDOWN",
  "ENOPROTOOPT",
  "EHOSTDOWN",
  "ENONET",
  "EHOSTUNREACH",
  "EOPNOTSUPP",
  "ENETUNREACH",
  "ETIMEDOUT",
]);
const NO_ROOM = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);

export function kindOfAcceptError(error: unknown): AcceptErrorKind {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (typeof code !== "string") return "unknown";
  if (ONE_CONNECTION.has(code)) return "oneConnection";
  return NO_ROOM.has(code) ? "noRoom" : "unknown";
}
