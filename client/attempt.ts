/** One server asked whether it leads: a connection, HELLO 3 and CLUSTER SLOTS, by a deadline. */
import { formatAddress, isAddress } from "./address.ts";
import { Call } from "./call.ts";
import { Connection, type ConnectionEvents, type End } from "./connection.ts";
import { ProtocolProblem } from "./errors.ts";
import { type Reply, ReplyError, type ReplyLimits, textOf } from "./reply_parser.ts";

export type Outcome =
  /** It says that it leads; the connection is open and nothing is under way on it. */
  | { readonly kind: "leads"; readonly connection: Connection; readonly servers: string[] }
  /** It names another one. */
  | { readonly kind: "follows"; readonly leader: string; readonly servers: string[] }
  /** `answered`: it is there, and knows no leader. */
  | { readonly kind: "failed"; readonly why: string; readonly answered: boolean };

const REQUESTS = [["HELLO", "3"], ["CLUSTER", "SLOTS"]] as const;
/** A layout names no more servers than this, whatever it says. */
const SERVERS_MAX = 64;

export class Attempt implements ConnectionEvents {
  readonly server: string;
  readonly #connection: Connection;
  readonly #done: (attempt: Attempt, outcome: Outcome) => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  #isOpen = false;
  #leads: boolean | null = null;
  #isDone = false;

  constructor(
    server: string,
    limits: ReplyLimits,
    timeoutMs: number,
    done: (attempt: Attempt, outcome: Outcome) => void,
  ) {
    this.server = server;
    this.#done = done;
    this.#connection = new Connection(server, limits, this, () => {
      this.#isOpen = true;
      for (const request of REQUESTS) this.#connection.send(question(request));
    });
    this.#timer = setTimeout(() => {
      const what = this.#leads === false
        ? "it follows and named no leader"
        : this.#isOpen
        ? "it took the connection and did not answer"
        : "no connection";
      this.#fail(`${what} within ${timeoutMs} ms`, this.#leads !== null);
    }, timeoutMs);
  }

  answered(_call: Call, reply: Reply): void {
    if (this.#isDone) return;
    if (this.#leads === null) {
      if (reply instanceof ReplyError) return this.#fail(`it refused HELLO 3: ${reply.text}`, true);
      if (!(reply instanceof Map)) throw new ProtocolProblem("it answered HELLO 3 with no map");
      this.#leads = textOf(reply.get("role")) === "master";
      return;
    }
    const servers = reply instanceof ReplyError ? [] : serversOf(reply);
    const leader = servers[0];
    if (this.#leads) this.#succeed({ kind: "leads", connection: this.#connection, servers });
    else if (leader === undefined || leader === this.server) {
      this.#fail("it knows no leader now", true);
    } else this.#succeed({ kind: "follows", leader, servers });
  }

  ended(_connection: Connection, { why }: End): void {
    if (!this.#isDone) this.#fail(why, this.#leads !== null);
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

  #fail(why: string, answered: boolean): void {
    this.cancel();
    this.#done(this, { kind: "failed", why, answered });
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
