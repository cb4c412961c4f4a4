/**
 * Keys and values as JSON documents, one a line: text where it is UTF-8, else base64 in a field of
 * another name, so that every byte can be told and comes back. Pure.
 */
import { exactText } from "./escape.ts";

export interface KeyRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version?: number;
  /** Time to live left, in ms; null for ever. */
  readonly ttlMs: number | null;
}

/** `key` or `key64` with what it holds. */
export function bytesField(name: "key" | "value", bytes: Uint8Array): Record<string, string> {
  const text = exactText(bytes);
  return text === null ? { [`${name}64`]: base64(bytes) } : { [name]: text };
}

/** One document with its line end. */
export function recordLine({ key, value, version, ttlMs }: KeyRecord): string {
  const document = {
    ...bytesField("key", key),
    ...bytesField("value", value),
    ...(version !== undefined && { version }),
    // A key in its last millisecond is there all the same.
    ...(ttlMs !== null && { ttlMs: Math.max(1, ttlMs) }),
  };
  return `${JSON.stringify(document)}\n`;
}

const KNOWN = ["key", "key64", "value", "value64", "version", "ttlMs"];
const encoder = new TextEncoder();

/** A line of such documents. @throws {Error} with what is wrong with it, as half a sentence. */
export function parseRecord(line: string): KeyRecord {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (error) {
    throw new Error(`no JSON: ${(error as Error).message.replace(/\p{Cc}+/gu, " ")}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new Error('no object such as {"key":"a","value":"b"}');
  }
  const fields = json as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(fields).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) {
    throw new Error(`unknown field ${JSON.stringify(unknown)}; known are ${KNOWN.join(", ")}`);
  }
  const key = bytesOf(fields, "key");
  if (key.length === 0) throw new Error("the key is empty");
  return { key, value: bytesOf(fields, "value"), ttlMs: ttlOf(fields.ttlMs) };
}

function bytesOf(fields: Readonly<Record<string, unknown>>, name: "key" | "value"): Uint8Array {
  const text = fields[name];
  const coded = fields[`${name}64`];
  if ((text === undefined) === (coded === undefined)) {
    throw new Error(`it has to have one of ${name} and ${name}64`);
  }
  if (typeof text === "string") {
    if (!text.isWellFormed()) {
      throw new Error(`${name} is no text: half of a character stands alone`);
    }
    return encoder.encode(text);
  }
  if (typeof coded === "string") return fromBase64(coded, name);
  throw new Error(`${text === undefined ? `${name}64` : name} is no string`);
}

function ttlOf(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  throw new Error("ttlMs is no whole number of milliseconds above 0");
}

/** In pieces: an argument list has its limits. */
const PIECE_BYTES = 0x6000;

function base64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES))));
  }
  return parts.join("");
}

function fromBase64(text: string, name: string): Uint8Array {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
    return bytes;
  } catch {
    throw new Error(`${name}64 is no base64`);
  }
}
