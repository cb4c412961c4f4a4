/**
 * One server's process in simulated time: it starts on a disk, is woken by its own clock, is crashed,
 * paused and started again. Every call into the node goes through `deliver`, which catches what it
 * throws, takes its output and has the checks look at it.
 */
import { DiskError, DiskFullError, type Rng } from "../../lib/host/ports.ts";
import type { LogEvent, OutboundLink, ServerNode, WakingHost } from "../../lib/node/api.ts";
import type { MemberChanges } from "../../lib/node/members/member_changes.ts";
import type { ClusterSecret } from "../../lib/node/peers/cluster_secret.ts";
import type { RaftState } from "../../lib/raft/state.ts";
import type { Incarnation, MemberChange } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { assert } from "../../lib/util/assert.ts";
import { type AddressBook, founderAddress, type SimAddress } from "./address_book.ts";
import type { Atlas } from "./atlas.ts";
import type { StateChecks } from "./checks.ts";
import type { ServerProbe } from "./server_probe.ts";
import type { SimClock } from "./clock.ts";
import { Build } from "./build.ts";
import { DeadlineChecks } from "./deadline_checks.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind, kindName } from "./kinds.ts";
import type { Marks } from "./marks.ts";
import { isOfStream, type StreamChecks, type StreamingServer } from "./stream_checks.ts";
import { PeerLink } from "./peer_link.ts";
import { QuorumWatch } from "./quorum_watch.ts";
import type { Fabric } from "./fabric.ts";
import { checkForged, type Secrets } from "./secrets.ts";
import type { SimOptions } from "./options.ts";
import type { ServerDisk, ServerFactory } from "./server_factory.ts";
import { SimCrash } from "./sim_disk.ts";
import { CheckFailure, type World } from "./world.ts";

/** Syncs and deferred calls that may be under way on a server that has nothing to do. */
const COMPLETIONS_LEFT_MAX = 2;

/** Something that has events inside a server's step, and output behind it. */
export interface Part {
  perform(event: SimEvent): void;
  pump(server: SimServer): void;
  /** For the trace. */
  describe(event: SimEvent): string;
}

/** Thrown through the node where its process ends in the middle of a step. */
export class ProcessEnded extends Error {
  override readonly name = "ProcessEnded";
}

/** What all servers of a world share. */
export interface ServerSetting {
  readonly world: World;
  readonly fabric: Fabric;
  readonly options: SimOptions;
  readonly factory: ServerFactory;
  readonly checks: StateChecks;
  readonly atlas: Atlas;
  readonly marks: Marks;
  readonly streams: StreamChecks;
  /** All servers that are there, in the order of their coming; filled after they are made. */
  readonly servers: SimServer[];
  readonly addresses: AddressBook<SimServer>;
  /** A server has begun a life: whatever lists that life means this server. */
  readonly lives: Map<Incarnation, SimServer>;
  readonly secrets: Secrets;
}

/** Which server of its cluster it is, and where. */
export interface Origins {
  readonly serverId: number;
  readonly address: SimAddress;
  /** The cluster that it is to join on its empty disk; null for a founder. */
  readonly joins: string | null;
}

/** A client connection, as far as a crash has to know it. */
export interface ClientEnd {
  serverGone(): void;
}

/** One server: an id with one life of it, on its own disk. Whoever takes its place later is another one. */
export class SimServer implements Handler, Part, WakingHost, StreamingServer {
  /** Its number in the world. Founders have their own ids. */
  readonly id: number;
  readonly serverId: number;
  readonly joins: string | null;
  /** Where it listens; it may move between two starts. */
  address: SimAddress;
  incarnation: Incarnation | null = null;
  readonly world: World;
  readonly clock: SimClock;
  readonly disk: ServerDisk;
  readonly random: Random;
  /** Set where a fault gave this server a reason to end itself: without one, an exit is a failure. */
  mayExit = false;
  /** Grows with every start and every crash. */
  life = 0;
  node: ServerNode | null = null;
  probe: ServerProbe | null = null;
  #members: MemberChanges | null = null;
  #secret: ClusterSecret | undefined;
  #secretExchanged: (() => void) | undefined;
  links: PeerLink[] = [];
  /** The node's links that `links` are made for. */
  #outbound: readonly OutboundLink[] = [];
  readonly clients = new Set<ClientEnd>();
  readonly #setting: ServerSetting;
  readonly #rng: Rng;
  readonly #quorum: QuorumWatch;
  readonly #deadlines: DeadlineChecks;
  /** Its timers are late by up to so much, each time. */
  timersLateMs = 0;
  readonly #lateness: Random;
  /** It was wiped, or refuses to start on what it has: out for good. */
  isOut = false;
  /** Its machine is off. */
  isAway = false;
  /** Its process has said that it was removed. */
  hasSaidRemoved = false;
  isHarmed = false;
  #nextAddress: SimAddress | null = null;
  /** The servers of its cluster file, itself aside. */
  #listed: ReadonlyMap<number, SimAddress>;
  /** Ever, other than by being wiped. */
  wasHarmed = false;
  isTorn = false;
  mayForget = false;
  /** Ever full, or nearly, or a record of its log could not be read. */
  #lacksFiles = false;
  readonly build: Build;
  #isPaused = false;
  #isRestarting = false;
  #deferred: SimEvent[] = [];
  #dirty: Part[] = [];
  /** The number of the timer that was set last: earlier ones are void. */
  #timer = 0;
  #isTimerSet = false;
  /** Those of this life that are still to come. */
  #voidTimers = 0;
  /** When it was paused; and whether its whole machine was, with its monotonic clock. */
  #isSuspended = false;
  #wokenUs = 0;
  #scratch = new Uint8Array(4_096);

