/**
 * Two processes with one data directory, that is, one of them with a copy, would vote and acknowledge
 * twice under one name. Each process draws a start id and names it in its handshakes; here connections
 * of one server with two start ids meet. The earlier process is asked whether it still answers. If it
 * does, the later one is refused. If not, it has ended without its connections being closed (a restart,
 * a network that drops packets): they are closed now, and the later one is admitted.
 *
 * A process that was refused, or gave way, is remembered and refused from then on at once, whether the
 * other process is there at that moment or not. Otherwise a copy that tries again and again would be
 * admitted while its original restarts, and the original would be the later one. A restart draws a new
 * id, so nobody is locked out for longer than its process lives. The refused process itself keeps running
 * and trying: one mistaken judge must not end a rightful server, and one that ended would be started
 * again by its supervisor, with an id that nobody remembers. Which of the two is the copy can't be known
 * here: only which came later.
 *
 * Two data directories under one id are two servers, as soon as there is a cluster that tells them apart:
 * one that was removed and the one that has its place. Whoever is behind may have to do with both.
 */
import type { Rng } from "../../host/ports.ts";
import type { ServerId } from "../../raft/types.ts";
import { bytesToHex } from "../../util/hex.ts";
import type { Incarnation } from "../../storage/types.ts";
import { Feature, type Features } from "../../wire/rpc/rpc.ts";

/** Drawn once by each process; lower-case hexadecimal digits. */
export type StartId = string;

/** Another process of the same server, for people. */
export interface Twin {
  /** Where it answers; null where it is not connected now. */
  readonly address: string | null;
  /** False for two fresh servers under one id: each has a data directory of its own. */
  readonly sharesDirectory: boolean;
}

/** One connection with another server, as far as this file is concerned; in either direction. */
export interface ProcessLink {
  /** For people. */
  readonly address: string;
  /** Asks the other end, which answers with the same number. */
  probe(number: number): void;
  /** The other end's process is the only one, as far as is known: the handshake has passed. */
  admitted(): void;
  /** There is, or was, another process of the same server: this connection is to end. */
  refusedFor(twin: Twin): void;
  /** Another process takes this one's place: it does not answer. */
  givesWay(): void;
}

/** How long an earlier process has to answer. */
const ANSWER_MAX_MS = 500;
/** How many processes of one server are remembered that must not come back. */
const BARRED_MAX = 16;
/** Of so many servers, which are more than a cluster has: the latest. */
const BARRED_SERVERS_MAX = 64;

interface Party {
  readonly link: ProcessLink;
  readonly peer: ServerId;
  readonly startId: StartId;
  readonly incarnation: Incarnation;
}

/** A later connection that waits for what the earlier ones answer. */
interface Challenge extends Party {
  leftMs: number;
  /** Answers to earlier probes prove nothing about now. */
  probeNumber: number;
}

export class PeerProcesses {
  /** Another data directory under an id is another server. */
  readonly #tellsLives: () => boolean;
  /** Connections whose handshake has passed. */
  readonly #admitted = new Map<ProcessLink, Party>();
  readonly #challenges = new Map<ProcessLink, Challenge>();
  /** Those that were refused or gave way; of each server the latest, in the order of their last tries. */
  readonly #barred = new Map<ServerId, StartId[]>();
  #lastProbe = 0;

  /** `tellsLives`: whether the cluster is formed, so that each handshake was judged by its incarnation. */
  constructor(tellsLives: () => boolean) {
    this.#tellsLives = tellsLives;
  }

