/**
 * Which build a server runs: one before cluster versions, or this one. In seeds with older servers each
 * start may be an upgrade, or a roll back; and what has to hold of the cluster version is checked here.
 */
import { EntryKind } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import type { ServerProbe } from "./server_probe.ts";
import { CheckFailure } from "./world.ts";

const UPGRADES = 0.5;
const ROLLS_BACK = 0.2;

export class Build {
  /** It is one before features and cluster versions. */
  isOlder: boolean;
  /** The upgrade is over: this server is not rolled back any more. */
  isFinal = false;
  readonly #id: number;
  readonly #isMixed: boolean;
  readonly #random: Random;
  /** When this build was last seen to run here, in simulated time; and when this server did not lead. */
  #newerUs = -1;
  #notLeadingUs = 0;
  /** Up to here its log was looked at. */
  #lookedAt = 0;

  constructor(id: number, seed: number, older: readonly number[]) {
    this.#id = id;
    this.#isMixed = older.length > 0;
    // A stream of its own: other draws stay as they are.
    this.#random = new Random(seed ^ (0xb01d + id));
    this.isOlder = older.includes(id);
  }

  /** The process starts; `isFirst`: for the first time. */
  starts(isFirst: boolean): void {
    this.#lookedAt = 0;
    if (isFirst || !this.#isMixed || this.isFinal) return;
    this.isOlder = this.#random.chance(this.isOlder ? UPGRADES : ROLLS_BACK);
  }

  /** A build before does not start where the raise is in its log or snapshot: it gets this build again. */
  refuses(probe: ServerProbe): boolean {
    const isRaised = this.isOlder && probe.isOpen() && probe.versionInLog() > 1;
    if (isRaised) this.isOlder = false;
    return isRaised;
  }

  /** A frame reaches it that only those may have who know cluster version `needed`. */
  gets(from: number, needed: number): void {
    if (!this.isOlder || needed <= 1) return;
    const what = `server ${this.#id}, of a build before, is sent by ${from} what it would stop on`;
    throw new CheckFailure("cluster version", what);
  }

  /** After a step of a formed server; `all`: all servers. */
  look(nowUs: number, probe: ServerProbe, all: readonly { readonly build: Build }[]): void {
    if (!this.#isMixed) return;
    if (!this.isOlder) this.#newerUs = nowUs;
    else if (probe.clusterVersion() !== 1) {
      const what = `server ${this.#id}, of a build before, has cluster version ` +
        `${probe.clusterVersion()}`;
      throw new CheckFailure("cluster version", what);
    }
    if (!probe.isLeader()) this.#notLeadingUs = nowUs;
    const lastIndex = probe.lastIndex();
    if (lastIndex === this.#lookedAt) return;
    let index = Math.max(Math.min(this.#lookedAt, lastIndex), probe.snapshotIndex()) + 1;
    for (; index <= lastIndex; index++) {
      const isRaise = probe.dataAt(index)[0] === EntryKind.clusterVersion;
      if (isRaise && probe.isLeader() && probe.termAt(index) === probe.term()) this.#raises(all);
    }
    this.#lookedAt = lastIndex;
  }

  /** It raises the version: all others ran this build at some time since it came to lead. */
  #raises(all: readonly { readonly build: Build }[]): void {
    const unheard = all.find(({ build }) => {
      return build !== this && build.#newerUs < this.#notLeadingUs;
    })?.build;
    if (unheard === undefined) return;
    const what =
      `leader ${this.#id} raises the version, and server ${unheard.#id} did not run this ` +
      `build since it leads`;
    throw new CheckFailure("cluster version", what);
  }
}
