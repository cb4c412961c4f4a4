/**
 * One client: its own connection, the line protocol as bytes, several commands in one write, and
 * what a sane client does with errors: it follows a redirect, tries another server after trouble, and
 * never sends the same operation twice.
 */
import type { Random } from "../../lib/util/random.ts";
import { NO_KNOWN_VALUE } from "../lincheck/history.ts";
import type { AddressBook } from "./address_book.ts";
import { ClientConnection, type ConnectionOwner } from "./client_connection.ts";
import type { ClientHosts } from "./client_hosts.ts";
import type { Fabric } from "./fabric.ts";
import type { Handler, SimEvent } from "./heap.ts";
import type { AskedFor, History, SimOperation } from "./history.ts";
import { Kind } from "./kinds.ts";
import type { ClientOptions, SimOptions } from "./options.ts";
import { hastyPatienceMs, patienceMs } from "./patience.ts";
import { type Reply, ReplyParser } from "./reply_parser.ts";
import type { SimServer } from "./sim_server.ts";
import { CheckFailure } from "./world.ts";

const ENCODER = new TextEncoder();
/** Mean time to think while progress is demanded. */
const HURRIED_THINK_MS = 100;

/** Whom every client of lines is, where there are users. */
export const ADMINISTRATOR = "sim";

/** The password of a user: what is tried is who may do what, not how hard it is to guess. */
export function passwordOf(name: string): string {
  return `${name}'s`;
}

/** What all clients of a world share. */
export interface ClientSetting {
  readonly fabric: Fabric;
  readonly options: SimOptions;
  /** Those that are there. */
  readonly servers: readonly SimServer[];
  readonly addresses: AddressBook<SimServer>;
  readonly history: History;
  /**
   * Of whom a client that does not know better asks one, by chance. While progress is demanded these are the
   * members: of fifteen servers two may be, and chance alone would outlast the time for progress.
   */
  asked: readonly SimServer[];
  /** Servers that clients can't reach now. */
  readonly unreachable: Set<number>;
  readonly connections: Set<ClientConnection>;
  readonly hosts: ClientHosts;
  nextConnectionId: number;
  /**
   * Hurried: progress is demanded now, and no client may sit and think while the time for it runs out.
   * Resting: nobody begins anything, so that even a narrow window to a server has room for what that lacks.
   * Yielding: the clients of lines rest alone.
   */
  pace: "free" | "hurried" | "resting" | "yielding";
}

export class Client implements Handler, ConnectionOwner {
  readonly id: number;
  /** No further operations are begun. */
  isStopped = false;
  readonly #setting: ClientSetting;
  readonly #options: ClientOptions;
  readonly #random: Random;
  #connection: ClientConnection | null = null;
  #isOpen = false;
  #parser = new ReplyParser();
  #waiting: SimOperation[] = [];
  /** Versions seen with their values, by key: what a cas may name. */
  readonly #seen = new Map<string, { version: number; value: number }>();
  /** Where the last redirect sent it; null where none did. */
  #target: SimServer | null = null;
  /** Grows with each wait: an earlier timeout is void. */
  #round = 0;
  #thought = 0;
  /** What it said it is, and has no answer to yet. */
  #isAuthenticating = false;
  /** Who it is over this connection. */
  #user: string | null = null;
  readonly #host: number;

  /** Keys still to be read, by the client that only verifies; null for the others. */
  readonly #toRead: string[] | null;

  constructor(setting: ClientSetting, id: number, random: Random, toRead: string[] | null = null) {
    this.#toRead = toRead;
    this.#setting = setting;
    this.#options = setting.options.clients;
    this.#random = random;
    this.id = id;
    this.#host = setting.hosts.next();
    this.#think();
  }

  /** Operations that still wait for a reply. */
  get waiting(): number {
    return this.#waiting.length;
  }

