/**
 * What a server of the Redis protocol has to answer, in the plainest way: a Map, and no memory that
 * anybody shares. A key whose deadline is the time of the entry, or earlier, is not there.
 */
import { digestText } from "../kv/digest_text.ts";
import type { Reply } from "../process/redis_socket.ts";

interface Held {
  readonly value: string;
  /** Ms since 1970; 0 for never. */
  readonly deadlineMs: number;
  /** A number that no other write has. */
  readonly write: number;
}

/** A reply; an error is told by its first word alone. */
export type ModelReply = Exclude<Reply, Error> | { readonly error: string };

const NOT_INTEGER = { error: "ERR" };

export class RespModel {
  readonly held = new Map<string, Held>();
  nowMs = 0;
  #writes = 0;

  /** The deadlines of all that is there, ascending. */
  deadlines(): number[] {
    return [...this.held.values()].map(({ deadlineMs }) => deadlineMs)
      .filter((deadlineMs) => deadlineMs > this.nowMs).sort((a, b) => a - b);
  }

  /** What a watch remembers of a key; 0 where it is not there. */
  writeOf(key: string): number {
    return this.#present(key)?.write ?? 0;
  }

  run(request: readonly string[]): ModelReply {
    const [name, key = "", ...rest] = request;
    const old = this.#present(key);
    switch (name!.toUpperCase()) {
      case "GET":
        return old?.value ?? null;
      case "MGET":
        return [key, ...rest].map((one) => this.#present(one)?.value ?? null);
      case "STRLEN":
        return old?.value.length ?? 0;
      case "PTTL":
        return old === undefined ? -2 : old.deadlineMs === 0 ? -1 : old.deadlineMs - this.nowMs;
      case "SET":
        return this.#set(key, rest[0]!, rest.slice(1), old);
      case "GETSET":
        this.#put(key, rest[0]!, 0);
        return old?.value ?? null;
      case "GETDEL":
        this.held.delete(key);
        return old?.value ?? null;
      case "DEL":
        this.held.delete(key);
        return old === undefined ? 0 : 1;
      case "DELEX":
        if (old === undefined || !isMet(old.value, rest[0]!, rest[1]!)) return 0;
        this.held.delete(key);
        return 1;
      case "DIGEST":
        return old === undefined ? null : digestText(old.value);
      case "MSETEX":
        return this.#setAll(rest.slice(0, 4), rest.slice(4));
      case "APPEND":
        this.#put(key, (old?.value ?? "") + rest[0]!, old?.deadlineMs ?? 0);
        return this.held.get(key)!.value.length;
      case "SETRANGE":
        return this.#setRange(key, Number(rest[0]), rest[1]!, old);
      case "INCRBY":
        return this.#add(key, Number(rest[0]), old);
      case "PERSIST":
        if (old === undefined || old.deadlineMs === 0) return 0;
        this.#put(key, old.value, 0);
        return 1;
      case "PEXPIRE":
        return this.#expire(key, Number(rest[0]), rest[1], old);
      case "GETEX":
        if (old === undefined) return null;
        if (rest[0] === "PX") this.#put(key, old.value, this.nowMs + Number(rest[1]));
        else if (old.deadlineMs !== 0) this.#put(key, old.value, 0);
        return old.value;
      default:
        throw new Error(`The model knows no ${name}`);
    }
  }

  #present(key: string): Held | undefined {
    const held = this.held.get(key);
    return held === undefined || (held.deadlineMs !== 0 && held.deadlineMs <= this.nowMs)
      ? undefined
      : held;
  }

  #put(key: string, value: string, deadlineMs: number): void {
    this.held.set(key, { value, deadlineMs, write: ++this.#writes });
  }

  #set(key: string, value: string, options: readonly string[], old: Held | undefined): ModelReply {
    const shows = options.includes("GET");
    const shown = shows ? old?.value ?? null : null;
    if (options.includes("NX") && old !== undefined) return shown;
    if (options.includes("XX") && old === undefined) return shown;
    const condition = options.findIndex((option) => /^IF/.test(option));
    if (condition >= 0 && !isMet(old?.value, options[condition]!, options[condition + 1]!)) {
      return shown;
    }
    const px = options.indexOf("PX");
    const kept = options.includes("KEEPTTL") ? old?.deadlineMs ?? 0 : 0;
    this.#put(key, value, px >= 0 ? this.nowMs + Number(options[px + 1]) : kept);
    return shows ? shown : "OK";
  }

  /** Two pairs, and their options. */
  #setAll(pairs: readonly string[], options: readonly string[]): ModelReply {
    const keys = [pairs[0]!, pairs[2]!];
    const there = keys.filter((key) => this.#present(key) !== undefined).length;
    if (options.includes("NX") && there > 0) return 0;
    if (options.includes("XX") && there < 2) return 0;
    const others = options.filter((option) => option !== "NX" && option !== "XX");
    for (const [i, key] of keys.entries()) {
      this.#set(key, pairs[2 * i + 1]!, others, this.#present(key));
    }
    return 1;
  }

  #setRange(key: string, where: number, patch: string, old: Held | undefined): ModelReply {
    const value = (old?.value ?? "").padEnd(where, "\0");
    const changed = value.slice(0, where) + patch + value.slice(where + patch.length);
    this.#put(key, changed, old?.deadlineMs ?? 0);
    return changed.length;
  }

  #add(key: string, delta: number, old: Held | undefined): ModelReply {
    const text = old?.value ?? "0";
    if (!/^(0|-?[1-9]\d*)$/.test(text)) return NOT_INTEGER;
    this.#put(key, `${Number(text) + delta}`, old?.deadlineMs ?? 0);
    return Number(text) + delta;
  }

  #expire(key: string, ms: number, flag: string | undefined, old: Held | undefined): ModelReply {
    if (old === undefined) return 0;
    const deadlineMs = this.nowMs + ms;
    const current = old.deadlineMs === 0 ? Infinity : old.deadlineMs;
    if (flag === "NX" && current !== Infinity) return 0;
    if (flag === "XX" && current === Infinity) return 0;
    if (flag === "GT" && deadlineMs <= current) return 0;
    if (flag === "LT" && deadlineMs >= current) return 0;
    if (ms <= 0) this.held.delete(key);
    else this.#put(key, old.value, deadlineMs);
    return 1;
  }
}

function isMet(value: string | undefined, condition: string, comparedWith: string): boolean {
  const isDigest = condition.startsWith("IFD");
  const held = value === undefined ? undefined : isDigest ? digestText(value) : value;
  return (held === comparedWith) === condition.endsWith("EQ");
}
