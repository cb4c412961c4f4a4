/**
 * Writers that own their keys, so that each knows what its keys may hold: exactly one thing, version
 * included, or, behind a write whose outcome is unknown, one of a few.
 */
import { assert } from "../../lib/util/assert.ts";
import type { Random } from "../../lib/util/random.ts";
import type { Client } from "./client.ts";
import type { RawSocket } from "./socket.ts";

const KEYS = 12;
const VALUE_BYTES_MAX = 3_000;
const READ_PIPELINE = 64;

/** What a key may hold; `value` of null is absent. */
interface State {
  readonly value: string | null;
  /** Null where only a lower bound is known: above all versions that this key ever had. */
  readonly version: number | null;
}

class OwnedKey {
  readonly name: string;
  /** What the last acknowledged write left. */
  #known: State = { value: null, version: null };
  /** What writes of unknown outcome since then would leave. */
  #possible: State[] = [];
  /** The highest version that was ever acknowledged or read. */
  #highest = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** The version, where it is certain. */
  get version(): number | null {
    return this.#possible.length === 0 ? this.#known.version : null;
  }

  get isSurelyAbsent(): boolean {
    return this.#possible.length === 0 && this.#known.value === null;
  }

  /** A write was answered, or not. */
  noteSet(value: string, reply: string): void {
    if (reply === "unknown") {
      const before = this.version;
      this.#possible.push({ value, version: before === null ? null : before + 1 });
      return;
    }
    const version = Number(/^OK (\d+)$/.exec(reply)?.[1]);
    const before = this.version;
    assert(
      before === null ? version > this.#highest : version === before + 1,
      `A write of ${this.name} was answered ${reply}; its version was ${before}, ` +
        `never above ${this.#highest}`,
    );
    this.#settle({ value, version });
  }

  noteDelete(reply: string): void {
    const absent = { value: null, version: null };
    if (reply === "unknown") {
      this.#possible.push(absent);
      return;
    }
    const mayBeAbsent = [this.#known, ...this.#possible].some((state) => state.value === null);
    const mayBeThere = [this.#known, ...this.#possible].some((state) => state.value !== null);
    assert(
      (reply === "DELETED" && mayBeThere) || (reply === "ERR_NOT_FOUND" && mayBeAbsent),
      `delete ${this.name} was answered ${reply}: ${this.#describe()}`,
    );
    this.#settle(absent);
  }

  /** Throws where that is none of what the key may hold; from now on it holds that. */
  noteRead(value: string | null, version: number | null): void {
    const fits = [this.#known, ...this.#possible].some((state) =>
      state.value === value &&
      (state.version === version || (state.version === null && (version ?? 1) > 0))
    );
    assert(
      fits && (value === this.#known.value || version === null || version > this.#highest),
      `${this.name} holds ${brief(value)}, version ${version}: ${this.#describe()}`,
    );
    this.#settle({ value, version });
  }

  #settle(state: State): void {
    this.#known = state;
    this.#possible = [];
    this.#highest = Math.max(this.#highest, state.version ?? 0);
  }

  #describe(): string {
    const possible = this.#possible.map((state) => `${brief(state.value)} ${state.version}`);
    return `acknowledged was ${
      brief(this.#known.value)
    }, version ${this.#known.version}, highest ` +
      `${this.#highest}; unknown since: ${possible.join(", ") || "nothing"}`;
  }
}

function brief(value: string | null): string {
  return value === null ? "nothing" : `${value.slice(0, 24)}… (${value.length})`;
}

/** One client that writes its own keys at random. */
export class Owner {
  readonly keys: readonly OwnedKey[];
  readonly #random: Random;
  #writes = 0;
  acknowledged = 0;

  constructor(name: string, random: Random) {
    this.#random = random;
    this.keys = Array.from({ length: KEYS }, (_, i) => new OwnedKey(`${name}-${i}`));
  }

  /** One write, waited for. */
  async write(client: Client): Promise<void> {
    const random = this.#random;
    const key = random.pick(this.keys);
    const draw = random.between(1, 10);
    const { version } = key;
    let reply: string;
    if (draw === 1 && !key.isSurelyAbsent) {
      reply = await client.delete(key.name);
      key.noteDelete(reply);
    } else {
      const bytes = random.between(0, VALUE_BYTES_MAX);
      const value = `${key.name}#${++this.#writes}:`.padEnd(bytes, "abcdefghij");
      reply = draw <= 3 && version !== null
        ? await client.cas(key.name, version, value)
        : await client.set(key.name, value);
      key.noteSet(value, reply);
    }
    if (reply !== "unknown") this.acknowledged++;
  }

  /** Reads all of its keys from a server that leads. */
  async verify(socket: RawSocket): Promise<void> {
    for (let from = 0; from < this.keys.length; from += READ_PIPELINE) {
      const some = this.keys.slice(from, from + READ_PIPELINE);
      await socket.send(some.map((key) => `getm ${key.name}\r\n`).join(""));
      const answers: { value: string | null; version: number | null }[] = [];
      for (const key of some) answers.push(await readAnswer(socket, key.name));
      // Noted once all are here: where the server stops leading, none of it counts.
      some.forEach((key, i) => key.noteRead(answers[i]!.value, answers[i]!.version));
    }
  }
}

/** The server does not lead, or not any more. */
export class NotLeadingError extends Error {
  override readonly name = "NotLeadingError";
}

async function readAnswer(
  socket: RawSocket,
  key: string,
): Promise<{ value: string | null; version: number | null }> {
  const line = await socket.readLine();
  if (line === "ERR_NOT_FOUND") return { value: null, version: null };
  const match = /^VALUE (\d+) 0 (\d+)$/.exec(line);
  if (match === null) throw new NotLeadingError(`getm ${key} was answered ${line}`);
  const value = await socket.readExact(Number(match[2]) + 2);
  return { value: value.slice(0, -2), version: Number(match[1]) };
}
