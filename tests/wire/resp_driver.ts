/**
 * A whole connection without a network: the session, its codec and a real store behind them, with a
 * log that is applied when the test says so.
 */
import { RequestMeters } from "../../lib/node/session/request_meters.ts";
import { Result } from "../../lib/kv/commands/result.ts";
import { commandLength } from "../../lib/kv/commands/command.ts";
import { commandsProblem } from "../../lib/kv/commands/command_check.ts";
import { Store } from "../../lib/kv/store.ts";
import type { Refusal, SessionHost } from "../../lib/node/session/session_host.ts";
import { MemoryBudget } from "../../lib/node/session/memory_budget.ts";
import { Session } from "../../lib/node/session/session.ts";
import { checkSession } from "../../lib/node/session/session_invariants.ts";
import { assert } from "../../lib/util/assert.ts";
import { ClientCodec, clientCommandBytesMax } from "../../lib/wire/client_codec.ts";
import type { ClientAddress, PeerView, ServerView } from "../../lib/wire/codec.ts";
import { BatchPool, ClientError } from "../../lib/wire/command_batch.ts";
import { parseReply, type Reply, replyLength } from "../process/redis_socket.ts";
import { fromBytes, toBytes } from "../process/socket.ts";

export const LIMITS = { valueBytesMax: 1_000, redisKeyBytesMax: 100 };

interface Waiting {
  readonly session: Session;
  readonly position: number;
  readonly command: Uint8Array;
}

/** A server that leads, unless told otherwise; all its connections share one store. */
export class OneServer implements SessionHost {
  readonly meters = new RequestMeters();
  readonly store = new Store({ hashSeed: 1 });
  refusedWith: Refusal = 0;
  readonly awaiting = new Set<Session>();
  leader: ClientAddress | null = null;
  /** The leader that was known last, where none is. */
  lastLeaderId = 0;
  peers: PeerView[] = [2, 3].map((id) => peer(id));
  hasSpace = true;
  nowMs = 1_000_000;
  /** Commands of one turn go into one entry, as they do in a real server. */
  readonly #waiting: Waiting[] = [];
  #rounds: { round: number; session: Session }[] = [];
  #timeWaiters: Session[] = [];
  #round = 0;

  monotonicMs(): number {
    return this.nowMs;
  }
  /** How far the log's time is ahead of the wall clock. */
  aheadOfWallMs = 0;
  readonly leaderTime = { nowMs: () => this.nowMs, aheadOfWallMs: () => this.aheadOfWallMs };
  readonly followerTime = { nowMs: () => this.store.clockMs, aheadOfWallMs: () => 0 };
  refusal(): Refusal {
    return this.refusedWith;
  }
  writeRefusal(): ClientError | 0 {
    return this.hasSpace ? 0 : ClientError.noSpace;
  }
  knowsLayout(): boolean {
    return true;
  }
  staleRefusal(): ClientError | 0 {
    return 0;
  }
  awaitLeader(session: Session): void {
    session.isAwaitingLeader = true;
    this.awaiting.add(session);
  }
  leaderAddress(): ClientAddress | null {
    return this.leader;
  }
  append(
    session: Session,
    firstPosition: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): void {
    const copy = bytes.slice(start, end);
    const problem = commandsProblem(copy, 0);
    assert(problem === null, `The codec made what no server may apply: ${problem}`);
    let offset = 0;
    for (let i = 0; i < count; i++) {
      const command = copy.slice(offset, offset + commandLength(copy, offset));
      this.#waiting.push({ session, position: firstPosition + i, command });
      offset += command.length;
    }
    assert(offset === copy.length, "The commands do not fill their bytes");
  }
  readRound(): number {
    return ++this.#round;
  }
  expectRound(session: Session, round: number): void {
    this.#rounds.push({ round, session });
  }
  waitForExpiry(session: Session): void {
    this.#timeWaiters.push(session);
  }
  read(bytes: Uint8Array, offset: number, result: Result): void {
    this.store.read(bytes, offset, result);
  }
  statusText(): string {
    return '{"format":1}';
  }
  backups(): null {
    return null;
  }
  serverView(): ServerView {
    const leaderId = this.refusedWith === 0 ? 1 : this.leader === null ? 0 : 2;
    return {
      serverId: 1,
      leaderId,
      lastLeaderId: leaderId === 0 ? this.lastLeaderId : leaderId,
      hasLeader: leaderId !== 0,
      leaderMissingMs: 0,
      takesCommands: leaderId !== 0,
      isLoading: false,
      isReceivingSnapshot: false,
      isHandingOver: false,
      lastIndex: this.store.appliedIndex,
      peers: this.peers,
      servers: [1, 2, 3].map((id) => ({
        id,
        hostname: "127.0.0.1",
        port: 9000 + id,
        logPort: 9100 + id,
      })),
      term: 3,
      commitIndex: this.store.appliedIndex,
      appliedIndex: this.store.appliedIndex,
      keys: this.store.keys,
      keyBytesTotal: this.store.bytes,
      expiringKeys: this.store.expiringKeys,
      connections: 1,
      upToDateFollowers: 2,
      wallMs: this.nowMs,
      uptimeMs: 5_000,
      clusterVersion: 1,
    };
  }
  markActive(): void {}
  mustRest(): boolean {
    return false;
  }
  forget(): void {}

