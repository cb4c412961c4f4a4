/**
 * One client of the Redis protocol over a simulated connection: it writes a few requests at once, takes
 * their replies in order, follows -MOVED, and never sends again what may have been done.
 */
import type { Random } from "../../lib/util/random.ts";
import { parseReply, type Reply, replyLength, requestText } from "../process/redis_socket.ts";
import { fromBytes, toBytes } from "../process/socket.ts";
import type { ClientSetting } from "./client.ts";
import { ClientConnection, type ConnectionOwner } from "./client_connection.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import { patienceMs } from "./patience.ts";
import type { SimServer } from "./sim_server.ts";
import { CheckFailure } from "./world.ts";

/** One request, and what is done with a reply that is no refusal and not unknown. */
export interface Ask {
  readonly args: readonly string[];
  readonly took: (reply: Exclude<Reply, Error>) => void;
  /** Nothing was done: it was refused before it reached the log. */
  readonly refused?: () => void;
  /** An error that is an answer to it, as far as this is true of it. */
  readonly failed?: (text: string) => boolean;
}

/** What a client is for. */
export interface RedisTask {
  /** What goes into the next write; empty where there is nothing (more) to do. */
  next(connection: number): readonly Ask[];
  /** The connection is gone, and with it its watches and whatever still waited. */
  lost(): void;
}

