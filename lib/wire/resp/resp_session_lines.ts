/** What a client of the Redis protocol reads where a write of its client session was not done, or shown. */
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
];
const encoder = new TextEncoder();

export const SESSION_LINES: ReadonlyMap<Status, Uint8Array> = new Map(
  LINES.map(([status, line]) => [status, encoder.encode(`${line}\r\n`)] as const),
);
