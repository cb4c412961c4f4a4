/**
 * A leader sees to it that the log says where the members are. A server that comes back somewhere else says
 * so itself, and everybody dials it there at once; the log is for those that it can't reach, and for those
 * that are added later. Founders are not in the log before something changes, and then all of them are.
 */
import type { RaftState } from "../../raft/state.ts";
import type { MemberChange } from "../../raft/types.ts";
import type { NodeHost } from "../api.ts";
import { encodeAddresses, isSamePlace } from "./addresses.ts";
import type { KnownMember } from "./known_member.ts";
import type { KnownMembers } from "./known_members.ts";
import type { MemberChanges } from "./member_changes.ts";

/** What the log is to be told; `isDescribed`: it tells of members already. */
export function wantedMoves(
  members: Pick<KnownMembers, "all">,
  isDescribed: boolean,
): MemberChange[] {
  return members.all.flatMap((member) => {
    const place = wantedPlace(member, isDescribed);
    return place === null
      ? []
      : [{ kind: "move", id: member.id, addresses: encodeAddresses(place) }];
  });
}

/** Only who is here has said where it is now: another leader may have heard something later. */
function wantedPlace({ said, isHere, listed, logged, places }: KnownMember, isDescribed: boolean) {
  const now = logged ?? (isDescribed ? null : listed);
  const place = (isHere ? said : null) ??
    (isDescribed && logged === null ? places[0] ?? null : null);
  return place === null || (now !== null && isSamePlace(now, place)) ? null : place;
}

interface MovesOptions {
  readonly members: Pick<KnownMembers, "all">;
  readonly host: Pick<NodeHost, "log">;
  /** Between two tries. */
  readonly pauseMs: number;
}

/** Has a leader put into the log what is missing there. */
export class Moves {
  readonly #options: MovesOptions;
  /** What the last look was at. */
  #seen: readonly KnownMember[] | null = null;
  #seenTerm = 0;
  #isWanted = false;
  #lookMs = 0;

  constructor(options: MovesOptions) {
    this.#options = options;
  }

  /** When `elapse` has something to do; `ledTerm`: the term that this server leads, or 0. */
  nextDeadlineMs(ledTerm: number): number {
    if (ledTerm === 0) return Infinity;
    const isNews = this.#seen !== this.#options.members.all || this.#seenTerm !== ledTerm;
    return isNews || this.#isWanted ? this.#lookMs : Infinity;
  }

  elapse(
    nowMs: number,
    ledTerm: number,
    { configurations: { current } }: Pick<RaftState, "configurations">,
    changes: Pick<MemberChanges, "propose">,
  ): void {
    if (nowMs < this.nextDeadlineMs(ledTerm)) return;
    const isDescribed = current.members.length > 0;
    const { members, host, pauseMs } = this.#options;
    this.#lookMs = nowMs + pauseMs;
    this.#seen = members.all;
    this.#seenTerm = ledTerm;
    const wanted = wantedMoves(members, isDescribed);
    this.#isWanted = wanted.length > 0;
    if (!this.#isWanted || changes.propose(wanted, () => {}) !== null) return;
    host.log({
      level: "info",
      message: "The log is told where members are",
      fields: { servers: wanted.map(({ id }) => id).join(", ") },
    });
  }
}