/** Errors by which a server says that nothing was done. */
const REFUSALS = ["MOVED", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MISCONF", "EXECABORT", "LOADING"];
/** And that it is not done before the cluster version is raised. */
const TOO_EARLY = "ERR not before the cluster version is raised";
/** Done or not; or done, but how it came out is left out since too many replies wait. */
const UNKNOWN = ["ERR outcome unknown", "ERR this was done"];
const EMPTY = new Uint8Array(0);
/** Where no leader is known, a client waits longer before it asks again. */
const NO_LEADER_FACTOR = 5;

export class RedisClient implements Handler, ConnectionOwner {
  /** Nothing further is begun. */
  isStopped = false;
  readonly #setting: ClientSetting;
  readonly #task: RedisTask;
  readonly #random: Random;
  readonly #thinkMeanMs: number;
  readonly #host: number;
  #connection: ClientConnection | null = null;
  #isOpen = false;
  #bytes: Uint8Array = EMPTY;
  #waiting: Ask[] = [];
  /** The server where the last -MOVED sent it; null where none did. */
  #target: SimServer | null = null;
  /** Behind the last reply that waits, this client goes elsewhere. */
  #leaves = false;
  /** Grows with each wait: an earlier timeout is void. */
  #round = 0;
  #thought = 0;

  constructor(setting: ClientSetting, task: RedisTask, random: Random, thinkMeanMs: number) {
    this.#setting = setting;
    this.#task = task;
    this.#random = random;
    this.#thinkMeanMs = thinkMeanMs;
    this.#host = setting.hosts.next();
    this.#think();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  handle(event: SimEvent): void {
    if (event.kind === Kind.clientThink) {
      if (event.life === this.#thought) this.#act();
    } else if (event.life === this.#round) this.#giveUp();
  }

  /** Begins nothing more, and gives its connection back. */
  leave(): void {
    this.isStopped = true;
    this.#giveUp();
  }

  #think(factor = 1): void {
    const drawn = -Math.log(1 - this.#random.unit()) * this.#thinkMeanMs * factor;
    this.#setting.fabric.world.schedule(drawn * 1000, this, Kind.clientThink, ++this.#thought);
  }

  #act(): void {
    if (this.isStopped || this.#waiting.length > 0) return;
    const connection = this.#connection;
    if (connection === null) return this.#connect();
    if (!this.#isOpen) return;
    if (this.#setting.pace === "resting") return this.#think();
    const asks = this.#task.next(connection.id);
    if (asks.length === 0) return;
    this.#waiting = [...asks];
    this.#setting.fabric.world.counters.add("redis requests", asks.length);
    connection.send(toBytes(asks.map(({ args }) => requestText(args)).join("")));
    this.#waitForAnswer();
  }

  #connect(): void {
    const { asked, fabric, connections, unreachable } = this.#setting;
    const server = this.#target ?? this.#random.pick(asked);
    this.#target = null;
    if (unreachable.has(server.id)) return this.#think(5);
    this.#bytes = EMPTY;
    this.#isOpen = false;
    const id = this.#setting.nextConnectionId++;
    this.#connection = new ClientConnection(fabric, this.#random, this, server, id, this.#host);
    connections.add(this.#connection);
    this.#waitForAnswer();
  }

  #waitForAnswer(): void {
    const { fabric, options } = this.#setting;
    const delayUs = patienceMs(options) * 1000;
    fabric.world.schedule(delayUs, this, Kind.clientTimeout, ++this.#round);
  }

  opened(connection: ClientConnection): void {
    if (connection !== this.#connection) return;
    this.#isOpen = true;
    this.#round++;
    this.#think();
  }

  ended(connection: ClientConnection): void {
    if (connection === this.#connection) this.#giveUp();
  }

  #giveUp(thinkFactor = 1): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#isOpen = false;
    this.#leaves = false;
    this.#round++;
    this.#waiting = [];
    if (connection !== null) {
      connection.close();
      this.#setting.connections.delete(connection);
      this.#task.lost();
    }
    this.#think(thinkFactor);
  }

  received(connection: ClientConnection, bytes: Uint8Array): void {
    if (connection !== this.#connection) return;
    const joined = this.#bytes = joinBytes(this.#bytes, bytes);
    let at = 0;
    while (connection === this.#connection && at < joined.length) {
      const length = this.#lengthAt(joined, at);
      if (length === 0) break;
      const reply = parseReply(fromBytes(joined.subarray(at, at + length)));
      at += length;
      const ask = this.#waiting.shift();
      if (ask === undefined) {
        throw new CheckFailure("redis replies", `a reply too many: ${String(reply)}`);
      }
      if (isCharged(ask, reply)) this.#setting.hosts.answered(connection, null);
      this.#take(ask, reply);
      if (this.#waiting.length > 0) continue;
      this.#round++;
      if (this.#leaves) this.#giveUp(this.#target === null ? NO_LEADER_FACTOR : 1);
      else this.#think();
    }
    if (connection === this.#connection) this.#bytes = joined.subarray(at);
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    try {
      return replyLength(bytes, at, bytes.length);
    } catch (error) {
      throw new CheckFailure("redis replies", String(error), { cause: error });
    }
  }

  #take(ask: Ask, reply: Reply): void {
    if (!(reply instanceof Error)) return ask.took(reply);
    const { counters } = this.#setting.fabric.world;
    const text = reply.message;
    if (UNKNOWN.some((words) => text.startsWith(words))) {
      return counters.add("redis outcome unknown");
    }
    const word = text.split(" ", 1)[0]!;
    if (!REFUSALS.includes(word) && ask.failed?.(text) === true) {
      if (word === "NOAUTH") this.#leaves = true;
      return counters.add(`redis ${word}`);
    }
    if (!REFUSALS.includes(word) && !text.startsWith(TOO_EARLY)) {
      throw new CheckFailure("redis replies", `${ask.args.join(" ")} was answered by ${text}`);
    }
    counters.add(`redis ${word}`);
    if (text.includes("the script was given up")) counters.add("scripts given up");
    ask.refused?.();
    if (word === "CLUSTERDOWN") this.#leaves = true;
    if (word === "MOVED") this.#moved(text);
  }

  #moved(text: string): void {
    const port = Number(text.slice(text.lastIndexOf(":") + 1));
    const { addresses } = this.#setting;
    if (!addresses.isKnown(port)) throw new CheckFailure("redis replies", `no server: ${text}`);
    this.#target = addresses.atClientPort(port);
    this.#leaves = true;
  }
}

function joinBytes(rest: Uint8Array, more: Uint8Array): Uint8Array {
  if (rest.length === 0) return more;
  const joined = new Uint8Array(rest.length + more.length);
  joined.set(rest);
  joined.set(more, rest.length);
  return joined;
}

/** What stands in an answer to a command that was not let through, or that the codec refuses by itself. */
const UNCHARGED = /^(BUSY|EXECABORT|ERR not before the cluster version)/;

/**
 * Whether it was one of those that the bounds of an address let through. Where they refuse what has come, the
 * beginning of a transaction is answered all the same, its end says that nothing of it was done, and what is
 * no command of this cluster yet is called so.
 */
function isCharged({ args }: Ask, reply: Reply): boolean {
  return args[0] !== "MULTI" && !(reply instanceof Error && UNCHARGED.test(reply.message));
}
