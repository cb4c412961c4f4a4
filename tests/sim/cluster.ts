/** The servers of one world, the network between them, and what watches both. */
import { Random } from "../../lib/util/random.ts";
import { AddressBook, founderAddress } from "./address_book.ts";
import { Atlas } from "./atlas.ts";
import { StateChecks } from "./checks.ts";
import { SimClock } from "./clock.ts";
import { Fabric } from "./fabric.ts";
import { Marks } from "./marks.ts";
import type { SimOptions } from "./options.ts";
import { Intruder, Secrets } from "./secrets.ts";
import type { ServerFactory } from "./server_factory.ts";
import type { Origins, ServerSetting } from "./server_setting.ts";
import { SimServer } from "./sim_server.ts";
import { isOfStream, StreamChecks } from "./stream_checks.ts";
import { membersOf } from "./votings.ts";
import type { World } from "./world.ts";

export class SimCluster {
  readonly options: SimOptions;
  readonly world: World;
  readonly fabric: Fabric;
  /** Those whose machines are on. */
  readonly servers: SimServer[] = [];
  /** All that there ever were, by their numbers. */
  readonly everyServer = new Map<number, SimServer>();
  readonly addresses: AddressBook<SimServer>;
  readonly checks: StateChecks;
  readonly marks: Marks;
  readonly atlas: Atlas;
  readonly #streams: StreamChecks;
  readonly #setting: ServerSetting;

  constructor(options: SimOptions, factory: ServerFactory, world: World, random: Random) {
    const { servers, everyServer } = this;
    this.options = options;
    this.world = world;
    const fabric = this.fabric = new Fabric(world, options.network, random.fork());
    const founders = Array.from({ length: options.servers }, (_, at) => at + 1);
    const lives = new Map<string, SimServer>();
    const serverOf = (id: number, life: string) => {
      const server = lives.get(life);
      return server?.serverId === id ? server.id : null;
    };
    const checks = this.checks = new StateChecks(founders, serverOf);
    this.atlas = new Atlas(
      (id) => everyServer.get(id)!,
      () => checks.votingsInPlay(),
      (id) => checks.votingsHeldBy(id),
    );
    this.addresses = new AddressBook(servers, options.servers);
    const marks = this.marks = new Marks(servers, options.origin);
    checks.onTruncation = (behind, durable) => marks.truncated(behind, durable);
    checks.onMembers = (voting, before) => marks.members(voting, before);
    checks.onMembersCut = () => marks.hit("a configuration is cut off");
    this.#streams = new StreamChecks(options.storage.catchUpBytes === 0);
    const { secret = "none", seed } = options;
    const secrets = new Secrets(secret, seed, world, servers);
    // Where it is rolled in, whoever knows none is let in.
    const intruder = secret === "exchanged" ? new Intruder(seed, world, servers) : null;
    fabric.onFrame = (from, to, frame) => {
      intruder?.overhears(frame);
      this.#leaves(from, to, frame, factory);
    };
    const { addresses, atlas } = this;
    const streams = this.#streams;
    this.#setting = {
      world,
      fabric,
      options,
      factory,
      checks,
      atlas,
      marks,
      streams,
      servers,
      addresses,
      lives,
      secrets,
    };
    for (const id of founders) {
      this.#add(id, random.fork(), { serverId: id, address: founderAddress(id), joins: null });
    }
  }

  /** A frame leaves a server: what it promises is noted. */
  #leaves(from: number, to: number, frame: Uint8Array, factory: ServerFactory): void {
    const { checks, marks, everyServer } = this;
    const { origin } = this.options;
    if (isOfStream(frame)) {
      const sender = everyServer.get(from)!.checks.streaming;
      if (sender !== null) this.#streams.sent(sender, everyServer.get(to)!.serverId, frame);
    }
    const acked = factory.ackOf(frame);
    if (acked !== null) checks.ackSent(from, acked - origin.index);
    const orderTerm = factory.takeOverTerm(frame);
    if (orderTerm !== null) checks.takeOverOrdered(from, to, orderTerm - origin.term);
    const vote = factory.voteOf(frame);
    if (vote === null) return;
    const candidate = vote.isOwn ? from : to;
    checks.voteSent(from, { ...vote, term: vote.term - origin.term }, candidate);
    marks.vote(from, vote.term, candidate);
  }

  /** Another server, on an empty disk. What it draws is drawn apart from what others do. */
  addServer(origins: Origins): SimServer {
    const id = Math.max(...this.everyServer.keys()) + 1;
    return this.#add(id, new Random(this.options.seed ^ (0x5e4f00 + id)), origins);
  }

  #add(id: number, drawn: Random, origins: Origins): SimServer {
    const { options, world } = this;
    const offsetMs = (drawn.unit() * 2 - 1) * options.wallOffsetMaxMs;
    const clock = new SimClock(world, offsetMs, 1 + (drawn.unit() * 2 - 1) * options.driftMax);
    const server = new SimServer(this.#setting, id, clock, drawn, origins);
    this.servers.push(server);
    this.everyServer.set(id, server);
    return server;
  }

  /** The members by what is committed; without those that are lost. */
  members(): SimServer[] {
    const ids = membersOf(this.checks.ledgerVotings.current);
    return this.servers.filter(({ id, isOut }) => ids.includes(id) && !isOut);
  }

  /** The servers' states, for a failure's message. */
  describe(): string {
    const states = this.servers.map(({ name, probe, isPaused }) => {
      if (probe === null) return `${name} down`;
      if (!probe.isOpen()) return `${name} unformed`;
      return `${name}${isPaused ? " paused" : ""}${probe.isLeader() ? " LEADER" : ""} term ` +
        `${probe.term()} last ${probe.lastIndex()} commit ${probe.commitIndex()} applied ` +
        `${probe.appliedIndex()}`;
    });
    return states.join("; ");
  }
}
