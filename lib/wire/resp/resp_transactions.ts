/** MULTI, EXEC, DISCARD, WATCH and UNWATCH: never queued themselves. */
import { WATCH_HEAD_BYTES } from "../../kv/commands/command.ts";
import { Op } from "../../kv/commands/command.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";
import { group } from "./resp_strings.ts";

export function multi(r: RespRequest): void {
  if (r.queue !== null) return r.replyNow("-ERR MULTI calls can not be nested");
  r.beginTransaction();
}

/** Waits, by the codec's parse, for the watched keys' versions. */
export function exec(r: RespRequest): void {
  if (r.queue === null) return r.replyNow("-ERR EXEC without MULTI");
  if (r.isDiscarded || r.watches.hasFailed) {
    r.endTransaction();
    return r.replyNow("-EXECABORT Transaction discarded because of previous errors.");
  }
  r.execute();
}

export function discard(r: RespRequest): void {
  if (r.queue === null) return r.replyNow("-ERR DISCARD without MULTI");
  r.endTransaction();
  r.replyNow("+OK");
}

export function watch(r: RespRequest): void {
  if (r.queue !== null) return r.replyNow("-ERR WATCH inside MULTI is not allowed");
  const keys: Uint8Array[] = [];
  let bytes = r.watches.bytes;
  for (let i = 1; i < r.count; i++) {
    if (!r.key(i)) return;
    keys.push(r.bytes.slice(r.starts[i]!, r.ends[i]!));
    bytes += WATCH_HEAD_BYTES + r.length(i);
  }
  if (bytes > r.limits.commandBytesMax / 2) {
    return r.error("ERR too many keys are watched: UNWATCH, or watch fewer");
  }
  // A watch is never older than the leader's log, on a connection that reads from followers too.
  const wasReadonly = r.isReadonly;
  r.isReadonly = false;
  group(r, Op.readGroup, Op.get, RespMode.watch);
  r.isReadonly = wasReadonly;
  r.watches.add(keys);
}

/** Within a transaction it does nothing: EXEC has the watched keys already. */
export function unwatch(r: RespRequest): void {
  if (r.queue === null) r.watches.clear();
  r.line("+OK");
}
