/**
 * Who votes, as the checks read it: out of the bytes of the log, not from what the core made of them. A
 * member is a server of the world, that is one life of an id: another life is another server.
 */
import { ENVELOPE_BYTES } from "../../lib/raft/envelope.ts";
import { EntryKind } from "../../lib/raft/types.ts";
import { readU64 } from "../../lib/util/bytes.ts";
import { CheckFailure } from "./world.ts";

/** A configuration, by servers of the world; in effect from its entry on. */
export interface Voting {
  readonly index: number;
  readonly voters: readonly number[];
  /** The other half of a joint configuration; else empty. */
  readonly outgoing: readonly number[];
  readonly learners: readonly number[];
  /** Learners that a leader makes voters by itself once they keep up. */
  readonly willVote: readonly number[];
  /** The log port of each member whose addresses it has. */
  readonly logPorts: ReadonlyMap<number, number>;
}

const NO_PORTS: ReadonlyMap<number, number> = new Map();

/** Which server of the world an id and its life are. */
export type ServerOf = (id: number, incarnation: string) => number | null;

// The bytes of a described configuration, see docs/data-directory.md.
const DESCRIBED = 0xffff;
const Flag = { voter: 1, outgoing: 2, learner: 4, stays: 16 } as const;
const HEAD_BYTES = 4;
const ADDRESSES_AT = 17;
/** Within a member's addresses. */
const LOG_PORT_AT = 3;

export function isJointVoting({ outgoing }: Voting): boolean {
  return outgoing.length > 0;
}

/** All members, each once. */
export function membersOf({ voters, outgoing, learners }: Voting): number[] {
  return [...new Set([...voters, ...outgoing, ...learners])];
}

/** The sets of voters of each of which whoever is elected or commits needs a majority. */
export function halvesOf({ voters, outgoing }: Voting): readonly (readonly number[])[] {
  return outgoing.length === 0 ? [voters] : [voters, outgoing];
}

/** The configurations in one log, oldest first. Founders have the ids that they have in the world. */
export class Votings {
  readonly #serverOf: ServerOf;
  readonly list: Voting[];
  /** Who is a member, and the halves, by `#readOf`: asked for after every step. */
  #readOf: Voting | null = null;
  #members: readonly number[] = [];
  #halves: readonly (readonly number[])[] = [];

  constructor(founders: readonly number[], serverOf: ServerOf) {
    this.#serverOf = serverOf;
    const none = { outgoing: [], learners: [], willVote: [], logPorts: NO_PORTS };
    this.list = [{ index: 0, voters: founders, ...none }];
  }

  get current(): Voting {
    return this.list[this.list.length - 1]!;
  }

  /** All members of the current one, each once. */
  get members(): readonly number[] {
    this.#readCurrent();
    return this.#members;
  }

  /** The sets of voters of the current one, of each of which a majority is needed. */
  get halves(): readonly (readonly number[])[] {
    this.#readCurrent();
    return this.#halves;
  }

  #readCurrent(): void {
    const { current } = this;
    if (this.#readOf === current) return;
    this.#readOf = current;
    this.#members = membersOf(current);
    this.#halves = halvesOf(current);
  }

  /** An entry is in the log. */
  add(index: number, data: Uint8Array): void {
    if (data[0] === EntryKind.configuration) this.list.push(this.#read(index, data));
  }

  /** The log ends at `lastIndex` now. True where a configuration was after that. */
  cut(lastIndex: number): boolean {
    const before = this.list.length;
    while (this.list.length > 1 && this.current.index > lastIndex) this.list.pop();
    return this.list.length < before;
  }

  /** What the log held up to `index` is what `ledger` says. */
  replace(ledger: Votings, index: number): void {
    this.list.splice(0, this.list.length, ...ledger.list.filter((one) => one.index <= index));
  }

  /** The configuration in effect at `index`, and all after it. */
  from(index: number): readonly Voting[] {
    return this.list.slice(Math.max(0, this.list.findLastIndex((one) => one.index <= index)));
  }

  /** The configuration at exactly `index`, where there is one. */
  at(index: number): Voting | undefined {
    return this.list.findLast((one) => one.index === index);
  }

  /**
   * Of each of which a majority had to hold an entry when it was committed. One after a joint configuration
   * that is left by now may have needed the new half alone: by then that configuration was committed.
   */
  halvesAt(index: number): readonly (readonly number[])[] {
    const at = this.list.findLastIndex((one) => one.index <= index);
    const ruling = this.list[Math.max(0, at)]!;
    const isLeft = at + 1 < this.list.length && index > ruling.index;
    return isLeft ? [ruling.voters] : halvesOf(ruling);
  }

  #read(index: number, data: Uint8Array): Voting {
    let at = ENVELOPE_BYTES;
    const u16 = (where: number) => (data[where]! << 8) | data[where + 1]!;
    if (u16(at) !== DESCRIBED) return this.#readPlain(index, data, at);
    const count = data[at + 3]!;
    at += HEAD_BYTES;
    const voting = { voters: [], outgoing: [], learners: [], willVote: [] } as Record<
      "voters" | "outgoing" | "learners" | "willVote",
      number[]
    >;
    const logPorts = new Map<number, number>();
    for (let i = 0; i < count; i++) {
      const flags = data[at + 8]!;
      const life = [...data.subarray(at + 9, at + ADDRESSES_AT)]
        .map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const server = this.#known(readU64(data, at), life, index);
      if ((flags & Flag.voter) !== 0) voting.voters.push(server);
      if ((flags & Flag.outgoing) !== 0) voting.outgoing.push(server);
      if ((flags & Flag.learner) !== 0) voting.learners.push(server);
      if ((flags & (Flag.learner | Flag.stays)) === Flag.learner) voting.willVote.push(server);
      const length = u16(at + ADDRESSES_AT);
      at += ADDRESSES_AT + 2;
      if (length > 0) logPorts.set(server, u16(at + LOG_PORT_AT));
      at += length;
    }
    return { index, ...voting, logPorts };
  }

  /** A list of ids: those of the founders. */
  #readPlain(index: number, data: Uint8Array, from: number): Voting {
    const count = (data[from]! << 8) | data[from + 1]!;
    const voters = Array.from({ length: count }, (_, i) => readU64(data, from + 2 + 8 * i));
    return { index, voters, outgoing: [], learners: [], willVote: [], logPorts: NO_PORTS };
  }

  #known(id: number, life: string, index: number): number {
    const server = this.#serverOf(id, life);
    if (server !== null) return server;
    throw new CheckFailure("members that are", `entry ${index} lists server ${id}, life ${life}`);
  }
}
