/**
 * One connection's state, and the request that is being looked at: its arguments, and what becomes of
 * it. Within MULTI the same calls gather the commands for EXEC.
 */
import {
  BY_USER_BYTES,
  COMMAND_HEAD_BYTES,
  encodeCommand,
  endCommand,
  IN_SESSION_BYTES,
  Op,
} from "../../kv/commands/command.ts";
import { encodeInSession, type SessionPlace } from "../../kv/sessions/operations.ts";
import { encodeByUser } from "../../kv/users/operations.ts";
import { latin1 } from "../../util/latin1.ts";
import { ByteWriter, writeU32 } from "../../util/bytes.ts";
import { Int64 } from "../../util/int64.ts";
import { encodeCredentials } from "../acl.ts";
import type { ClientAccess } from "../client_access.ts";
import { Action, ClientError, type CommandBatch, ReplyMode } from "../command_batch.ts";
import type { ClientSubscriptions } from "../subscribing.ts";
import { slotOf } from "./hash_slots.ts";
import { RESP3, RespMode } from "./resp_replies.ts";
import { RespWatches } from "./resp_watches.ts";

export interface RespLimits {
  readonly valueBytesMax: number;
  readonly keyBytesMax: number;
  /** The most bytes of one request, and of one transaction. */
  readonly commandBytesMax: number;
}

/** Where the client is, for itself to see. */
export interface RespIdentity {
  readonly clientId: number;
  readonly remote: string;
  /** It came to the forward port: to its client there is no cluster (resp_view.ts). */
  readonly isForwarding?: boolean;
}

/** What a HELLO asks for, which takes effect once its client is authenticated. */
export interface PendingHello {
  readonly version: 2 | 3;
  readonly name: string | null;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NO_BYTES = new Uint8Array(0);
const QUEUED = encoder.encode("+QUEUED\r\n");
/** Who AUTH means where it names nobody. */
const DEFAULT_NAME = encoder.encode("default");

export class RespRequest {
  readonly limits: RespLimits;
  readonly identity: RespIdentity;
  access: ClientAccess;
  // The connection.
  version: 2 | 3 = 2;
  name = "";
  libraryName = "";
  libraryVersion = "";
  /** Of the last command, where that is one with subcommands that names them here. */
  subcommand = "";
  isReadonly = false;
  readonly watches = new RespWatches();
  /** What it subscribes to; null where it never has. */
  subscriptions: ClientSubscriptions | null = null;
  /** Of the HELLO whose AUTH is being decided; null where there is none. */
  pendingHello: PendingHello | null = null;
  /** The arguments of the ACL that is to be answered, a byte a letter. */
  aclArguments: readonly string[] = [];
  /** The commands of a transaction, each after its tag; null outside. */
  queue: ByteWriter | null = null;
  queued = 0;
  /** A command was refused when it was to be queued. */
  isDiscarded = false;
  // The request.
  bytes: Uint8Array = NO_BYTES;
  starts: Int32Array = new Int32Array(0);
  ends: Int32Array = new Int32Array(0);
  count = 0;
  /** The command's number (kv/users/command_numbers.ts). */
  command = 0;
  batch!: CommandBatch;
  /** Which write of a client session it is: RAFTKV.SESSION RUN stood before it. Null for none. */
  runsIn: SessionPlace | null = null;
  readonly number = new Int64();
  #random: number;
  /** The slot of the transaction's first key. */
  #firstSlot = 0;

  constructor(limits: RespLimits, identity: RespIdentity, access: ClientAccess) {
    this.limits = limits;
    this.identity = identity;
    this.access = access;
    this.#random = identity.clientId;
  }

  // Arguments.

  text(i: number): string {
    return decoder.decode(this.bytes.subarray(this.starts[i]!, this.ends[i]!));
  }

  /** The beginning of argument `i`, at most `bytesMax` of it. */
  shortText(i: number, bytesMax: number): string {
    const start = this.starts[i]!;
    return decoder.decode(this.bytes.subarray(start, Math.min(this.ends[i]!, start + bytesMax)));
  }

  /** Argument `i`, a letter for each byte. */
  latin1(i: number): string {
    return latin1(this.bytes, this.starts[i]!, this.ends[i]!);
  }

  length(i: number): number {
    return this.ends[i]! - this.starts[i]!;
  }