  /**
   * A connection's handshake is good so far. Answers by `link.admitted()` or `link.refusedFor()`: at
   * once where nothing is against it, or within `ANSWER_MAX_MS`. Builds that draw no start id
   * (null) are admitted as they always were.
   */
  present(
    link: ProcessLink,
    peer: ServerId,
    startId: StartId | null,
    incarnation: Incarnation,
  ): void {
    if (startId === null) return link.admitted();
    const party = { link, peer, startId, incarnation };
    if (this.#barred.get(peer)?.includes(startId) !== true) return this.#challengeOrAdmit(party);
    this.#bar(party);
    const admitted = this.#twinsOf(party)[0];
    const address = admitted === undefined ? null : this.#firstOf(admitted).link.address;
    link.refusedFor({ address, sharesDirectory: true });
  }

  /** The other end of `link` has answered a probe. */
  answered(link: ProcessLink, number: number): void {
    const earlier = this.#admitted.get(link);
    if (earlier === undefined) return;
    for (const later of [...this.#challenges.values()]) {
      if (!this.#isTwin(earlier, later) || number < later.probeNumber) continue;
      if (this.#challenges.get(later.link) === later) this.#refuse(later, earlier);
    }
  }

  /** A connection is gone, or about to go: it speaks for no process any more. */
  closed(link: ProcessLink): void {
    this.#challenges.delete(link);
    const gone = this.#admitted.get(link);
    if (gone === undefined) return;
    this.#admitted.delete(link);
    for (const later of [...this.#challenges.values()]) {
      if (this.#isTwin(gone, later) && this.#twinsOf(later).length === 0) this.#admit(later);
    }
  }

  /** For how long nobody is given up yet; Infinity where nobody is asked. */
  get leftMs(): number {
    let leastMs = Infinity;
    if (this.#challenges.size === 0) return leastMs;
    for (const { leftMs } of this.#challenges.values()) leastMs = Math.min(leastMs, leftMs);
    return leastMs;
  }

  /** Lets time pass; time in which this process stood still counts for little. */
  elapse(elapsedMs: number): void {
    for (const later of [...this.#challenges.values()]) {
      // Gone; or it waits again, as another one was admitted in this very loop, which may answer.
      if (this.#challenges.get(later.link) !== later) continue;
      later.leftMs -= elapsedMs;
      if (later.leftMs > 0) continue;
      for (const earlier of this.#twinsOf(later)) {
        if (earlier.incarnation === later.incarnation) this.#bar(earlier);
        this.#admitted.delete(earlier.link);
        earlier.link.givesWay();
      }
      this.#admit(later);
    }
  }

  #challengeOrAdmit(party: Party): void {
    const earlier = this.#twinsOf(party);
    if (earlier.length === 0) return this.#admit(party);
    const probeNumber = ++this.#lastProbe;
    this.#challenges.set(party.link, { ...party, leftMs: ANSWER_MAX_MS, probeNumber });
    for (const { link } of earlier) link.probe(probeNumber);
  }

  #admit(party: Party): void {
    this.#challenges.delete(party.link);
    this.#admitted.set(party.link, party);
    party.link.admitted();
    // Those that wait have this one against them now: that takes a third process.
    for (const later of [...this.#challenges.values()]) {
      if (this.#isTwin(party, later)) this.#challengeOrAdmit(later);
    }
  }

  /** Refuses a process on all connections that it waits on. */
  #refuse(later: Party, earlier: Party): void {
    const sharesDirectory = earlier.incarnation === later.incarnation;
    // Two fresh servers under one id vote for nothing yet: once that is put right, either may come.
    if (sharesDirectory) this.#bar(later);
    const twin = { address: this.#firstOf(earlier).link.address, sharesDirectory };
    for (const { link, peer, startId } of [...this.#challenges.values()]) {
      if (peer !== later.peer || startId !== later.startId) continue;
      this.#challenges.delete(link);
      link.refusedFor(twin);
    }
  }

  #bar({ peer, startId }: Party): void {
    const others = (this.#barred.get(peer) ?? []).filter((other) => other !== startId);
    this.#barred.delete(peer);
    this.#barred.set(peer, [...others, startId].slice(-BARRED_MAX));
    if (this.#barred.size <= BARRED_SERVERS_MAX) return;
    for (const earliest of this.#barred.keys()) return void this.#barred.delete(earliest);
  }

  /** The oldest connection of a process: whichever of them answers, the same one is named. */
  #firstOf({ peer, startId }: Party): Party {
    const isSame = (other: Party) => other.peer === peer && other.startId === startId;
    return [...this.#admitted.values()].find(isSame)!;
  }

  #isTwin(a: Party, b: Party): boolean {
    return a.peer === b.peer && a.startId !== b.startId &&
      (a.incarnation === b.incarnation || !this.#tellsLives());
  }

  /** The admitted connections of the same server's other processes. */
  #twinsOf(party: Party): Party[] {
    return [...this.#admitted.values()].filter((other) => this.#isTwin(other, party));
  }
}

/** What the refused process is told. */
export function twinText(id: ServerId, { address, sharesDirectory }: Twin): string {
  if (!sharesDirectory) {
    return `another process under the id ${id} answers at ${address}, with a data directory of ` +
      `its own: two servers were started with the same id`;
  }
  const what = address === null
    ? `another process with the data directory of server ${id} answered before`
    : `another process with the data directory of server ${id} answers at ${address}`;
  return `${what}: one of the two runs on a copy`;
}

/** Draws the id of a process that starts. */
export function drawStartId(rng: Rng): StartId {
  const digits = () => rng.u32().toString(16).padStart(8, "0");
  return digits() + digits();
}

/** The start id in a handshake; null for builds that draw none. */
export function startIdOf(features: Features): StartId | null {
  const value = features.get(Feature.start);
  return value === undefined ? null : bytesToHex(value, 0, value.length);
}
