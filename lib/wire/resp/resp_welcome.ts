/** The reply to AUTH, and to HELLO with AUTH, once the client is authenticated. */
import type { ByteWriter } from "../../util/bytes.ts";
import type { ServerViewSource } from "../codec.ts";
import { follow } from "./resp_authentication.ts";
import { writeLine } from "./resp_bytes.ts";
import type { RespRequest } from "./resp_request.ts";
import { writeHello } from "./resp_server_replies.ts";
import { viewFor } from "./resp_view.ts";

/** The client is who it says: appends the reply to its AUTH, or HELLO with AUTH. */
export function welcome(r: RespRequest, out: ByteWriter, source: ServerViewSource): void {
  const wanted = r.pendingHello;
  r.pendingHello = null;
  if (wanted === null) return writeLine(out, "+OK");
  follow(r, wanted);
  writeHello(out, r.version === 3, r.identity.clientId, viewFor(r, source));
}
