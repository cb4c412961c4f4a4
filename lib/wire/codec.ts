/** The two sides of a client protocol, as the session uses them. Synchronous and incremental. */
import type { ByteWriter } from "../util/bytes.ts";
import type { Result } from "../kv/result.ts";
import type { ClientError, CommandBatch } from "./command_batch.ts";

/** Where the leader's clients connect, for a redirect. */
export interface ClientAddress {
  readonly hostname: string;
  readonly port: number;
}

export interface Codec {
  /**
   * Parses whole commands from `bytes[start, end)` into `batch` until the bytes or `room` commands
   * are used up. Returns how many bytes were consumed: what is left is offered again with more
   * behind it. Keeps its own state between calls (a value being swallowed, a line being dropped),
   * never a reference to `bytes`.
   */
  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number;

  /**
   * How many bytes, from the first unconsumed one on, the command now at the front needs in all, as
   * far as is known; 0 where nothing is begun. Never above the codec's largest command.
   */
  bytesNeeded(): number;

  /** True while a command is half read: its deadline runs. */
  midCommand(): boolean;

  /** Appends the reply to a command that was decided. `nowMs` is for the time a key has left. */
  writeResult(out: ByteWriter, replyMode: number, result: Result, nowMs: number): void;

  /** Appends an error; `leader` is given for a redirect. Never echoes input. */
  writeError(
    out: ByteWriter,
    replyMode: number,
    error: ClientError,
    leader: ClientAddress | null,
  ): void;
}