  constructor(
    setting: ServerSetting,
    id: number,
    clock: SimClock,
    random: Random,
    { serverId, address, joins }: Origins,
  ) {
    this.#setting = setting;
    this.id = id;
    this.serverId = serverId;
    this.address = address;
    this.joins = joins;
    // Who joins needs no file.
    const founders = joins === null ? setting.options.servers : 0;
    const ids = Array.from({ length: founders }, (_, at) => at + 1);
    this.#listed = new Map(ids.map((founder) => [founder, founderAddress(founder)]));
    this.world = setting.world;
    this.clock = clock;
    this.random = random;
    const drawn = random.fork();
    this.#rng = { u32: () => drawn.u32() };
    const { timing } = setting.options;
    this.#quorum = new QuorumWatch(timing.electionTimeoutMs);
    this.#deadlines = new DeadlineChecks(timing.heartbeatIntervalMs);
    // A stream of its own: other draws stay as they are.
    this.#lateness = new Random(setting.options.seed ^ (0x1a7e + id));
    this.build = new Build(id, setting.options.seed, setting.options.older);
    this.disk = setting.factory.makeDisk({
      options: setting.options,
      serverId,
      isNew: joins !== null,
      random: random.fork(),
      schedule: (delayMs, run) => this.#complete(delayMs, run),
      nowMs: () => this.world.now / 1000,
      mayTear: () => setting.atlas.mayTear(this),
      torn: () => {
        this.isTorn = true;
      },
    });
  }

  /** Loses its data, or has it damaged, while it is down. */
  harm(name: "wipe" | "damage" | "damageEnd", random: Random): void {
    assert(this.isDown, "A running server was harmed");
    if (name === "wipe") {
      this.disk.wipe();
      this.isOut = true;
      this.#trace("wiped", "");
      return;
    }
    this.isHarmed = true;
    this.wasHarmed = true;
    this.isTorn = true;
    const what = name === "damage" ? this.disk.damage(random) : this.disk.damageEnd(random);
    this.#trace("damaged", what);
  }

  /** For people. */
  get name(): string {
    return `server ${this.id}${this.id === this.serverId ? "" : ` (id ${this.serverId})`}`;
  }

