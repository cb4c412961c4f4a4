/**
 * Commands that another server sends on for its clients, at the end that accepted the connection: a session
 * for each stream, the same as a client's own. So this server decides them as its own clients' commands, in
 * the order in which they came; it never sends them on: a session of this kind has no forward port.
 */
import type { ServerId } from "../../raft/types.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import {
  encodeForward,
  encodeForwardEnd,
  FORWARD_PIECE_BYTES_MAX,
  type Frame,
} from "../../wire/rpc/rpc.ts";
import type { ForwardPipe, ForwardReceiver } from "../peers/forward_pipe.ts";
import type { Session } from "../session/session.ts";
import { WINDOW_BYTES } from "./forwards.ts";

/** What this end lets wait to be written, before more answers are taken from the sessions. */
const OUTPUT_BYTES_MAX = 4_194_304;

/** Opens the session of a stream. */
export interface StreamHost {
  /** The most bytes of one command. */
  readonly commandBytesMax: number;
  /** Streams of one connection. */
  readonly streamsMax: number;
  /** Null where none is let in now: nothing is done of what comes. */
  openStream(from: ServerId): Session | null;
}

interface Stream {
  readonly number: number;
  readonly session: Session;
  /** What came and was not read yet. */
  arrived: Uint8Array[];
  arrivedBytes: number;
  arrivedAt: number;
  /** What is being sent of the session's output, and how far. */
  output: Uint8Array | null;
  outputAt: number;
  /** Bytes of answers that were sent, and not taken in as far as is known. */
  untaken: number;
}

export class ForwardedStreams implements ForwardReceiver {
  readonly #from: ServerId;
  readonly #pipe: ForwardPipe;
  readonly #host: StreamHost;
  readonly #streams = new Map<number, Stream>();
  #lastStream = 0;
  /** It has answers, and there was no room for them. */
  readonly #waiting = new Set<Stream>();

  constructor(from: ServerId, pipe: ForwardPipe, host: StreamHost) {
    this.#from = from;
    this.#pipe = pipe;
    this.#host = host;
  }

  frameReceived(frame: Frame): string | null {
    switch (frame.type) {
      case "forward":
        return this.#commandsReceived(frame.stream, frame.bytes);
      case "forwardTaken": {
        const stream = this.#streams.get(frame.stream);
        if (stream === undefined) return this.#unknown(frame.stream);
        if (frame.count > stream.untaken) return "more answers were taken in than were sent";
        stream.untaken -= frame.count;
        this.#pump(stream);
        return null;
      }
      case "forwardEnd": {
        const stream = this.#streams.get(frame.stream);
        if (stream === undefined) return this.#unknown(frame.stream);
        this.#forget(stream);
        return null;
      }
      default:
        return `a ${frame.type} frame on a connection for forwarded commands`;
    }
  }

  /** There is room again. */
  outputWritten(): void {
    for (const stream of [...this.#waiting]) {
      if (!this.#hasRoom) return;
      this.#waiting.delete(stream);
      this.#pump(stream);
    }
  }

  /** The connection is gone, and with it all that is not decided yet. */
  closed(): void {
    for (const stream of [...this.#streams.values()]) this.#forget(stream);
  }

  get #hasRoom(): boolean {
    return this.#pipe.pendingBytes < OUTPUT_BYTES_MAX;
  }

  /** One that is over may still be spoken of: the other end had not heard of that. */
  #unknown(number: number): string | null {
    return number <= this.#lastStream ? null : `stream ${number} was never begun`;
  }

  #commandsReceived(number: number, bytes: Uint8Array): string | null {
    const stream = this.#streams.get(number) ?? this.#begin(number);
    if (stream === null) return null;
    stream.arrived.push(bytes);
    stream.arrivedBytes += bytes.length;
    // The other end has no more on its way than a window, or one command.
    if (stream.arrivedBytes > 2 * WINDOW_BYTES + this.#host.commandBytesMax) {
      return "more commands came than may be on their way";
    }
    this.#read(stream);
    return null;
  }

  #begin(number: number): Stream | null {
    if (number <= this.#lastStream) return null;
    this.#lastStream = number;
    const isFull = this.#streams.size >= this.#host.streamsMax;
    const session = isFull ? null : this.#host.openStream(this.#from);
    if (session === null) {
      this.#say((out) => encodeForwardEnd(out, number, true));
      return null;
    }
    const arrived = { arrived: [], arrivedBytes: 0, arrivedAt: 0 };
    const stream: Stream = { number, session, ...arrived, output: null, outputAt: 0, untaken: 0 };
    this.#streams.set(number, stream);
    session.onActivity = () => {
      this.#read(stream);
      this.#pump(stream);
    };
    return stream;
  }

  /** Does what net/ does for a client's connection. */
  #read(stream: Stream): void {
    const { session } = stream;
    while (true) {
      const batch = session.nextBatch();
      if (batch !== null) {
        session.submit(batch);
        continue;
      }
      const chunk = stream.arrived[0];
      if (chunk === undefined || !session.wantsInput || session.closing !== null) return;
      const space = session.inputSpace();
      const count = Math.min(space.length, chunk.length - stream.arrivedAt);
      space.set(chunk.subarray(stream.arrivedAt, stream.arrivedAt + count));
      stream.arrivedAt += count;
      stream.arrivedBytes -= count;
      if (stream.arrivedAt === chunk.length) {
        stream.arrived.shift();
        stream.arrivedAt = 0;
      }
      session.received(count);
    }
  }

  /** Sends what is answered, as far as the other end takes it in. */
  #pump(stream: Stream): void {
    const { session } = stream;
    while (true) {
      stream.output ??= session.takeOutput();
      const { output, outputAt } = stream;
      if (output === null) break;
      if (stream.untaken >= WINDOW_BYTES) return;
      if (!this.#hasRoom) return void this.#waiting.add(stream);
      const room = Math.min(WINDOW_BYTES - stream.untaken, FORWARD_PIECE_BYTES_MAX);
      const end = Math.min(output.length, outputAt + room);
      this.#say((out) => encodeForward(out, stream.number, output, outputAt, end));
      stream.untaken += end - outputAt;
      stream.outputAt = end;
      if (end < output.length) continue;
      stream.output = null;
      stream.outputAt = 0;
      session.outputWritten();
    }
    if (session.closing === null) return;
    this.#say((out) => encodeForwardEnd(out, stream.number, !session.isKilled));
    this.#forget(stream);
  }

  #say(encode: (out: ByteWriter) => void): void {
    encode(this.#pipe.writer);
    this.#pipe.said();
  }

  #forget(stream: Stream): void {
    this.#streams.delete(stream.number);
    this.#waiting.delete(stream);
    stream.session.onActivity = null;
    stream.session.disconnected();
  }
}
