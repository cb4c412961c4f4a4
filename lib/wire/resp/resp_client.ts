/** `CLIENT`: what a connection says of itself, and what the server says of all of them. */
import type { ByteWriter } from "../../util/bytes.ts";
import { type ClientFilter, clientLine, type ClientQuestion } from "../clients.ts";
import type { ServerViewSource } from "../codec.ts";
import { isClientName, NAME_PROBLEM } from "./resp_client_name.ts";
import { arity } from "./resp_connection.ts";
import { writeInteger, writeLine, writeProse } from "./resp_bytes.ts";
import { RespMode } from "./resp_replies.ts";
import * as tracking from "./resp_tracking.ts";
import type { RespRequest } from "./resp_request.ts";

/** Longer than any address, user or number. */
const WORD_BYTES_MAX = 300;
/** The most ids of one request. */
const IDS_MAX = 1_000;
/** All that Redis has. There are no others here than those that subscribe to something, and `normal`. */
const TYPES: ReadonlyMap<string, ClientFilter> = new Map<string, ClientFilter>([
  ["normal", { isSubscriber: false }],
  ["master", { isNobody: true }],
  ["replica", { isNobody: true }],
  ["slave", { isNobody: true }],
  ["pubsub", { isSubscriber: true }],
]);

/** As Redis 7.0 has it, without what is not here. */
const HELP = [
  "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "CACHING (YES|NO)",
  "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
  "GETREDIR",
  "    Return the client ID we are redirecting to when tracking is enabled.",
  "GETNAME",
  "    Return the name of the current connection.",
  "ID",
  "    Return the ID of the current connection.",
  "INFO",
  "    Return information about the current client connection.",
  "KILL <ip:port>",
  "    Kill connection made from <ip:port>.",
  "KILL <option> <value> [<option> <value> [...]]",
  "    Kill connections. Options are:",
  "    * ADDR <ip:port>",
  "      Kill connections made from the specified address",
  "    * LADDR <ip:port>",
  "      Kill connections made to specified local address",
  "    * ID <client-id>",
  "      Kill connections by client id.",
  "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
  "      Kill connections by type.",
  "    * USER <username>",
  "      Kill connections authenticated by <username>.",
  "    * SKIPME (YES|NO)",
  "      Skip killing current connection (default: yes).",
  "LIST [options ...]",
  "    Return information about client connections. Options:",
  "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
  "      Return clients of specified type.",
  "    * ID id [id...]",
  "      Return clients of specified IDs only.",
  "NO-EVICT (ON|OFF)",
  "    Protect current client connection from eviction. No client is ever evicted here.",
  "SETINFO <lib-name|lib-ver> <value>",
  "    Tell the name or version of the client's library.",
  "SETNAME <name>",
  "    Assign the name <name> to the current connection.",
  "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [NOLOOP]",
  "    Control server assisted client side caching.",
  "TRACKINGINFO",
  "    Report tracking status for the current connection.",
  "HELP",
  "    Print this help.",
];

/** Arguments in all, at least that many where negative; and what it does. */
const SUBCOMMANDS: Readonly<Record<string, readonly [number, (r: RespRequest) => void]>> = {
  caching: [3, tracking.caching],
  getname: [2, getName],
  getredir: [2, tracking.getRedirection],
  help: [2, (r) => r.line([`*${HELP.length}`, ...HELP.map((line) => `+${line}`)].join("\r\n"))],
  id: [2, (r) => r.line(`:${r.identity.clientId}`)],
  info: [2, (r) => ask(r, { kind: "info" })],
  kill: [-3, kill],
  list: [-2, list],
  "no-evict": [3, noEvict],
  setinfo: [4, setInfo],
  setname: [3, setName],
  tracking: [-3, tracking.track],
  trackinginfo: [2, tracking.trackingInfo],
};

export function client(r: RespRequest): void {
  for (const [name, [count, run]] of Object.entries(SUBCOMMANDS)) {
    if (!r.is(1, name)) continue;
    r.subcommand = name;
    if (arity(r, count, name)) run(r);
    return;
  }
  r.subcommand = "";
  r.refuse(`ERR unknown subcommand '${r.text(1).slice(0, 128)}'. Try CLIENT HELP.`);
}

function getName(r: RespRequest): void {
  if (r.name === "") r.line(r.version === 3 ? "_" : "$-1");
  else r.bulk(r.name);
}

function setName(r: RespRequest): void {
  if (!isClientName(r, 2, NAME_PROBLEM)) return;
  r.name = r.text(2);
  r.line("+OK");
}

