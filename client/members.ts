/** Requests about the cluster's members, and what the replies to them say. */
import { wrongKind } from "./arguments.ts";
import type { MemberInfo, MemberList, ReplaceStep, WaitingInfo } from "./calls.ts";
import { ProtocolProblem } from "./errors.ts";
import { toBulk, toList, toNumber } from "./replies.ts";
import type { Reply } from "./reply_parser.ts";

const ROLES: readonly MemberInfo["role"][] = ["voter", "learner", "incoming", "outgoing"];

const STEPS: readonly ReplaceStep[] = ["added", "catchingUp", "voter"];

/**
 * The id as text.
 * @throws {TypeError | RangeError} where it is none.
 */
export function serverId(given: unknown): string {
  if (typeof given !== "number") throw wrongKind("a server's id", "a number", given, "");
  if (Number.isSafeInteger(given) && given > 0) return `${given}`;
  throw new RangeError(`${given} is no server's id: write a whole number from 1 on`);
}

export function toMemberList(reply: Reply): MemberList {
  const fields = toFields(reply);
  return {
    configurationIndex: toNumber(fields.get("configurationIndex")),
    isChanging: toFlag(fields.get("isChanging")),
    refusal: toRefusal(fields.get("refusal")),
    members: toList(fields.get("members")).map(toMember),
    waiting: toList(fields.get("waiting")).map(toWaiting),
  };
}

/** A build before tells of none. */
function toRefusal(reply: Reply | undefined): string | null {
  const text = reply === undefined ? "" : decoder.decode(toBulk(reply));
  return text === "" ? null : text;
}

export function toReplaceStep(reply: Reply): ReplaceStep {
  const step = STEPS.find((one) => one === reply);
  if (step === undefined) throw new ProtocolProblem("a step that this client does not know");
  return step;
}

export function toNothing(): void {}

const decoder = new TextDecoder();

function toMember(reply: Reply): MemberInfo {
  const fields = toFields(reply);
  const text = (name: string) => decoder.decode(toBulk(fields.get(name)));
  const number = (name: string) => toNumber(fields.get(name));
  const flag = (name: string) => toFlag(fields.get(name));
  const role = ROLES.find((one) => one === text("role"));
  if (role === undefined) {
    throw new ProtocolProblem("a member's part that this client does not know");
  }
  return {
    id: number("id"),
    role,
    isLeader: flag("isLeader"),
    hostname: text("hostname"),
    clientPort: number("clientPort"),
    logPort: number("logPort"),
    matchIndex: number("matchIndex"),
    lagEntries: number("lagEntries"),
    isReachable: flag("isReachable"),
    keepsUp: flag("keepsUp"),
    staysLearner: flag("staysLearner"),
    isSentSnapshot: flag("isSentSnapshot"),
  };
}

function toWaiting(reply: Reply): WaitingInfo {
  const fields = toFields(reply);
  return {
    id: toNumber(fields.get("id")),
    hostname: decoder.decode(toBulk(fields.get("hostname"))),
    clientPort: toNumber(fields.get("clientPort")),
    logPort: toNumber(fields.get("logPort")),
    replaces: toFlag(fields.get("replaces")),
  };
}

/** By name: a later build may tell more. */
function toFields(reply: Reply): Map<string, Reply> {
  if (!(reply instanceof Map)) throw new ProtocolProblem("something else where a map belongs");
  return reply;
}

function toFlag(reply: Reply | undefined): boolean {
  return toNumber(reply) !== 0;
}
