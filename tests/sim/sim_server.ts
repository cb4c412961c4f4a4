/**
 * One server's process in simulated time: it starts on a disk, is woken by its own clock, is crashed,
 * paused and started again. Every call into the node goes through `deliver`, which catches what it
 * throws, takes its output and has the checks look at it.
 */
import type { Rng } from "../../lib/host/ports.ts";
import type { ServerNode } from "../../lib/node/api.ts";
import type { ClusterSecret } from "../../lib/node/peers/cluster_secret.ts";
import type { Incarnation } from "../../lib/raft/types.ts";
import { assert } from "../../lib/util/assert.ts";
import { Random } from "../../lib/util/random.ts";
import type { SimAddress } from "./address_book.ts";
import { Build } from "./build.ts";
import { ReadBuffer } from "./byte_pieces.ts";
import type { SimClock } from "./clock.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind, kindName } from "./kinds.ts";
import { endOf } from "./process_end.ts";
import { ServerCondition } from "./server_condition.ts";
import type { BuiltServer, ServerDisk } from "./server_factory.ts";
import { ServerLinks } from "./server_links.ts";
import { ServerOrders } from "./server_orders.ts";
import { ServerPause } from "./server_pause.ts";
import { ServerPlace } from "./server_place.ts";
import type { ServerProbe } from "./server_probe.ts";
import type { ClientEnd, Origins, Part, ServerSetting } from "./server_setting.ts";
import { ServerTimer } from "./server_timer.ts";
import { SimCrash } from "./sim_disk.ts";
import { SimHost } from "./sim_host.ts";
import { StepChecks } from "./step_checks.ts";
import type { World } from "./world.ts";

/** One server: an id with one life of it, on its own disk. Whoever takes its place later is another one. */
export class SimServer implements Handler, Part {
  /** Its number in the world. Founders have their own ids. */
  readonly id: number;
  readonly serverId: number;
  /** For people. */
  readonly name: string;
  readonly joins: string | null;
  incarnation: Incarnation | null = null;
  readonly world: World;
  readonly clock: SimClock;
  readonly disk: ServerDisk;
  readonly random: Random;
  readonly place: ServerPlace;
  readonly condition: ServerCondition;
  readonly build: Build;
  readonly timer: ServerTimer;
  readonly links: ServerLinks;
  readonly orders: ServerOrders;
  readonly checks: StepChecks;
  readonly clients = new Set<ClientEnd>();
  /** Where it reads what comes over connections between servers. */
  readonly input: ReadBuffer;
  /** Grows with every start and every crash. */
  life = 0;
  node: ServerNode | null = null;
  probe: ServerProbe | null = null;
  readonly #setting: ServerSetting;
  readonly #rng: Rng;
  readonly #host: SimHost;
  readonly #pause: ServerPause;
  /** Its machine is off. */
  isAway = false;
  #isRestarting = false;
  #dirty: Part[] = [];

  constructor(
    setting: ServerSetting,
    id: number,
    clock: SimClock,
    random: Random,
    origins: Origins,
  ) {
    const { options, world } = setting;
    const { serverId, joins } = origins;
    this.#setting = setting;
    this.id = id;
    this.serverId = serverId;
    this.name = `server ${id}${id === serverId ? "" : ` (id ${serverId})`}`;
    this.joins = joins;
    this.world = world;
    this.clock = clock;
    this.random = random;
    const drawn = random.fork();
    this.#rng = { u32: () => drawn.u32() };
    this.place = new ServerPlace(origins, options.servers);
    this.condition = new ServerCondition(this.name);
    this.build = new Build(id, options.seed, options.older);
    this.timer = new ServerTimer(id, clock, options.timing.heartbeatIntervalMs, options.seed);
    this.links = new ServerLinks(this, setting);
    this.orders = new ServerOrders(this, setting.secrets);
    this.#host = new SimHost(this, setting);
    this.#pause = new ServerPause(clock, random);
    this.checks = new StepChecks(this, setting);
    this.input = new ReadBuffer(setting.fabric);
    this.disk = setting.factory.makeDisk({
      options,
      serverId,
      isNew: joins !== null,
      random: random.fork(),
      schedule: (delayMs, run) => this.schedule(Kind.completion, delayMs * 1000, run),
      nowMs: () => world.now / 1000,
      mayTear: () => setting.atlas.mayTear(this),
      torn: () => {
        this.condition.isTorn = true;
      },
    });
  }

  // As others see it.

  get isOut(): boolean {
    return this.condition.isOut;
  }

  get isHarmed(): boolean {
    return this.condition.isHarmed;
  }

  get isTorn(): boolean {
    return this.condition.isTorn;
  }

  get mayForget(): boolean {
    return this.condition.mayForget;
  }

  get address(): SimAddress {
    return this.place.address;
  }

  get clusterId(): string | null {
    return this.probe?.clusterId() ?? null;
  }

  get isDown(): boolean {
    return this.node === null;
  }

  get isPaused(): boolean {
    return this.#pause.isOn;
  }

  /** Its process has said that it was removed. */
  get hasSaidRemoved(): boolean {
    return this.#host.hasSaidRemoved;
  }

  /** Loses its data, or has it damaged, while it is down. */
  harm(name: "wipe" | "damage" | "damageEnd", random: Random): void {
    assert(this.isDown, "A running server was harmed");
    const what = this.condition.harm(name, this.disk, random);
    this.trace(name === "wipe" ? "wiped" : "damaged", what);
  }