  /** Applies all that waits in one entry, confirms all rounds, then lets time pass where asked to. */
  settle(): void {
    const waiting = this.#waiting.splice(0);
    if (waiting.length > 0) {
      this.#entry(waiting);
      for (const { session } of waiting) session.advance();
    }
    const rounds = this.#rounds.splice(0);
    for (const { round, session } of rounds) session.confirmed(round);
    const late = this.#timeWaiters.splice(0);
    if (late.length > 0) this.#entry([]);
    for (const session of late) session.advance();
  }

  #entry(commands: readonly Waiting[]): void {
    this.store.beginEntry(this.store.appliedIndex + 1, this.nowMs);
    for (const { session, position, command } of commands) {
      const result = new Result();
      session.beforeApply(position);
      this.store.applyCommand(command, 0, result);
      session.applied(position, result);
    }
    this.store.endEntry();
  }

  /** Gives up on all that waits, as a leader does that is one no more. */
  loseLeadership(sessions: readonly Session[], leader: ClientAddress): void {
    this.#waiting.length = 0;
    this.#rounds = [];
    this.#timeWaiters = [];
    this.leader = leader;
    this.refusedWith = ClientError.redirect;
    for (const session of sessions) session.leadershipLost(ClientError.redirect);
  }

  /** Forgets what is in the log, and rounds, without a word. */
  dropAll(): void {
    this.#waiting.length = 0;
    this.#rounds = [];
  }

  /** What waits for the log, encoded; forgotten. */
  takeWaiting(): Uint8Array[] {
    return this.#waiting.splice(0).map(({ command }) => command);
  }

  /** The log did not take what was gathered. */
  giveBack(error: ClientError): void {
    const waiting = this.#waiting.splice(0);
    this.#rounds = [];
    for (const { session, position, command } of waiting) {
      session.refuseWrites(position, 1, error, command, 0);
    }
  }

  get isSettled(): boolean {
    return this.#waiting.length === 0 && this.#rounds.length === 0;
  }
}

/** A server that is well, as another one sees it. */
export function peer(id: number, differs: Partial<PeerView> = {}): PeerView {
  return {
    id,
    isConnected: true,
    silentMs: 10,
    reach: "heard",
    matchIndex: null,
    appliedIndex: null,
    isSentSnapshot: false,
    isEmpty: false,
    ...differs,
  };
}

/** One client of a `OneServer`. */
export class OneClient {
  readonly session: Session;
  readonly server: OneServer;
  output = "";

  constructor(server: OneServer, clientId = 1, budgetBytes = 1_000_000_000) {
    const codec = new ClientCodec(LIMITS, { clientId, remote: "test" });
    this.server = server;
    this.session = new Session("test", codec, server, {
      pipelineCommandsMax: 100,
      outputBytesMax: 1_000_000,
      commandBytesMax: clientCommandBytesMax(LIMITS),
      budget: new MemoryBudget(budgetBytes),
      batches: new BatchPool(),
    });
  }

  /** Sends bytes in pieces of at most `pieceBytes` and lets the server settle whenever it has to. */
  send(bytes: Uint8Array, pieceBytes = bytes.length, settles = true): void {
    const { session } = this;
    let sent = 0;
    for (let rounds = 0; session.closing === null; rounds++) {
      assert(rounds < 100_000, "The session goes round and round");
      const batch = session.nextBatch();
      if (batch !== null) session.submit(batch);
      else if (session.wantsInput) {
        if (sent === bytes.length) break;
        const space = session.inputSpace();
        const count = Math.min(space.length, pieceBytes, bytes.length - sent);
        space.set(bytes.subarray(sent, sent + count));
        session.received(count);
        sent += count;
      } else if (settles) {
        this.server.settle();
        this.#take();
      } else break;
    }
    if (settles) this.server.settle();
    this.#take();
  }

  /** Sends requests in one piece and gives what the replies say. */
  ask(...requests: string[][]): Reply[] {
    this.output = "";
    this.send(requestBytes(requests));
    return this.replies();
  }

  /** What the output says, from first to last; fails where it is not whole replies. */
  replies(): Reply[] {
    const bytes = toBytes(this.output);
    const found: Reply[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = replyLength(bytes, at, bytes.length);
      assert(length > 0, `Half a reply: ${JSON.stringify(this.output.slice(at))}`);
      found.push(parseReply(this.output.slice(at, at + length)));
      at += length;
    }
    return found;
  }

  #take(): void {
    for (let bytes = this.session.takeOutput(); bytes !== null;) {
      this.output += fromBytes(bytes);
      this.session.outputWritten();
      bytes = this.session.takeOutput();
    }
    if (!this.session.isGone) checkSession(this.session.inspect());
  }
}

export function requestBytes(requests: readonly (readonly string[])[]): Uint8Array {
  return toBytes(
    requests.map((args) => (
      `*${args.length}\r\n` + args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")
    )).join(""),
  );
}
