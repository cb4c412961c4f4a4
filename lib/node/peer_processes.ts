/**
 * Two processes with one data directory, that is, with a copy of it, would vote and acknowledge twice
 * under one name. Each process draws a start id and names it in its handshakes; here connections of one
 * server with two start ids meet. The earlier process is asked whether it still answers. Where it does,
 * the later one is refused; where it does not, it has ended without anybody having said so (a restart,
 * a network that drops packets), its connections are closed, and the later one is admitted.
 */
import type { Rng } from "../host/ports.ts";
import type { ServerId } from "../raft/types.ts";
import { bytesToHex } from "../storage/hex.ts";
import { Feature, type Features } from "../wire/rpc.ts";

/** Drawn once by each process; lower-case hexadecimal digits. */
export type StartId = string;

/** One connection with another server, as far as this file is concerned; in either direction. */
export interface ProcessLink {
  /** For people. */
  readonly address: string;
  /** Asks the other end, which answers with the same number. */
  probe(number: number): void;
  /** The other end's process is the only one, as far as is known: the handshake has passed. */
  admitted(): void;
  /** Another process of the same server answers: this connection is to end. */
  refusedFor(earlier: ProcessLink): void;
  /** Another process takes this one's place: it does not answer. */
  givesWay(): void;
}

/** How long an earlier process has to answer. */
const ANSWER_MAX_MS = 500;

interface Party {
  readonly link: ProcessLink;
  readonly peer: ServerId;
  readonly startId: StartId;
}

/** A later connection that waits for what the earlier ones answer. */
interface Challenge extends Party {
  leftMs: number;
  /** Answers to earlier probes say nothing about now. */
  probeNumber: number;
}

export class PeerProcesses {
  /** Connections whose handshake has passed. */
  readonly #admitted = new Map<ProcessLink, Party>();
  readonly #challenges = new Map<ProcessLink, Challenge>();
  #lastProbe = 0;

  /**
   * A connection's handshake is good so far. Answers by `link.admitted()` or `link.refusedFor()`: at
   * once where nothing stands against it, or within `ANSWER_MAX_MS`. Builds that draw no start id
   * (null) are admitted as they always were.
   */
  present(link: ProcessLink, peer: ServerId, startId: StartId | null): void {
    if (startId === null) return link.admitted();
    this.#challengeOrAdmit({ link, peer, startId });
  }

  /** The other end of `link` has answered a probe. */
  answered(link: ProcessLink, number: number): void {
    const earlier = this.#admitted.get(link);
    if (earlier === undefined) return;
    for (const later of [...this.#challenges.values()]) {
      if (!isTwin(earlier, later) || number < later.probeNumber) continue;
      this.#challenges.delete(later.link);
      later.link.refusedFor(this.#firstOf(earlier).link);
    }
  }

  /** A connection is gone, or about to go: it speaks for no process any more. */
  closed(link: ProcessLink): void {
    this.#challenges.delete(link);
    const gone = this.#admitted.get(link);
    if (gone === undefined) return;
    this.#admitted.delete(link);
    for (const later of [...this.#challenges.values()]) {
      if (isTwin(gone, later) && this.#twinsOf(later).length === 0) this.#admit(later);
    }
  }

  /** Lets time pass; time in which this process stood still counts for little. */
  tick(elapsedMs: number): void {
    for (const later of [...this.#challenges.values()]) {
      later.leftMs -= elapsedMs;
      if (later.leftMs > 0 || !this.#challenges.has(later.link)) continue;
      for (const { link } of this.#twinsOf(later)) {
        this.#admitted.delete(link);
        link.givesWay();
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
    // Whoever waits has this one against it now: a third process, mostly none.
    for (const later of [...this.#challenges.values()]) {
      if (isTwin(party, later)) this.#challengeOrAdmit(later);
    }
  }

  /** The oldest connection of a process: whichever answers, the same one is named. */
  #firstOf({ peer, startId }: Party): Party {
    const isSame = (other: Party) => other.peer === peer && other.startId === startId;
    return [...this.#admitted.values()].find(isSame)!;
  }

  /** The admitted connections of the same server's other processes. */
  #twinsOf(party: Party): Party[] {
    return [...this.#admitted.values()].filter((other) => isTwin(other, party));
  }
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

function isTwin(a: Party, b: Party): boolean {
  return a.peer === b.peer && a.startId !== b.startId;
}
