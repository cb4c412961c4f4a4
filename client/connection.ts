/**
 * One connection to one server: requests out, replies in, in the same order. What is sent within one
 * microtask goes out in one write.
 */
import { type Call, CallState } from "./call.ts";
import { ProtocolProblem } from "./errors.ts";
import { type Reply, type ReplyLimits, ReplyParser } from "./reply_parser.ts";
import { RequestWriter } from "./request_writer.ts";
import { Socket } from "./socket.ts";

export interface ConnectionEvents {
  /** The call's last reply. Called for calls that are settled by now too. */
  answered(call: Call, reply: Reply, connection: Connection): void;
  /** Once. */
  ended(connection: Connection, end: End): void;
}

/** How a connection ended. */
export interface End {
  readonly why: string;
  readonly cause: Error | null;
  /** Sent, in this order, and not answered. */
  readonly unanswered: readonly Call[];
  /** The one of these whose reply could not be understood. */
  readonly culprit: Call | null;
}

/** Of the calls under way, so many are passed before those that are over are let go. */
const SPARE_MAX = 1024;

export class Connection {
  readonly server: string;
  /** Who is told: whoever looked for the leader first, then whoever uses it. */
  events: ConnectionEvents;
  readonly #socket: Socket;
  readonly #parser: ReplyParser;
  readonly #writer = new RequestWriter();
  /** Sent and not answered, from `#first` on. */
  #calls: Call[] = [];
  #first = 0;
  #isFlushing = false;
  #isOpen = false;
  #hasEnded = false;
  /** A reply is being handed on. */
  #hasTaken = false;
  bytesUnderWay = 0;
  /** When bytes came last, or when what is under way began to be; by performance.now(). */
  heardMs = 0;
  readonly #take: (reply: Reply) => void;
  readonly #flush: () => void;

  /** Begins to connect; `opened` is called when requests can go out. */
  constructor(
    server: string,
    limits: ReplyLimits,
    events: ConnectionEvents,
    opened: () => void,
  ) {
    this.server = server;
    this.events = events;
    this.#parser = new ReplyParser(limits);
    this.#take = (reply) => this.#replied(reply);
    this.#flush = () => this.#write();
    this.#socket = new Socket(server, {
      connected: () => {
        this.#isOpen = true;
        this.heardMs = performance.now();
        opened();
      },
      received: (bytes) => this.#received(bytes),
      drained: () => {},
      ended: (error) => {
        const verb = this.#isOpen ? "the connection was lost" : "it can't be reached";
        this.#end(error === null ? "it closed the connection" : `${verb}: ${said(error)}`, error);
      },
    });
  }

  get callsUnderWay(): number {
    return this.#calls.length - this.#first;
  }

  /** The reads under way, to be sent elsewhere; their replies are passed over if they come. */
  takeReads(): Call[] {
    const taken: Call[] = [];
    for (let i = this.#first; i < this.#calls.length; i++) {
      const call = this.#calls[i]!;
      if (call.isWrite || call.state !== CallState.sent) continue;
      taken.push(call);
      this.#calls[i] = call.ghost();
    }
    return taken;
  }

  /** Whether anybody waits for a reply. */
  get hasOpenCalls(): boolean {
    for (let i = this.#first; i < this.#calls.length; i++) {
      if (!this.#calls[i]!.isSettled) return true;
    }
    return false;
  }

  get isUsable(): boolean {
    return this.#isOpen && !this.#hasEnded;
  }

  /** Sends a call's requests. */
  send(call: Call): void {
    if (this.callsUnderWay === 0) this.heardMs = performance.now();
    call.sentTo(this.server);
    for (const request of call.requests) this.#writer.request(request);
    this.#calls.push(call);
    this.bytesUnderWay += call.bytes;
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(this.#flush);
  }

  /** Ends it: calls under way are handed to `ended`. */
  close(why: string): void {
    this.#end(why, null);
  }

  #write(): void {
    this.#isFlushing = false;
    if (this.#hasEnded || this.#writer.length === 0) return;
    this.#socket.write(this.#writer.take());
  }

  #received(bytes: Uint8Array): void {
    this.heardMs = performance.now();
    try {
      this.#parser.push(bytes, this.#take);
    } catch (error) {
      if (!(error instanceof ProtocolProblem)) throw error;
      this.#end(`what it sent can't be understood: ${error.message}`, error, true);
    }
  }

  #replied(reply: Reply): void {
    if (this.#hasEnded) return;
    const call = this.#calls[this.#first];
    if (call === undefined) throw new ProtocolProblem("a reply came that nothing asked for");
    if (--call.repliesLeft > 0) {
      call.noteReply(reply);
      return;
    }
    this.#first++;
    this.bytesUnderWay -= call.bytes;
    if (this.#first === this.#calls.length) {
      this.#calls.length = 0;
      this.#first = 0;
    } else if (this.#first === SPARE_MAX) {
      this.#calls.splice(0, SPARE_MAX);
      this.#first = 0;
    }
    this.#hasTaken = true;
    this.events.answered(call, reply, this);
    this.#hasTaken = false;
  }

  #end(why: string, cause: Error | null, isReply = false): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#socket.close();
    const unanswered = this.#calls.slice(this.#first);
    this.#calls = [];
    this.#first = 0;
    this.bytesUnderWay = 0;
    // Where the reply was understood and was no reply of its call, that is settled already.
    const culprit = isReply && !this.#hasTaken ? unanswered[0] ?? null : null;
    this.events.ended(this, { why, cause, culprit, unanswered });
  }

  /** Gives up the calls whose time has come; gives the next time, Infinity where nothing is under way. */
  expire(nowMs: number, give: (call: Call) => void): number {
    let next = Infinity;
    for (let i = this.#first; i < this.#calls.length; i++) {
      const call = this.#calls[i]!;
      if (call.state !== CallState.sent) continue;
      if (call.deadlineMs <= nowMs) give(call);
      else if (call.deadlineMs < next) next = call.deadlineMs;
    }
    return next;
  }
}

/** What a runtime's error says, without its class and stack. */
function said(error: Error & { code?: unknown }): string {
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connection refused",
    ECONNRESET: "connection reset",
    ETIMEDOUT: "timed out",
    EHOSTUNREACH: "no route to the host",
    ENETUNREACH: "no route to the network",
    ENOTFOUND: "no such host",
    EPIPE: "connection reset",
  };
  const known = typeof error.code === "string" ? words[error.code] : undefined;
  return known ?? error.message;
}
