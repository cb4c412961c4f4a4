/**
 * One client of the Redis protocol that is told things unasked: it goes from server to server, sends, and takes
 * what comes, in pieces. What it says and what it makes of that is its owner's.
 */
import type { Random } from "../../lib/util/random.ts";
import { parseReply, type Reply, replyLength, requestText } from "../process/redis_socket.ts";
import { fromBytes, toBytes } from "../process/socket.ts";
import type { ClientSetting } from "./client.ts";
import { ClientConnection, type ConnectionOwner } from "./client_connection.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import { patienceMs } from "./patience.ts";
import { CheckFailure } from "./world.ts";

const EMPTY = new Uint8Array(0);
/** Between two connections. */
const PAUSE_MEAN_MS = 50;

export interface Speaker {
  /** There is a connection, or it is time to do something. */
  act(connection: ClientConnection): void;
  told(reply: Reply): void;
  /** The connection is gone. */
  lost(connection: ClientConnection): void;
}

export class Conversation implements Handler, ConnectionOwner {
  readonly #setting: ClientSetting;
  readonly #random: Random;
  readonly #speaker: Speaker;
  #connection: ClientConnection | null = null;
  #isOpen = false;
  #bytes: Uint8Array = EMPTY;
  #isOver = false;
  /** How long the next connections take for what they are told, drawn for each; null: a moment. */
  drawTakesUs: () => number | null = () => null;
  /** Grow with each wait: an earlier one is void. */
  #round = 0;
  #thought = 0;

  constructor(setting: ClientSetting, random: Random, speaker: Speaker) {
    this.#setting = setting;
    this.#random = random;
    this.#speaker = speaker;
    this.think(PAUSE_MEAN_MS);
  }

  /** The connection, once it is open. */
  get connection(): ClientConnection | null {
    return this.#isOpen ? this.#connection : null;
  }

  get nowUs(): number {
    return this.#setting.fabric.world.now;
  }

  handle(event: SimEvent): void {
    if (event.kind === Kind.clientTimeout) {
      if (event.life === this.#round) this.move();
    } else if (event.life !== this.#thought || this.#isOver) return;
    else if (this.#connection === null) this.#connect();
    else if (this.#isOpen) this.#speaker.act(this.#connection);
  }

  /** Has it act after some time. */
  think(meanMs: number): void {
    const drawn = -Math.log(1 - this.#random.unit()) * meanMs;
    this.#setting.fabric.world.schedule(drawn * 1000, this, Kind.clientThink, ++this.#thought);
  }

  /** Sends commands, whose answers have to come in time. */
  send(commands: readonly (readonly string[])[]): void {
    this.#connection!.send(toBytes(commands.map((args) => requestText(args)).join("")));
    this.#waitForAnswer();
  }

  /** All that was asked is answered. */
  answered(): void {
    this.#round++;
  }

  /** Leaves this connection, and makes another one. */
  move(): void {
    this.#hangUp();
    this.think(PAUSE_MEAN_MS);
  }

  leave(): void {
    this.#isOver = true;
    this.#hangUp();
  }

  opened(connection: ClientConnection): void {
    if (connection !== this.#connection) return;
    this.#isOpen = true;
    this.#round++;
    this.#speaker.act(connection);
  }

  ended(connection: ClientConnection): void {
    if (connection === this.#connection) this.move();
  }

  received(connection: ClientConnection, bytes: Uint8Array): void {
    if (connection !== this.#connection) return;
    const joined = new Uint8Array(this.#bytes.length + bytes.length);
    joined.set(this.#bytes);
    joined.set(bytes, this.#bytes.length);
    let at = 0;
    while (connection === this.#connection && at < joined.length) {
      const length = replyLength(joined, at, joined.length);
      if (length === 0) break;
      const reply = parseReply(fromBytes(joined.subarray(at, at + length)));
      at += length;
      this.#speaker.told(reply);
    }
    this.#bytes = joined.subarray(at);
  }

  #connect(): void {
    const { asked, fabric, connections, unreachable } = this.#setting;
    const server = this.#random.pick(asked);
    if (unreachable.has(server.id)) return this.think(5 * PAUSE_MEAN_MS);
    this.#bytes = EMPTY;
    this.#isOpen = false;
    const id = this.#setting.nextConnectionId++;
    const connection = new ClientConnection(fabric, this.#random, this, server, id);
    connection.takesUs = this.drawTakesUs();
    this.#connection = connection;
    connections.add(connection);
    this.#waitForAnswer();
  }

  #waitForAnswer(): void {
    const { fabric, options } = this.#setting;
    const delayUs = patienceMs(options) * 1000;
    fabric.world.schedule(delayUs, this, Kind.clientTimeout, ++this.#round);
  }

  #hangUp(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#isOpen = false;
    this.#round++;
    this.#thought++;
    if (connection === null) return;
    connection.close();
    this.#setting.connections.delete(connection);
    this.#speaker.lost(connection);
  }
}

export function odd(what: string): never {
  throw new CheckFailure("subscribers", what);
}
