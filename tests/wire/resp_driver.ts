/**
 * A whole connection without a network: the session, its codec and a real store behind them, with a
 * log that is applied when the test says so.
 */
import { RequestMeters } from "../../lib/node/session/request_meters.ts";
import { Result } from "../../lib/kv/commands/result.ts";
import { commandLength } from "../../lib/kv/commands/command.ts";
import { commandsProblem } from "../../lib/kv/commands/command_check.ts";
import { Store } from "../../lib/kv/store.ts";
import type { OwnRefusal, SessionHost } from "../../lib/node/session/session_host.ts";
import { MemoryBudget } from "../../lib/node/session/memory_budget.ts";
import { Session } from "../../lib/node/session/session.ts";
import { checkSession } from "../../lib/node/session/session_invariants.ts";
import { DEFAULT_LIMITS, type NumericLimits } from "../../lib/node/limits.ts";
import { PubSub } from "../../lib/node/pubsub/pubsub.ts";
import { Watches } from "../../lib/node/watches/watches.ts";
import type { AuthenticatorHost, Outcome } from "../../lib/node/security/authenticator.ts";
import { Security } from "../../lib/node/security/security.ts";
import { assert } from "../../lib/util/assert.ts";
import { Random } from "../../lib/util/random.ts";
import type { BackupSource } from "../../lib/wire/backup.ts";
import { ClientAccess } from "../../lib/wire/client_access.ts";
import { ClientCodec, clientCommandBytesMax } from "../../lib/wire/client_codec.ts";
import { type ClientFilter, type ClientView, isMeant } from "../../lib/wire/clients.ts";
import type { ClientAddress, PeerView, ServerView } from "../../lib/wire/codec.ts";
import { BatchPool, ClientError } from "../../lib/wire/command_batch.ts";
import type { MemberAnswer } from "../../lib/wire/members.ts";
import { type Answer, isAboutUsers, type Question } from "../../lib/wire/questions.ts";
import type { AuditTrail } from "../../lib/wire/audit.ts";
import { AuditedCodec } from "../../lib/wire/audited_codec.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import { FakePasswords } from "../node/fake_passwords.ts";
import { FakeUserResets } from "../node/fake_user_resets.ts";
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
  store = new Store({ hashSeed: 1 });
  readonly watches = new Watches({ limits: DEFAULT_LIMITS, markMs: 10_000 }, {
    store: () => this.store,
    clusterId: () => "0".repeat(32),
    isAskedToKeep: () => false,
  });
  /** What its clients have published, on its way to the other servers. */
  readonly handedOn: string[] = [];
  hasOthers = false;
  leadership = "1 1";
  readonly pubsub: PubSub;
  refusedWith: OwnRefusal = 0;
  readonly awaiting = new Set<Session>();
  /** All that were opened. */
  readonly sessions: Session[] = [];
  leader: ClientAddress | null = null;
  /** The leader that was known last, where none is. */
  lastLeaderId = 0;
  isRemoved = false;
  peers: PeerView[] = [2, 3].map((id) => peer(id));
  hasSpace = true;
  nowMs = 1_000_000;
  /** Commands of one turn go into one entry, as they do in a real server. */
  readonly #waiting: Waiting[] = [];
  #rounds: { round: number; session: Session }[] = [];
  #timeWaiters: Session[] = [];
  #round = 0;

  constructor(limits: Partial<NumericLimits> = {}) {
    this.pubsub = new PubSub({ ...DEFAULT_LIMITS, ...limits }, {
      store: () => this.store,
      nowMs: () => this.nowMs,
      sendToOthers: (channel, message) => {
        this.handedOn.push(`${fromBytes(channel)} ${fromBytes(message)}`);
        return 0;
      },
      hasOthers: () => this.hasOthers,
      leadership: () => this.leadership,
      othersTellChanges: () => false,
    });
  }

  monotonicMs(): number {
    return this.nowMs;
  }
  /** How far the log's time is ahead of the wall clock. */
  aheadOfWallMs = 0;
  readonly leaderTime = { nowMs: () => this.nowMs, aheadOfWallMs: () => this.aheadOfWallMs };
  readonly followerTime = { nowMs: () => this.store.clockMs, aheadOfWallMs: () => 0 };
  refusal(): OwnRefusal {
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
  /** What is backed up here; null where there is nothing yet. */
  backupSource: BackupSource | null = null;
  backups(): BackupSource | null {
    return this.backupSource;
  }
  clients(filter: ClientFilter): ClientView[] {
    const views = this.sessions.map((one) => one.view(this.nowMs));
    return views.filter((one) => isMeant(filter, one));
  }
  killClients(): number {
    return 0;
  }
  knowsUser(name: string): boolean {
    return name === "default";
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
      isRemoved: this.isRemoved,
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
  /** What was asked about the members, and the answer: at once, or where it is null when this settles. */
  readonly asked: { session: Session; position: number; request: Question }[] = [];
  answer: MemberAnswer | ClientError | null = { kind: "done" };
  laterAnswer: () => MemberAnswer | ClientError = () => ({ kind: "done" });
  #questions: { session: Session; position: number }[] = [];
  ask(
    session: Session,
    position: number,
    request: Question,
  ): Answer | ClientError | null {
    if (isAboutUsers(request)) {
      const answer = (answer: Answer | ClientError) => session.answered(position, answer);
      return this.security.ask(
        request,
        { userId: session.access.userId, remote: session.remote },
        answer,
      );
    }
    this.asked.push({ session, position, request });
    if (this.answer === null) this.#questions.push({ session, position });
    return this.answer;
  }
  readonly passwords = new FakePasswords((run) => this.#hashes.push(run));
  #hashes: (() => void)[] = [];
  readonly random = new Random(1);
  readonly userResets = new FakeUserResets();
  readonly logged: LogEvent[] = [];
  readonly authenticated: AuthenticatorHost = {
    users: () => this.store.users,
    knowsUsers: () => true,
    monotonicMs: () => this.nowMs,
    log: (event) => this.logged.push(event),
  };
  readonly security = new Security(this.authenticated, {
    passwords: this.passwords,
    rng: this.random,
    patienceMs: 1_000,
    userResets: this.userResets,
  });
  authenticate(session: Session, position: number, name: string, password: Uint8Array): void {
    const done = (outcome: Outcome) => {
      const isError = typeof outcome === "number";
      session.answered(position, isError ? outcome : { kind: "authenticated", ...outcome });
    };
    this.security.authenticator.authenticate({ remote: session.remote, name, password, done });
  }
  randomHex(digits: number): string {
    return "0".repeat(digits);
  }
  markActive(): void {}
  mustRest(): boolean {
    return false;
  }
  forget(): void {}

  /** Applies all that waits in one entry, confirms all rounds, then lets time pass where asked to. */
  settle(): void {
    this.applyWaiting();
    this.confirmRounds();
    this.answerAsked();
    const late = this.#timeWaiters.splice(0);
    if (late.length > 0) this.#entry([]);
    for (const session of late) session.advance();
  }

  /** Applies all that waits in one entry, and nothing else. */
  applyWaiting(): void {
    const waiting = this.#waiting.splice(0);
    if (waiting.length === 0) return;
    this.#entry(waiting);
    for (const { session } of waiting) session.advance();
  }

  /** Answers what was asked, and decides who whoever waits for that is; nothing else. */
  answerAsked(): void {
    for (const { session, position } of this.#questions.splice(0)) {
      session.answered(position, this.laterAnswer());
    }
    for (let hashes = this.#hashes.splice(0); hashes.length > 0;) {
      for (const run of hashes) run();
      hashes = this.#hashes.splice(0);
    }
    // Whoever is told that he is wrong is told so after a while.
    const { authenticator } = this.security;
    const dueMs = authenticator.nextDeadlineMs();
    if (dueMs < Infinity) this.nowMs = Math.max(this.nowMs, dueMs);
    authenticator.elapse(this.nowMs);
  }

  /** Confirms all rounds, and nothing else; gives how many. */
  confirmRounds(): number {
    const rounds = this.#rounds.splice(0);
    for (const { round, session } of rounds) session.confirmed(round);
    return rounds.length;
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
    this.watches.wake();
    this.pubsub.wake();
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

  /** Leads again. */
  lead(): void {
    this.leader = null;
    this.refusedWith = 0;
    this.awaiting.clear();
    for (const session of this.sessions) {
      session.isAwaitingLeader = false;
      session.resumeHeld(0);
    }
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

  constructor(
    server: OneServer,
    clientId = 1,
    budgetBytes = 1_000_000_000,
    isLoopback = true,
    trail?: AuditTrail,
  ) {
    const access = new ClientAccess({
      get users() {
        return server.store.users;
      },
      awaitsUsers: false,
      get areNone() {
        return server.store.users.count === 0;
      },
    }, isLoopback);
    const plain = new ClientCodec(LIMITS, { clientId, remote: "test" }, access);
    const codec = trail === undefined ? plain : new AuditedCodec(plain, trail, access, "test");
    this.server = server;
    this.session = new Session("test", codec, server, {
      pipelineCommandsMax: 100,
      outputBytesMax: 1_000_000,
      commandBytesMax: clientCommandBytesMax(LIMITS),
      budget: new MemoryBudget(budgetBytes),
      batches: new BatchPool(),
    }, access);
    server.sessions.push(this.session);
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

/** A client of lines and one of the Redis protocol, on one server. */
export function bothProtocols(): {
  server: OneServer;
  resp: OneClient;
  lines: (text: string) => string;
} {
  const server = new OneServer();
  const line = new OneClient(server, 2);
  const lines = (text: string) => {
    line.output = "";
    line.send(toBytes(text));
    return line.output;
  };
  return { server, resp: new OneClient(server, 1), lines };
}

/** Replies in which an error is its text. */
export function words(replies: readonly unknown[]): unknown[] {
  return replies.map((reply) => reply instanceof Error ? reply.message : reply);
}
