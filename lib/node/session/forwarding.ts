/**
 * What a connection of the forward port asks of the way to the server that leads (node/forward/), and what it
 * hears of it.
 */
import type { ForwardedHead } from "../../wire/forward/forwarded_commands.ts";

/** One connection's commands on their way, and the answers to them, each in order. */
export interface ForwardStream {
  /** It leads to the server that leads now, as far as is known, and nothing stands in its way. */
  readonly isCurrent: boolean;
  send(head: ForwardedHead, bytes: Uint8Array, start: number, end: number): void;
  /** So many bytes of answers were taken in: as many may follow. */
  taken(count: number): void;
  /** There is nothing to be sent or heard any more. */
  close(): void;
  /** What was answered makes no sense: nothing that comes this way can be trusted. */
  distrust(problem: string): void;
}

/** Whose stream it is. */
export interface StreamOwner {
  /** @throws {ProtocolError} where the bytes make no sense. */
  answersReceived(bytes: Uint8Array): void;
  /** No more comes. `isOrderly`: what is not answered was not done either. */
  streamEnded(isOrderly: boolean): void;
}

/** What sends the commands that a connection holds. */
export interface HeldForwarder {
  /** What was sent last was not done: what waits for too long is refused. */
  readonly isRetrying: boolean;
  /** Sends the held command at `position`; false where it has to wait. */
  send(position: number): boolean;
  /** A command waited for too long for somebody who would do it. */
  noteRefused(): void;
}

export interface ForwardRoute {
  /**
   * `ready`: commands can be sent. `older`: the server that leads is of a build that takes none. `none`: it
   * is not reached now.
   */
  readonly state: "ready" | "older" | "none";
  readonly meters: ForwardMeters;
  /** Bytes of answers, of one stream, that may come before they are taken in. */
  readonly windowBytes: number;
  /** A stream to the server that leads; null where it takes nothing now. */
  open(owner: StreamOwner): ForwardStream | null;
}

/** What a server has forwarded for its clients. */
export class ForwardMeters {
  /** Commands, each as often as it was sent. */
  sent = 0;
  /** Of these: not done by the server that they were sent to, which did not lead any more. */
  notDone = 0;
  /** And those of which the outcome is not known, as the connection ended. */
  lost = 0;
  /** Commands that were refused, as nobody was found in time who would do them. */
  refused = 0;
  /** Bytes of commands that wait to be sent, or for their answers. */
  waitingBytes = 0;
}
