/** Many requests to one server, whoever leads: over one connection, answered in their order. */
import { keptRequest } from "./arguments.ts";
import { Call } from "./call.ts";
import type { TlsOptions } from "./calls.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { type CredentialOptions, type Credentials, toCredentials } from "./credentials.ts";
import { type Reply, ReplyError } from "./reply_parser.ts";
import type { Argument } from "./request_writer.ts";
import { toSettings } from "./settings.ts";

export interface LinkOptions extends CredentialOptions {
  /** For each request: until the connection is there, and from being sent to its reply. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** As of `ConnectOptions`. */
  readonly tls?: TlsOptions | boolean | undefined;
}

export class Link {
  readonly server: string;
  readonly #options: LinkOptions;
  readonly #connection: Connection;
  /** Until they were sent. */
  #credentials: Credentials | null;
  /** Made before the connection was there. */
  #early: Call[] = [];
  #isOpen = false;
  /** Why it ended; null while it has not. */
  #end: { readonly why: string; readonly cause: Error | null } | null = null;

  /**
   * Begins to connect to `server`; replies may be as long as a client's (`replyBytesMax`).
   * @throws {TypeError} where the address is none.
   */
  constructor(server: string, options: LinkOptions) {
    const settings = toSettings({ servers: [server], tls: options.tls });
    this.#credentials = toCredentials(options);
    this.server = settings.servers[0]!;
    this.#options = options;
    const events: ConnectionEvents = {
      answered(call, reply) {
        const error = call.problem ?? (reply instanceof ReplyError ? reply : null);
        if (error !== null) call.refuse(error.text);
        else call.resolve(reply);
      },
      ended: (_connection, { why, cause, unanswered }) => {
        this.#end = { why, cause };
        for (const call of unanswered) {
          // Where it lets nobody in, its word stands in the place of the first answer.
          if (call.problem !== null) call.refuse(call.problem.text);
        }
        for (const call of [...unanswered, ...this.#early]) this.#giveUp(call);
        this.#early = [];
      },
    };
    this.#connection = new Connection(this.server, settings, events, () => {
      this.#isOpen = true;
      for (const call of this.#early) this.#connection.send(call);
      this.#early = [];
    });
  }

  /**
   * Sends one request (`["PING"]`) after those before it, in version 2 of the Redis protocol, and gives
   * its reply; strings are views that stay as they are. It is taken to change nothing.
   * @throws {NotDone} where the connection is not there or ends, no reply comes in time, or it is refused.
   */
  request(args: readonly Argument[]): Promise<Reply> {
    const { timeoutMs, signal } = this.#options;
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined = undefined;
      const call = new Call({
        requests: [...this.#greet(), keptRequest(args)],
        name: String(args[0]),
        isWrite: false,
        deadlineMs: Infinity,
        timeoutMs,
        signal,
        decode: (reply) => reply,
        resolve: (reply) => {
          clearTimeout(timer);
          resolve(reply as Reply);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      if (call.isSettled) return;
      timer = setTimeout(() => {
        const why = `${this.server} did not answer within ${Math.round(timeoutMs)} ms`;
        call.giveUp("deadline", why, "connect");
      }, timeoutMs);
      if (this.#end !== null) this.#giveUp(call);
      else if (this.#isOpen) this.#connection.send(call);
      else this.#early.push(call);
    });
  }

  /** Ends it; what is not answered is given up. */
  close(): void {
    this.#connection.close("this end closed the connection");
  }

  /** What goes before the first request: who the client is, where the server has users. */
  #greet(): readonly (readonly string[])[] {
    const credentials = this.#credentials;
    this.#credentials = null;
    return credentials === null ? [] : [["AUTH", credentials.user, credentials.password]];
  }

  #giveUp(call: Call): void {
    const { why, cause } = this.#end!;
    call.giveUp("lost", `${this.server}: ${why}`, "connect", cause ?? undefined);
  }
}
