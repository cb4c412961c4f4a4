/** The line protocol, for people with netcat and for simple clients: docs/protocol.md. */
import type { Result } from "../../kv/commands/result.ts";
import { assert, broken } from "../../util/assert.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { ClientFacts } from "../clients.ts";
import type { ClientAddress, Codec, LogTime, ServerViewSource } from "../codec.ts";
import { ClientAccess } from "../client_access.ts";
import { type ClientError, type CommandBatch, ReplyMode } from "../command_batch.ts";
import type { Answer } from "../questions.ts";
import type { ClientWatches } from "../watching.ts";
import { LINE_BYTES_MAX, type LineLimits, LineParser } from "./line_parser.ts";
import { writeLineError, writeLineHelp, writeLineOk, writeLineResult } from "./line_replies.ts";
import { UNWATCH_MODE, WATCH_MODE, writeLineUnwatch, writeLineWatch } from "./line_watching.ts";

/** The longest key of the line protocol. */
export const KEY_BYTES_MAX = 250;

/** The most bytes that one command takes in the input: its line, its value, the value's line end. */
export function lineCommandBytesMax(valueBytesMax: number): number {
  return LINE_BYTES_MAX + valueBytesMax + 2;
}

/** Of what CLIENT LIST shows, lines have next to nothing. */
const FACTS: ClientFacts = {
  clientId: 0,
  protocol: 0,
  name: "",
  isReadonly: false,
  queuedCommands: -1,
  watchedKeys: 0,
  transactionBytes: 0,
  command: "",
  libraryName: "",
  libraryVersion: "",
};

/** One connection's codec: it remembers what is half read. Never throws on any input. */
export class LineCodec implements Codec {
  readonly #parser: LineParser;

  /** `access`: who its client is; nobody, where there are no users, unless given. */
  constructor(
    options: { readonly valueBytesMax: number; readonly keyBytesMax?: number },
    access: ClientAccess = new ClientAccess(),
  ) {
    const limits: LineLimits = {
      valueBytesMax: options.valueBytesMax,
      keyBytesMax: options.keyBytesMax ?? KEY_BYTES_MAX,
    };
    assert(
      Number.isSafeInteger(limits.valueBytesMax) && limits.valueBytesMax >= 0 &&
        limits.valueBytesMax <= 0x3fff_ffff,
      `Cannot take values of up to ${limits.valueBytesMax} bytes: choose at most 1 GiB`,
    );
    assert(
      limits.keyBytesMax >= 1 && limits.keyBytesMax <= KEY_BYTES_MAX,
      `Cannot take keys of up to ${limits.keyBytesMax} bytes: choose 1 to ${KEY_BYTES_MAX}`,
    );
    this.#parser = new LineParser(limits, access);
  }

  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number {
    return this.#parser.parse(bytes, start, end, batch, room);
  }

  bytesNeeded(): number {
    return this.#parser.bytesNeeded();
  }

  isMidCommand(): boolean {
    return this.#parser.isMidCommand();
  }

  get isPassingOver(): boolean {
    return this.#parser.isPassingOver;
  }

  get isUndecided(): boolean {
    return false;
  }

  fellSilent(): void {}

  heldBytes(): number {
    return 0;
  }

  facts(): ClientFacts {
    return FACTS;
  }

  isWaiting(): boolean {
    return this.#parser.isAuthenticating;
  }

  noteRefused(replyMode: number, isRevoked: boolean): void {
    // Its refusal is the reply to an `auth`. One that was given already counts no more: another may wait.
    if (replyMode === ReplyMode.authenticate && !isRevoked) this.#parser.isAuthenticating = false;
  }

  writeLocal(
    out: ByteWriter,
    replyMode: number,
    bytes: Uint8Array,
    offset: number,
    _source: ServerViewSource,
    watches: ClientWatches,
  ): ClientError | 0 {
    if (replyMode === WATCH_MODE) return writeLineWatch(out, bytes, offset, watches);
    if (replyMode === UNWATCH_MODE) writeLineUnwatch(out, watches);
    else writeLineHelp(out);
    return 0;
  }

  writeResult(out: ByteWriter, replyMode: number, result: Result, time: LogTime): void {
    writeLineResult(out, replyMode, result, time);
  }

  writeAnswer(out: ByteWriter, _replyMode: number, answer: Answer): void {
    if (answer.kind !== "authenticated") broken("Nothing else is asked in the protocol of lines");
    this.#parser.isAuthenticating = false;
    writeLineOk(out);
  }

  writeError(
    out: ByteWriter,
    replyMode: number,
    error: ClientError,
    leader: ClientAddress | null,
  ): void {
    writeLineError(out, replyMode, error, leader);
  }
}
