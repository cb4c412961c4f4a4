/**
 * Clients that watch, on any server, and continue on another one where their connection ends, or when they feel
 * like it. What each is told has to be all that happened to what it watches, once and in order; or it is told
 * that it lost something, and then that is so.
 */
import { Random } from "../../lib/util/random.ts";
import { toBytes } from "../process/socket.ts";
import { readWatchLines, type SeenLine } from "../wire/watch_lines.ts";
import type { StateChecks } from "./checks.ts";
import type { ClientSetting } from "./client.ts";
import { ClientConnection, type ConnectionOwner } from "./client_connection.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import type { Marks } from "./marks.ts";
import { patienceMs } from "./patience.ts";
import type { SimServer } from "./sim_server.ts";
import type { WatchOptions } from "./watch_options.ts";
import { asModelEvent, WatchModel } from "./watch_model.ts";
import { CheckFailure } from "./world.ts";

/** Errors that a server may answer a watch with, and nothing was begun. */
const REFUSALS = new Set(["ERR_NO_LEADER", "ERR_BUSY"]);
const THINK_MEAN_MS = 50;
/** How much longer than a mark takes a client waits for one. */
const SILENT_MARKS = 5;
const SLOW_MAX_MS = 8_000;
const NO_BYTES = new Uint8Array(0);

interface Shared {
  readonly setting: ClientSetting;
  readonly options: WatchOptions;
  readonly model: WatchModel;
  readonly marks: Marks;
}

class Watcher implements Handler, ConnectionOwner {
  /** It stays where it is, and takes what comes. */
  #isSettled = false;
  readonly #shared: Shared;
  readonly #random: Random;
  readonly #pattern: string;
  #connection: ClientConnection | null = null;
  #bytes: Uint8Array = NO_BYTES;
  #isWatching = false;
  /** All up to here was told, as the cluster of this id counts; null before the first answer. */
  #complete: number | null = null;
  #clusterId = "";
  /** The server that it was told this by last. */
  #toldBy: SimServer | null = null;
  #wanted: { readonly after: number | null; readonly server: SimServer } | null = null;
  #isSlow = false;
  #round = 0;
  #thought = 0;

