/** Clients that send pipelines of commands at random and write down what they did and saw. */
import type { Random } from "../../lib/util/random.ts";
import { ABSENT, NO_KNOWN_VALUE, type Operation } from "../lincheck/history.ts";
import { sleep } from "./patience.ts";
import { RawSocket, TURNED_AWAY } from "./socket.ts";

const KEYS = 4;
const PIPELINE_MAX = 4;
/** Keys are left for new ones after so many operations on them, so that a search stays short. */
const OPERATIONS_PER_KEY = 150;
const PAUSE_MS = 4;
const DEADLINE_MS = 8_000;

/** The server said what it never may. */
class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/** What all clients of one history share. */
export class Recorder {
  readonly history: Operation[] = [];
  #nextValue = 1;
  #nextConnection = 1;
  #nextId = 1;
  isOver = false;

  /** One client, until `isOver`; it goes wherever somebody serves. */
  async run(client: number, ports: readonly number[], random: Random): Promise<void> {
    let at = client % ports.length;
    let port = ports[at]!;
    while (!this.isOver) {
      let next: number | null = null;
      try {
        using socket = await RawSocket.connect(port);
        next = await this.#converse(client, socket, random);
      } catch (error) {
        if (error instanceof ReplyError) throw error;
        // Refused, or broken: what was open stays open.
      }
      if (next === null) {
        at = (at + 1) % ports.length;
        await sleep(20);
      }
      port = next ?? ports[at]!;
    }
  }

  /** Sends pipelines over one connection; returns the port that it was redirected to, or null. */
  async #converse(client: number, socket: RawSocket, random: Random): Promise<number | null> {
    const connection = this.#nextConnection++;
    const known = new Map<string, { version: number; value: number }>();
    for (let isFirst = true; !this.isOver; isFirst = false) {
      const operations: Operation[] = [];
      let bytes = "";
      const count = 1 + random.u32() % PIPELINE_MAX;
      for (let i = 0; i < count; i++) {
        const operation = this.#invent(client, connection, random, known);
        operations.push(operation);
        bytes += commandOf(operation, random);
      }
      this.history.push(...operations);
      await socket.send(bytes);
      let redirect: number | null = null;
      let served = true;
      for (const operation of operations) {
        const line = await socket.readLine(DEADLINE_MS);
        if (line === TURNED_AWAY && operation === operations[0] && isFirst) {
          for (const one of operations) one.outcome = "nothing";
          return null;
        }
        const value = line.startsWith("VALUE ") ? await socket.readLine(DEADLINE_MS) : "";
        operation.returnedAt = performance.now();
        note(operation, line, value);
        if (operation.outcome === "ok" && operation.version > 0) {
          const seen = operation.kind === "get" ? operation.seen : operation.value;
          known.set(operation.key, { version: operation.version, value: seen });
        }
        if (operation.outcome === "nothing") served = false;
        if (line.startsWith("ERR_REDIRECT ")) redirect = Number(line.split(" ")[2]);
      }
      if (!served) return redirect;
      await sleep(random.u32() % PAUSE_MS);
    }
    return null;
  }

  #invent(
    client: number,
    connection: number,
    random: Random,
    known: ReadonlyMap<string, { version: number; value: number }>,
  ): Operation {
    const epoch = Math.floor(this.#nextId / (KEYS * OPERATIONS_PER_KEY));
    const key = `key-${epoch}-${random.u32() % KEYS}`;
    const kind = (["set", "get", "get", "cas", "cas", "delete"] as const)[random.u32() % 6]!;
    const seen = known.get(key);
    const guess = random.u32() % 4;
    const expected = seen !== undefined && guess > 0
      ? seen
      : guess > 1
      ? { version: 1_000_000, value: NO_KNOWN_VALUE }
      : { version: 0, value: ABSENT };
    return {
      id: this.#nextId++,
      client,
      connection,
      kind,
      key,
      value: kind === "set" || kind === "cas" ? this.#nextValue++ : 0,
      expectedVersion: kind === "cas" ? expected.version : 0,
      expectedValue: kind === "cas" ? expected.value : 0,
      invokedAt: performance.now(),
      returnedAt: Infinity,
      outcome: "unknown",
      version: 0,
      seen: 0,
    };
  }
}

function commandOf(operation: Operation, random: Random): string {
  const { kind, key, expectedVersion } = operation;
  const value = `${operation.value}`;
  switch (kind) {
    case "set":
      return `set ${key} 0 ${value.length}\r\n${value}\r\n`;
    case "cas":
      return `cas ${key} 0 ${expectedVersion} ${value.length}\r\n${value}\r\n`;
    case "delete":
      return `delete ${key}\r\n`;
    case "get":
      return random.u32() % 2 === 0 ? `get ${key}\r\n` : `getm ${key}\r\n`;
  }
}

/** Writes a reply's lines into its operation. */
function note(operation: Operation, line: string, value: string): void {
  const words = line.split(" ");
  switch (words[0]) {
    case "OK":
      operation.outcome = "ok";
      operation.version = Number(words[1]);
      return;
    case "VALUE":
      operation.outcome = "ok";
      operation.version = words.length === 4 ? Number(words[1]) : 0;
      operation.seen = Number(value);
      return;
    case "DELETED":
      operation.outcome = "ok";
      return;
    case "ERR_NOT_FOUND":
      operation.outcome = "notFound";
      return;
    case "ERR_VERSION":
      operation.outcome = "versionDiffers";
      return;
    case "ERR_REDIRECT":
    case "ERR_NO_LEADER":
    case "ERR_BUSY":
    case "ERR_NO_SPACE":
      operation.outcome = "nothing";
      return;
    case "ERR_TIMEOUT":
    case "ERR_INTERNAL":
      operation.outcome = "unknown";
      operation.returnedAt = Infinity;
      return;
    default:
      throw new ReplyError(`No reply to a well-formed command: ${line}`);
  }
}
