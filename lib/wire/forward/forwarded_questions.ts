/**
 * Questions that came from another server, checked before anything trusts them: they are in the form in which
 * a process keeps its own (questions.ts, scripts.ts).
 */
import { readU32 } from "../../util/bytes.ts";

const WRONG = "a question makes no sense";

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, Check>>;

const isText: Check = (value) => typeof value === "string";
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);
const isFlag: Check = (value) => typeof value === "boolean";
const isId: Check = (value) => Number.isSafeInteger(value) && (value as number) > 0;
const isPort: Check = (value) => isId(value) && (value as number) <= 65_535;
const isIdOrNull: Check = (value) => value === null || isId(value);
const isIncarnation: Check = (value) => isText(value) && /^[0-9a-f]{16}$/.test(value as string);
const isWaitingServer: Check = (value) =>
  hasFields(value, {
    id: isId,
    incarnation: isIncarnation,
    hostname: isText,
    clientPort: isPort,
    logPort: isPort,
  });

/** The questions in JSON, by kind, with their fields. One that counts on loopback alone stays there. */
const QUESTIONS: ReadonlyMap<string, Fields> = new Map<string, Fields>([
  ["users", {}],
  ["changeUser", { name: isText, rules: isTexts }],
  ["list", {}],
  ["add", { id: isId, staysLearner: isFlag }],
  ["remove", { id: isId }],
  ["promote", { id: isId }],
  ["demote", { id: isId }],
  ["replace", { id: isId }],
  ["join", { server: isWaitingServer }],
  ["moveLeader", { to: isIdOrNull }],
]);

/** How many lists of texts follow the flags, by the kind of a question about scripts. */
const SCRIPT_LISTS = [3, 1, 1, 0];
const IS_SCRIPT = 1;
const EVAL = 0;
const EVAL_FLAGS = 7;
const SCRIPTS_EXIST = 2;

/** What is wrong with the question that is all of `bytes[start, end)`, or null. */
export function questionProblem(bytes: Uint8Array, start: number, end: number): string | null {
  if (start < end && bytes[start] === IS_SCRIPT) return scriptProblem(bytes, start + 1, end);
  try {
    const question: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(start, end)));
    const kind = (question as { readonly kind?: unknown } | null)?.kind;
    const fields = typeof kind === "string" ? QUESTIONS.get(kind) : undefined;
    return fields !== undefined && hasFields(question, fields) ? null : WRONG;
  } catch {
    return WRONG;
  }
}

function hasFields(value: unknown, fields: Fields): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(fields).every(([name, check]) => {
    return Object.hasOwn(value, name) && check((value as Record<string, unknown>)[name]);
  });
}

function scriptProblem(bytes: Uint8Array, start: number, end: number): string | null {
  if (end === start) return WRONG;
  const kind = bytes[start]!;
  const lists = SCRIPT_LISTS[kind];
  if (lists === undefined) return WRONG;
  let at = start + 1;
  if (kind === EVAL) {
    if (at === end || bytes[at]! > EVAL_FLAGS) return WRONG;
    at++;
  }
  for (let list = 0; list < lists; list++) {
    if (end - at < 4) return WRONG;
    const count = readU32(bytes, at);
    at += 4;
    // The first of each is the script alone.
    if (list === 0 && kind !== SCRIPTS_EXIST && count !== 1) return WRONG;
    for (let i = 0; i < count; i++) {
      if (end - at < 4) return WRONG;
      const length = readU32(bytes, at);
      if (length > end - at - 4) return WRONG;
      at += 4 + length;
    }
  }
  return at === end ? null : WRONG;
}
