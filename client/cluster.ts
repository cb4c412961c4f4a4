/**
 * The calls of a client and where they go: to the server that leads, over one connection. Sent again is
 * only what surely was not done, and reads. All state of the client that changes is here.
 */
import { isAddress } from "./address.ts";
import { Alarm } from "./alarm.ts";
import type { Call } from "./call.ts";
import { CallQueue } from "./call_queue.ts";
import type { Connection, ConnectionEvents } from "./connection.ts";
import { BadValue, ProtocolProblem } from "./errors.ts";
import { LanePool } from "./lane_pool.ts";
import { decisive, refusalOf } from "./refusals.ts";
import { type Reply, ReplyError } from "./reply_parser.ts";
import { Search, type SearchEvents } from "./search.ts";
import type { Settings } from "./settings.ts";

const SERVERS_MAX = 64;
/** Pauses double from the first to the last of these; each is drawn between 0 and that. */
const PAUSE_FIRST_MS = 40;
const PAUSE_LAST_MS = 1_000;

export class Cluster implements ConnectionEvents, SearchEvents {
  readonly #settings: Settings;
  /** For transactions that read. */
  readonly lanes: LanePool;
  /** The servers that were given; then those of the last layout. */
  #servers: string[];
  /** Whom to ask first, and last. */
  #hint: string | null = null;
  #suspect: string | null = null;
  #connection: Connection | null = null;
  /** Connections that get nothing new, until all is answered. */
  readonly #retired = new Set<Connection>();
  #search: Search | null = null;
  /** Why the last search found nothing; null where the last one found a leader. */
  #failure: { reasons: ReadonlyMap<string, string>; answered: boolean } | null = null;
  /** Calls to be sent: first those that came back, then the others. */
  readonly #returned = new CallQueue();
  readonly #waiting = new CallQueue();
  /** Pauses since something last went well. */
  #pauses = 0;
  #pauseTimer: ReturnType<typeof setTimeout> | undefined;
  #isPaused = false;
  readonly #alarm = new Alarm(() => this.#wake());
  #isClosed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#servers = [...settings.servers];
    this.lanes = new LanePool(settings, (server, leader) => this.#lostLeader(server, leader));
  }

  /** Where calls go now; null while there is no connection. */
  get server(): string | null {
    return this.#connection?.server ?? null;
  }

  get servers(): readonly string[] {
    return this.#servers;
  }

