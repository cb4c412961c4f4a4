/**
 * One client's connection: bytes both ways, in order, in pieces. The server's end does what the
 * stages of net/ do: read while the session wants input, submit batch after batch, write what it has.
 */
import type { ClientSession } from "../../lib/node/api.ts";
import type { Random } from "../../lib/util/random.ts";
import { pieceBytes } from "./byte_pieces.ts";
import type { Fabric } from "./fabric.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import { CheckFailure } from "./world.ts";
import type { ClientEnd, Part } from "./server_setting.ts";
import type { SimServer } from "./sim_server.ts";
import { copyOf } from "./slab.ts";

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** The client's end. */
export interface ConnectionOwner {
  opened(connection: ClientConnection): void;
  received(connection: ClientConnection, bytes: Uint8Array): void;
  ended(connection: ClientConnection, reason: string): void;
}

export class ClientConnection implements Handler, Part, ClientEnd {
  readonly id: number;
  readonly server: SimServer;
  readonly #fabric: Fabric;
  readonly #random: Random;
  readonly #owner: ConnectionOwner;
  readonly serverLife: number;
  readonly #host: number;
  /** By the server's clock: when what was sent last began to come, and when it wrote last. */
  arrivedMs = 0;
  /** How long a write to the client takes; null: a moment. */
  takesUs: number | null = null;
  answeredMs = 0;
  #isNew = false;
  #session: ClientSession | null = null;
  /** What arrived and was not read yet, as a slow or stopped reader leaves it. */
  #arrived: Uint8Array[] = [];
  #arrivedAt = 0;
  #serverDone = false;
  #clientDone = false;
  #toServerUs = 0;
  #toClientUs = 0;
  /** A write to the client that is not through yet. */
  #isWriting = false;
  /** What is being written, as the session gave it and as it was then. */
  #output: Uint8Array = NO_BYTES;
  #written: Uint8Array = NO_BYTES;

  constructor(
    fabric: Fabric,
    random: Random,
    owner: ConnectionOwner,
    server: SimServer,
    id: number,
    host = 0,
  ) {
    this.id = id;
    this.#host = host;
    this.server = server;
    this.#fabric = fabric;
    this.#random = random;
    this.#owner = owner;
    this.serverLife = server.life;
    this.#toServer(Kind.clientOpen, null);
  }

  /**
   * On the server's machine, where the first user is made. An address each, as failures are counted by it; or
   * that of the client's own machine, where several run on one (client_hosts.ts).
   */
  get address(): string {
    const { id } = this;
    if (this.#host > 0) return `127.255.0.${this.#host}`;
    return `127.${(id >>> 16) & 127}.${(id >>> 8) & 255}.${id & 255}`;
  }

  get #remote(): string {
    return `${this.address}:${this.id}`;
  }

  // The client's side.