  /** Starts the process; a disk that ends it on the way brings another start later. */
  start(): void {
    this.#isRestarting = false;
    if (this.node !== null) return;
    this.life++;
    this.#host.begin();
    this.timer.begin();
    const { factory, options, checks, marks, secrets } = this.#setting;
    const secret = secrets.atStart(this.#rng);
    this.place.begin();
    this.build.starts(this.life === 1);
    this.world.counters.add("starts");
    this.trace("start", `life ${this.life}`);
    try {
      const built = factory.makeServer({
        options,
        serverId: this.serverId,
        places: this.place.known,
        joins: this.joins,
        disk: this.disk,
        isOlder: this.build.isOlder,
        clock: this.clock,
        rng: this.#rng,
        host: this.#host,
        secret,
      });
      this.#take(built, secret);
      checks.started(this);
      if (this.build.refuses(built.probe)) {
        marks.hit("a build before finds the cluster version raised, and does not start");
        this.crash("its build is too early for what is in its log");
        this.restartIn(this.random.between(10_000, 100_000));
        return;
      }
      this.links.connect(built.node);
    } catch (error) {
      this.#threw(error);
    }
  }

  #take(built: BuiltServer, secret: ClusterSecret | undefined): void {
    const { node, probe, incarnation } = built;
    this.node = node;
    this.probe = probe;
    this.orders.begin(built, secret);
    if (incarnation === undefined) return;
    this.condition.started(this.incarnation === incarnation);
    this.incarnation = incarnation;
    this.#setting.lives.set(incarnation, this);
  }

  /** The connection of this number comes to its forward port. By a stream of its own. */
  isToForward(connection: number): boolean {
    const { seed, forwarding } = this.#setting.options;
    if (forwarding === undefined) return false;
    return new Random(seed ^ 0xf0a4d ^ Math.imul(connection, 0x9e37)).chance(forwarding);
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
    this.#setting.marks.crash(this);
    this.trace("crash", reason);
    this.world.counters.add("crashes");
    this.life++;
    this.#setting.checks.crashed(this);
    this.node = null;
    this.probe = null;
    this.#pause.forget();
    this.#dirty = [];
    this.disk.crash();
    this.links.die();
    for (const client of [...this.clients]) client.serverGone();
    this.clients.clear();
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
    if (this.node === null || this.#pause.isOn) return;
    this.#pause.begin(isSuspended);
    this.trace(isSuspended ? "suspend" : "pause", "");
  }

  /** All that came meanwhile is delivered at once. */
  resume(): void {
    if (!this.#pause.isOn) return;
    this.trace("resume", `${this.#pause.deferredCount} deferred`);
    this.checks.resumed();
    for (const event of this.#pause.end()) this.world.again(event);
  }

  handle(event: SimEvent): void {
    if (event.kind === Kind.restart) {
      if (this.#isRestarting) this.start();
      return;
    }
    if (event.life !== this.life) return;
    if (event.kind !== Kind.wake || this.timer.counts(event.a)) this.deliver(event, this);
  }

  /** One step of this server: an event of `part`, its output, the checks. */
  deliver(event: SimEvent, part: Part): void {
    if (this.node === null) return;
    if (this.#pause.isOn) return this.#pause.defer(event);
    const world = this.world;
    world.events++;
    const hash = world.trace.hash;
    hash.add(world.now);
    hash.add(this.id * 64 + event.kind);
    if (event.bytes !== null) hash.addBytes(event.bytes);
    if (world.trace.on && event.kind !== Kind.wake && event.kind !== Kind.turn) {
      const bytes = event.bytes === null ? "" : `  ${world.trace.bytes(event.bytes)}`;
      this.trace(kindName(event.kind), part.describe(event) + bytes);
    }
    try {
      part.perform(event);
      this.#pumpAll();
    } catch (error) {
      this.#threw(error);
    }
    if (this.node !== null) this.checks.look(event.kind);
  }

  perform(event: SimEvent): void {
    if (event.kind === Kind.wake) {
      const isLate = this.timer.goesOff(this.probe?.raft() ?? null);
      if (isLate) this.#setting.marks.hit("a server is woken late");
      this.node!.wake();
      const after = this.probe?.raft() ?? null;
      if (after !== null) this.timer.woken(after);
    } else if (event.kind === Kind.turn) {
      this.node!.turn();
      this.links.connect(this.node!);
    } else event.call!();
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

  /** An event of this life in its own steps; `call`: what a completion calls. */
  schedule(kind: Kind, delayUs: number, call: (() => void) | null = null): void {
    this.world.schedule(delayUs, this, kind, this.life, 0, null, call);
  }

  #threw(error: unknown): void {
    const { factory, options, marks } = this.#setting;
    const isStarting = this.node === null;
    const end = endOf(error, this.name, isStarting, this.condition, factory);
    if (end === "ended") return;
    if (end === "refused") return this.#refuse((error as Error).message);
    this.world.counters.add(end === "crash" ? "crashes in the disk" : "exits");
    if (error instanceof SimCrash) {
      const { path } = error;
      const isThere = path.endsWith(".log") && this.disk.exists(path);
      const contents = isThere ? this.disk.contents(path) : new Uint8Array(0);
      marks.crashAt(path, contents, isStarting);
    }
    if (isStarting) {
      this.life++;
      this.disk.crash();
    } else this.crash("in the middle of a disk operation");
    this.restartIn(this.random.between(10_000, options.restartMaxMs * 1000));
  }

  /** Its directory is damaged, and it says so: it is out for the rest of the seed. */
  #refuse(reason: string): void {
    this.world.counters.add("refused to start");
    this.trace("refuses", reason);
    this.life++;
    this.condition.isOut = true;
    this.disk.kill();
  }

  /** A line of the trace, where somebody reads along. */
  trace(what: string, detail: string): void {
    if (this.world.trace.on) {
      this.world.trace.line(this.world.now, this.name, what, detail);
    }
  }
}
