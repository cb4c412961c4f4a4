/**
 * Commands that this server sends on for its clients, and those that others send on to it. Whether it sends
 * any is a matter of its own forward port; every server takes them.
 */
import { NOBODY, type ServerId } from "../../raft/types.ts";
import { Feature } from "../../wire/rpc/rpc.ts";
import type { OutboundLink } from "../api.ts";
import type { PeerLinks } from "../peers/peer_links.ts";
import {
  ForwardMeters,
  type ForwardRoute,
  type ForwardStream,
  type StreamOwner,
} from "../session/forwarding.ts";
import { ForwardLink } from "./forward_link.ts";

/** Bytes of answers of one stream that may come before they are taken in. */
export const WINDOW_BYTES = 262_144;
/** For so long the server that led is heard, in election timeouts: it may still answer. */
const RETIRED_ELECTION_TIMEOUTS = 4;

interface Retired {
  readonly link: ForwardLink;
  /** In listening time. */
  readonly untilMs: number;
}

export class Forwards implements ForwardRoute {
  readonly meters = new ForwardMeters();
  readonly windowBytes = WINDOW_BYTES;
  /** This server has a forward port. No link is ever made where it has none, and no turn asks for one. */
  readonly isUsed: boolean;
  readonly #links: PeerLinks;
  readonly #retiredMs: number;
  /** To the server that leads; null where none is known, or it is this one, or too early a build. */
  #link: ForwardLink | null = null;
  #retired: Retired[] = [];
  #leaderId: ServerId = NOBODY;
  #peers: readonly OutboundLink[] = [];
  #all: readonly OutboundLink[] = [];
  #isListed = true;
  #loggedOlder: ServerId = NOBODY;

  constructor(links: PeerLinks, isUsed: boolean, electionTimeoutMs: number) {
    this.#links = links;
    this.isUsed = isUsed;
    this.#retiredMs = RETIRED_ELECTION_TIMEOUTS * electionTimeoutMs;
  }

  /** With those to the other servers; another list whenever one came or went. */
  outbound(peers: readonly OutboundLink[]): readonly OutboundLink[] {
    if (!this.isUsed) return peers;
    if (this.#isListed && peers === this.#peers) return this.#all;
    this.#peers = peers;
    this.#isListed = true;
    const retired = this.#retired.map(({ link }) => link);
    this.#all = [...peers, ...retired, ...this.#link === null ? [] : [this.#link]];
    return this.#all;
  }

  get state(): ForwardRoute["state"] {
    if (this.#link !== null) return this.#link.isUp ? "ready" : "none";
    return this.#isOlder() ? "older" : "none";
  }

  open(owner: StreamOwner): ForwardStream | null {
    return this.#link?.open(owner) ?? null;
  }

  /**
   * Once a turn, where it is used: who leads now, as far as this server knows; itself, or nobody, is none to
   * send to.
   */
  note(leaderId: ServerId, isSelf: boolean): void {
    const nowMs = this.#links.time.nowMs();
    // Whoever led last may lead again, before any other is known.
    if (leaderId !== NOBODY) this.#leaderId = isSelf ? NOBODY : leaderId;
    const main = this.#links.byServer.of(this.#leaderId);
    const target = main?.target ?? null;
    if (this.#link !== null && (isSelf || this.#link.target !== target)) this.#retire(nowMs);
    if (this.#link === null && main?.supports(Feature.forward) === true) {
      this.#link = new ForwardLink(main.target, this.#links);
      this.#isListed = false;
    }
    const kept = this.#retired.filter(({ link }) => !link.isOver);
    if (kept.length < this.#retired.length) {
      this.#retired = kept;
      this.#isListed = false;
    }
  }

  /** The build of who leads takes no commands; said once for each such leader. */
  #isOlder(): boolean {
    const main = this.#links.byServer.of(this.#leaderId);
    if (main === null || !main.isUp || main.supports(Feature.forward)) return false;
    if (this.#loggedOlder !== this.#leaderId) {
      this.#loggedOlder = this.#leaderId;
      const why = "its build takes none: until it is updated, the forward port refuses commands";
      this.#links.log.problem(this.#leaderId, "No commands are forwarded to the leader", why);
    }
    return true;
  }

  #retire(nowMs: number): void {
    const link = this.#link!;
    this.#link = null;
    this.#isListed = false;
    this.#retired.push({ link, untilMs: nowMs + this.#retiredMs });
    link.retire();
  }

  secretExchanged(): void {
    for (const link of this.#own()) link.secretExchanged();
  }

  wake(): void {
    for (const link of this.#own()) link.wake();
  }

  /** In listening time. */
  nextDeadlineMs(): number {
    let nextMs = this.#link?.nextDeadlineMs() ?? Infinity;
    for (const { link, untilMs } of this.#retired) {
      nextMs = Math.min(nextMs, untilMs, link.nextDeadlineMs());
    }
    return nextMs;
  }

  /** In listening time. */
  elapse(nowMs: number): void {
    for (const link of this.#own()) link.elapse(nowMs);
    for (const { link, untilMs } of this.#retired) {
      if (nowMs >= untilMs) link.finish("its server does not lead any more, and did not answer");
      else link.finishIfIdle();
    }
  }

  #own(): ForwardLink[] {
    const retired = this.#retired.map(({ link }) => link);
    return this.#link === null ? retired : [...retired, this.#link];
  }
}
