/**
 * One connection to one server: requests out, replies in, in the same order. What is sent within one
 * microtask goes out in one write.
 */
import { type Call, CallState } from "./call.ts";
import type { TlsOptions } from "./calls.ts";
import { ProtocolProblem } from "./errors.ts";
import { type Reply, ReplyError, type ReplyLimits, ReplyParser } from "./reply_parser.ts";
import { RequestWriter } from "./request_writer.ts";
import { Socket } from "./socket.ts";
import { tlsWords } from "./tls.ts";

export interface ConnectionEvents {
  /** The call's last reply. Called for calls that are settled by now too. */
  answered(call: Call, reply: Reply, connection: Connection): void;
  /** Once. */
  ended(connection: Connection, end: End): void;
}

/** What a connection is made with. */
export interface ConnectionSettings extends ReplyLimits {
  /** The first request: HELLO 3, with the user and password where there are some. */
  readonly greeting: readonly string[];
  readonly tls: TlsOptions | undefined;
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
/** What a port that speaks TLS answers to bytes that are none begins with; no reply does. */
const TLS_ALERT = 0x15;

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
  #hasHeard = false;
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
    settings: ConnectionSettings,
    events: ConnectionEvents,
    opened: () => void,
  ) {
    this.server = server;
    this.events = events;
    this.#parser = new ReplyParser(settings);
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
        this.#end(error === null ? this.#closedBy(settings) : `${verb}: ${said(error)}`, error);
      },
    }, settings.tls);
  }

  get callsUnderWay(): number {
    return this.#calls.length - this.#first;
  }

  /**
   * The reads under way, and the writes that may be sent again, to be sent elsewhere; their replies are
   * passed over if they come.
   */
  takeAway(ledger: { mayResend(call: Call): boolean }): Call[] {
    const taken: Call[] = [];
    for (let i = this.#first; i < this.#calls.length; i++) {
      const call = this.#calls[i]!;
      if ((call.isWrite && !ledger.mayResend(call)) || call.state !== CallState.sent) continue;
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
    const { requests, place } = call;
    const last = requests.length - 1;
    for (let i = 0; i < last; i++) this.#writer.request(requests[i]!);
    const request = requests[last]!;
    if (place === null) this.#writer.request(request);
    else this.#writer.requestInSession(place.id, place.sequence, place.lowest, request);
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

  /** A server's word about a certificate may be lost, where it resets the connection right after it. */
  #closedBy({ tls }: ConnectionSettings): string {
    const isStranger = tls !== undefined && tls.cert === undefined && !this.#hasHeard;
    const why = isStranger ? ": it may ask for a client's certificate" : "";
    return `it closed the connection${why}`;
  }

  #write(): void {
    this.#isFlushing = false;
    if (this.#hasEnded || this.#writer.length === 0) return;
    this.#socket.write(this.#writer.take());
  }

  #received(bytes: Uint8Array): void {
    if (bytes[0] === TLS_ALERT && !this.#parser.isInside) {
      return this.#end("it speaks TLS there, and this client does not (--tls-ca, tls)", null);
    }
    this.heardMs = performance.now();
    this.#hasHeard = true;
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
    if (call === undefined) {
      // So a server says why it lets nobody in.
      if (reply instanceof ReplyError) return this.#end(`it says: ${reply.text}`, null);
      throw new ProtocolProblem("a reply came that nothing asked for");
    }
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
  return tlsWords(error) ?? known ?? error.message;
}