  /** True where argument `i` is `word`, which is in lower case, in any case. */
  is(i: number, word: string): boolean {
    if (this.length(i) !== word.length) return false;
    for (let k = 0, at = this.starts[i]!; k < word.length; k++, at++) {
      const byte = this.bytes[at]!;
      const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
      if (lower !== word.charCodeAt(k)) return false;
    }
    return true;
  }

  /** Reads argument `i` into `number`; where it is none, answers with an error and returns false. */
  integer(i: number, problem = "ERR value is not an integer or out of range"): boolean {
    if (this.number.parse(this.bytes, this.starts[i]!, this.ends[i]!)) return true;
    this.error(problem);
    return false;
  }

  /** True where argument `i` may be a key; answers with an error where not. */
  key(i: number): boolean {
    const length = this.length(i);
    if (length > 0 && length <= this.limits.keyBytesMax) return true;
    this.error(
      length === 0
        ? "ERR an empty key is not allowed here"
        : `ERR a key has more than ${this.limits.keyBytesMax} bytes (limits.redisKeyBytesMax)`,
    );
    return false;
  }

  /** True where argument `i` may be a value. */
  value(i: number): boolean {
    if (this.length(i) <= this.limits.valueBytesMax) return true;
    const { valueBytesMax } = this.limits;
    this.error(`ERR a value has more than ${valueBytesMax} bytes (limits.valueBytesMax)`);
    return false;
  }

  /** The slot of argument `i`; 0 where `i` is 0, for commands without a key. */
  slot(i: number): number {
    return i === 0 ? 0 : slotOf(this.bytes, this.starts[i]!, this.ends[i]!);
  }

  /** A number without meaning, another one each time. */
  random(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#random;
  }

  /** The request begins with argument `from`. Moves the rest: views would be two objects for each request. */
  dropArguments(from: number): void {
    this.starts.copyWithin(0, from, this.count);
    this.ends.copyWithin(0, from, this.count);
    this.count -= from;
  }

  // What becomes of it.

  /** Where to encode the command; call `write` or `read` after it. */
  begin(): ByteWriter {
    const out = this.queue ?? this.batch.bytes;
    if (this.queue !== null) out.u8(0);
    else if (this.runsIn !== null) encodeInSession(out, this.runsIn);
    if (this.access.userId !== 0) encodeByUser(out, this.access.userId, this.command);
    return out;
  }

  /** Encodes an operation on argument `key`, with argument `value` after it where it is not 0. */
  encode(out: ByteWriter, op: Op, key: number, value = 0): number {
    const { starts, ends } = this;
    const from = value === 0 ? 0 : starts[value]!;
    const to = value === 0 ? 0 : ends[value]!;
    return encodeCommand(out, op, this.bytes, starts[key]!, ends[key]!, from, to);
  }

  /** Encodes an operation without a key, with room for `valueBytes` after its fields. */
  encodeKeyless(out: ByteWriter, op: Op, value: Uint8Array = NO_BYTES): number {
    return encodeCommand(out, op, value, 0, 0, 0, value.length);
  }

  /** The command encoded at `at` goes into the log; `key` is its first key, or 0. */
  write(at: number, mode: RespMode, key: number): void {
    this.#finish(Action.write, at, mode, key);
  }

  /** The command encoded at `at` is a read. */
  read(at: number, mode: RespMode, key: number): void {
    this.#finish(this.isReadonly ? Action.staleRead : Action.read, at, mode, key);
  }

  /** Answers with these bytes. */
  reply(bytes: Uint8Array): void {
    if (this.queue === null) {
      const at = this.encodeKeyless(this.batch.bytes, Op.constant, bytes);
      this.batch.add(Action.local, ReplyMode.plain, at, 0, this.command);
      return;
    }
    const at = this.encodeKeyless(this.begin(), Op.constant, bytes);
    this.#finish(Action.local, at, RespMode.verbatim, 0);
  }

  /** Answers with this line: a simple string, a number or an error. */
  line(line: string): void {
    this.reply(encoder.encode(`${line}\r\n`));
  }

  error(text: string): void {
    this.line(`-${oneLine(text)}`);
  }

  bulk(text: string): void {
    const bytes = encoder.encode(text);
    this.reply(encoder.encode(`$${bytes.length}\r\n${text}\r\n`));
  }