  get isDown(): boolean {
    return this.node === null;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Starts the process; a disk that ends it on the way brings another start later. */
  start(): void {
    this.#isRestarting = false;
    if (this.node !== null) return;
    this.life++;
    this.hasSaidRemoved = false;
    this.#isTimerSet = false;
    this.#voidTimers = 0;
    this.#deadlines.begin();
    const { factory, options, checks, secrets } = this.#setting;
    this.#secret = secrets.atStart(this.#rng);
    this.address = this.#nextAddress ?? this.address;
    this.#nextAddress = null;
    this.build.starts(this.life === 1);
    this.world.counters.add("starts");
    this.#trace("start", `life ${this.life}`);
    try {
      const built = factory.makeServer({
        options,
        serverId: this.serverId,
        places: new Map([...this.#listed, [this.serverId, this.address]]),
        joins: this.joins,
        disk: this.disk,
        isOlder: this.build.isOlder,
        clock: this.clock,
        rng: this.#rng,
        host: this,
        secret: this.#secret,
      });
      this.node = built.node;
      this.probe = built.probe;
      this.#members = built.members ?? null;
      this.#secretExchanged = built.secretExchanged;
      if (built.incarnation !== undefined) {
        // Nothing was left that says who it was: as good as wiped.
        if (this.wasHarmed && this.incarnation !== built.incarnation) this.isOut = true;
        this.incarnation = built.incarnation;
        this.#setting.lives.set(built.incarnation, this);
      }
      checks.started(this);
      if (this.build.refuses(built.probe)) {
        this.#setting.marks.hit(
          "a build before finds the cluster version raised, and does not start",
        );
        this.crash("its build is too early for what is in its log");
        this.restartIn(this.random.between(10_000, 100_000));
        return;
      }
      this.#connectAll(built.node);
    } catch (error) {
      this.#threw(error);
      return;
    }
  }

  /** A connection for each link that the node has now. */
  #connectAll(node: ServerNode): void {
    const { fabric, addresses } = this.#setting;
    if (this.#outbound === node.outboundLinks) return;
    this.#outbound = node.outboundLinks;
    for (const one of this.links) {
      if (this.#outbound.includes(one.link)) one.look();
      else one.leave();
    }
    this.links = this.#outbound.map((link) =>
      this.links.find((one) => one.link === link) ?? new PeerLink(fabric, this, link, addresses)
    );
  }

  get clusterId(): string | null {
    return this.probe?.clusterId() ?? null;
  }

  /** Where it listens, or will once it has started again. */
  get nextAddress(): SimAddress {
    return this.#nextAddress ?? this.address;
  }

  /** The log port that its own file has for a member of its cluster. */
  listedPort(serverId: number): number | undefined {
    return serverId === this.serverId ? this.address.logPort : this.#listed.get(serverId)?.logPort;
  }

  /**
   * From its next start on it listens elsewhere. `places`: where all members are then, for its file.
   */
  moveTo(address: SimAddress, places: ReadonlyMap<number, SimAddress>): void {
    this.#nextAddress = address;
    this.#listed = places;
  }

  /** Its machine is switched off, for good or until `turnOn`. */
  turnOff(reason: string): void {
    this.crash(reason);
    this.isAway = true;
    this.#isRestarting = false;
    const { servers } = this.#setting;
    if (servers.includes(this)) servers.splice(servers.indexOf(this), 1);
  }

  turnOn(delayUs: number): void {
    this.isAway = false;
    this.#setting.servers.push(this);
    this.restartIn(delayUs);
  }

  /** Ends the process at once. What was not synced may be lost. */
  crash(reason: string): void {
    if (this.node === null) return;
    const { fabric, marks } = this.#setting;
    marks.crash(this);
    this.#trace("crash", reason);
    this.world.counters.add("crashes");
    this.life++;
    this.#setting.checks.crashed(this);
    this.node = null;
    this.probe = null;
    this.#members = null;
    this.#isPaused = false;
    this.#deferred = [];
    this.#dirty = [];
    this.disk.crash();
    for (const link of this.links) link.die();
    this.links = [];
    this.#outbound = [];
    for (const other of this.#setting.servers) {
      for (const link of other.links) {
        if (link.toId !== this.id) continue;
        if (fabric.isHalfOpenNow()) link.loseOtherEnd();
        else link.reset("the other end's process ended");
      }
    }
    for (const client of [...this.clients]) client.serverGone();
    this.clients.clear();
  }

  /** Has the process stop in order, as SIGTERM does; it starts again some time after its end. */
  stop(restartUs: number): void {
    if (this.node === null || this.#isPaused) return;
    this.#trace("stop", "");
    const ended = () => {
      this.crash("it was stopped");
      this.restartIn(restartUs);
      throw new ProcessEnded("It was stopped");
    };
    // What is written last leaves before the process does.
    const done = () => this.#schedule(Kind.completion, 1_000, ended);
    this.#schedule(Kind.completion, 0, () => this.node!.shutdown(done));
  }

  /** Asks the node for a change of members, as it is wanted then; what comes of it is counted. */
  changeMembers(wanted: () => readonly MemberChange[]): void {
    const { counters } = this.world;
    this.#schedule(Kind.completion, 0, () => {
      const changes = wanted();
      if (changes.length === 0) return;
      const refused = this.#members?.propose(
        changes,
        (outcome) => counters.add(`change ${outcome}`),
      );
      if (refused === null) return counters.add("change begun");
      const isInvalid = refused?.reason === "invalid";
      counters.add(`change refused: ${isInvalid ? refused.problem : refused?.reason}`);
    });
  }

