/** `RAFTKV.MEMBER` and `RAFTKV.LEADER`: who the members are, and who leads. */
import { isHostname } from "../../util/address.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { Action } from "../command_batch.ts";
import {
  type MemberAnswer,
  type MemberList,
  type MemberRequest,
  type MemberView,
  type WaitingView,
} from "../members.ts";
import { questionText } from "../questions.ts";
import { arity } from "./resp_connection.ts";
import { writeArray, writeInteger, writeLine, writeMap, writeText } from "./resp_bytes.ts";
import { RespMode } from "./resp_replies.ts";
import { help } from "./resp_help.ts";
import type { RespRequest } from "./resp_request.ts";

const MEMBER_HELP = [
  "RAFTKV.MEMBER <subcommand> [<arg> ...]. Subcommands are:",
  "LIST",
  "    The members, and how each of them is, as the leader knows it.",
  "ADD <id> [LEARNER]",
  "    Takes in the server that waits to join under that id. Once it keeps up it votes,",
  "    unless it is to stay a learner.",
  "REPLACE <id>",
  "    Puts the server that waits to join in the place of the member with its id, whose",
  "    data is lost: its earlier life is removed and the new one added.",
  "REMOVE <id>",
  "    Takes a server out of the cluster.",
  "PROMOTE <id>",
  "    Makes a learner a voter now.",
  "DEMOTE <id>",
  "    Makes a voter a learner, which it stays.",
  "JOIN <id> <incarnation> <hostname> <client port> <log port>",
  "    Said by a server that waits to join.",
  "HELP",
  "    Prints this help.",
];
const LEADER_HELP = [
  "RAFTKV.LEADER <subcommand> [<arg> ...]. Subcommands are:",
  "MOVE [TO <id>]",
  "    Hands the leadership to another voter: to that one, or to the best.",
  "HELP",
  "    Prints this help.",
];

const CHANGES = ["remove", "promote", "demote", "replace"] as const;

export function member(r: RespRequest): void {
  if (r.is(1, "help")) {
    if (arity(r, 2, "help")) help(r, MEMBER_HELP);
    return;
  }
  if (r.is(1, "list")) {
    if (arity(r, 2, "list")) ask(r, { kind: "list" });
    return;
  }
  if (r.is(1, "add")) return add(r);
  if (r.is(1, "join")) return join(r);
  for (const kind of CHANGES) {
    if (!r.is(1, kind)) continue;
    const id = arity(r, 3, kind) ? serverId(r, 2) : 0;
    if (id > 0) ask(r, { kind, id });
    return;
  }
  r.refuse(`ERR unknown subcommand '${r.shortText(1, 128)}'. Try RAFTKV.MEMBER HELP.`);
}

function add(r: RespRequest): void {
  const staysLearner = r.count === 4 && r.is(3, "learner");
  if (r.count === 4 && !staysLearner) return r.refuse("ERR syntax error");
  if (r.count !== 4 && !arity(r, 3, "add")) return;
  const id = serverId(r, 2);
  if (id > 0) ask(r, { kind: "add", id, staysLearner });
}

/** All of it comes from whoever can reach the port: it is checked here, and names nobody a member. */
function join(r: RespRequest): void {
  if (!arity(r, 7, "join")) return;
  const id = serverId(r, 2);
  if (id === 0) return;
  const incarnation = r.shortText(3, INCARNATION_DIGITS + 1);
  // Zeros stand for any incarnation, between servers.
  if (!/^[0-9a-f]{16}$/.test(incarnation) || /^0+$/.test(incarnation)) {
    return r.refuse("ERR an incarnation is 16 hexadecimal digits, in lower case, not all 0");
  }
  const hostname = r.shortText(4, HOSTNAME_BYTES_MAX + 1);
  if (!isHostname(hostname)) {
    return r.refuse(
      "ERR a hostname has letters, digits, and . _ -, at most 253 of them, or is an IPv6 address",
    );
  }
  const [clientPort, logPort] = [port(r, 5), port(r, 6)];
  if (clientPort === 0 || logPort === 0) return r.refuse("ERR a port is a number from 1 to 65535");
  ask(r, { kind: "join", server: { id, incarnation, hostname, clientPort, logPort } });
}

