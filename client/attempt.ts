/**
 * One server asked whether it leads: a connection, HELLO 3, CLUSTER SLOTS and CLUSTER INFO in one piece,
 * by a deadline.
 */
import { formatAddress, isAddress } from "./address.ts";
import { Call } from "./call.ts";
import {
  Connection,
  type ConnectionEvents,
  type ConnectionSettings,
  type End,
} from "./connection.ts";
import { ProtocolProblem } from "./errors.ts";
import { mayLetInLater } from "./refusals.ts";
import { type Reply, ReplyError, textOf } from "./reply_parser.ts";

export type Outcome =
  /** It says that it leads; the connection is open and nothing is under way on it. */
  | { readonly kind: "leads"; readonly connection: Connection; readonly servers: string[] }
  /** It names another one. `knows`: not only the last one that it knew, while it knows none now. */
  | {
    readonly kind: "follows";
    readonly leader: string;
    readonly knows: boolean;
    readonly servers: string[];
  }
  /**
   * `answered`: it is there, and knows no leader. `denial`: in its words, why it answers nothing to this
   * client; null for any other reason.
   */
  | {
    readonly kind: "failed";
    readonly why: string;
    readonly answered: boolean;
    readonly denial: string | null;
  };

/**
 * A layout names the last leader that was known, for as long as there is no other, and a server may wait
 * for one before it answers: INFO, after it, tells.
 */
const REQUESTS = [["CLUSTER", "SLOTS"], ["CLUSTER", "INFO"]] as const;
export const KNOWS_NONE = "it knows no leader now";
/** A layout names no more servers than this, whatever it says. */
const SERVERS_MAX = 64;

export class Attempt implements ConnectionEvents {
  readonly server: string;
  readonly #connection: Connection;
  readonly #done: (attempt: Attempt, outcome: Outcome) => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  #isOpen = false;
  #leads: boolean | null = null;
  /** Of its layout, the leader first; null until that came. */
  #servers: string[] | null = null;
  #isDone = false;

  constructor(
    server: string,
    settings: ConnectionSettings,
    timeoutMs: number,
    done: (attempt: Attempt, outcome: Outcome) => void,
  ) {
    this.server = server;
    this.#done = done;
    this.#connection = new Connection(server, settings, this, () => {
      this.#isOpen = true;
      for (const request of [settings.greeting, ...REQUESTS]) {
        this.#connection.send(question(request));
      }
    });
    this.#timer = setTimeout(() => {
      const what = this.#leads === false
        ? "it follows and named no leader"
        : this.#isOpen
        ? "it took the connection and did not answer"
        : "no connection";
      this.#fail(`${what} within ${timeoutMs} ms`, this.hasAnswered);
    }, timeoutMs);
  }

  get hasAnswered(): boolean {
    return this.#leads !== null;
  }

  /** How far it has come, while it is under way. */
  get standing(): string {
    if (this.#leads === false) return "it follows and has named no leader yet";
    if (this.#isOpen) return "it took the connection and has not answered yet";
    return "it has not taken the connection yet";
  }

  answered(_call: Call, reply: Reply): void {
    if (this.#isDone) return;
    if (this.#leads === null) {
      if (reply instanceof ReplyError) {
        const why = `it refused HELLO 3: ${reply.text}`;
        return this.#fail(why, true, mayLetInLater(reply) ? null : reply.text);
      }
      if (!(reply instanceof Map)) throw new ProtocolProblem("it answered HELLO 3 with no map");
      this.#leads = textOf(reply.get("role")) === "master";
      return;
    }
    if (this.#servers === null) {
      this.#servers = reply instanceof ReplyError ? [] : serversOf(reply);
      return;
    }
    const servers = this.#servers;
    // Who does not know this command may lead, or follow, all the same.
    const info = reply instanceof ReplyError ? "" : textOf(reply);
    const knows = !/^cluster_state:fail\r?$/m.test(info);
    const leader = servers[0];
    if (this.#leads) this.#succeed({ kind: "leads", connection: this.#connection, servers });
    else if (leader === undefined || leader === this.server) this.#fail(KNOWS_NONE, true);
    else this.#succeed({ kind: "follows", leader, knows, servers });
  }

  ended(_connection: Connection, { why }: End): void {
    if (!this.#isDone) this.#fail(why, this.hasAnswered);
  }

  /** Nobody wants to know any more. */
  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    clearTimeout(this.#timer);
    this.#connection.close("");
  }

  /** It comes to nothing now. */
  abandon(why: string): void {
    if (!this.#isDone) this.#fail(why, false);
  }

  #fail(why: string, answered: boolean, denial: string | null = null): void {
    this.cancel();
    this.#done(this, { kind: "failed", why, answered, denial });
  }

  #succeed(outcome: Outcome): void {
    if (outcome.kind === "leads") {
      this.#isDone = true;
      clearTimeout(this.#timer);
    } else this.cancel();
    this.#done(this, outcome);
  }
}

function question(request: readonly string[]): Call {
  const nothing = () => {};
  return new Call({
    requests: [request],
    name: request[0]!,
    isWrite: false,
    deadlineMs: Infinity,
    timeoutMs: Infinity,
    signal: undefined,
    decode: nothing,
    resolve: nothing,
    reject: nothing,
  });
}

/**
 * The servers of a layout as HOST:PORT, the leader first.
 * @throws {ProtocolProblem} where it is none.
 */
export function serversOf(layout: Reply): string[] {
  const shard = Array.isArray(layout) ? layout[0] : undefined;
  if (!Array.isArray(shard)) throw new ProtocolProblem("its layout is none");
  return shard.slice(2, 2 + SERVERS_MAX).map((place) => {
    const [host, port] = Array.isArray(place) ? place : [];
    const hostname = textOf(host);
    const address = typeof port === "number" ? formatAddress(hostname, port) : "";
    if (hostname.length < 256 && isAddress(address)) return address;
    throw new ProtocolProblem("its layout names no address");
  });
}