  /** Its secret's file is read again, where it has one. */
  reloadSecret(): void {
    if (this.node === null) return;
    this.#schedule(Kind.completion, 0, () => {
      if (this.#secret === undefined) return;
      this.#setting.secrets.reload(this.#secret);
      this.#secretExchanged?.();
    });
  }

  /** Starts again after a while; one start is outstanding at most. */
  restartIn(delayUs: number): void {
    if (this.#isRestarting || this.isAway) return;
    this.#isRestarting = true;
    this.world.schedule(delayUs, this, Kind.restart);
  }

  /**
   * Nothing is delivered until `resume`: the process is stopped or, where its machine `isSuspended`, its
   * monotonic clock as well.
   */
  pause(isSuspended = false): void {
    if (this.node === null || this.#isPaused) return;
    this.#isPaused = true;
    this.#isSuspended = isSuspended;
    if (isSuspended) this.clock.suspend();
    this.#trace(isSuspended ? "suspend" : "pause", "");
  }

  /** All that came meanwhile is delivered at once. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#trace("resume", `${this.#deferred.length} deferred`);
    this.#quorum.begin(this.world.now);
    if (this.#isSuspended) this.clock.resume();
    const deferred = this.#deferred;
    this.#deferred = [];
    // All is due at once: timers may well come before what has arrived.
    if (this.random.chance(0.5)) deferred.sort((a, b) => timerFirst(a) - timerFirst(b));
    for (const event of deferred) this.world.again(event);
  }

  handle(event: SimEvent): void {
    if (event.kind === Kind.restart) {
      if (this.#isRestarting) this.start();
      return;
    }
    if (event.life !== this.life) return;
    if (event.kind !== Kind.wake || event.a === this.#timer) return this.deliver(event, this);
    this.#voidTimers--;
  }

  /** One step of this server: an event of `part`, its output, the checks. */
  deliver(event: SimEvent, part: Part): void {
    if (this.node === null) return;
    if (this.#isPaused) {
      this.#deferred.push(event);
      return;
    }
    const world = this.world;
    world.events++;
    const hash = world.trace.hash;
    hash.add(world.now);
    hash.add(this.id * 64 + event.kind);
    if (event.bytes !== null) hash.addBytes(event.bytes);
    if (world.trace.on && event.kind !== Kind.wake && event.kind !== Kind.turn) {
      const bytes = event.bytes === null ? "" : `  ${world.trace.bytes(event.bytes)}`;
      this.#trace(kindName(event.kind), part.describe(event) + bytes);
    }
    try {
      part.perform(event);
      this.#pumpAll();
    } catch (error) {
      this.#threw(error);
    }
    if (this.node !== null) this.#look(event.kind);
  }

  #look(kind: number): void {
    const { checks, marks, streams } = this.#setting;
    if (this.isHarmed && this.probe?.raft()?.suspect === true) this.mayForget = true;
    if (!this.wasHarmed && this.probe?.raft()?.repairing === true) {
      throw new CheckFailure(
        "damage where there is none",
        `${this.name} repairs its log, and its disk was never harmed`,
      );
    }
    checks.afterStep(this);
    checkForged(this.id, this.probe?.raft()?.term ?? 0);
    if (kind === Kind.turn) checks.afterTurn(this);
    const seen = this.streaming;
    if (seen !== null) this.#deadlines.check(this.id, seen.state);
    if (seen !== null) streams.check(seen, kind === Kind.wake);
    marks.look(this, kind, checks.committedIndex);
    if (kind === Kind.wake) {
      // By a clock that stands still nobody can tell how long others are silent.
      if (this.clock.frozenUntilUs >= this.#wokenUs) this.#quorum.begin(this.world.now);
      this.#wokenUs = this.world.now;
      const leads = this.probe?.isOpen() === true && this.probe.isLeader();
      const halves = leads ? checks.halvesOf(this.id) : [];
      this.#quorum.check(this.id, halves, this.world.now);
    }
    const probe = this.probe;
    if (probe?.isOpen() !== true) return;
    this.build.look(this.world.now, probe, this.#setting.servers);
    this.isHarmed = false;
    this.mayForget = false;
    if (this.isTorn) this.isTorn = !probe.isDurablySound();
  }

  perform(event: SimEvent): void {
    if (event.kind === Kind.wake) {
      this.#isTimerSet = false;
      const raft = this.probe?.raft() ?? null;
      const isLate = this.#deadlines.wakes(this.clock.monotonicMs(), raft);
      if (isLate) this.#setting.marks.hit("a server is woken late");
      this.node!.wake();
      const after = this.probe?.raft() ?? null;
      if (after !== null) this.#deadlines.woken(this.id, after);
    } else if (event.kind === Kind.turn) {
      this.node!.turn();
      this.#connectAll(this.node!);
    } else event.call!();
  }

  /** This server for the checks of its streams; null while it is down or not formed. */
  get streaming(): StreamingServer | null {
    const { probe } = this;
    if (probe === null || probe.raft() === null) return null;
    // A log that gets room by giving files up never says that it had none.
    if (!probe.hasRoom() || this.disk.isBounded) this.#lacksFiles = true;
    return this;
  }

  // As `StreamingServer`, while it is one.

  get monotonicMs(): number {
    return this.clock.monotonicMs();
  }

  get state(): RaftState {
    return this.probe!.raft()!;
  }

  reaches(index: number): boolean {
    return this.probe!.reaches(index);
  }

  get mayLackFiles(): boolean {
    return this.#lacksFiles || this.wasHarmed;
  }

  /** A frame is about to be taken in. */
  noteFrame({ id: from, serverId: fromId }: SimServer, frame: Uint8Array): void {
    this.#quorum.heard(from, this.world.now);
    this.#setting.marks.frame(from, this, frame);
    if (this.build.isOlder) this.build.gets(from, this.#setting.factory.versionIn(frame));
    this.#setting.checks.frame(from, this.id, frame);
    const seen = isOfStream(frame) ? this.streaming : null;
    if (seen !== null) this.#setting.streams.received(seen, fromId, frame);
  }

  pump(): void {}

  describe(): string {
    return "";
  }

  /** Output waits at `part`: it is taken at the end of this step. */
  markDirty(part: Part): void {
    this.#dirty.push(part);
  }

  #pumpAll(): void {
    for (let i = 0; i < this.#dirty.length; i++) this.#dirty[i]!.pump(this);
    this.#dirty.length = 0;
  }

  /**
   * Hands bytes over in a buffer that is overwritten afterwards (what keeps a view of it will see
   * that), sometimes in several pieces.
   */
  receiveInto(link: { receive(bytes: Uint8Array): void }, bytes: Uint8Array): void {
    const { fabric } = this.#setting;
    const { fragment } = fabric.options;
    if (this.#scratch.length < bytes.length) this.#scratch = new Uint8Array(bytes.length * 2);
    const scratch = this.#scratch;
    if (fragment === 0 || !fabric.random.chance(fragment)) {
      scratch.set(bytes);
      link.receive(scratch.subarray(0, bytes.length));
    } else {
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + pieceBytes(fabric.random, bytes.length));
        scratch.set(bytes.subarray(at, end));
        link.receive(scratch.subarray(0, end - at));
        scratch.fill(0xa5, 0, end - at);
        at = end;
      }
    }
    scratch.fill(0xa5, 0, bytes.length);
  }

  /** What it still holds when nothing is under way any more, in words. */
  leftovers(): string[] {
    if (this.probe?.isOpen() !== true) return [];
    const found: string[] = [];
    const held = this.probe.leftover();
    if (held !== null) found.push(held);
    const limits = {
      [Kind.wake]: 1 + this.#voidTimers,
      [Kind.turn]: 1,
      [Kind.completion]: COMPLETIONS_LEFT_MAX,
    };
    for (const [kind, most] of Object.entries(limits)) {
      const isDone = Number(kind) === Kind.completion ? this.disk.voidEvents : 0;
      const count = this.world.pending(this, Number(kind), this.life) - isDone;
      if (count > most) found.push(`${count} events "${kindName(Number(kind))}"`);
    }
    return found.map((what) => `${this.name} holds ${what}`);
  }

  // What the node asks of its host.

  scheduleTurn(): void {
    this.#schedule(Kind.turn, this.random.between(1, 60));
  }

  wakeAt(atMs: number): void {
    if (this.#isTimerSet) this.#voidTimers++;
    this.#isTimerSet = true;
    this.#deadlines.asked(atMs, this.clock.monotonicMs());
    const delayUs = this.clock.untilUs(atMs);
    this.world.schedule(
      delayUs + (delayUs > 0 ? this.#lateUs() : 0),
      this,
      Kind.wake,
      this.life,
      ++this.#timer,
    );
  }

  /** How late a timer comes. What is to come at once does. */
  #lateUs(): number {
    if (this.timersLateMs === 0) return 0;
    return Math.floor((0.75 + 0.25 * this.#lateness.unit()) * this.timersLateMs * 1_000);
  }

  fatal(error: Error): void {
    this.world.counters.add("exits");
    this.#trace("fatal", error.message);
    if (!this.mayExit) {
      // Kept as well as thrown: the node must not be able to swallow it.
      this.world.failure = new CheckFailure(
        "exit",
        `${this.name} ended itself: ${error.message}`,
        { cause: error },
      );
      throw this.world.failure;
    }
    this.crash(`it ended itself: ${error.message}`);
    this.restartIn(this.random.between(10_000, this.#setting.options.restartMaxMs * 1000));
    throw new ProcessEnded(error.message);
  }

  log(event: LogEvent): void {
    this.#setting.marks.log(event, this);
    if (event.message.startsWith("This server was removed")) this.hasSaidRemoved = true;
    const { options } = this.#setting;
    const isSpoiled = event.message.startsWith("Entries for a follower can't be read");
    if (isSpoiled) this.#lacksFiles = true;
    // A read that failed is no damage either, but what the disk did.
    const isDamage = (isSpoiled && options.spoiledReads === 0 && !this.mayExit) ||
      saysDamage(event);
    if (isDamage && !this.wasHarmed) this.#failOfDamage(event);
    if (!this.world.trace.on) return;
    const fields = Object.entries(event.fields).map(([name, value]) => `${name}=${value}`);
    this.#trace(`log ${event.level}`, `${event.message} ${fields.join(" ")}`);
  }

  /** Whatever a crash leaves behind, it is no damage: it must not be taken for any. */
  #failOfDamage({ message, fields }: LogEvent): never {
    this.world.failure = new CheckFailure(
      "damage where there is none",
      `${this.name}, whose disk was never harmed, says: ${message} ${JSON.stringify(fields)}`,
    );
    throw this.world.failure;
  }

  #complete(delayMs: number, run: () => void): void {
    this.#schedule(Kind.completion, delayMs * 1000, run);
  }

  #schedule(kind: Kind, delayUs: number, call: (() => void) | null = null): void {
    this.world.schedule(delayUs, this, kind, this.life, 0, null, call);
  }

  #threw(error: unknown): void {
    if (error instanceof ProcessEnded) return;
    if (error instanceof CheckFailure) throw error;
    const { factory, options } = this.#setting;
    if (this.node === null && this.isHarmed && factory.isRefusal(error)) {
      this.#refuse((error as Error).message);
      return;
    }
    const isCrash = factory.isCrash(error);
    const isDiskError = this.mayExit &&
      [error, (error as Error).cause].some((reason) =>
        reason instanceof DiskError || reason instanceof DiskFullError
      );
    if (isCrash || isDiskError) {
      this.world.counters.add(isCrash ? "crashes in the disk" : "exits");
      if (error instanceof SimCrash) {
        const { path } = error;
        const isThere = path.endsWith(".log") && this.disk.exists(path);
        const contents = isThere ? this.disk.contents(path) : new Uint8Array(0);
        this.#setting.marks.crashAt(path, contents, this.node === null);
      }
      if (this.node === null) {
        // It ended while starting.
        this.life++;
        this.disk.crash();
      } else this.crash("in the middle of a disk operation");
      this.restartIn(this.random.between(10_000, options.restartMaxMs * 1000));
      return;
    }
    const text = error instanceof Error ? error.message : String(error);
    throw new CheckFailure("exception", `${this.name} threw: ${text}`, { cause: error });
  }

  /** Its directory is damaged, and it says so: it is out for the rest of the seed. */
  #refuse(reason: string): void {
    this.world.counters.add("refused to start");
    this.#trace("refuses", reason);
    this.life++;
    this.isOut = true;
    this.disk.kill();
  }

  #trace(what: string, detail: string): void {
    if (this.world.trace.on) {
      this.world.trace.line(this.world.now, this.name, what, detail);
    }
  }
}

/** For sorting: timers before all others, which keep their order. */
function timerFirst({ kind }: SimEvent): number {
  return kind === Kind.wake ? 0 : 1;
}

/** Mostly a few bytes, often one. */
export function pieceBytes(random: Random, length: number): number {
  return random.chance(0.5) ? random.between(1, 8) : random.between(1, Math.max(1, length));
}

function saysDamage({ level, message }: LogEvent): boolean {
  return (level === "warning" || level === "error") && /\bdamaged?\b/i.test(message);
}
