/** Names that clients give themselves and their libraries. */
import type { RespRequest } from "./resp_request.ts";

const NAME_BYTES_MAX = 256;
export const NAME_PROBLEM =
  "ERR Client names cannot contain spaces, newlines or special characters.";

/**
 * True for what is printable and has no space, as clients' names have to be; answers with an error
 * where not. Bounded, as the name is kept, and a request of 30 bytes asks for it.
 */
export function isClientName(r: RespRequest, i: number, problem: string): boolean {
  if (r.length(i) > NAME_BYTES_MAX) {
    r.error(`ERR a client's name has more than ${NAME_BYTES_MAX} bytes`);
    return false;
  }
  for (let at = r.starts[i]!; at < r.ends[i]!; at++) {
    if (r.bytes[at]! >= 0x21 && r.bytes[at]! <= 0x7e) continue;
    r.error(problem);
    return false;
  }
  return true;
}
