/** Turns a client's bytes into batches of whole commands, no more than the session has room for. */
import { InputBuffer } from "../../util/input_buffer.ts";
import type { Codec } from "../../wire/codec.ts";
import { BATCH_COMMANDS_MAX, type BatchPool, type CommandBatch } from "../../wire/command_batch.ts";

const INPUT_SPACE_BYTES = 4_096;

/** The most bytes that a session holds of what it received and has not parsed. */
export function sessionInputBytesMax(commandBytesMax: number): number {
  return commandBytesMax + INPUT_SPACE_BYTES;
}

export class CommandInput {
  /** Since when half a command is here, by the monotonic clock; -1 where none is. */
  midCommandSinceMs = -1;
  readonly #codec: Codec;
  readonly #batches: BatchPool;
  readonly #buffer: InputBuffer;
  /** The batch that is parsed and not submitted yet. */
  #batch: CommandBatch | null = null;

  constructor(codec: Codec, batches: BatchPool, commandBytesMax: number) {
    this.#codec = codec;
    this.#batches = batches;
    const bytesMax = sessionInputBytesMax(commandBytesMax);
    this.#buffer = new InputBuffer(bytesMax, undefined, batches.spares);
  }

  /** Bytes of memory that it takes. */
  get heldBytes(): number {
    return this.#buffer.heldBytes + this.#codec.heldBytes();
  }

  /** Bytes that came and are not parsed, and how many more there is room for. */
  get unparsedBytes(): number {
    return this.#buffer.length;
  }

  get freeBytes(): number {
    return this.#buffer.bytes.length - this.#buffer.end;
  }

  /** A command that was not counted yet is here in part, as far as that was looked at. */
  get isInsideCommand(): boolean {
    return this.#codec.bytesNeeded() > 0 && !this.#codec.isPassingOver;
  }

  space(): Uint8Array {
    const wanted = this.#codec.bytesNeeded() - (this.#buffer.end - this.#buffer.start);
    return this.#buffer.space(Math.max(wanted, INPUT_SPACE_BYTES));
  }

  received(count: number): void {
    this.#buffer.commit(count);
  }

  /** The next batch, of at most `commandsMax`; null where nothing whole is there. To be given back. */
  nextBatch(commandsMax: number, clock: { monotonicMs(): number }): CommandBatch | null {
    const buffer = this.#buffer;
    // As a rule, all that came was in the batch before.
    if (buffer.length === 0 && this.#codec.bytesNeeded() === 0) return null;
    // One that is known not to be whole needs no room yet, however often a part of it comes.
    const isPart = this.#codec.bytesNeeded() > buffer.length;
    const batch = this.#batch ??= this.#batches.take(isPart ? 0 : buffer.length);
    batch.clear();
    const room = Math.min(BATCH_COMMANDS_MAX, commandsMax);
    buffer.consume(this.#codec.parse(buffer.bytes, buffer.start, buffer.end, batch, room));
    if (!this.#codec.isMidCommand()) this.midCommandSinceMs = -1;
    else if (this.midCommandSinceMs < 0 || batch.count > 0) {
      this.midCommandSinceMs = clock.monotonicMs();
    }
    if (batch.count > 0) return batch;
    this.giveBack(batch);
    return null;
  }

  /** The commands that empty lines stand for, now that nothing follows them; null without any. */
  silentBatch(): CommandBatch | null {
    if (!this.#codec.isUndecided || this.#batch !== null) return null;
    this.#batch = this.#batches.take();
    this.#codec.fellSilent(this.#batch);
    this.midCommandSinceMs = -1;
    return this.#batch;
  }

  giveBack(batch: CommandBatch): void {
    if (batch !== this.#batch) return;
    this.#batch = null;
    this.#batches.give(batch);
  }
}
