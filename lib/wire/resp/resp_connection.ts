/** Commands of the Redis protocol that concern the connection alone. */
import { ByteWriter } from "../../util/bytes.ts";
import { Action } from "../command_batch.ts";
import { writeArray, writeBulk, writeText } from "./resp_bytes.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

export function ping(r: RespRequest): void {
  if (r.count > 2) return r.error("ERR wrong number of arguments for 'ping' command");
  const { subscriptions } = r;
  if (r.version === 2 && subscriptions !== null && subscriptions.count > 0) return pong(r);
  if (r.count === 1) r.line("+PONG");
  else echo(r);
}

/** To who subscribes in version 2, in the form of a message. */
function pong(r: RespRequest): void {
  const out = new ByteWriter();
  writeArray(out, 2);
  writeText(out, "pong");
  if (r.count === 1) writeText(out, "");
  else writeBulk(out, r.bytes, r.starts[1]!, r.length(1));
  r.reply(out.copy());
}

export function echo(r: RespRequest): void {
  const head = new TextEncoder().encode(`$${r.length(1)}\r\n`);
  const bytes = new Uint8Array(head.length + r.length(1) + 2);
  bytes.set(head);
  bytes.set(r.bytes.subarray(r.starts[1]!, r.ends[1]!), head.length);
  bytes.set([0x0d, 0x0a], bytes.length - 2);
  r.reply(bytes);
}

export function select(r: RespRequest): void {
  if (!r.integer(1)) return;
  if (r.number.toNumber() !== 0) return r.error("ERR DB index is out of range");
  r.line("+OK");
}

export function quit(r: RespRequest): void {
  r.replyNow("+OK", Action.localAndClose);
}

/** Takes effect in its place: what came before it is still answered as to who the client was. */
export function reset(r: RespRequest): void {
  r.replyNow("+RESET", Action.local, RespMode.reset);
}

/** Does what RESET asks for. */
export function resetConnection(r: RespRequest): void {
  r.endTransaction();
  r.version = 2;
  r.name = "";
  r.isReadonly = false;
  r.access.userId = 0;
}

export function readonly(r: RespRequest): void {
  r.isReadonly = true;
  r.line("+OK");
}

export function readwrite(r: RespRequest): void {
  r.isReadonly = false;
  r.line("+OK");
}

/** True where a subcommand has `count` arguments in all, at least that many where negative. */
export function arity(r: RespRequest, count: number, subcommand: string): boolean {
  if (count < 0 ? r.count >= -count : r.count === count) return true;
  const name = r.text(0).toLowerCase();
  r.refuse(`ERR wrong number of arguments for '${name}|${subcommand}' command`);
  return false;
}
