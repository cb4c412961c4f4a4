/**
 * What a program gives to be sent: text or bytes. From plain JavaScript it may be anything, and anything
 * else would be sent as other bytes than were meant, or break the connection for all calls.
 */
import type { Argument } from "./request_writer.ts";

/**
 * An argument that its owner can't change any more.
 * @param what begins the error's sentence: "a key".
 * @param advice ends it, where what was given is no bytes either: "see client.json()".
 * @throws {TypeError} where it is neither text nor a Uint8Array (a Buffer of Node is one).
 */
export function kept(what: string, given: unknown, advice = ""): Argument {
  if (typeof given === "string") return given;
  if (isBytes(given)) return new Uint8Array(given);
  throw wrongKind(what, "a string or a Uint8Array", given, advice);
}

/** @throws {TypeError} where it is no text. */
export function text(what: string, given: unknown, advice = ""): string {
  if (typeof given === "string") return given;
  throw wrongKind(what, "a string", given, advice);
}

/**
 * A command's name and its arguments.
 * @throws {TypeError} where it is no such list.
 */
export function keptRequest(given: unknown): Argument[] {
  if (!Array.isArray(given)) {
    throw wrongKind("a command", 'an array such as ["STRLEN", "k"]', given, "");
  }
  // No map(): that would leave out what is missing in the array.
  const request = Array.from(given, (one: unknown) => kept("an argument of a command", one));
  const [name] = request;
  if (name === undefined || name.length === 0) {
    throw new TypeError("A command begins with its name");
  }
  return request;
}

/** Also those of another realm, such as a test's own global object. */
function isBytes(given: unknown): given is Uint8Array {
  if (given instanceof Uint8Array) return true;
  return ArrayBuffer.isView(given) && tagOf(given) === "Uint8Array";
}

export function wrongKind(what: string, wanted: string, given: unknown, advice: string): TypeError {
  const isBinary = ArrayBuffer.isView(given) || tagOf(given).endsWith("ArrayBuffer");
  const tail = isBinary ? "wrap its bytes: new Uint8Array(…)" : advice;
  const message = `${what} is ${wanted}, not ${kindOf(given)}`;
  return new TypeError(tail === "" ? message : `${message}; ${tail}`);
}

/** "a number", "null", "an array", "a Uint16Array". */
function kindOf(given: unknown): string {
  if (given === null || given === undefined) return String(given);
  const tag = tagOf(given);
  const isPlain = typeof given !== "object" || tag === "Array" || tag === "Object";
  const name = isPlain ? tag.toLowerCase() : tag;
  return /^[aeio]/i.test(name) ? `an ${name}` : `a ${name}`;
}

function tagOf(given: unknown): string {
  return Object.prototype.toString.call(given).slice("[object ".length, -1);
}
