/**
 * On which machines clients run, where several have one address, and what the bounds of that address, or of the
 * user that they are, let through as far as it can be told from outside: of the commands that a server's
 * process took and answered within any time, no more than its rate and one burst allow.
 */
import type { ClientConnection } from "./client_connection.ts";
import type { SimOptions } from "./options.ts";
import { CheckFailure } from "./world.ts";

/** So many answers are looked back at. */
const ANSWERS_MAX = 1_000;
/** Within one step a server's own time stands still. */
const SLACK_MS = 10;
/** Connections that may have been open longer than their client has known them. */
const LEFT_OPEN = 4;

/** What one process of a server takes from one address, or as one user. */
class RateWitness {
  readonly #what: string;
  readonly #perSecond: number;
  readonly #clients: number;
  /** When each command that was answered had come, the earliest first. */
  readonly #arrivedMs: number[] = [];
  readonly #openedMs: number[] = [];
  readonly #connections = new WeakSet<ClientConnection>();

  constructor(what: string, perSecond: number, clients: number) {
    this.#what = what;
    this.#perSecond = perSecond;
    this.#clients = clients;
  }

  /** It took a command that was not here before `arrivedMs`, and had answered it by `answeredMs`. */
  answered(connection: ClientConnection): void {
    const { arrivedMs, answeredMs } = connection;
    if (!this.#connections.has(connection)) {
      this.#connections.add(connection);
      insert(this.#openedMs, arrivedMs);
    }
    insert(this.#arrivedMs, arrivedMs);
    if (this.#arrivedMs.length > ANSWERS_MAX) this.#arrivedMs.shift();
    let opened = this.#openedMs.length;
    for (let at = this.#arrivedMs.length - 1; at >= 0; at--) {
      const sinceMs = this.#arrivedMs[at]!;
      while (opened > 0 && this.#openedMs[opened - 1]! >= sinceMs) opened--;
      // Each connection may finish a command of which a part has come.
      const inPart = this.#openedMs.length - opened + this.#clients + LEFT_OPEN;
      const seconds = Math.max(0, answeredMs - sinceMs + SLACK_MS) / 1_000;
      const count = this.#arrivedMs.length - at;
      const countMax = this.#perSecond * (1 + seconds) + inPart;
      if (count <= countMax) continue;
      throw new CheckFailure(
        "rates",
        `${this.#what}: ${count} commands in ${
          seconds.toFixed(3)
        } s, at ${this.#perSecond} a second`,
      );
    }
  }
}

export class ClientHosts {
  readonly #hosts: number;
  readonly #limits: SimOptions["limits"];
  readonly #witnesses = new Map<string, RateWitness>();
  #clients = 0;

  constructor({ clientHosts = 0, limits }: SimOptions) {
    this.#hosts = clientHosts;
    this.#limits = limits;
  }

  /** The machine of the next client; 0: each of its connections comes from an address of its own. */
  next(): number {
    const at = this.#clients++;
    return this.#hosts === 0 ? 0 : 1 + at % this.#hosts;
  }

  /** The server did what came over this connection, or said why not; it was not over its rate. */
  answered(connection: ClientConnection, user: string | null): void {
    const { perAddress, perUser } = this.#limits;
    const address = perAddress.commandsPerSecond;
    if (address > 0) this.#witness(connection, connection.address, address).answered(connection);
    const perSecond = perUser.commandsPerSecond;
    if (user === null || perSecond === 0) return;
    this.#witness(connection, `user ${user}`, perSecond).answered(connection);
  }

  #witness(
    { server, serverLife }: ClientConnection,
    whose: string,
    perSecond: number,
  ): RateWitness {
    const key = `server ${server.id}, process ${serverLife}, ${whose}`;
    let witness = this.#witnesses.get(key);
    if (witness === undefined) {
      this.#witnesses.set(key, witness = new RateWitness(key, perSecond, this.#clients));
    }
    return witness;
  }
}

/** Into ascending numbers; mostly at the end. */
function insert(sorted: number[], value: number): void {
  let at = sorted.length;
  while (at > 0 && sorted[at - 1]! > value) at--;
  sorted.splice(at, 0, value);
}
