/** The cluster file as text: reading it, and describing what is wrong with it so that it can be fixed. */
import { isContents } from "./util/file_names.ts";
import type * as v from "valibot";
import { isNear, nearest } from "./util/near_words.ts";
import { repeatedKey } from "./util/repeated_key.ts";

/**
 * Parses JSON.
 * @throws {Error} with half a sentence: where it ends to be JSON, and which habit may be the reason; or which
 * key stands twice.
 */
export function parseJson(text: string): unknown {
  // Editors and shells of Windows write a mark at the front, or every character in two bytes.
  if (/[\0\ufffd]/.test(text)) throw new Error("no UTF-8 text: save it as UTF-8");
  const body = text.replace(/^\ufeff/, "");
  if (body.trim() === "") throw new Error("the file is empty");
  const json = parseBody(body);
  const repeated = repeatedKey(body);
  if (repeated === null) return json;
  const { path, firstLine, line } = repeated;
  const where = firstLine === line ? `in line ${line}` : `in lines ${firstLine} and ${line}`;
  throw new Error(`${formatPath(path)}: this key stands twice, ${where}: leave one of them out`);
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    // The engine quotes what it stumbled over, line ends included.
    const why = (error as Error).message.replace(/\p{Cc}+/gu, " ");
    throw new Error(`no valid JSON: ${why}${habit(body)}`, { cause: error });
  }
}

/** What JSON does not have, though people and other formats do; only asked where something is wrong. */
function habit(text: string): string {
  const outside = text.replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
  if (/\/[/*]/.test(outside)) return " (JSON has no comments)";
  if (/,\s*[}\]]/.test(outside)) return " (JSON has no comma before a closing bracket)";
  if (/'/.test(outside)) return ' (JSON has " for quotes)';
  if (/[{,]\s*[A-Za-z_]\w*\s*:/.test(outside)) return ' (JSON has its keys in "quotes")';
  return "";
}

/** One sentence about the first thing that is wrong: the key, and what was meant. */
export function describeIssue(
  issue: v.BaseIssue<unknown>,
  knownKeys: Readonly<Record<string, readonly string[]>>,
): string {
  const keys = (issue.path ?? []).map((item) => item.key as string | number);
  const path = formatPath(keys);
  if (issue.kind === "schema" && issue.type === "strict_object") {
    const section = keys.filter((key) => typeof key === "string").slice(0, -1).join(".");
    const known = knownKeys[section] ?? [];
    const last = issue.path?.at(-1);
    const key = String(last?.key);
    if (issue.expected === "never") return unknownKey(path, key, section, knownKeys);
    const typo = typoFor(key, last?.input, known);
    if (typo !== null) {
      const wrong = formatPath([...keys.slice(0, -1), typo]);
      return `${wrong}: unknown key (did you mean ${key}?); known here: ${known.join(", ")}`;
    }
    return `${path}: missing; known here: ${known.join(", ")}`;
  }
  return `${path === "" ? "" : `${path}: `}${shown(issue.input)} ${issue.message}`;
}

function unknownKey(
  path: string,
  key: string,
  section: string,
  knownKeys: Readonly<Record<string, readonly string[]>>,
): string {
  const known = knownKeys[section] ?? [];
  const hint = meantBy(key, known) ?? placeOf(key, section, knownKeys);
  return `${path}: unknown key${hint}; known here: ${known.join(", ")}`;
}

/** A sentence for each key of the parsed file that no section knows, in the words of `describeIssue`. */
export function unknownKeys(
  json: unknown,
  knownKeys: Readonly<Record<string, readonly string[]>>,
): string[] {
  const found: string[] = [];
  const visit = (value: unknown, section: string, path: readonly (string | number)[]): void => {
    if (Array.isArray(value)) value.forEach((item, at) => visit(item, section, [...path, at]));
    else if (typeof value === "object" && value !== null) {
      const known = knownKeys[section];
      if (known === undefined) return;
      const missing = known.filter((key) => !(key in value));
      for (const [key, inner] of Object.entries(value)) {
        const at = [...path, key];
        if (known.includes(key)) visit(inner, section === "" ? key : `${section}.${key}`, at);
        // A key that stands for a missing one is named together with it.
        else if (!missing.some((one) => isNear(key, one))) {
          found.push(unknownKey(formatPath(at), key, section, knownKeys));
        }
      }
    }
  };
  visit(json, "", []);
  return found;
}

/** `["servers", 1, "id"]` as `servers[1].id`; a key that is no plain word is quoted. */
function formatPath(keys: readonly (string | number)[]): string {
  let path = "";
  for (const key of keys) {
    if (typeof key === "number") path += `[${key}]`;
    else {
      const word = /^\w{1,64}$/.test(key) ? key : shorten(key);
      path += path === "" ? word : `.${word}`;
    }
  }
  return path;
}

/** What was given, for whoever mends it. */
function shown(input: unknown): string {
  const isSecret = typeof input === "string" && isContents(input);
  return isSecret ? "a text of several lines, or in PEM," : shorten(input);
}

function shorten(input: unknown): string {
  const text = JSON.stringify(input) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The known key that was likely meant; null where none looks like it. */
function meantBy(key: string, known: readonly string[]): string | null {
  const near = nearest(key, known);
  return near === null ? null : ` (did you mean ${near}?)`;
}

/** The unknown key in `object` that was likely meant as `missing`. */
function typoFor(missing: string, object: unknown, known: readonly string[]): string | null {
  if (typeof object !== "object" || object === null) return null;
  const unknown = Object.keys(object).filter((key) => !known.includes(key));
  return unknown.find((key) => isNear(key, missing)) ?? null;
}

/** Where else the key is known. */
function placeOf(
  key: string,
  section: string,
  knownKeys: Readonly<Record<string, readonly string[]>>,
): string {
  for (const [other, keys] of Object.entries(knownKeys)) {
    if (other === section || !keys.includes(key)) continue;
    return other === "" ? " (it belongs to the file's top level)" : ` (it belongs into ${other})`;
  }
  return "";
}