  constructor(shared: Shared, random: Random) {
    this.#shared = shared;
    this.#random = random;
    const { keys, expiringKeys } = shared.setting.options.clients;
    this.#pattern = random.pick([
      "*",
      "*",
      "key*",
      `key${random.between(1, keys)}`,
      `expiring${random.between(1, Math.max(1, expiringKeys))}`,
      "expiring*",
      "v*",
    ]);
    this.#think();
  }

  /** It is complete up to the last entry that is committed. */
  get isUpToDate(): boolean {
    const { model } = this.#shared;
    return this.#isWatching && this.#complete !== null &&
      model.nextGroup(this.#pattern, this.#complete) === null;
  }

  describe(): string {
    const state = this.#isWatching ? "watches" : this.#connection === null ? "is away" : "asks";
    return `the watch of ${this.#pattern} ${state}, complete up to ${this.#complete}`;
  }

  settle(): void {
    this.#isSettled = true;
    if (this.#isSlow) this.#reconnect();
  }

  leave(): void {
    this.#hangUp();
    this.#thought++;
  }

  handle(event: SimEvent): void {
    if (event.kind === Kind.clientThink) {
      if (event.life === this.#thought) this.#act();
    } else if (event.life === this.#round) this.#reconnect();
  }

  #think(meanMs = THINK_MEAN_MS): void {
    const drawn = -Math.log(1 - this.#random.unit()) * meanMs;
    const { world } = this.#shared.setting.fabric;
    world.schedule(drawn * 1000, this, Kind.clientThink, ++this.#thought);
  }

  /** Connects, or leaves where it has been for long enough. */
  #act(): void {
    if (this.#connection !== null) {
      if (!this.#isSettled) this.#reconnect();
      return;
    }
    const { asked, fabric, connections, unreachable } = this.#shared.setting;
    const server = this.#random.pick(asked);
    if (unreachable.has(server.id)) return this.#think(5 * THINK_MEAN_MS);
    const id = this.#shared.setting.nextConnectionId++;
    this.#bytes = NO_BYTES;
    this.#isWatching = false;
    this.#isSlow = !this.#isSettled && this.#random.chance(this.#shared.options.slow);
    const connection = new ClientConnection(fabric, this.#random, this, server, id);
    if (this.#isSlow) connection.takesUs = this.#random.between(1, SLOW_MAX_MS) * 1_000;
    this.#connection = connection;
    connections.add(connection);
    this.#wait(patienceMs(this.#shared.setting.options));
  }

  opened(connection: ClientConnection): void {
    if (connection !== this.#connection) return;
    const after = this.#complete;
    this.#wanted = { after, server: connection.server };
    const withId = this.#random.chance(0.5) ? `@${this.#clusterId}` : "";
    const position = after === null ? "" : ` ${after}${withId}`;
    connection.send(toBytes(`watch ${this.#pattern}${position}\r\n`));
    this.#wait(patienceMs(this.#shared.setting.options));
  }

  ended(connection: ClientConnection): void {
    if (connection === this.#connection) this.#reconnect();
  }

  received(connection: ClientConnection, bytes: Uint8Array): void {
    if (connection !== this.#connection) return;
    const joined = new Uint8Array(this.#bytes.length + bytes.length);
    joined.set(this.#bytes);
    joined.set(bytes, this.#bytes.length);
    const { seen, length } = readWatchLines(joined);
    this.#bytes = joined.slice(length);
    for (const one of seen) {
      if (connection === this.#connection) this.#take(connection.server, one);
    }
    if (connection !== this.#connection) return;
    const { markMs } = this.#shared.options;
    const slowMs = this.#isSlow ? SLOW_MAX_MS : 0;
    this.#wait(patienceMs(this.#shared.setting.options) + markMs * SILENT_MARKS + slowMs);
  }

  #take(server: SimServer, one: SeenLine): void {
    if (one.kind === "line") this.#takeLine(one.text);
    else this.#takeGroup(server, one);
  }

  #takeGroup(
    server: SimServer,
    { revision, events }: SeenLine & { readonly kind: "events" },
  ): void {
    const { model, marks } = this.#shared;
    const complete = this.#complete;
    if (!this.#isWatching || complete === null) this.#fail(`was told entry ${revision} unasked`);
    if (revision > model.store.revision) {
      this.#fail(`was told entry ${revision}, which is not committed`);
    }
    if (revision < complete) this.#fail(`went back from ${complete} to ${revision}`);
    const next = model.nextGroup(this.#pattern, complete);
    if (events.length === 0) {
      if (next !== null && next.revision <= revision) {
        this.#fail(`is said to be complete up to ${revision}, and was not told ${text(next)}`);
      }
      marks.hit("a silent watch hears how far it is complete");
    } else {
      const told = { revision, events: events.map(asModelEvent) };
      if (next === null || text(next) !== text(told)) {
        this.#fail(`after ${complete} was told ${text(told)} and not ${next && text(next)}`);
      }
      this.#shared.setting.fabric.world.counters.add("watch groups");
      if (server.probe?.isOpen() === true && !server.probe.isLeader()) {
        marks.hit("a follower tells a watch");
      }
      if (this.#toldBy !== null && this.#toldBy !== server) {
        marks.hit("a watch continues on another server");
      }
      this.#toldBy = server;
    }
    this.#complete = revision;
  }

  #takeLine(line: string): void {
    const { marks } = this.#shared;
    const [word, number = ""] = line.split(" ");
    const complete = this.#complete;
    if (word === "ERR_COMPACTED") {
      const revision = Number(number);
      if (complete === null || revision <= complete) {
        this.#fail(`is told that ${revision} is compacted, and is complete up to ${complete}`);
      }
      marks.hit(this.#isWatching ? "a watch is lost" : "a watch asks for what is not kept");
      // Mostly another server has it still.
      if (this.#random.chance(0.4)) this.#complete = null;
      if (this.#complete === null) this.#toldBy = null;
      return this.#reconnect();
    }
    if (this.#isWatching) this.#fail(`was told ${line}`);
    const { after } = this.#wanted!;
    if (word === "WATCHING") {
      const [revision, clusterId = ""] = number.split("@");
      const from = Number(revision);
      if (after !== null && from !== after) this.#fail(`begins at ${from}, and not at ${after}`);
      if (from > this.#shared.model.store.revision) this.#fail(`begins at ${from}: not committed`);
      if (this.#clusterId !== "" && clusterId !== this.#clusterId) this.#fail(`hears ${line}`);
      this.#clusterId = clusterId;
      this.#complete = from;
      this.#isWatching = true;
      if (!this.#isSettled) this.#think(this.#shared.options.stayMeanMs);
      return;
    }
    if (word === "ERR_FUTURE") {
      if (after === null || Number(number) >= after) this.#fail(`after ${after} hears ${line}`);
      marks.hit("a watch asks for what is not applied yet");
    } else if (!REFUSALS.has(word!)) this.#fail(`was answered ${line}`);
    this.#reconnect();
  }

  #wait(ms: number): void {
    const { world } = this.#shared.setting.fabric;
    world.schedule(ms * 1000, this, Kind.clientTimeout, ++this.#round);
  }

  #reconnect(): void {
    this.#hangUp();
    this.#think();
  }

  #hangUp(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#isWatching = false;
    this.#round++;
    if (connection === null) return;
    connection.close();
    this.#shared.setting.connections.delete(connection);
  }

  #fail(what: string): never {
    throw new CheckFailure("watches", `the watch of ${this.#pattern} ${what}`);
  }
}

function text(group: unknown): string {
  return JSON.stringify(group);
}

export class WatchWorkload {
  readonly #shared: Shared;
  readonly #random: Random;
  #watchers: Watcher[] = [];

  constructor(setting: ClientSetting, options: WatchOptions, checks: StateChecks, marks: Marks) {
    const model = new WatchModel(setting.options.origin);
    this.#shared = { setting, options, model, marks };
    this.#random = new Random(setting.options.seed ^ 0x3a7);
    const others = checks.onCommitted;
    checks.onCommitted = (data) => {
      others?.(data);
      model.store.committed(data);
    };
  }

  begin(): void {
    for (let i = 0; i < this.#shared.options.clients; i++) {
      this.#watchers.push(new Watcher(this.#shared, this.#random.fork()));
    }
  }

  /** They go nowhere by themselves any more. */
  settle(): void {
    for (const watcher of this.#watchers) watcher.settle();
  }

  /** The first that has not been told all there is, in words; null where all have. */
  behind(): string | null {
    return this.#watchers.find((one) => !one.isUpToDate)?.describe() ?? null;
  }

  leave(): void {
    for (const watcher of this.#watchers) watcher.leave();
    this.#watchers = [];
  }
}
