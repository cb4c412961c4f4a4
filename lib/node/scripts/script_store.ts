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
import { latin1 } from "../../util/latin1.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { CalledOperation } from "../../wire/resp/resp_script_calls.ts";
import type { ScriptBatch } from "./script_batch.ts";
import type { RunEffects, ScriptKey } from "./script_group.ts";

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
/** A buffer that one value made larger than this is given back. */
const KEPT_BYTES = 65_536;

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

/** One for all scripts, as one runs at a time. */
export class ScriptStore {
  #batch!: ScriptBatch;
  #isHeld!: (key: string) => boolean;
  readonly #result = new Result();
  /** The run's number in its batch. */
  #run = 0;
  /** The keys that were touched, and those of them that were written. */
  #touched: ScriptKey[] = [];
  #written: ScriptKey[] = [];
  /** Of those of the batch. */
  #writesStart = 0;
  #writeCount = 0;
  #copiedBytes = 0;
  readonly #rewriting = new Rewriting();
  #rewrittenBytes = 0;
  #readNs = 0;
  /** What it took beyond the script's own steps, in ns. */
  work = 0;
  /** A key's time has come on this leader, and that is not applied yet. */
  hasSeenDue = false;
  readonly #places: number[] = [];
  /** What is copied: its key and value, and the command that sets them. */
  #source = new ByteWriter();
  #set = new ByteWriter();

  /** `isHeld`: somebody's writes to the key are in the log, and not applied. */
  begin(batch: ScriptBatch, isHeld: (key: string) => boolean): void {
    this.#batch = batch;
    this.#isHeld = isHeld;
    this.#run = batch.beginRun();
    this.#touched = [];
    this.#written = [];
    this.#writesStart = batch.writes.length;
    this.#writeCount = 0;
    this.#copiedBytes = 0;
    this.#rewriting.clear();
    this.#rewrittenBytes = 0;
    this.#readNs = 0;
    this.work = 0;
    this.hasSeenDue = false;
  }

  get hasWritten(): boolean {
    return this.#writeCount > 0;
  }

  /** Does an operation of the script. @throws {ScriptStop} */
  run({ bytes, start, end, isWrite, replyMode }: CalledOperation): Result {
    const inner = innerOf(bytes, start);
    this.#touchAll(bytes, inner, isWrite);
    if (!isWrite) return this.#read(bytes, inner);
    this.#countRewriting(bytes, start);
    const { writes, time, scratch } = this.#batch;
    writes.u8(replyMode);
    writes.slice(bytes, start, end);
    this.#writeCount++;
    // In place: what goes into the log is copied, and has its times moved when it gets there.
    const places = this.#places;
    places.length = 0;
    findAbsoluteTimes(bytes, inner, end, inner, places);
    if (places.length > 0) moveAbsoluteTimes(bytes, places, time.aheadOfWallMs());
    scratch.applyCommand(bytes, inner, this.#result);
    return this.#result;
  }

  #read(bytes: Uint8Array, at: number): Result {
    const result = this.#result;
    const before = this.#batch.scratch.readWork;
    this.#batch.scratch.read(bytes, at, result);
    this.#countRead(this.#batch.scratch.readWork - before);
    if (shownBytes(result) > SHOWN_BYTES_MAX) throw stopped("a command shows more than 8 MiB");
    return result;
  }

  /** Finding out what its user may has taken so many ns, by the rules of keys. @throws {ScriptStop} */
  judged(ns: number): void {
    if (ns > 0) this.#countRead(ns);
  }

  #countRead(ns: number): void {
    this.work += ns;
    this.#readNs += ns;
    if (this.#readNs > READ_NS_MAX) throw stopped("its commands read more than those of one may");
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

  /** Of what it has written so far. */
  get writtenBytes(): number {
    return this.#batch.writes.length - this.#writesStart;
  }

  effects(): RunEffects {
    return {
      touched: this.#touched,
      written: this.#written,
      writesStart: this.#writesStart,
      writesEnd: this.#batch.writes.length,
      writeCount: this.#writeCount,
    };
  }

  /** What it has written goes nowhere. */
  drop(): void {
    this.#batch.writes.length = this.#writesStart;
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
    const last = this.#touched.at(-1);
    if (last !== undefined && isText(last.key, bytes, start, length)) {
      if (isWrite) this.#write(last);
      return;
    }
    const key = latin1(bytes, start, start + length);
    let use = this.#batch.use(key);
    if (use?.touchedIn !== this.#run) {
      if (this.#isHeld(key)) throw new ScriptStop(null, key);
      this.work += COPY_NS;
      use ??= this.#copyKey(key, bytes, start, length);
      if (use.isDue) this.hasSeenDue = true;
      use.touchedIn = this.#run;
      this.#touched.push(use);
    }
    if (isWrite) this.#write(use);
  }

  #write(use: ScriptKey): void {
    if (use.writtenIn === this.#run) return;
    use.writtenIn = this.#run;
    this.#written.push(use);
  }

  #copyKey(key: string, bytes: Uint8Array, start: number, length: number): ScriptKey {
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
    const source = this.#source;
    source.clear();
    source.slice(bytes, start, start + length);
    source.slice(result.bytes, result.offset, result.offset + result.length);
    this.#copy(length, deadlineMs);
    return batch.noteCopied(key, version, false);
  }

  /** Sets the key and the value that were put together, the key's length first. */
  #copy(keyLength: number, deadlineMs: number): void {
    const [source, out] = [this.#source, this.#set];
    const kind = deadlineMs === 0 ? ExpiryKind.never : ExpiryKind.absolute;
    out.clear();
    encodeSet(out, kind, deadlineMs, source.bytes, 0, keyLength, keyLength, source.length);
    this.#batch.scratch.applyCommand(out.bytes, 0, this.#result);
    if (out.bytes.length <= KEPT_BYTES) return;
    this.#source = new ByteWriter();
    this.#set = new ByteWriter();
  }
}

/** True where `text` has just the letters `bytes[start, start + length)`. */
function isText(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
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