  /** Sends bytes; they may arrive in many pieces. */
  send(bytes: Uint8Array): void {
    if (this.#clientDone) return;
    this.#isNew = true;
    const { fragment } = this.#fabric.options;
    if (fragment === 0 || !this.#random.chance(fragment)) {
      return this.#toServer(Kind.toServer, bytes);
    }
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + pieceBytes(this.#random, bytes.length));
      this.#toServer(Kind.toServer, bytes.subarray(at, end));
      at = end;
    }
  }

  /** The client gives up: it hears nothing more of this connection. */
  close(): void {
    if (this.#clientDone) return;
    this.#clientDone = true;
    this.#toServer(Kind.serverEnd, null);
  }

  // Faults.

  /** Both ends see the connection end; what is under way is lost. */
  reset(): void {
    if (this.#serverDone) return;
    this.#serverDone = true;
    this.#fabric.world.schedule(this.#fabric.delayUs(), this, Kind.clientEnd);
    this.#fabric.world.schedule(this.#fabric.delayUs(), this, Kind.serverEnd, 1);
  }

  serverGone(): void {
    if (this.#serverDone) return;
    this.#serverDone = true;
    this.#session = null;
    // Sometimes nobody tells the client, and only its timeout will.
    if (this.#random.chance(0.9)) {
      this.#fabric.world.schedule(this.#fabric.delayUs(), this, Kind.clientEnd);
    }
  }

  handle(event: SimEvent): void {
    switch (event.kind) {
      case Kind.clientOpen:
        if (this.server.isDown || this.server.life !== this.serverLife) {
          this.#serverDone = true;
          return this.#toClient(Kind.clientEnd, null);
        }
        if (this.#serverDone) return;
        return this.server.deliver(event, this);
      case Kind.toServer:
      case Kind.taken:
        if (!this.#serverDone && this.#session !== null) this.server.deliver(event, this);
        return;
      case Kind.serverEnd:
        // Also where nothing is open yet: a paused server still has the opening in front of this.
        if (this.server.life === this.serverLife) this.server.deliver(event, this);
        return;
      default:
        return this.#atClient(event);
    }
  }

  #atClient(event: SimEvent): void {
    if (this.#clientDone) return;
    const world = this.#fabric.world;
    world.events++;
    world.trace.hash.add(world.now);
    world.trace.hash.add(event.kind);
    if (event.bytes !== null) world.trace.hash.addBytes(event.bytes);
    if (event.kind === Kind.clientOpened) this.#owner.opened(this);
    else if (event.kind === Kind.toClient) this.#owner.received(this, event.bytes!);
    else {
      this.#clientDone = true;
      this.#owner.ended(this, "the connection ended");
    }
  }

  // The server's side; all of it inside a step of the server.

  perform(event: SimEvent): void {
    switch (event.kind) {
      case Kind.clientOpen:
        return this.#open();
      case Kind.toServer:
        if (this.#serverDone || this.#session === null) return;
        if (this.#isNew) this.arrivedMs = this.server.clock.monotonicMs();
        this.#isNew = false;
        this.#arrived.push(event.bytes!);
        return this.#read(this.#session);
      case Kind.taken:
        if (this.#serverDone || this.#session === null) return;
        this.#isWriting = false;
        this.#expectUntouched();
        this.#session.outputWritten();
        return this.server.markDirty(this);
      case Kind.serverEnd:
        return this.#end();
    }
  }

  #expectUntouched(): void {
    if (!sameBytes(this.#output, this.#written)) {
      throw new CheckFailure("buffers", "output changed while it was being written");
    }
  }

  #open(): void {
    const isForwarding = this.server.isToForward(this.id);
    const session = this.server.node!.openSession(this.#remote, undefined, isForwarding);
    if (session === null) {
      this.#serverDone = true;
      this.#fabric.world.counters.add("connections refused");
      return this.#toClient(Kind.clientEnd, null);
    }
    this.#session = session;
    session.onActivity = () => this.server.markDirty(this);
    this.server.clients.add(this);
    this.#toClient(Kind.clientOpened, null);
  }

  #end(): void {
    const session = this.#session;
    this.#session = null;
    this.#serverDone = true;
    this.server.clients.delete(this);
    if (session === null) return;
    session.onActivity = null;
    session.disconnected();
  }

  #read(session: ClientSession): void {
    while (true) {
      const batch = session.nextBatch();
      if (batch !== null) {
        session.submit(batch);
        continue;
      }
      const chunk = this.#arrived[0];
      if (chunk === undefined || !session.wantsInput || session.closing !== null) break;
      const space = session.inputSpace();
      const count = Math.min(space.length, chunk.length - this.#arrivedAt);
      space.set(chunk.subarray(this.#arrivedAt, this.#arrivedAt + count));
      this.#arrivedAt += count;
      if (this.#arrivedAt === chunk.length) {
        this.#arrived.shift();
        this.#arrivedAt = 0;
      }
      session.received(count);
    }
    this.server.markDirty(this);
  }

  pump(): void {
    const session = this.#session;
    if (session === null || this.#serverDone) return;
    if (!this.#isWriting) {
      const output = session.takeOutput();
      if (output !== null) {
        // The write takes a moment: the bytes must stay as they are until it is through.
        this.#isWriting = true;
        this.answeredMs = this.server.clock.monotonicMs();
        this.#output = output;
        this.#written = copyOf(output);
        this.#toClient(Kind.toClient, this.#written);
        const takesUs = this.takesUs ?? this.#random.between(1, 300);
        this.#fabric.world.schedule(takesUs, this, Kind.taken, 0);
      } else if (session.closing !== null) {
        this.#toClient(Kind.clientEnd, null);
        return this.#end();
      }
    }
    if (this.#arrived.length > 0 && !session.wantsInput) {
      this.#fabric.world.counters.add("windows full");
    }
    if (this.#arrived.length > 0 && session.wantsInput) this.#read(session);
    else this.#submitWhatFits(session);
  }

  /** Room again: what was parsed but held back goes on. */
  #submitWhatFits(session: ClientSession): void {
    let batch = session.nextBatch();
    if (batch === null) return;
    while (batch !== null) {
      session.submit(batch);
      batch = session.nextBatch();
    }
    this.server.markDirty(this);
  }

  #toServer(kind: Kind, bytes: Uint8Array | null): void {
    const world = this.#fabric.world;
    this.#toServerUs = Math.max(this.#toServerUs, world.now + this.#fabric.delayUs());
    world.schedule(this.#toServerUs - world.now, this, kind, 0, 0, bytes);
  }

  #toClient(kind: Kind, bytes: Uint8Array | null): void {
    const world = this.#fabric.world;
    this.#toClientUs = Math.max(this.#toClientUs, world.now + this.#fabric.delayUs());
    world.schedule(this.#toClientUs - world.now, this, kind, 0, 0, bytes);
  }

  describe(): string {
    return `connection ${this.id}`;
  }
}

function sameBytes(bytes: Uint8Array, others: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== others[at]) return false;
  return bytes.length === others.length;
}
