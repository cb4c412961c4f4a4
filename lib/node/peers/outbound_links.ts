/**
 * The links that this server makes, one to each server that it is to be in touch with: they come, go and
 * move as the members do.
 */
import type { ServerId } from "../../raft/types.ts";
import type { LinkTarget } from "../members/known_member.ts";
import type { LinkOwner } from "./peer_link.ts";
import { PeerOutbound } from "./peer_outbound.ts";

/** What is kept of another server, and means nothing once another life has its id. */
interface Kept {
  forget(id: ServerId): void;
}

export class OutboundLinks {
  /** Another list whenever a link came, went or moved. */
  all: readonly PeerOutbound[] = [];
  readonly #owner: LinkOwner;
  readonly #outboxBytesMax: number;
  readonly #kept: readonly Kept[];
  readonly #byId = new Map<ServerId, PeerOutbound>();

  /** `kept`: what has to forget a server that goes, or that another life takes the place of. */
  constructor(owner: LinkOwner, outboxBytesMax: number, kept: readonly Kept[]) {
    this.#owner = owner;
    this.#outboxBytesMax = outboxBytesMax;
    this.#kept = kept;
  }

  of(id: ServerId): PeerOutbound | null {
    return this.#byId.get(id) ?? null;
  }

  /** Has a link to each of `targets`, and none to anybody else. */
  sync(targets: readonly LinkTarget[]): void {
    for (const [id, link] of this.#byId) {
      if (targets.some((target) => target.id === id)) continue;
      this.#byId.delete(id);
      this.#forget(id);
      link.finish("it is no member of the cluster any more");
    }
    for (const target of targets) {
      const link = this.#byId.get(target.id);
      if (link === undefined) {
        this.#byId.set(target.id, new PeerOutbound(target, this.#owner, this.#outboxBytesMax));
        this.#owner.silence.begin(target.id);
      } else {
        if (isOtherLife(link.target, target)) this.#forget(target.id);
        this.#owner.silence.begin(target.id);
        link.retarget(target);
      }
    }
    this.all = targets.map(({ id }) => this.#byId.get(id)!);
  }

  #forget(id: ServerId): void {
    this.#owner.silence.forget(id);
    for (const kept of this.#kept) kept.forget(id);
  }
}

/** True where the two are two lives of one server's id. */
function isOtherLife(a: LinkTarget, b: LinkTarget): boolean {
  return a.incarnation !== null && b.incarnation !== null && a.incarnation !== b.incarnation;
}
