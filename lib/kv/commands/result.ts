/** What a command came to. One `Result` is reused for command after command: copy what you keep. */
import { Int64 } from "../../util/int64.ts";

export const Status = {
  /** A set or cas was done; `version` is the key's new one. */
  stored: 1,
  /** A read found the key: `version`, `deadlineMs`, and the value's place. */
  found: 2,
  deleted: 3,
  /** No such key, or its time has come. */
  notFound: 4,
  /** A cas met another version. */
  versionDiffers: 5,
  /** What the command asks to hold does not: nothing was done. */
  notDone: 6,
  /** `integer` is the answer. */
  integer: 7,
  /** Several results: `list[0 .. listLength)`; a scan's with the `cursor` to continue from. */
  list: 8,
  /** A watched key has changed: nothing of the transaction was done. */
  aborted: 9,
  /** The value is no whole number of 64 bits. */
  notInteger: 10,
  /** The sum would not fit 64 bits. */
  overflow: 11,
  /** The value is no decimal number. */
  notFloat: 12,
  /** The sum is too large for a decimal number. */
  infinite: 13,
  /** The new value would be longer than values may be. */
  tooLong: 14,
  /** There is more to look through, or to send, than one command may. */
  tooMuch: 15,
  /** It was done, and what it shows is left out: too much waits to be taken by this client already. */
  leftOut: 16,
  /** The user may not run the command, is off, or is gone: nothing was done. */
  notPermittedCommand: 17,
  /** The user may not do this with one of the keys: nothing was done. */
  notPermittedKey: 18,
  /** There are users, and the command has none: nothing was done. */
  notAuthenticated: 19,
  /** Users don't change like that: `version` is the `UserProblem`, `cursor` the modification's place. */
  userProblem: 20,
  /** The client session is unknown or over, or the write was acknowledged: nothing was done now. */
  noSession: 21,
  /** There are as many client sessions, or replies kept for them, as there may be: nothing was done. */
  sessionsFull: 22,
  /** It was done, once; its reply was too long to be kept for whoever asks again. */
  notKept: 23,
  /** As many scripts are loaded as there may be, or bytes of their sources: nothing was done. */
  tooManyScripts: 24,
  tooManyScriptBytes: 25,
} as const;
export type Status = typeof Status[keyof typeof Status];

/** A list's results are kept for the next one up to this many. */
const PARTS_KEPT = 256;

export class Result {
  status: Status = Status.notFound;
  version = 0;
  /** When the key expires, ms since 1970; 0 for never. Of a list: the first of its keys' to come. */
  deadlineMs = 0;
  /** The value is `bytes[offset, offset + length)`: valid until the store's next call. */
  bytes: Uint8Array = EMPTY;
  offset = 0;
  length = 0;
  /** Made where they are first used: a list of keys has a result each, with neither. */
  #integer: Int64 | null = null;
  #list: Result[] | null = null;
  listLength = 0;
  /** Where a scan continues. */
  cursor = 0;
  /** What the command of a transaction had with it, for whoever writes its reply. */
  tag = 0;

  /** Only changed, never replaced: no object for each counter. */
  get integer(): Int64 {
    return this.#integer ??= new Int64();
  }

  get list(): Result[] {
    return this.#list ??= [];
  }

  setInteger(value: number): void {
    this.status = Status.integer;
    this.integer.set(value);
  }

  /** The value, found at `bytes[offset, offset + length)`. */
  setValue(bytes: Uint8Array, offset: number, length: number): void {
    this.status = Status.found;
    this.bytes = bytes;
    this.offset = offset;
    this.length = length;
  }

  /** Copies the value, which is about to change or to go. */
  keepValue(): void {
    this.bytes = this.bytes.slice(this.offset, this.offset + this.length);
    this.offset = 0;
  }

  /** True where a reply may show more than a few bytes of values. */
  get showsMuch(): boolean {
    return this.status === Status.list || (this.status === Status.found && this.length > 16_384);
  }

  /** Gives the value up: what was done is done, and the reply says that it has no room for it. */
  drop(): void {
    this.status = Status.tooMuch;
    this.bytes = EMPTY;
    this.offset = 0;
    this.length = 0;
  }

  beginList(): void {
    this.status = Status.list;
    this.listLength = 0;
    this.cursor = 0;
    this.deadlineMs = 0;
    if (this.list.length > PARTS_KEPT) this.list.length = PARTS_KEPT;
  }

  /** The list's next result, with nothing in it but what an earlier command left. */
  addPart(): Result {
    const at = this.listLength++;
    const part = this.list[at];
    if (part !== undefined) {
      part.version = 0;
      part.deadlineMs = 0;
      part.listLength = 0;
      return part;
    }
    const fresh = new Result();
    this.list.push(fresh);
    return fresh;
  }

  /** The first deadline of this and the list's results counts for all. */
  noteDeadline(deadlineMs: number): void {
    if (deadlineMs === 0) return;
    if (this.deadlineMs === 0 || deadlineMs < this.deadlineMs) this.deadlineMs = deadlineMs;
  }
}

const EMPTY = new Uint8Array(0);
