/**
 * Scripts between the codec, the node and the engine that runs them: what a client asks for, and the engine
 * as the node knows it. Texts have a letter for each byte.
 */
import { COMMAND_HEAD_BYTES, commandLength } from "../kv/commands/command.ts";
import { latin1 } from "../util/latin1.ts";
import { type ByteWriter, readU32 } from "../util/bytes.ts";

export interface EvalRequest {
  readonly kind: "eval";
  /** The script, or its SHA-1 where `isByHash`. */
  readonly script: string;
  readonly isByHash: boolean;
  /** Writes are refused. */
  readonly isReadOnly: boolean;
  readonly isResp3: boolean;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

export type ScriptRequest =
  | EvalRequest
  | { readonly kind: "loadScript"; readonly script: string }
  | { readonly kind: "scriptsExist"; readonly hashes: readonly string[] }
  | { readonly kind: "flushScripts" };

/** The reply in the Redis protocol: its bytes, or a text with a letter for each of them. */
export interface ScriptAnswer {
  readonly kind: "script";
  readonly reply: Uint8Array | string;
}

export function putReply(out: ByteWriter, { reply }: ScriptAnswer): void {
  if (typeof reply === "string") out.latin1(reply);
  else out.raw(reply);
}

/** What a script may ask of the server while it runs. */
export interface ScriptCalls {
  /** Does a command for the script; its reply in version 2 of the Redis protocol. */
  call(words: readonly string[]): string;
  /** Whether its user may do that command; null where there is none like it. */
  mayRun(words: readonly string[]): boolean | null;
  /** Seconds, and microseconds within that: the same for all of a run. */
  time(): readonly [number, number];
  /** `level`: 0 debug, 1 verbose, 2 notice, 3 warning. */
  log(level: number, text: string): void;
}

export interface ScriptRun {
  readonly script: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly isResp3: boolean;
}

export interface ScriptOutcome {
  readonly reply: string;
  /** False where it took more than one may: nothing of it is to be done. */
  readonly isKept: boolean;
  /** What it took, in steps of about 30 ns. */
  readonly steps: number;
}

/** What runs scripts. It keeps those that it knows, as far as it has room. */
export interface ScriptEngine {
  /** What compiling has taken so far, in the steps of outcomes. */
  readonly compileSteps: number;
  /** Takes a script up; gives its SHA-1, or its error as a line of the Redis protocol. */
  load(script: string): { readonly hash: string } | { readonly problem: string };
  /** The script of this SHA-1 (in either case); null where it is not known. */
  find(hash: string): string | null;
  /** True where the script says of itself that it writes nothing. */
  writesNothing(script: string): boolean;
  flush(): void;
  run(run: ScriptRun, calls: ScriptCalls): ScriptOutcome;
}

/** How a node comes to its engine, which is loaded with the first script. */
export interface ScriptEngines {
  /** Calls `done` later, once; with null where it can't be had. */
  load(done: (engine: ScriptEngine | null) => void): void;
}

const IS_SCRIPT = 1;
const KINDS = ["eval", "loadScript", "scriptsExist", "flushScripts"] as const;
const BY_HASH = 1;
const READ_ONLY = 2;
const RESP3 = 4;

/** The words of a request: the i-th is `bytes[starts[i], ends[i])`. */
export interface Words {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly count: number;
}

/**
 * Appends the question as it waits for its turn, within this process: a 1, which no question in JSON begins
 * with. The words are those of an EVAL, which its name and the number of its keys are among.
 */
export function encodeEval(
  out: ByteWriter,
  words: Words,
  keyCount: number,
  { isByHash, isReadOnly, isResp3 }: Pick<EvalRequest, "isByHash" | "isReadOnly" | "isResp3">,
): void {
  out.u8(IS_SCRIPT);
  out.u8(KINDS.indexOf("eval"));
  out.u8((isByHash ? BY_HASH : 0) | (isReadOnly ? READ_ONLY : 0) | (isResp3 ? RESP3 : 0));
  const firstArgument = 3 + keyCount;
  putWords(out, words, 1, 2);
  putWords(out, words, 3, firstArgument);
  putWords(out, words, firstArgument, words.count);
}

function putWords(out: ByteWriter, words: Words, from: number, to: number): void {
  out.u32(to - from);
  for (let i = from; i < to; i++) {
    const [start, end] = [words.starts[i]!, words.ends[i]!];
    out.u32(end - start);
    out.slice(words.bytes, start, end);
  }
}

/** The same for all others. */
export function encodeScriptRequest(
  out: ByteWriter,
  request: Exclude<ScriptRequest, EvalRequest>,
): void {
  out.u8(IS_SCRIPT);
  out.u8(KINDS.indexOf(request.kind));
  switch (request.kind) {
    case "loadScript":
      putTexts(out, [request.script]);
      break;
    case "scriptsExist":
      putTexts(out, request.hashes);
  }
}

/** True where the constant command at `bytes[offset]` has what `encodeEval` or `encodeScriptRequest` gave. */
export function isScriptRequest(bytes: Uint8Array, offset: number): boolean {
  return commandLength(bytes, offset) > COMMAND_HEAD_BYTES &&
    bytes[offset + COMMAND_HEAD_BYTES] === IS_SCRIPT;
}

/** True where that is a script that is not bound to read alone. */
export function mayWrite(bytes: Uint8Array, offset: number): boolean {
  const at = offset + COMMAND_HEAD_BYTES + 1;
  return KINDS[bytes[at]!] === "eval" && (bytes[at + 1]! & READ_ONLY) === 0;
}

/** What `encodeEval` or `encodeScriptRequest` put into the constant command at `bytes[offset]`. */
export function takeScriptRequest(bytes: Uint8Array, offset: number): ScriptRequest {
  let at = offset + COMMAND_HEAD_BYTES + 1;
  const kind = KINDS[bytes[at++]!]!;
  const texts = (): string[] => {
    const count = readU32(bytes, at);
    at += 4;
    const found: string[] = [];
    for (let i = 0; i < count; i++) {
      const length = readU32(bytes, at);
      found.push(latin1(bytes, at + 4, at + 4 + length));
      at += 4 + length;
    }
    return found;
  };
  switch (kind) {
    case "eval": {
      const flags = bytes[at++]!;
      const [script] = texts();
      const [keys, args] = [texts(), texts()];
      const isByHash = (flags & BY_HASH) !== 0;
      const isReadOnly = (flags & READ_ONLY) !== 0;
      const isResp3 = (flags & RESP3) !== 0;
      return { kind, script: script!, isByHash, isReadOnly, isResp3, keys, args };
    }
    case "loadScript":
      return { kind, script: texts()[0]! };
    case "scriptsExist":
      return { kind, hashes: texts() };
    case "flushScripts":
      return { kind };
  }
}

function putTexts(out: ByteWriter, texts: readonly string[]): void {
  out.u32(texts.length);
  for (const text of texts) {
    out.u32(text.length);
    out.latin1(text);
  }
}
