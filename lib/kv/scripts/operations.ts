/**
 * The operations that replicated scripts bring, from cluster version 5 on (kv/commands/command.ts has the
 * others):
 *
 *   loadScript    8 20 bytes of the SHA-1 of the source, 28 source
 *   flushScripts  8
 *
 * Neither stands within another command but a byUser. The leader has compiled the source, and made its SHA-1:
 * replicas take both as they are.
 */
import { commandLength, encodeCommand, endCommand, Op } from "../commands/command.ts";
import { type Result, Status } from "../commands/result.ts";
import { type ByteWriter, readU32 } from "../../util/bytes.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import { latin1Bytes } from "../../util/latin1.ts";
import { LOADED_SCRIPT_BYTES_MAX, type LoadedScripts, SHA1_BYTES } from "./loaded_scripts.ts";

const NAME_OFFSET = 8;
const LOADED_SOURCE_OFFSET: number = NAME_OFFSET + SHA1_BYTES;
const NO_BYTES = new Uint8Array(0);

/** Appends a loadScript; `hash`: 40 digits; `source`: a letter a byte. Returns where it begins. */
export function encodeLoadScript(out: ByteWriter, hash: string, source: string): number {
  const at = encodeCommand(out, Op.loadScript, NO_BYTES, 0, 0, 0, 0);
  out.bytes.set(hexToBytes(hash), at + NAME_OFFSET);
  out.latin1(source);
  endCommand(out, at);
  return at;
}

/** Appends a flushScripts. Returns where it begins. */
export function encodeFlushScripts(out: ByteWriter): number {
  return encodeCommand(out, Op.flushScripts, NO_BYTES, 0, 0, 0, 0);
}

/** Whether an operation changes the scripts that are kept. */
export function isOfScripts(op: number): boolean {
  return op === Op.loadScript || op === Op.flushScripts;
}

/** What is wrong with the fields of the loadScript at `bytes[at]`, or null. */
export function loadScriptProblem(bytes: Uint8Array, at: number): string | null {
  const length = readU32(bytes, at) - LOADED_SOURCE_OFFSET;
  return length <= LOADED_SCRIPT_BYTES_MAX ? null : `a script of ${length} bytes`;
}

/**
 * Applies the loadScript or flushScripts at `bytes[at]` at log index `index`, which its user may do. A script
 * that is there now is `found`: the value is its SHA-1, 40 digits.
 */
export function applyToScripts(
  scripts: LoadedScripts,
  index: number,
  bytes: Uint8Array,
  at: number,
  result: Result,
): void {
  if (bytes[at + 4] === Op.flushScripts) {
    scripts.flush(index);
    result.status = Status.deleted;
    return;
  }
  const name = bytes.subarray(at + NAME_OFFSET, at + LOADED_SOURCE_OFFSET);
  const source = bytes.subarray(at + LOADED_SOURCE_OFFSET, at + commandLength(bytes, at));
  const loading = scripts.load(name, source);
  if (loading === "tooMany") result.status = Status.tooManyScripts;
  else if (loading === "tooManyBytes") result.status = Status.tooManyScriptBytes;
  else result.setValue(latin1Bytes(bytesToHex(name, 0, SHA1_BYTES)), 0, 2 * SHA1_BYTES);
}
