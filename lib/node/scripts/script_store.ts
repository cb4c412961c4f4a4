/**
 * What a script sees while it runs: the applied state, with what it and those before it in its batch have
 * written on top. The batch's own store holds the keys that were touched, copied when they are first touched,
 * and does all commands: so they come to just what clients get. What was read is remembered by its version.
 */
import {
  commandLength,
  encodeSet,
  ExpiryKind,
  innerOf,
  keyLength,
  keyOffset,
  Op,
} from "../../kv/commands/command.ts";
import { findAbsoluteTimes, moveAbsoluteTimes } from "../../kv/commands/absolute_times.ts";
import { Result, Status } from "../../kv/commands/result.ts";
import { Rewriting } from "../../kv/commands/rewriting.ts";
import { latin1, latin1Bytes } from "../../kv/users/user.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { CalledOperation } from "../../wire/resp/resp_script_calls.ts";
import type { KeyUse, ScriptBatch } from "./script_batch.ts";
import type { RunEffects } from "./script_group.ts";

const GROUPS: ReadonlySet<number> = new Set([
  Op.group,
  Op.deleteGroup,
  Op.readGroup,
  Op.setAll,
]);
/** Of keys and values that one run may copy. */
const COPIED_BYTES_MAX = 16_777_216;
/** Of values that its commands rewrite: a larger transaction would be refused (rewrite_limit.ts). */
const REWRITTEN_BYTES_MAX = 67_108_864;
/** Of values that one of its commands shows. */
const SHOWN_BYTES_MAX = 8_388_608;
/** What its reads may take beyond that, in ns. */
const READ_NS_MAX = 10_000_000;
/** What copying a byte takes, in ns. */
const NS_A_BYTE = 2;
const COPY_NS = 1_000;

/** What ends a run from within one of its commands: nothing of it is done. */
export class ScriptStop {
  /** The reply; null: it has to wait until `key` is free. */
  readonly reply: string | null;
  readonly key: string;

  constructor(reply: string | null, key = "") {
    this.reply = reply;
    this.key = key;
  }
}

export class ScriptStore {
  readonly #batch: ScriptBatch;
  readonly #isHeld: (key: string) => boolean;
  readonly #result = new Result();
  /** The keys that were touched, each with the version that is applied; 0: absent. */
  readonly touched = new Map<string, number>();
  readonly #written = new Set<string>();
  readonly #writes = new ByteWriter();
  #writeCount = 0;
  #copiedBytes = 0;
  readonly #rewriting = new Rewriting();
  #rewrittenBytes = 0;
  #readNs = 0;
  /** What it took beyond the script's own steps, in ns. */
  work = 0;
  /** A key's time has come on this leader, and that is not applied yet. */
  hasSeenDue = false;

  /** `isHeld`: somebody's writes to the key are in the log, and not applied. */
  constructor(batch: ScriptBatch, isHeld: (key: string) => boolean) {
    this.#batch = batch;
    this.#isHeld = isHeld;
  }

  get hasWritten(): boolean {
    return this.#writeCount > 0;
  }

