/**
 * A server loses its directory while its cluster forms. Where no list had its incarnation yet, it forms
 * with the new one. Where others have formed with the old one, it is out for good. In between nobody can
 * form, and the servers say so: then, as they advise, all begin anew on empty directories.
 */
import type { Random } from "../../lib/util/random.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import type { SimServer } from "./sim_server.ts";
import type { World } from "./world.ts";

/** Servers start within the first second, and have formed soon after. */
const WIPE_WITHIN_US = 1_500_000;
/** Whether somebody has prepared is looked at so often: what is between that and forming is short. */
const PREPARED_INTERVAL_US = 2_000;
const PREPARED_WITHIN_US = 30_000_000;
const LOOK_INTERVAL_US = 250_000;
/** So long nobody has formed, with all servers up, before the operator gives up. */
const STUCK_LOOKS = 20;

export class FormingFaults implements Handler {
  readonly #world: World;
  readonly #servers: readonly SimServer[];
  readonly #victim: SimServer;
  readonly #random: Random;
  #stuck = 0;

  /** `damageable`: who may be lost; must not be empty. */
  constructor(
    world: World,
    servers: readonly SimServer[],
    damageable: readonly number[],
    random: Random,
  ) {
    this.#world = world;
    this.#servers = servers;
    this.#random = random;
    const id = random.pick(damageable);
    this.#victim = servers.find((server) => server.id === id)!;
    // Half of the time just where a list has its incarnation, and nobody has formed by it.
    if (random.chance(0.5)) this.#later(random.between(0, WIPE_WITHIN_US), () => this.#wipe());
    else this.#awaitPrepared();
  }

  #awaitPrepared(): void {
    const isPrepared = this.#servers.some((server) =>
      server !== this.#victim && server.probe?.isPrepared() === true
    );
    if (isPrepared) return this.#wipe();
    if (this.#servers.some(hasFormed) || this.#world.now > PREPARED_WITHIN_US) return;
    this.#later(PREPARED_INTERVAL_US, () => this.#awaitPrepared());
  }

  handle(event: SimEvent): void {
    event.call!();
  }

  #later(delayUs: number, call: () => void): void {
    this.#world.schedule(delayUs, this, Kind.faultBegin, 0, 0, null, call);
  }

  #wipe(): void {
    const server = this.#victim;
    this.#world.counters.add("fault wipe while forming");
    server.crash("a fault: wipe while forming");
    // Whoever has formed has its old incarnation in the list.
    if (this.#servers.some((other) => other !== server && hasFormed(other))) {
      server.harm("wipe", this.#random);
    } else {
      server.disk.wipe();
      // Until it has formed, or is known to be out: whoever forms with its old incarnation can't do without more.
      server.condition.isHarmed = true;
    }
    server.restartIn(this.#random.between(1_000, 500_000));
    if (!server.isOut) this.#look();
  }

  #look(): void {
    const { probe } = this.#victim;
    if (probe?.isOpen() === true) return;
    const formed = this.#servers.filter(hasFormed);
    if (formed.length > 0) {
      // Its old incarnation is in their list, or it would have formed with them by the next look.
      if (++this.#stuck >= STUCK_LOOKS) this.#victim.condition.isOut = true;
      else this.#later(LOOK_INTERVAL_US, () => this.#look());
      return;
    }
    const isStuck = this.#servers.every((server) => !server.isDown);
    this.#stuck = isStuck ? this.#stuck + 1 : 0;
    if (this.#stuck >= STUCK_LOOKS) return this.#beginAnew();
    this.#later(LOOK_INTERVAL_US, () => this.#look());
  }

  #beginAnew(): void {
    this.#world.counters.add("clusters begun anew");
    for (const server of this.#servers) {
      server.crash("its operator begins anew");
      server.disk.wipe();
      server.restartIn(this.#random.between(1_000, 500_000));
    }
  }
}

function hasFormed({ probe }: SimServer): boolean {
  return probe?.isOpen() === true;
}
