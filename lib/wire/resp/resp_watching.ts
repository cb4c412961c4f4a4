/** RAFTKV.WATCH and RAFTKV.UNWATCH: what a client is told of changes, see docs/watches.md. */
import type { ByteWriter } from "../../util/bytes.ts";
import { Action, type ClientError } from "../command_batch.ts";
import { compactedWords } from "../watch_events.ts";
import {
  type ClientWatches,
  decodeWatch,
  encodeWatch,
  readPosition,
  readWatched,
  WatchFormat,
  type WatchPosition,
} from "../watching.ts";
import { writeArray, writeInteger, writeLine, writeText } from "./resp_bytes.ts";
import { RESP3, RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

/** What a connection of version 2 may send while it watches: replies would be taken for events, and back. */
const WHILE_WATCHING: ReadonlySet<string> = new Set([
  "ping",
  "psubscribe",
  "punsubscribe",
  "quit",
  "raftkv.unwatch",
  "raftkv.watch",
  "reset",
  "subscribe",
  "unsubscribe",
]);

/** And while it subscribes. */
const WHILE_SUBSCRIBED: ReadonlySet<string> = new Set([
  "ping",
  "psubscribe",
  "punsubscribe",
  "quit",
  "raftkv.unwatch",
  "raftkv.watch",
  "reset",
  "subscribe",
  "unsubscribe",
]);

/** Why the command can't be taken while this connection watches; null where it can. */
export function watchingProblem(
  r: RespRequest,
  name: string,
  watches: ClientWatches | null,
): string | null {
  if (r.version === 3) return null;
  const isSubscribed = r.subscriptions !== null && r.subscriptions.count > 0;
  if (isSubscribed && !WHILE_SUBSCRIBED.has(name)) {
    return `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / ` +
      "RESET are allowed in this context";
  }
  if (isSubscribed || watches === null || watches.count === 0) return null;
  if (WHILE_WATCHING.has(name)) return null;
  return `ERR Can't execute '${name}': only RAFTKV.WATCH / RAFTKV.UNWATCH / (P|S)SUBSCRIBE / ` +
    "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed while a connection of version 2 of the " +
    "protocol watches";
}

/** RAFTKV.WATCH key|prefix* [AFTER position] [NOVALUE] */
export function watch(r: RespRequest): void {
  if (r.queue !== null) return refuseQueued(r);
  const watched = readWatched(r.bytes, r.starts[1]!, r.ends[1]!);
  if (!(watched.isPrefix && r.length(1) === 1) && !r.key(1)) return;
  let after: WatchPosition | null = null;
  let hasValues = true;
  for (let i = 2; i < r.count; i++) {
    if (r.is(i, "novalue")) hasValues = false;
    else if (r.is(i, "after") && i + 1 < r.count) {
      i++;
      after = readPosition(r.bytes, r.starts[i]!, r.ends[i]!);
      if (after === null) {
        return r.error("ERR a position is a revision, or <revision>@<cluster id>");
      }
    } else return r.error("ERR syntax error");
  }
  const isResp3 = r.version === 3;
  const format = hasValues
    ? isResp3 ? WatchFormat.resp3 : WatchFormat.resp2
    : isResp3
    ? WatchFormat.resp3WithoutValues
    : WatchFormat.resp2WithoutValues;
  const at = encodeWatch(r.batch.bytes, { ...watched, after, format });
  r.batch.add(Action.local, RespMode.watching | (isResp3 ? RESP3 : 0), at, 0, r.command);
}

/** RAFTKV.UNWATCH [key|prefix*] */
export function unwatch(r: RespRequest): void {
  if (r.queue !== null) return refuseQueued(r);
  if (r.count > 2) return r.error("ERR wrong number of arguments for 'raftkv.unwatch' command");
  const { batch } = r;
  const format = WatchFormat.resp2;
  const what = r.count === 1
    ? { key: new Uint8Array(0), isPrefix: false }
    : readWatched(r.bytes, r.starts[1]!, r.ends[1]!);
  const at = encodeWatch(batch.bytes, { ...what, after: null, format });
  batch.add(Action.local, RespMode.unwatching, at, 0, r.command);
}

/** Appends the reply to a RAFTKV.WATCH, or returns why it is refused. */
export function writeWatching(
  out: ByteWriter,
  bytes: Uint8Array,
  offset: number,
  watches: ClientWatches,
): ClientError | 0 {
  const answer = watches.open(decodeWatch(bytes, offset));
  if (typeof answer === "number") return answer;
  switch (answer.kind) {
    case "watching":
      writeArray(out, 2);
      writeInteger(out, answer.revision);
      writeText(out, answer.clusterId);
      break;
    case "compacted":
      writeLine(out, `-${compactedWords(answer.revision)}`);
      break;
    case "future":
      writeLine(out, `-FUTURE ${answer.revision} this server has applied no more: try another one`);
      break;
    case "twice":
      writeLine(out, "-ERR this connection watches that already");
      break;
    case "tooMany":
      writeLine(out, `-ERR there are as many watches as limits.${answer.limit} lets there be`);
      break;
  }
  return 0;
}

/** Appends the reply to a RAFTKV.UNWATCH: how many watches it has ended. */
export function writeUnwatching(
  out: ByteWriter,
  bytes: Uint8Array,
  offset: number,
  watches: ClientWatches,
): void {
  const { key, isPrefix } = decodeWatch(bytes, offset);
  const isAll = key.length === 0 && !isPrefix;
  writeInteger(out, watches.close(isAll ? null : { key, isPrefix }));
}

function refuseQueued(r: RespRequest): void {
  r.refuse("ERR this command is not supported within a transaction");
}
