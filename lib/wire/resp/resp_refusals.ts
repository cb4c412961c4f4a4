/** What a request is refused with before it is a command, or where it may not be one. */
import { commandNumbered } from "../../kv/users/command_numbers.ts";
import type { RespRequest } from "./resp_request.ts";

/** How much of an unknown command's arguments its error repeats. */
const SHOWN_BYTES_MAX = 128;

/** Of a Redis Cluster: each is heard in one shard. Here there is one alone. */
const SHARDED: ReadonlySet<string> = new Set(["ssubscribe", "sunsubscribe", "spublish"]);

export function unknownCommand(r: RespRequest): string {
  const word = r.shortText(0, SHOWN_BYTES_MAX);
  if (SHARDED.has(word.toLowerCase())) {
    return `ERR unknown command '${word}': there is one shard, and without the first letter it ` +
      "reaches all of it";
  }
  let shown = "";
  for (let i = 1; i < r.count && shown.length < SHOWN_BYTES_MAX; i++) {
    shown += `'${r.shortText(i, SHOWN_BYTES_MAX - shown.length)}' `;
  }
  const name = r.shortText(0, SHOWN_BYTES_MAX);
  return `ERR unknown command '${name}', with args beginning with: ${shown}`;
}

export function notPermitted(command: number): string {
  const name = commandNumbered(command)?.name ?? "";
  return `-NOPERM this user has no permissions to run the '${name}' command`;
}

export function tooLarge(what: string, bytesMax: number): string {
  const bounds = "limits.valueBytesMax and limits.redisKeyBytesMax bound it";
  return `ERR ${what} has more than ${bytesMax} bytes (${bounds})`;
}
