/** Commands of the Redis protocol that concern the connection alone. */
import { Action } from "../command_batch.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

const NO_AUTHENTICATION =
  "ERR AUTH <password> called without any password configured for the default user. " +
  "Are you sure your configuration is correct?";
const NAME_BYTES_MAX = 256;
const NAME_PROBLEM = "ERR Client names cannot contain spaces, newlines or special characters.";

export function ping(r: RespRequest): void {
  if (r.count > 2) return r.error("ERR wrong number of arguments for 'ping' command");
  if (r.count === 1) r.line("+PONG");
  else echo(r);
}

export function echo(r: RespRequest): void {
  const head = new TextEncoder().encode(`$${r.length(1)}\r\n`);
  const bytes = new Uint8Array(head.length + r.length(1) + 2);
  bytes.set(head);
  bytes.set(r.bytes.subarray(r.starts[1]!, r.ends[1]!), head.length);
  bytes.set([0x0d, 0x0a], bytes.length - 2);
  r.reply(bytes);
}

export function hello(r: RespRequest): void {
  if (r.queue !== null) {
    return r.refuse("ERR this command is not supported within a transaction");
  }
  let version = r.version;
  if (r.count > 1) {
    if (!r.integer(1, "ERR Protocol version is not an integer or out of range")) return;
    const wanted = r.number.toNumber();
    if (wanted !== 2 && wanted !== 3) return r.error("NOPROTO unsupported protocol version");
    version = wanted;
  }
  let name: string | null = null;
  for (let i = 2; i < r.count; i++) {
    const more = r.count - 1 - i;
    if (r.is(i, "auth") && more >= 2) return r.error(NO_AUTHENTICATION);
    else if (r.is(i, "setname") && more >= 1) {
      if (!isName(r, ++i, NAME_PROBLEM)) return;
      name = r.text(i);
    } else return r.error(`ERR Syntax error in HELLO option '${r.text(i)}'`);
  }
  r.version = version;
  if (name !== null) r.name = name;
  r.local(RespMode.hello, `${r.identity.clientId}`);
}

export function auth(r: RespRequest): void {
  if (r.count > 3) return r.error("ERR syntax error");
  r.error(NO_AUTHENTICATION);
}

export function select(r: RespRequest): void {
  if (!r.integer(1)) return;
  if (r.number.toNumber() !== 0) return r.error("ERR DB index is out of range");
  r.line("+OK");
}

export function quit(r: RespRequest): void {
  r.replyNow("+OK", Action.localAndClose);
}

export function reset(r: RespRequest): void {
  r.endTransaction();
  r.version = 2;
  r.name = "";
  r.isReadonly = false;
  r.replyNow("+RESET");
}

export function readonly(r: RespRequest): void {
  r.isReadonly = true;
  r.line("+OK");
}

export function readwrite(r: RespRequest): void {
  r.isReadonly = false;
  r.line("+OK");
}

export function client(r: RespRequest): void {
  const { identity } = r;
  if (r.is(1, "id") && arity(r, 2, "id")) r.line(`:${identity.clientId}`);
  else if (r.is(1, "getname")) {
    if (!arity(r, 2, "getname")) return;
    if (r.name === "") r.line(r.version === 3 ? "_" : "$-1");
    else r.bulk(r.name);
  } else if (r.is(1, "setname")) {
    if (!arity(r, 3, "setname")) return;
    if (!isName(r, 2, NAME_PROBLEM)) return;
    r.name = r.text(2);
    r.line("+OK");
  } else if (r.is(1, "setinfo")) setInfo(r);
  else if (r.is(1, "info")) {
    if (arity(r, 2, "info")) prose(r, `${describe(r)}\n`);
  } else if (r.is(1, "list")) prose(r, `${describe(r)}\n`);
  else if (!r.is(1, "id")) {
    r.refuse(`ERR unknown subcommand '${r.text(1).slice(0, 128)}'. Try CLIENT HELP.`);
  }
}

/** True where a subcommand has `count` arguments in all, at least that many where negative. */
export function arity(r: RespRequest, count: number, subcommand: string): boolean {
  if (count < 0 ? r.count >= -count : r.count === count) return true;
  const name = r.text(0).toLowerCase();
  r.refuse(`ERR wrong number of arguments for '${name}|${subcommand}' command`);
  return false;
}

function setInfo(r: RespRequest): void {
  if (!arity(r, 4, "setinfo")) return;
  const isVersion = r.is(2, "lib-ver");
  if (!isVersion && !r.is(2, "lib-name")) {
    return r.error(`ERR Unrecognized option '${r.text(2)}'`);
  }
  const option = isVersion ? "lib-ver" : "lib-name";
  const problem = `ERR ${option} cannot contain spaces, newlines or special characters.`;
  if (!isName(r, 3, problem)) return;
  if (isVersion) r.libraryVersion = r.text(3);
  else r.libraryName = r.text(3);
  r.line("+OK");
}

/**
 * True for what is printable and has no space, as clients' names have to be; answers with an error
 * where not. Bounded, as the name is kept, and a request of 30 bytes asks for it.
 */
function isName(r: RespRequest, i: number, problem: string): boolean {
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

function describe(r: RespRequest): string {
  const flags = r.queue !== null ? "x" : r.isReadonly ? "r" : "N";
  const multi = r.queue === null ? -1 : r.queued;
  return `id=${r.identity.clientId} addr=${r.identity.remote} name=${r.name} db=0 sub=0 psub=0 ` +
    `flags=${flags} multi=${multi} watch=${r.watches.count} cmd=client user=default ` +
    `resp=${r.version} lib-name=${r.libraryName} lib-ver=${r.libraryVersion}`;
}

function prose(r: RespRequest, text: string): void {
  if (r.version === 2) return r.bulk(text);
  const length = new TextEncoder().encode(text).length + 4;
  r.line(`=${length}\r\ntxt:${text}`);
}
