/**
 * The calls of a client and where they go: to the server that leads, over one connection. Sent again is
 * only what surely was not done, and reads. All state of the client that changes is here.
 */
import { Alarm } from "./alarm.ts";
import { KNOWS_NONE } from "./attempt.ts";
import type { Call } from "./call.ts";
import { CallQueue } from "./call_queue.ts";
import type { Connection, ConnectionEvents, End } from "./connection.ts";
import { LanePool } from "./lane_pool.ts";
import { expireSent, expireWaiting, type SearchFailure } from "./lateness.ts";
import { Pauses } from "./pauses.ts";
import { judge } from "./refusals.ts";
import { type Reply, ReplyError } from "./reply_parser.ts";
import { type Denial, inOrder, Search, type SearchEvents } from "./search.ts";
import type { Settings } from "./settings.ts";
import { WriteLedger } from "./write_ledger.ts";

const SERVERS_MAX = 64;
/** A leader that was silent and is still the leader is asked about half as often, this many times. */
const DOUBLINGS_MAX = 5;

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
  /** How often the leader was silent, and the leader all the same, since it answered last. */
  #silences = 0;
  /** Why the last search found nothing, or the leader was left; null once there is one that answers. */
  #failure: SearchFailure | null = null;
  /** Calls to be sent: first those that came back, then the others. */
  readonly #returned = new CallQueue();
  readonly #waiting = new CallQueue();
  readonly #pauses = new Pauses();
  readonly #ledger: WriteLedger;
  #pauseTimer: ReturnType<typeof setTimeout> | undefined;
  #isPaused = false;
  readonly #alarm = new Alarm(() => this.#wake());
  /** Aborted when it is closed: watches have connections of their own. */
  readonly closing: AbortController = new AbortController();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#servers = [...settings.servers];
    this.#ledger = new WriteLedger(!settings.sessions);
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
    if (this.closing.signal.aborted) return call.giveUp("closed", "the client is closed", "queue");
    const { callsWaitingMax, bytesWaitingMax, silenceMs } = this.#settings;
    const nowMs = performance.now();
    this.#alarm.by(Math.min(call.deadlineMs, nowMs + silenceMs));
    if (this.#mayGoNow(call, nowMs)) return this.#send(this.#connection!, call, nowMs);
    const { length, bytes } = this.#waiting;
    if (length >= callsWaitingMax || (length > 0 && bytes + call.bytes > bytesWaitingMax)) {
      return call.giveUp("busy", `${length} calls of this client wait already`, "queue");
    }
    this.#waiting.push(call);
    this.#pump();
  }

  /** Ends all connections and settles all calls. */
  close(): void {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    clearTimeout(this.#pauseTimer);
    this.#alarm.stop();
    this.#search?.cancel();
    this.#search = null;
    for (const queue of [this.#returned, this.#waiting]) {
      for (const call of queue) call.giveUp("closed", "the client was closed", "queue");
    }
    for (const one of [this.#connection, ...this.#retired]) one?.close("the client was closed");
    this.#connection = null;
    this.#retired.clear();
    this.lanes.close();
  }

  // Of connections.

  answered(call: Call, reply: Reply, connection: Connection): void {
    if (reply instanceof ReplyError) this.#refused(call, reply, connection);
    else {
      this.#pauses.wentWell();
      this.#silences = 0;
      this.#failure = null;
      call.take(reply);
    }
    if (this.#retired.has(connection)) this.#endIfIdle(connection);
    if (this.#waiting.length > 0 || this.#returned.length > 0) this.#pump();
  }

  ended(connection: Connection, { why, cause, culprit, unanswered }: End): void {
    this.#retired.delete(connection);
    if (connection === this.#connection) {
      this.#connection = null;
      this.#suspect = connection.server;
      const reasons = new Map([[connection.server, why]]);
      this.#failure = { reasons, answered: false, isOver: false };
      // Who is cut off twice in a row waits before it connects again.
      if (!this.#pauses.isFirst()) this.#pause();
    }
    const isClosed = this.closing.signal.aborted;
    for (const call of unanswered) {
      // What its reply broke is not asked for again: that would break the next connection.
      const mayResend = !call.isWrite || this.#ledger.mayResend(call);
      if (call !== culprit && mayResend && !isClosed) this.#sendAgain(call);
      else {
        const code = isClosed ? "closed" : call === culprit ? "protocol" : "lost";
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
    this.#hint = leader;
  }

  // Of searches.

  learned(servers: readonly string[]): void {
    const known = new Set([...this.#settings.servers, ...servers]);
    this.#servers = [...known].slice(0, Math.max(SERVERS_MAX, this.#settings.servers.length));
  }

  found(connection: Connection): void {
    this.#search = null;
    // In a pause, what it was that refused counts until something is answered.
    if (!this.#isPaused) this.#failure = null;
    this.#suspect = null;
    this.#hint = null;
    const old = this.#connection;
    connection.events = this;
    this.#connection = connection;
    if (old !== null && old.server !== connection.server) {
      // It was silent, and another server leads: what it has will not be answered.
      old.close(`it fell silent, and ${connection.server} leads now`);
    } else if (old !== null) {
      // It may be slow, or a connection that leads nowhere by now: what is new goes over this one.
      this.#silences = Math.min(this.#silences + 1, DOUBLINGS_MAX);
      this.#retired.add(old);
      for (const call of old.takeAway(this.#ledger)) this.#sendAgain(call);
      this.#endIfIdle(old);
    }
    this.lanes.keepOnly(connection.server);
    this.#pump();
  }

  failed(reasons: ReadonlyMap<string, string>, answered: boolean, denial: Denial | null): void {
    this.#search = null;
    // To ask again would get the same answer, and count as another failure.
    if (denial !== null && this.#connection === null) this.#denied(denial);
    this.#failure = { reasons, answered, isOver: true };
    this.#hint = null;
    if (this.#connection === null) return this.#pause();
    // A leader that is only slow gets its calls all the same; soon the others may name the next one.
    this.#alarm.by(performance.now() + this.#settings.silenceMs / 4);
  }

  /** Nothing of what waits was done, and nothing of it will be. */
  #denied({ server, text }: Denial): void {
    for (const queue of [this.#returned, this.#waiting]) {
      for (const call of queue) call.refuse(text, server);
    }
  }

  #mayGoNow(call: Call, nowMs: number): boolean {
    const connection = this.#connection;
    return connection !== null && this.#waiting.length === 0 && this.#returned.length === 0 &&
      !this.#isPaused && this.#hasRoom(connection, call) &&
      !this.#ledger.awaits(call, nowMs);
  }

  #hasRoom(connection: Connection, call: Call): boolean {
    const { callsUnderWayMax, bytesUnderWayMax } = this.#settings;
    const { callsUnderWay, bytesUnderWay } = connection;
    if (callsUnderWay === 0) return true;
    return callsUnderWay < callsUnderWayMax && bytesUnderWay + call.bytes <= bytesUnderWayMax;
  }

  /** Sends what may go, or sees to it that there is a connection. */
  #pump(): void {
    if (this.closing.signal.aborted || this.#isPaused) return;
    const connection = this.#connection;
    if (connection === null) {
      if (this.#hasWork()) this.#look();
      return;
    }
    for (const queue of [this.#returned, this.#waiting]) {
      for (let call = queue.peek(); call !== null; call = queue.peek()) {
        if (!this.#hasRoom(connection, call)) return;
        if (this.#ledger.awaits(call, performance.now())) return this.#openSession(connection);
        queue.shift();
        this.#send(connection, call, performance.now());
      }
    }
  }

  #send(connection: Connection, call: Call, nowMs: number): void {
    this.#ledger.stamp(call, nowMs);
    connection.send(call);
  }

  /** What waits for a session is sent once there is one, or none to be had. */
  #openSession(connection: Connection): void {
    if (!this.#ledger.mustOpen) return;
    const { timeoutMs, silenceMs } = this.#settings;
    this.#alarm.by(performance.now() + Math.min(timeoutMs, silenceMs));
    connection.send(this.#ledger.openCall(timeoutMs, () => this.#pump()));
  }

  #hasWork(): boolean {
    return this.#returned.peek() !== null || this.#waiting.peek() !== null;
  }

  #look(): void {
    if (this.#search !== null) return;
    const order = inOrder(this.#servers, this.#hint, this.#suspect);
    const { attemptTimeoutMs, silenceMs } = this.#settings;
    // Who has been silent all the while gets less: until it is given up, no other can be asked again.
    const silent = this.#connection?.server;
    const shortMs = Math.min(attemptTimeoutMs, silenceMs / 2);
    const timeoutMsOf = (server: string) => server === silent ? shortMs : attemptTimeoutMs;
    const options = { settings: this.#settings, timeoutMsOf };
    this.#search = new Search(order, options, this);
  }

  /** What a server refused. */
  #refused(call: Call, reply: ReplyError, connection: Connection): void {
    const retry = judge(call, reply);
    if (retry === null) return;
    if (retry.why === "session") this.#ledger.lostBy(call, reply.text);
    this.#giveBack(call);
    if (retry.why === "session") return;
    if (retry.why === "busy") {
      this.#failure = null;
      call.delay = reply.text;
      return this.#pause();
    }
    if (connection !== this.#connection) return;
    this.#retire(connection);
    this.#hint = retry.why === "moved" ? retry.leader : null;
    const leads = `it says that ${this.#hint ?? "another server"} leads`;
    const why = retry.why === "noLeader" ? KNOWS_NONE : leads;
    this.#failure = { reasons: new Map([[connection.server, why]]), answered: true, isOver: true };
    // Who was sent on twice in a row waits before it follows again.
    if (retry.why === "noLeader" || !this.#pauses.isFirst()) this.#pause();
  }

  #retire(connection: Connection): void {
    this.#connection = null;
    this.#retired.add(connection);
    this.#endIfIdle(connection);
  }

  #endIfIdle(connection: Connection): void {
    if (connection.hasOpenCalls) return;
    if (this.#retired.delete(connection)) connection.close("");
  }

  /** It was sent and not answered: it changes nothing, or the cluster knows it by its sequence. */
  #sendAgain(call: Call): void {
    call.mayBeDone = call.isWrite;
    this.#giveBack(call);
  }

  /** It surely was not done, or is not done twice: it is to be sent again. */
  #giveBack(call: Call): void {
    call.wasNotDone();
    if (call.place !== null && !this.#ledger.mayResend(call)) this.#ledger.lostBy(call, "");
    if (!call.isSettled) this.#returned.push(call);
  }

  #pause(): void {
    if (this.#isPaused || this.closing.signal.aborted) return;
    this.#isPaused = true;
    this.#pauseTimer = setTimeout(() => {
      this.#isPaused = false;
      this.#pump();
    }, this.#pauses.nextMs());
  }

  // Deadlines.

  #wake(): void {
    const nowMs = performance.now();
    const failure = this.#search?.standing(this.#failure) ?? this.#failure;
    const server = this.#isPaused && failure !== null ? null : this.server;
    let next = Infinity;
    for (const queue of [this.#returned, this.#waiting]) {
      for (const call of queue) {
        if (call.deadlineMs <= nowMs) expireWaiting(call, server, failure);
        else if (call.deadlineMs < next) next = call.deadlineMs;
      }
    }
    for (const connection of [this.#connection, ...this.#retired, ...this.lanes.connections]) {
      if (connection === null) continue;
      next = Math.min(next, connection.expire(nowMs, expireSent));
      next = Math.min(next, this.#listenFor(connection, nowMs));
    }
    for (const connection of this.#retired) this.#endIfIdle(connection);
    if (next < Infinity) this.#alarm.by(next);
    if (this.#hasWork() || this.#connection !== null) return;
    this.#search?.cancel();
    this.#search = null;
  }

  /** Asks the other servers where the leader is silent; gives when to look again. */
  #listenFor(connection: Connection, nowMs: number): number {
    if (connection.callsUnderWay === 0) return Infinity;
    const silenceMs = this.#settings.silenceMs * 2 ** this.#silences;
    const silentSinceMs = connection.heardMs;
    if (nowMs - silentSinceMs < silenceMs) return silentSinceMs + silenceMs;
    if (connection.server === this.#connection?.server && !this.#isPaused) {
      this.#suspect = connection.server;
      this.#look();
    }
    return nowMs + silenceMs;
  }
}
