/**
 * Feeds a LineCodec as a connection would: chunk by chunk, what is not consumed offered again. After
 * each call the buffer is overwritten, so anything that aliased it shows.
 */
import { assert } from "@std/assert";
import { ExpiryKind, keyOffset, Op, RANGE_START_OFFSET } from "../../lib/kv/commands/command.ts";
import { readU32, readU64 } from "../../lib/util/bytes.ts";
import { Action, ClientError, CommandBatch, ReplyMode } from "../../lib/wire/command_batch.ts";
import { LineCodec, lineCommandBytesMax } from "../../lib/wire/line/line_codec.ts";

export const VALUE_BYTES_MAX = 1000;

/** Text to bytes, one byte a character. */
export function latin(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function unlatin(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

const REPLY_WORDS: Record<number, string> = {
  [ReplyMode.none]: " noreply",
  [ReplyMode.plain]: "",
  [ReplyMode.withMeta]: " withMeta",
};

/** One command of a batch as text: the action, then the command. */
function describe(batch: CommandBatch, at: number): string {
  const action = batch.actions[at];
  const reply = batch.replies[at]!;
  const bytes = batch.bytes.bytes.slice(batch.starts[at], batch.ends[at]);
  if (action === Action.write || action === Action.read) {
    const verb = action === Action.write ? "write" : "read";
    return `${verb} ${describeCommand(bytes)}${REPLY_WORDS[reply] ?? " ?"}`;
  }
  if (action === Action.local) return "help";
  assert(bytes.length === 0, "a refusal has no bytes");
  if (action === Action.refuse && reply === ClientError.hint) return "hint";
  assert(reply === ClientError.command, "a parser refuses for no other reason");
  if (action === Action.refuse) return "refuse";
  if (action === Action.refuseSilently) return "refuse noreply";
  return action === Action.refuseAndClose ? "refuseAndClose" : "close";
}

function describeCommand(bytes: Uint8Array): string {
  const op = bytes[4];
  const keyAt = keyOffset(bytes, 0);
  const keyBytes = (bytes[6]! << 8) | bytes[7]!;
  const key = unlatin(bytes.subarray(keyAt, keyAt + keyBytes));
  if (op === Op.delete) return `delete ${key}`;
  if (op === Op.get) return `get ${key}`;
  if (op === Op.getm) return `getm ${key}`;
  if (op === Op.range) {
    const startBytes = readU32(bytes, 13);
    const bounds = unlatin(bytes.subarray(RANGE_START_OFFSET));
    const [start, end] = [bounds.slice(0, startBytes), bounds.slice(startBytes)];
    return `range ${JSON.stringify(start)} ${JSON.stringify(end)} ${readU32(bytes, 9)}`;
  }
  const kinds = ["never", "relative", "absolute"];
  assert(bytes[8] !== ExpiryKind.absolute, "the line protocol knows no absolute times");
  const expiry = `${kinds[bytes[8]!]}:${readU64(bytes, 9)}`;
  const value = JSON.stringify(unlatin(bytes.subarray(keyAt + keyBytes)));
  if (op === Op.cas) return `cas ${key} ${expiry} v${readU64(bytes, 17)} ${value}`;
  return `set ${key} ${expiry} ${value}`;
}

export class LineDriver {
  readonly codec: LineCodec;
  readonly events: string[] = [];
  readonly #batch = new CommandBatch();
  readonly #room: number;
  #pending: Uint8Array = new Uint8Array(0);

  constructor(options: { readonly room?: number; readonly valueBytesMax?: number } = {}) {
    this.codec = new LineCodec({ valueBytesMax: options.valueBytesMax ?? VALUE_BYTES_MAX });
    this.#room = options.room ?? 1024;
  }

  /** How many bytes wait unconsumed. */
  get left(): number {
    return this.#pending.length;
  }

  push(chunk: Uint8Array): this {
    const before = this.events.length % 7;
    const buffer = new Uint8Array(before + this.#pending.length + chunk.length + 3).fill(0x0a);
    buffer.set(this.#pending, before);
    buffer.set(chunk, before + this.#pending.length);
    let start = before;
    const end = buffer.length - 3;
    while (true) {
      this.#batch.clear();
      const used = this.codec.parse(buffer, start, end, this.#batch, this.#room);
      assert(used >= 0 && used <= end - start, "consumes what is there");
      assert(this.#batch.count <= this.#room, "keeps to the room");
      buffer.fill(0xee, start, start + used);
      for (let i = 0; i < this.#batch.count; i++) this.events.push(describe(this.#batch, i));
      start += used;
      if (this.#batch.count === 0 && used === 0) break;
      if (start === end) break;
    }
    this.#pending = buffer.slice(start, end);
    this.#checkNeeded();
    buffer.fill(0xee);
    return this;
  }

  #checkNeeded(): void {
    const needed = this.codec.bytesNeeded();
    assert(needed <= lineCommandBytesMax(VALUE_BYTES_MAX), `needs ${needed} bytes`);
    assert(this.codec.isMidCommand() === needed > 0);
    if (this.left > 0) assert(needed > this.left, "what is left waits for more");
  }
}

/** The events of the whole input at once. */
export function parseText(text: string): string[] {
  return new LineDriver().push(latin(text)).events;
}
