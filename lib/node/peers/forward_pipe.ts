/** A connection for forwarded commands, between the link that was accepted and what takes the commands in. */
import type { ByteWriter } from "../../util/bytes.ts";
import type { Frame } from "../../wire/rpc/rpc.ts";

/** A connection for forwarded commands, as what answers them sees it. */
export interface ForwardPipe {
  /** Append frames here, and call `said`. */
  readonly writer: ByteWriter;
  readonly pendingBytes: number;
  said(): void;
}

/** What takes in forwarded commands. */
export interface ForwardReceiver {
  /** Why the connection is to end, or null. */
  frameReceived(frame: Frame): string | null;
  outputWritten(): void;
  closed(): void;
}