  /** Answers at once, within a transaction too. */
  replyNow(line: string, action: Action = Action.local, mode: number = ReplyMode.plain): void {
    const { batch } = this;
    const bytes = encoder.encode(`${line}\r\n`);
    const at = this.encodeKeyless(batch.bytes, Op.constant, bytes);
    batch.add(action, mode, at, 0, this.command);
  }

  /** Answers a command that can't be queued, and spoils its transaction. */
  refuse(text: string): void {
    if (this.queue !== null) this.isDiscarded = true;
    this.replyNow(`-${oneLine(text)}`);
  }

  /** Answers a command that the client may not send, and spoils its transaction. */
  deny(error: ClientError): void {
    if (this.queue !== null) this.isDiscarded = true;
    this.batch.add(Action.refuse, error, this.batch.bytes.length, 0, this.command);
  }

  /** Answers with what the server tells of itself when the reply's turn has come. */
  local(mode: RespMode, argument = "", action: Action = Action.local): void {
    if (this.queue !== null) {
      return this.refuse("ERR this command is not supported within a transaction");
    }
    const at = this.encodeKeyless(this.batch.bytes, Op.constant, encoder.encode(argument));
    this.batch.add(action, this.#shown(mode), at, 0, this.command);
  }

  /** Has the client authenticated by name and password: arguments, or 0 for the name "default". */
  authenticate(name: number, password: number): void {
    const { batch, bytes, starts, ends } = this;
    const isNamed = name > 0;
    const at = encodeCredentials(
      batch.bytes,
      isNamed ? bytes.subarray(starts[name]!, ends[name]!) : DEFAULT_NAME,
      bytes.subarray(starts[password]!, ends[password]!),
    );
    batch.add(Action.authenticate, this.#shown(RespMode.authenticate), at, 0, this.command);
  }

  beginTransaction(): void {
    this.queue = new ByteWriter();
    this.queued = 0;
    this.isDiscarded = false;
    this.replyNow("+OK", Action.local, ReplyMode.beginTransaction);
  }

  endTransaction(): void {
    this.queue = null;
    this.queued = 0;
    this.isDiscarded = false;
    this.watches.clear();
  }

  /** Puts what was queued into the log, with what was watched. */
  execute(): void {
    const out = this.batch.bytes;
    const start = out.length;
    if (this.runsIn !== null) encodeInSession(out, this.runsIn);
    const ofUser = out.length;
    const { userId } = this.access;
    if (userId !== 0) encodeByUser(out, userId, this.command);
    const at = this.encodeKeyless(out, Op.transaction);
    writeU32(out.bytes, at + COMMAND_HEAD_BYTES, this.watches.count);
    writeU32(out.bytes, at + COMMAND_HEAD_BYTES + 4, this.queued);
    this.watches.write(out);
    out.raw(this.queue!.view());
    endCommand(out, at);
    if (userId !== 0) endCommand(out, ofUser);
    if (this.runsIn !== null) endCommand(out, start);
    const mode = this.#shown(RespMode.transaction);
    this.batch.add(Action.transaction, mode, start, this.#firstSlot, this.command);
    this.endTransaction();
  }

  #finish(action: Action, at: number, mode: RespMode, key: number): void {
    const { queue, batch, access } = this;
    let start = at;
    if (access.userId !== 0) {
      start -= BY_USER_BYTES;
      endCommand(queue ?? batch.bytes, start);
    }
    const slot = this.slot(key);
    if (queue === null) {
      // A read is none of its session's writes: what stands before it is left out.
      if (this.runsIn !== null && action === Action.write) {
        start -= IN_SESSION_BYTES;
        endCommand(batch.bytes, start);
      }
      batch.add(action, this.#shown(mode), start, slot, this.command);
      return;
    }
    // It is judged again where it is decided: the user may have lost the permission by then.
    const denial = access.denial(queue.bytes, start);
    if (denial !== 0) {
      queue.length = start - 1;
      return this.deny(denial);
    }
    queue.bytes[start - 1] = this.#shown(mode);
    if (this.queued === 0) this.#firstSlot = slot;
    this.queued++;
    const reply = this.encodeKeyless(batch.bytes, Op.constant, QUEUED);
    batch.add(Action.queue, ReplyMode.plain, reply, slot, this.command);
  }

  #shown(mode: number): number {
    return this.version === 3 ? mode | RESP3 : mode;
  }
}

/** Errors are one line, whatever of the client's bytes they show. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, " ");
}
