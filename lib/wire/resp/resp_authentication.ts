/** AUTH and HELLO: who the client is, and which version of the protocol it speaks. */
import { isClientName, NAME_PROBLEM } from "./resp_client_name.ts";
import { PASSWORD_BYTES_MAX } from "../acl.ts";
import { RespMode } from "./resp_replies.ts";
import type { PendingHello, RespRequest } from "./resp_request.ts";

/** The reply to AUTH where there are no users. */
export const NO_USERS =
  "-ERR AUTH <password> called without any password configured for the default user. " +
  "Are you sure your configuration is correct?";
const IN_TRANSACTION = "ERR this command is not supported within a transaction";

export function auth(r: RespRequest): void {
  if (r.count > 3) return r.error("ERR syntax error");
  const passwordAt = r.count - 1;
  if (!mayAuthenticate(r, passwordAt)) return;
  r.pendingHello = null;
  r.authenticate(passwordAt - 1, passwordAt);
}

/** False where it was answered why not; ends the transaction of a client that can't go on with it. */
function mayAuthenticate(r: RespRequest, passwordAt: number): boolean {
  if (isQueuing(r)) {
    r.refuse(IN_TRANSACTION);
    return false;
  }
  if (r.length(passwordAt) <= PASSWORD_BYTES_MAX) return true;
  r.error(`ERR a password has at most ${PASSWORD_BYTES_MAX} bytes`);
  return false;
}

/**
 * True within a transaction. One that was begun before there were users ends here: of nobody's commands
 * nothing is done, and neither EXEC nor DISCARD answers before somebody is authenticated.
 */
function isQueuing(r: RespRequest): boolean {
  if (r.queue === null) return false;
  if (!r.access.isShut) return true;
  r.endTransaction();
  return false;
}

export function hello(r: RespRequest): void {
  if (isQueuing(r)) return r.refuse(IN_TRANSACTION);
  let version = r.version;
  if (r.count > 1) {
    if (!r.integer(1, "ERR Protocol version is not an integer or out of range")) return;
    const wanted = r.number.toNumber();
    if (wanted !== 2 && wanted !== 3) return r.error("NOPROTO unsupported protocol version");
    version = wanted;
  }
  let name: string | null = null;
  let authAt = 0;
  for (let i = 2; i < r.count; i++) {
    const more = r.count - 1 - i;
    if (r.is(i, "auth") && more >= 2) {
      authAt = i + 1;
      i += 2;
    } else if (r.is(i, "setname") && more >= 1) {
      if (!isClientName(r, ++i, NAME_PROBLEM)) return;
      name = r.text(i);
    } else return r.error(`ERR Syntax error in HELLO option '${r.shortText(i, 128)}'`);
  }
  const wanted = { version, name };
  if (authAt > 0) {
    if (!mayAuthenticate(r, authAt + 1)) return;
    r.pendingHello = wanted;
    return r.authenticate(authAt, authAt + 1);
  }
  if (r.access.isShut) {
    return r.error(
      "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO " +
        "AUTH <user> <pass> option can be used to authenticate the client and select the RESP " +
        "protocol version at the same time",
    );
  }
  follow(r, wanted);
  r.local(RespMode.hello, `${r.identity.clientId}`);
}

/** Does what a HELLO asks for. */
export function follow(r: RespRequest, { version, name }: PendingHello): void {
  r.version = version;
  if (name !== null) r.name = name;
}