  handle(event: SimEvent): void {
    if (event.kind === Kind.clientThink) {
      if (event.life === this.#thought) this.#act();
    } else if (event.life === this.#round) this.#giveUp("timeout");
  }

  /** Begins nothing more, and gives its connection back. */
  leave(): void {
    this.isStopped = true;
    this.#giveUp("it leaves");
  }

  /** Whether the verifying client has read all its keys. */
  get hasReadAll(): boolean {
    return this.#toRead?.length === 0 && this.#waiting.length === 0;
  }

  #think(factor = 1): void {
    const { fabric, pace } = this.#setting;
    const mostMs = pace === "hurried" ? HURRIED_THINK_MS : Infinity;
    const meanMs = Math.min(this.#options.thinkMeanMs, mostMs);
    const drawn = -Math.log(1 - this.#random.unit()) * meanMs * factor;
    fabric.world.schedule(drawn * 1000, this, Kind.clientThink, ++this.#thought);
  }

  /** Thinks anew where it was thinking: a long thought would outlast the time for progress. */
  hurry(): void {
    const isThinking = this.#waiting.length === 0 && (this.#connection === null || this.#isOpen);
    if (isThinking) this.#think();
  }

  #act(): void {
    if (this.isStopped || this.#waiting.length > 0 || this.hasReadAll) return;
    if (this.#connection === null) return this.#connect();
    if (!this.#isOpen) return;
    const { pace } = this.#setting;
    if (pace === "resting" || pace === "yielding") this.#think();
    else this.#sendBurst(this.#connection);
  }

  #connect(): void {
    const { asked, fabric, connections, unreachable } = this.#setting;
    const server = this.#target ?? this.#random.pick(asked);
    this.#target = null;
    if (unreachable.has(server.id)) return this.#think(5);
    this.#parser = new ReplyParser();
    this.#isOpen = false;
    const id = this.#setting.nextConnectionId++;
    this.#connection = new ClientConnection(fabric, this.#random, this, server, id, this.#host);
    connections.add(this.#connection);
    fabric.world.counters.add("client connections");
    this.#waitForAnswer();
  }

  #waitForAnswer(): void {
    const { world } = this.#setting.fabric;
    const isHasty = this.#options.split && !this.#isReader && this.#toRead === null;
    const { options } = this.#setting;
    const timeoutMs = isHasty ? hastyPatienceMs(options) : patienceMs(options);
    world.schedule(timeoutMs * 1000, this, Kind.clientTimeout, ++this.#round);
  }

  opened(connection: ClientConnection): void {
    if (connection !== this.#connection) return;
    if (!this.#isAuthenticating && this.#hasUsers) {
      const password = passwordOf(ADMINISTRATOR);
      this.#isAuthenticating = true;
      connection.send(
        ENCODER.encode(`auth ${ADMINISTRATOR} ${password.length}\r\n${password}\r\n`),
      );
      return this.#waitForAnswer();
    }
    this.#begin();
  }

  get #hasUsers(): boolean {
    const { users } = this.#setting.options;
    return users !== null && users !== undefined;
  }

  #begin(): void {
    this.#isOpen = true;
    this.#round++;
    this.#think();
  }

  ended(connection: ClientConnection, reason: string): void {
    if (connection === this.#connection) this.#giveUp(reason);
  }

  /** Whatever waits stays unknown; the next try goes to any server. */
  #giveUp(_reason: string): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#isOpen = false;
    this.#isAuthenticating = false;
    this.#user = null;
    this.#round++;
    if (connection !== null) {
      connection.close();
      this.#setting.connections.delete(connection);
    }
    if (this.#waiting.length > 0) {
      this.#setting.fabric.world.counters.add("operations unknown", this.#waiting.length);
    }
    this.#waiting = [];
    this.#think();
  }

  #sendBurst(connection: ClientConnection): void {
    const count = this.#toRead?.length ?? this.#random.between(1, this.#options.burstMax);
    let text = "";
    for (let i = 0; i < count; i++) {
      text += this.#toRead === null
        ? this.#command(connection.id)
        : this.#readBack(connection.id, this.#toRead[i]!);
    }
    this.#setting.fabric.world.counters.add("operations begun", count);
    connection.send(ENCODER.encode(text));
    if (this.#waiting.length === 0) this.#think();
    else this.#waitForAnswer();
  }

  #readBack(connection: number, key: string): string {
    const { history, fabric } = this.#setting;
    const operation = history.begin(readOf(this.id, connection, key), fabric.world.now);
    this.#waiting.push(operation);
    return commandText(operation, history);
  }

  /** Draws one operation, writes it down, and returns its bytes as text. */
  #command(connection: number): string {
    const { history, fabric, options } = this.#setting;
    const random = this.#random;
    const { keys, expiringKeys, reads, cas, deletes, noreply, large } = this.#options;
    const number = random.between(1, keys + expiringKeys);
    const expires = number > keys;
    const key = expires ? `expiring${number - keys}` : `key${number}`;
    const roll = random.unit();
    const kind = roll < this.#readChance(reads)
      ? "get"
      : random.chance(deletes)
      ? "delete"
      : random.chance(cas)
      ? "cas"
      : "set";
    const expected = kind === "cas" ? this.#expected(key) : { version: 0, value: 0 };
    const isLarge = large > 0 && random.chance(large);
    const operation = history.begin({
      client: this.id,
      connection,
      kind,
      key,
      withVersion: random.chance(0.6),
      expectedVersion: expected.version,
      expectedValue: expected.value,
      exptime: expires && random.chance(0.7) ? this.#exptime() : 0,
      noreply: kind !== "get" && kind !== "delete" && noreply > 0 && random.chance(noreply),
      valueBytes: isLarge
        ? random.between(1, options.limits.valueBytesMax)
        : random.between(1, this.#options.valueBytesMax),
    }, fabric.world.now);
    if (!operation.noreply) this.#waiting.push(operation);
    return commandText(operation, history);
  }

  /** Mostly soon; sometimes so late that only a clock that jumped could call the time over. */
  #exptime(): number {
    return this.#random.chance(0.3) ? this.#random.between(600, 3_600) : this.#random.between(1, 8);
  }

  #readChance(reads: number): number {
    if (!this.#options.split) return reads;
    return this.#isReader ? 1 : reads / 8;
  }

  get #isReader(): boolean {
    return this.id % 2 === 0;
  }

  #expected(key: string): { version: number; value: number } {
    if (this.#random.chance(0.15)) return { version: 0, value: 0 };
    const seen = this.#seen.get(key);
    if (seen !== undefined && !this.#random.chance(0.05)) return seen;
    return { version: this.#random.between(1, 50), value: NO_KNOWN_VALUE };
  }

  received(connection: ClientConnection, bytes: Uint8Array): void {
    if (connection !== this.#connection) return;
    this.#parser.add(bytes);
    while (connection === this.#connection) {
      const reply = this.#nextReply();
      if (reply === null) return;
      if (this.#isAuthenticating) {
        this.#isAuthenticating = false;
        this.#authenticated(reply);
        continue;
      }
      const operation = this.#waiting.shift();
      if (operation === undefined) {
        throw new CheckFailure("replies", `client ${this.id} got a reply too many: ${reply.word}`);
      }
      if (reply.word !== "ERR_BUSY") this.#setting.hosts.answered(connection, this.#user);
      this.#take(operation, reply);
      if (operation.returnedAt !== Infinity && operation.outcome !== "nothing") {
        this.#wasRead(operation.key);
      }
      if (this.#waiting.length > 0 || connection !== this.#connection) continue;
      this.#round++;
      this.#think();
    }
  }

  /** Where there is no user yet, everybody may do everything. */
  #authenticated({ word, words }: Reply): void {
    const isKnown = ["OK", "ERR_AUTH", "ERR_BUSY", "ERR_NO_LEADER"].includes(word);
    if (!isKnown || words.length > 0) {
      throw new CheckFailure("replies", `auth was answered by ${word} ${words.join(" ")}`);
    }
    if (word === "OK") this.#user = ADMINISTRATOR;
    this.#begin();
  }

  #wasRead(key: string): void {
    const at = this.#toRead?.indexOf(key) ?? -1;
    if (at >= 0) this.#toRead!.splice(at, 1);
  }

  #nextReply(): Reply | null {
    try {
      return this.#parser.next();
    } catch (error) {
      throw new CheckFailure("replies", `client ${this.id}: ${error}`);
    }
  }

  #take(operation: SimOperation, reply: Reply): void {
    const { history, fabric } = this.#setting;
    const nowUs = fabric.world.now;
    if (!fits(operation, reply)) {
      throw new CheckFailure(
        "replies",
        `client ${this.id}: ${reply.word} ${reply.words.join(" ")} answers a ${operation.kind}`,
      );
    }
    switch (reply.word) {
      case "OK": {
        const version = Number(reply.words[0]);
        history.end(operation, "ok", nowUs, version);
        this.#seen.set(operation.key, { version, value: operation.value });
        return;
      }
      case "DELETED":
        return history.end(operation, "ok", nowUs);
      case "VALUE":
        return this.#takeValue(operation, reply, nowUs);
      case "ERR_NOT_FOUND":
        if (operation.kind === "get" && operation.key.startsWith("expiring")) {
          fabric.world.counters.add("expiring keys gone");
        }
        return history.end(operation, "notFound", nowUs);
      case "ERR_VERSION":
        return history.end(operation, "versionDiffers", nowUs);
      case "ERR_TIMEOUT":
      case "ERR_INTERNAL":
        return fabric.world.counters.add(reply.word);
      default:
        history.end(operation, "nothing", nowUs);
        fabric.world.counters.add(reply.word);
        this.#refused(reply);
    }
  }

  #takeValue(operation: SimOperation, reply: Reply, nowUs: number): void {
    const { history } = this.#setting;
    const version = operation.withVersion ? Number(reply.words[0]) : 0;
    const value = history.valueNumber(reply.value!);
    history.end(operation, "ok", nowUs, version, value);
    if (version > 0) this.#seen.set(operation.key, { version, value });
  }

  /** Nothing was done. Behind the last reply of the burst, this client goes elsewhere. */
  #refused(reply: Reply): void {
    if (reply.word === "ERR_REDIRECT") {
      const { addresses } = this.#setting;
      const port = Number(reply.words[1]);
      this.#target = addresses.atClientPort(port);
      if (!addresses.isKnown(port)) {
        throw new CheckFailure("replies", `a redirect names no server: ${reply.words.join(" ")}`);
      }
    }
    if (reply.word === "ERR_BUSY" || reply.word === "ERR_NO_SPACE") return;
    if (this.#waiting.length === 0) this.#giveUp(reply.word);
  }
}

function readOf(client: number, connection: number, key: string): AskedFor {
  return {
    client,
    connection,
    kind: "get",
    key,
    withVersion: true,
    expectedVersion: 0,
    expectedValue: 0,
    exptime: 0,
    noreply: false,
    valueBytes: 0,
  };
}

function commandText(operation: SimOperation, history: History): string {
  const { kind, key, exptime, noreply } = operation;
  if (kind === "get") return `${operation.withVersion ? "getm" : "get"} ${key}\r\n`;
  if (kind === "delete") return `delete ${key}\r\n`;
  const value = history.valueText(operation.value);
  const version = kind === "cas" ? ` ${operation.expectedVersion}` : "";
  const tail = noreply ? " noreply" : "";
  return `${kind} ${key} ${exptime}${version} ${value.length}${tail}\r\n${value}\r\n`;
}

/** Whether a reply can be one to this operation at all. */
function fits(operation: SimOperation, reply: Reply): boolean {
  const { kind } = operation;
  const { word, words } = reply;
  switch (word) {
    case "OK":
      return (kind === "set" || kind === "cas") && words.length === 1 && Number(words[0]) > 0;
    case "DELETED":
      return kind === "delete" && words.length === 0;
    case "VALUE":
      return kind === "get" && words.length === (operation.withVersion ? 3 : 1);
    case "ERR_NOT_FOUND":
      return kind !== "set";
    case "ERR_VERSION":
      return kind === "cas";
    case "ERR_REDIRECT":
      return words.length === 2;
    case "ERR_NO_SPACE":
      return kind === "set" || kind === "cas";
    case "ERR_AUTH":
    case "ERR_NO_LEADER":
    case "ERR_BUSY":
    case "ERR_TIMEOUT":
    case "ERR_INTERNAL":
      return words.length === 0;
    default:
      // ERR_CMD_ERR too: these clients send nothing wrong.
      return false;
  }
}