function noEvict(r: RespRequest): void {
  if (r.is(2, "on") || r.is(2, "off")) r.line("+OK");
  else r.error("ERR syntax error");
}

function setInfo(r: RespRequest): void {
  const isVersion = r.is(2, "lib-ver");
  if (!isVersion && !r.is(2, "lib-name")) {
    return r.error(`ERR Unrecognized option '${r.text(2)}'`);
  }
  const option = isVersion ? "lib-ver" : "lib-name";
  const problem = `ERR ${option} cannot contain spaces, newlines or special characters.`;
  if (!isClientName(r, 3, problem)) return;
  if (isVersion) r.libraryVersion = r.text(3);
  else r.libraryName = r.text(3);
  r.line("+OK");
}

function list(r: RespRequest): void {
  if (r.count === 2) return ask(r, { kind: "list", filter: {} });
  if (r.count === 4 && r.is(2, "type")) {
    const filter = typeOf(r, 3);
    if (filter !== null) ask(r, { kind: "list", filter });
    return;
  }
  if (r.count < 4 || !r.is(2, "id")) return r.error("ERR syntax error");
  if (r.count - 3 > IDS_MAX) {
    return r.error(`ERR more than ${IDS_MAX} ids at once are not looked for`);
  }
  const ids: number[] = [];
  for (let i = 3; i < r.count; i++) {
    if (!r.integer(i, "ERR Invalid client ID")) return;
    ids.push(r.number.toNumber());
  }
  ask(r, { kind: "list", filter: { ids } });
}

function kill(r: RespRequest): void {
  if (r.count === 3) {
    const filter = { remote: r.shortText(2, WORD_BYTES_MAX) };
    return ask(r, { kind: "kill", filter, isOldForm: true });
  }
  const filter: { -readonly [K in keyof ClientFilter]: ClientFilter[K] } = {};
  filter.exceptId = r.identity.clientId;
  for (let i = 2; i < r.count; i += 2) {
    const at = i + 1;
    if (at === r.count) return r.error("ERR syntax error");
    const text = r.shortText(at, WORD_BYTES_MAX);
    if (r.is(i, "id")) {
      if (!r.integer(at, "ERR client-id should be greater than 0")) return;
      if (r.number.toNumber() < 1) return r.error("ERR client-id should be greater than 0");
      filter.ids = [r.number.toNumber()];
    } else if (r.is(i, "type")) {
      const ofType = typeOf(r, at);
      if (ofType === null) return;
      Object.assign(filter, ofType);
    } else if (r.is(i, "addr")) filter.remote = text;
    else if (r.is(i, "laddr")) filter.local = text;
    else if (r.is(i, "user")) filter.user = text;
    else if (r.is(i, "skipme") && r.is(at, "yes")) filter.exceptId = r.identity.clientId;
    else if (r.is(i, "skipme") && r.is(at, "no")) delete filter.exceptId;
    else return r.error("ERR syntax error");
  }
  ask(r, { kind: "kill", filter, isOldForm: false });
}

/** Clients of the type that argument `i` names; null where it is none, with an error. */
function typeOf(r: RespRequest, i: number): ClientFilter | null {
  const found = TYPES.get(r.shortText(i, WORD_BYTES_MAX).toLowerCase());
  if (found !== undefined) return found;
  r.error(`ERR Unknown client type '${r.shortText(i, WORD_BYTES_MAX)}'`);
  return null;
}

/** It is answered when its turn comes: then others are as they are. */
function ask(r: RespRequest, question: ClientQuestion): void {
  r.local(RespMode.client, JSON.stringify(question));
}

/** Appends the answer to a question that `ask` put, for the connection `clientId`. */
export function writeClientReply(
  out: ByteWriter,
  isResp3: boolean,
  argument: string,
  source: ServerViewSource,
  clientId: number,
): void {
  const question = JSON.parse(argument) as ClientQuestion; // nobody else wrote it
  if (question.kind === "kill") {
    const { filter, isOldForm } = question;
    if (filter.user !== undefined && !source.knowsUser(filter.user)) {
      return writeLine(out, `-ERR No such user '${filter.user.replace(/[\r\n]/g, " ")}'`);
    }
    const count = source.killClients(filter, clientId);
    if (!isOldForm) return writeInteger(out, count);
    return writeLine(out, count === 0 ? "-ERR No such client" : "+OK");
  }
  const filter = question.kind === "info" ? { ids: [clientId] } : question.filter;
  const lines = source.clients(filter).map((one) => `${clientLine(one)}\n`);
  writeProse(out, lines.join(""), isResp3);
}
