/** Answers to forwarded commands, out of the bytes of a stream: one after the other, as they become whole. */
import { Result } from "../../kv/commands/result.ts";
import { ByteFormatError, ByteReader, ByteWriter, readU32 } from "../../util/bytes.ts";
import { ClientError } from "../command_batch.ts";
import { ProtocolError } from "../rpc/rpc_types.ts";
import { AnswerKind, ForwardedTime, readError, readResult } from "./forwarded_answers.ts";

/** No reply of any command takes more. */
const ANSWER_BYTES_MAX = 1_073_741_824;
const LENGTH_BYTES = 4;

/** One answer; reused from answer to answer, so its result and bytes hold until the next is read. */
export interface ForwardedAnswer {
  kind: typeof AnswerKind[keyof typeof AnswerKind];
  readonly result: Result;
  readonly time: ForwardedTime;
  error: ClientError;
  reply: Uint8Array;
  appliedIndex: number;
}

export class AnswerReader {
  readonly #buffer = new ByteWriter(0);
  #start = 0;
  /** What is wrong with what came; null while nothing is. What is behind that is no answer any more. */
  problem: string | null = null;
  /** Only what is needed is made. */
  #answer: ForwardedAnswer | null = null;

  /** Bytes that came and are not read. */
  get length(): number {
    return this.#buffer.length - this.#start;
  }

  /** Bytes of memory that they take. */
  get heldBytes(): number {
    return this.#buffer.bytes.length;
  }

  push(bytes: Uint8Array): void {
    const buffer = this.#buffer;
    if (this.#start > 0) {
      buffer.bytes.copyWithin(0, this.#start, buffer.length);
      buffer.length -= this.#start;
      this.#start = 0;
    }
    buffer.raw(bytes);
  }

  /** How many bytes, from `at` on, the answer there takes; 0 where it is not whole. */
  #lengthAt(at: number): number {
    const { bytes, length } = this.#buffer;
    if (length - at < LENGTH_BYTES) return 0;
    const bodyBytes = readU32(bytes, at);
    if (bodyBytes < 2 || bodyBytes > ANSWER_BYTES_MAX) {
      this.problem = `an answer has ${bodyBytes} bytes`;
      return 0;
    }
    return length - at - LENGTH_BYTES < bodyBytes ? 0 : LENGTH_BYTES + bodyBytes;
  }

  /** True where the next answer is here. */
  get isWhole(): boolean {
    return this.#lengthAt(this.#start) > 0;
  }

  /** The errors of the answers that are here whole, 0 for those that are none. */
  errors(): (ClientError | 0)[] {
    const found: (ClientError | 0)[] = [];
    const { bytes } = this.#buffer;
    let at = this.#start;
    for (let length = this.#lengthAt(at); length > 0; length = this.#lengthAt(at)) {
      const isError = bytes[at + LENGTH_BYTES] === AnswerKind.error;
      found.push(isError ? bytes[at + LENGTH_BYTES + 1] as ClientError : 0);
      at += length;
    }
    return found;
  }

  /** Passes over the next answer, which is whole. */
  skip(): void {
    this.#start += this.#lengthAt(this.#start);
    if (this.#start < this.#buffer.length) return;
    this.#start = 0;
    if (this.#buffer.bytes.length > 65_536) this.#buffer.free();
    else this.#buffer.clear();
  }

  /** Keeps the next `count` answers, which are whole, and nothing after them. */
  cut(count: number): void {
    let at = this.#start;
    for (let i = 0; i < count; i++) at += this.#lengthAt(at);
    this.#buffer.length = at;
    if (count === 0) this.clear();
  }

  clear(): void {
    this.#start = 0;
    this.problem = null;
    this.#buffer.free();
  }

  /** The next answer, which is whole and stays the next. @throws {ProtocolError} */
  peek(): ForwardedAnswer {
    const start = this.#start + LENGTH_BYTES;
    const end = this.#start + this.#lengthAt(this.#start);
    const reader = new ByteReader(this.#buffer.bytes, start, end);
    const answer = this.#answer ??= {
      kind: AnswerKind.error,
      result: new Result(),
      time: new ForwardedTime(),
      error: ClientError.noLeader,
      reply: this.#buffer.bytes,
      appliedIndex: 0,
    };
    try {
      readInto(reader, answer);
      reader.finish();
    } catch (error) {
      if (!(error instanceof ByteFormatError)) throw error;
      throw new ProtocolError(`an answer: ${error.message}`);
    }
    return answer;
  }
}

function readInto(reader: ByteReader, answer: ForwardedAnswer): void {
  const kind = reader.u8();
  switch (kind) {
    case AnswerKind.result:
      answer.time.read(reader);
      readResult(reader, answer.result);
      break;
    case AnswerKind.error:
      answer.error = readError(reader);
      break;
    case AnswerKind.reply:
      answer.reply = reader.view(reader.remaining);
      break;
    case AnswerKind.users:
      answer.appliedIndex = reader.u64();
      break;
    default:
      throw new ProtocolError(`an answer of kind ${kind} is unknown`);
  }
  answer.kind = kind;
}
