/**
 * What a client of the Redis protocol reads where a write of its client session was not done, or shown, or a
 * script was not loaded.
 */
import { LOADED_SCRIPTS_BYTES_MAX, LOADED_SCRIPTS_MAX } from "../../kv/scripts/loaded_scripts.ts";
import { Status } from "../../kv/commands/result.ts";

const LINES: readonly (readonly [Status, string])[] = [
  [
    Status.noSession,
    "-SESSION this session is unknown or over, or this write was acknowledged: it was not done now",
  ],
  [
    Status.sessionsFull,
    "-TRYAGAIN too many client sessions, replies that are not acknowledged, or bound keys: " +
    "nothing was done",
  ],
  [Status.notKept, "-ERR this was done, and its reply was too long to be kept"],
  [
    Status.tooManyScripts,
    `-ERR ${LOADED_SCRIPTS_MAX} scripts are loaded, as many as there may be: SCRIPT FLUSH ` +
    "forgets them, nothing was done",
  ],
  [
    Status.tooManyScriptBytes,
    `-ERR the scripts that are loaded would have more than ${LOADED_SCRIPTS_BYTES_MAX} bytes: ` +
    "SCRIPT FLUSH forgets them, nothing was done",
  ],
];
const encoder = new TextEncoder();

export const STATUS_LINES: ReadonlyMap<Status, Uint8Array> = new Map(
  LINES.map(([status, line]) => [status, encoder.encode(`${line}\r\n`)] as const),
);