  /** Does an operation of the script. @throws {ScriptStop} */
  run({ bytes, start, end, isWrite, replyMode }: CalledOperation): Result {
    this.#touchAll(bytes, innerOf(bytes, start), isWrite);
    if (!isWrite) return this.#read(bytes, innerOf(bytes, start));
    this.#countRewriting(bytes, start);
    this.#writes.u8(replyMode);
    this.#writes.slice(bytes, start, end);
    this.#writeCount++;
    const own = bytes.slice(innerOf(bytes, start), end);
    const places: number[] = [];
    findAbsoluteTimes(own, 0, own.length, 0, places);
    moveAbsoluteTimes(own, places, this.#batch.time.aheadOfWallMs());
    this.#batch.scratch.applyCommand(own, 0, this.#result);
    return this.#result;
  }

  #read(bytes: Uint8Array, at: number): Result {
    const result = this.#result;
    const before = this.#batch.scratch.readWork;
    this.#batch.scratch.read(bytes, at, result);
    const ns = this.#batch.scratch.readWork - before;
    this.work += ns;
    this.#readNs += ns;
    if (shownBytes(result) > SHOWN_BYTES_MAX) throw stopped("a command shows more than 8 MiB");
    if (this.#readNs > READ_NS_MAX) throw stopped("its commands read more than those of one may");
    return result;
  }

  /** Before a command rewrites a value, or makes a long one of a short command. */
  #countRewriting(bytes: Uint8Array, at: number): void {
    const count = this.#rewriting.bytesOf(this.#batch.scratch, bytes, at);
    this.#rewrittenBytes += count;
    this.work += NS_A_BYTE * count;
    if (this.#rewrittenBytes > REWRITTEN_BYTES_MAX) {
      throw stopped("its commands rewrite more than 64 MiB of values");
    }
  }

  effects(): RunEffects {
    const { touched } = this;
    const writes = this.#writes.copy();
    return { touched, written: this.#written, writes, writeCount: this.#writeCount };
  }

  #touchAll(bytes: Uint8Array, at: number, isWrite: boolean): void {
    if (!GROUPS.has(bytes[at + 4]!)) return this.#touch(bytes, at, isWrite);
    const end = at + commandLength(bytes, at);
    let one = keyOffset(bytes, at);
    for (; one < end; one += commandLength(bytes, one)) this.#touch(bytes, one, isWrite);
  }

  #touch(bytes: Uint8Array, at: number, isWrite: boolean): void {
    const length = keyLength(bytes, at);
    if (length === 0) return;
    const start = keyOffset(bytes, at);
    const key = latin1(bytes.subarray(start, start + length));
    if (isWrite) this.#written.add(key);
    if (this.touched.has(key)) return;
    if (this.#isHeld(key)) throw new ScriptStop(null, key);
    this.work += COPY_NS;
    const use = this.#batch.use(key) ?? this.#copyKey(key, bytes, start, length);
    if (use.isDue) this.hasSeenDue = true;
    this.touched.set(key, use.version);
  }

  #copyKey(key: string, bytes: Uint8Array, start: number, length: number): KeyUse {
    const batch = this.#batch;
    const result = this.#result;
    if (!batch.real.look(bytes, start, length, result)) return batch.noteCopied(key, 0, false);
    const { deadlineMs, version } = result;
    if (deadlineMs !== 0 && deadlineMs <= batch.time.nowMs()) return batch.noteCopied(key, 0, true);
    this.#copiedBytes += length + result.length;
    this.work += NS_A_BYTE * result.length;
    if (this.#copiedBytes > COPIED_BYTES_MAX) {
      throw stopped("it touched more than 16 MiB of keys and values");
    }
    this.#copy(latin1Bytes(key), result, deadlineMs);
    return batch.noteCopied(key, version, false);
  }

  #copy(key: Uint8Array, { bytes, offset, length }: Result, deadlineMs: number): void {
    const source = new Uint8Array(key.length + length);
    source.set(key);
    source.set(bytes.subarray(offset, offset + length), key.length);
    const out = new ByteWriter(source.length + 32);
    const kind = deadlineMs === 0 ? ExpiryKind.never : ExpiryKind.absolute;
    encodeSet(out, kind, deadlineMs, source, 0, key.length, key.length, source.length);
    this.#batch.scratch.applyCommand(out.bytes, 0, this.#result);
  }
}

function stopped(why: string): ScriptStop {
  return new ScriptStop(`-ERR the script was stopped: ${why}, nothing was done\r\n`);
}

function shownBytes({ status, length, list, listLength }: Result): number {
  if (status === Status.found) return length;
  if (status !== Status.list) return 0;
  let total = 0;
  for (let i = 0; i < listLength; i++) total += shownBytes(list[i]!);
  return total;
}