  submit(call: Call): void {
    if (call.isSettled) return;
    if (this.#isClosed) return call.giveUp("closed", "the client is closed", "queue");
    const { callsWaitingMax, bytesWaitingMax, silenceMs } = this.#settings;
    this.#alarm.by(Math.min(call.deadlineMs, performance.now() + silenceMs));
    if (this.#mayGoNow(call)) return this.#connection!.send(call);
    const { length, bytes } = this.#waiting;
    if (length >= callsWaitingMax || (length > 0 && bytes + call.bytes > bytesWaitingMax)) {
      return call.giveUp("busy", `${length} calls of this client wait already`, "queue");
    }
    this.#waiting.push(call);
    this.#pump();
  }

  /** Ends all connections and settles all calls. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#pauseTimer);
    this.#alarm.stop();
    this.#search?.cancel();
    this.#search = null;
    for (const queue of [this.#returned, this.#waiting]) {
      for (const call of queue) call.giveUp("closed", "the client was closed", "queue");
    }
    for (const connection of [this.#connection, ...this.#retired]) {
      connection?.close("the client was closed");
    }
    this.#connection = null;
    this.#retired.clear();
    this.lanes.close();
  }

  // Of connections.

  answered(call: Call, reply: Reply, connection: Connection): void {
    if (reply instanceof ReplyError) this.#refused(call, reply, connection);
    else {
      this.#pauses = 0;
      try {
        call.resolve(call.decode(reply));
      } catch (error) {
        if (error instanceof ProtocolProblem) {
          call.giveUp("protocol", `${call.server} sent ${error.message}`, "reply");
          throw error;
        }
        if (!(error instanceof BadValue)) throw error;
        call.reject(error);
      }
    }
    if (this.#retired.has(connection)) this.#endIfIdle(connection);
    if (this.#waiting.length > 0 || this.#returned.length > 0) this.#pump();
  }

  ended(connection: Connection, why: string, cause: Error | null, unanswered: Call[]): void {
    this.#retired.delete(connection);
    if (connection === this.#connection) {
      this.#connection = null;
      this.#suspect = connection.server;
    }
    for (const call of unanswered) {
      if (!call.isWrite && !this.#isClosed) this.#giveBack(call);
      else {
        const code = this.#isClosed ? "closed" : "lost";
        call.giveUp(code, `${connection.server}: ${why}`, "reply", cause ?? undefined);
      }
    }
    this.#pump();
  }

  // Of lanes.

  /** A call was sent on a lane: its deadline counts. */
  noteLane(deadlineMs: number): void {
    this.#alarm.by(Math.min(deadlineMs, performance.now() + this.#settings.silenceMs));
  }

  #lostLeader(server: string, leader: string | null): void {
    if (this.#connection?.server !== server) return;
    this.#retire(this.#connection);
    this.#hint = leader !== null && isAddress(leader) ? leader : null;
  }

  // Of searches.

  learned(servers: readonly string[]): void {
    const known = new Set([...this.#settings.servers, ...servers]);
    this.#servers = [...known].slice(0, Math.max(SERVERS_MAX, this.#settings.servers.length));
  }

  found(connection: Connection): void {
    this.#search = null;
    this.#failure = null;
    this.#suspect = null;
    this.#hint = null;
    const old = this.#connection;
    if (old !== null && old.server === connection.server) return connection.close("");
    connection.events = this;
    this.#connection = connection;
    // It was silent, and another server leads: what it has will not be answered.
    old?.close(`it fell silent, and ${connection.server} leads now`);
    this.lanes.keepOnly(connection.server);
    this.#pump();
  }

  failed(reasons: ReadonlyMap<string, string>, answered: boolean): void {
    this.#search = null;
    this.#failure = { reasons, answered };
    this.#hint = null;
    this.#pause();
  }

  #mayGoNow(call: Call): boolean {
    const connection = this.#connection;
    return connection !== null && this.#waiting.length === 0 && this.#returned.length === 0 &&
      !this.#isPaused && this.#hasRoom(connection, call);
  }

  #hasRoom(connection: Connection, call: Call): boolean {
    const { callsUnderWayMax, bytesUnderWayMax } = this.#settings;
    const { callsUnderWay, bytesUnderWay } = connection;
    if (callsUnderWay === 0) return true;
    return callsUnderWay < callsUnderWayMax && bytesUnderWay + call.bytes <= bytesUnderWayMax;
  }

  /** Sends what may go, or sees to it that there is a connection. */
  #pump(): void {
    if (this.#isClosed || this.#isPaused) return;
    const connection = this.#connection;
    if (connection === null) {
      if (this.#hasWork()) this.#look();
      return;
    }
    for (const queue of [this.#returned, this.#waiting]) {
      for (let call = queue.peek(); call !== null; call = queue.peek()) {
        if (!this.#hasRoom(connection, call)) return;
        queue.shift();
        connection.send(call);
      }
    }
  }

  #hasWork(): boolean {
    return this.#returned.peek() !== null || this.#waiting.peek() !== null;
  }

  #look(): void {
    if (this.#search !== null) return;
    const hint = this.#hint;
    const rest = this.#servers.filter((one) => one !== hint && one !== this.#suspect);
    const first = hint === null ? [] : [hint];
    const last = this.#suspect === null || this.#suspect === hint ? [] : [this.#suspect];
    const { replyBytesMax, attemptTimeoutMs } = this.#settings;
    const options = { limits: { replyBytesMax }, attemptTimeoutMs };
    this.#search = new Search([...first, ...rest, ...last], options, this);
  }

  /** What a server refused. */
  #refused(call: Call, reply: ReplyError, connection: Connection): void {
    const error = decisive(call, reply);
    const refusal = refusalOf(error);
    switch (refusal.kind) {
      case "moved":
        this.#giveBack(call);
        return this.#moved(connection, refusal.leader);
      case "noLeader":
        this.#giveBack(call);
        if (connection === this.#connection) this.#retire(connection);
        return this.#pause();
      case "busy":
        this.#giveBack(call);
        return this.#pause();
      case "unknown":
        if (call.isWrite) {
          return call.giveUp("unknown", `${call.server} says: ${error.text}`, "reply");
        }
        this.#giveBack(call);
        return this.#pause();
      case "leftOut":
        return call.giveUp("leftOut", `${call.server} says: ${error.text}`, "reply");
      case "refused":
        return call.refuse(error.text);
    }
  }

  #moved(connection: Connection, leader: string): void {
    if (connection !== this.#connection) return;
    this.#retire(connection);
    this.#hint = isAddress(leader) ? leader : null;
    // Who was sent on twice in a row waits before it follows again.
    if (this.#pauses++ > 0) this.#pause();
  }

  #retire(connection: Connection): void {
    this.#connection = null;
    this.#retired.add(connection);
    this.#endIfIdle(connection);
  }

  #endIfIdle(connection: Connection): void {
    if (connection.callsUnderWay > 0) return;
    this.#retired.delete(connection);
    connection.close("");
  }

  /** It surely was not done, or changes nothing: it is to be sent again. */
  #giveBack(call: Call): void {
    call.wasNotDone();
    if (!call.isSettled) this.#returned.push(call);
  }

  #pause(): void {
    if (this.#isPaused || this.#isClosed) return;
    this.#isPaused = true;
    const most = Math.min(PAUSE_LAST_MS, PAUSE_FIRST_MS * 2 ** this.#pauses);
    this.#pauses = Math.min(this.#pauses + 1, 16);
    this.#pauseTimer = setTimeout(() => {
      this.#isPaused = false;
      this.#pump();
    }, Math.random() * most);
  }

  // Deadlines.

  #wake(): void {
    const nowMs = performance.now();
    let next = Infinity;
    for (const queue of [this.#returned, this.#waiting]) {
      for (const call of queue) {
        if (call.deadlineMs <= nowMs) this.#expireWaiting(call);
        else if (call.deadlineMs < next) next = call.deadlineMs;
      }
    }
    for (const connection of [this.#connection, ...this.#retired, ...this.lanes.connections]) {
      if (connection === null) continue;
      next = Math.min(
        next,
        connection.expire(nowMs, expireSent),
        this.#listenFor(connection, nowMs),
      );
    }
    if (next < Infinity) this.#alarm.by(next);
    if (this.#hasWork() || this.#connection !== null) return;
    this.#search?.cancel();
    this.#search = null;
  }

  /** Asks the other servers where the leader is silent; gives when to look again. */
  #listenFor(connection: Connection, nowMs: number): number {
    if (connection.callsUnderWay === 0) return Infinity;
    const { silenceMs } = this.#settings;
    const silentSinceMs = connection.heardMs;
    if (nowMs - silentSinceMs < silenceMs) return silentSinceMs + silenceMs;
    if (connection.server === this.#connection?.server && !this.#isPaused) {
      this.#suspect = connection.server;
      this.#look();
    }
    return nowMs + silenceMs;
  }

  #expireWaiting(call: Call): void {
    const within = `within ${Math.round(call.timeoutMs)} ms`;
    if (this.#connection !== null) {
      const why = `${this.#connection.server} is busy: it was not sent ${within}`;
      return call.giveUp("deadline", why, "queue");
    }
    const failure = this.#failure;
    if (failure === null) {
      return call.giveUp("deadline", `no server was found that leads ${within}`, "connect");
    }
    const said = [...failure.reasons].map(([server, why]) => `${server}: ${why}`).join("; ");
    const [what, phase] = failure.answered
      ? ["no server was found that leads", "leader"] as const
      : ["no server could be reached", "connect"] as const;
    call.giveUp("deadline", `${what} ${within} (${said})`, phase);
  }
}

function expireSent(call: Call): void {
  const why = `${call.server} did not answer within ${Math.round(call.timeoutMs)} ms`;
  call.giveUp("deadline", why, "reply");
}
