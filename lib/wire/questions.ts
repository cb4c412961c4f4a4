/** What codecs put to the node, and what it answers: about members (members.ts) and users (acl.ts). */
import { COMMAND_HEAD_BYTES, commandLength } from "../kv/commands/command.ts";
import type { UserAnswer, UserRequest } from "./acl.ts";
import type { MemberAnswer, MemberRequest } from "./members.ts";
import {
  isScriptRequest,
  mayWrite,
  type ScriptAnswer,
  type ScriptRequest,
  takeScriptRequest,
} from "./scripts.ts";

export type Question = MemberRequest | UserRequest | ScriptRequest;
export type Answer = MemberAnswer | UserAnswer | ScriptAnswer;

const SCRIPT_KINDS: ReadonlySet<string> = new Set([
  "eval",
  "loadScript",
  "scriptsExist",
  "flushScripts",
]);

export function isAboutScripts(question: Question): question is ScriptRequest {
  return SCRIPT_KINDS.has(question.kind);
}

export function isAboutUsers(question: Question): question is UserRequest {
  const { kind } = question;
  return kind === "users" || kind === "changeUser" || kind === "resetUser";
}

/**
 * Whether the question at `bytes[offset]` waits for a read round before it is put. A script that may write
 * does not: it is decided where its writes are applied, and asks for a round itself where there are none.
 */
export function needsRound(bytes: Uint8Array, offset: number): boolean {
  return !isScriptRequest(bytes, offset) || !mayWrite(bytes, offset);
}

/** Whom the question at `bytes[offset]` is about: a user, or the id of a member; undefined: neither. */
export function targetOf(bytes: Uint8Array, offset: number): string | undefined {
  if (isScriptRequest(bytes, offset)) return undefined;
  const text = bytes.subarray(offset + COMMAND_HEAD_BYTES, offset + commandLength(bytes, offset));
  const question = JSON.parse(decoder.decode(text)) as Question;
  if ("name" in question) return question.name;
  return "id" in question ? `${question.id}` : undefined;
}

const decoder = new TextDecoder();

/** A question as it waits for its turn, within this process. */
export function questionText(question: MemberRequest | UserRequest): string {
  return JSON.stringify(question);
}

/**
 * The constant command at `bytes[offset]` has what `questionText` or `encodeScriptRequest` gave: nobody else
 * wrote it. A text is wiped: there may be a password in it.
 */
export function takeQuestion(bytes: Uint8Array, offset: number): Question {
  if (isScriptRequest(bytes, offset)) return takeScriptRequest(bytes, offset);
  const text = bytes.subarray(offset + COMMAND_HEAD_BYTES, offset + commandLength(bytes, offset));
  const question = JSON.parse(decoder.decode(text)) as Question;
  text.fill(0);
  return question;
}