/** 0 where it is none. */
function port(r: RespRequest, i: number): number {
  const text = r.shortText(i, 6);
  const number = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
  return number <= 65_535 ? number : 0;
}

export function leader(r: RespRequest): void {
  if (r.is(1, "help")) {
    if (arity(r, 2, "help")) help(r, LEADER_HELP);
    return;
  }
  if (!r.is(1, "move")) {
    return r.refuse(`ERR unknown subcommand '${r.shortText(1, 128)}'. Try RAFTKV.LEADER HELP.`);
  }
  if (r.count === 2) return ask(r, { kind: "moveLeader", to: null });
  if (r.count !== 4 || !r.is(2, "to")) return r.refuse("ERR syntax error");
  const to = serverId(r, 3);
  if (to > 0) ask(r, { kind: "moveLeader", to });
}

const INCARNATION_DIGITS = 16;
const HOSTNAME_BYTES_MAX = 253;

/** The id in argument `i`; 0 where it is none, with an error as the reply. */
function serverId(r: RespRequest, i: number): number {
  const id = /^\d{1,16}$/.test(r.shortText(i, 17)) ? Number(r.shortText(i, 17)) : 0;
  if (id > 0 && Number.isSafeInteger(id)) return id;
  r.refuse("ERR a server's id is a whole number from 1 on: see RAFTKV.MEMBER LIST");
  return 0;
}

function ask(r: RespRequest, request: MemberRequest): void {
  r.local(RespMode.member, questionText(request), Action.ask);
}

export function writeMemberAnswer(out: ByteWriter, isResp3: boolean, answer: MemberAnswer): void {
  switch (answer.kind) {
    case "members":
      return writeList(out, isResp3, answer.list);
    case "waits":
      return writeFields(out, isResp3, answer, WAITS_FIELDS);
    case "step":
      return writeLine(out, `+${answer.step}`);
    case "done":
      return writeLine(out, "+OK");
    case "leads":
      return writeInteger(out, answer.id);
    case "refused":
      return writeLine(out, `-ERR ${answer.why}`);
    case "later":
      return writeLine(out, `-TRYAGAIN ${answer.why}`);
    case "unknown":
      return writeLine(out, `-ERR outcome unknown: ${answer.why}`);
  }
}

/** By the names of the fields: a later build may add some. */
function writeList(out: ByteWriter, isResp3: boolean, list: MemberList): void {
  writeMap(out, 5, isResp3);
  writeText(out, "configurationIndex");
  writeInteger(out, list.configurationIndex);
  writeText(out, "isChanging");
  writeInteger(out, Number(list.isChanging));
  writeText(out, "members");
  writeArray(out, list.members.length);
  for (const one of list.members) writeFields(out, isResp3, one, MEMBER_FIELDS);
  writeText(out, "waiting");
  writeArray(out, list.waiting.length);
  for (const one of list.waiting) writeFields(out, isResp3, one, WAITING_FIELDS);
  writeText(out, "refusal");
  writeText(out, list.refusal);
}

/** No more than these: an incarnation is nothing for clients (peers/cluster_id.ts). */
const MEMBER_FIELDS: readonly (keyof MemberView)[] = [
  "id",
  "role",
  "isLeader",
  "hostname",
  "clientPort",
  "logPort",
  "matchIndex",
  "lagEntries",
  "isReachable",
  "keepsUp",
  "staysLearner",
  "isSentSnapshot",
];

const WAITING_FIELDS: readonly (keyof WaitingView)[] = [
  "id",
  "hostname",
  "clientPort",
  "logPort",
  "replaces",
];

type Waits = Extract<MemberAnswer, { readonly kind: "waits" }>;
const WAITS_FIELDS: readonly (keyof Waits)[] = [
  "standing",
  "clusterId",
  "electionTimeoutMs",
  "heartbeatIntervalMs",
];

function writeFields<Name extends string>(
  out: ByteWriter,
  isResp3: boolean,
  one: Readonly<Record<Name, string | number | boolean>>,
  names: readonly Name[],
): void {
  writeMap(out, names.length, isResp3);
  for (const name of names) {
    const value = one[name];
    writeText(out, name);
    if (typeof value === "string") writeText(out, value);
    else writeInteger(out, Number(value));
  }
}
