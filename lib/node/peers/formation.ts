/**
 * Forming a cluster, so that a server that lost its data can't pass for one that never had any.
 *
 * 1. Each server tells the others its incarnation, over and over, until it is formed.
 * 2. One that knows the incarnations of all ids of the first configuration, or hears of a list that
 *    contains its own, makes that list durable: it is *prepared*, for this list and never for another.
 * 3. One that hears that all have prepared its list, or that one has formed with it, makes that
 *    durable: it is *formed*, opens its log and may vote.
 *
 * Why two stages: were one enough, a server could form with an incarnation that was wiped meanwhile
 * while others form with the old one. A list is formed only if each of its incarnations prepared it,
 * and an incarnation prepares one list only; so two different lists of one configuration are both
 * formed only where no incarnation is in both, that is, where all servers were wiped.
 *
 * A server that is added to a cluster later takes over the founders' list as it is: nothing is formed
 * with it, and it votes only by what it gets from the log.
 */
import type { ServerId } from "../../raft/types.ts";
import type {
  ClusterId,
  FormationRecord,
  FoundingMember,
  Identity,
  Incarnation,
} from "../../storage/types.ts";
import { UNFORMED } from "../../storage/types.ts";
import type { FormationNotice } from "../../wire/rpc/rpc.ts";
import { clusterIdOf } from "./cluster_id.ts";

export const FormationStage = { unformed: 0, prepared: 1, formed: 2 } as const;

interface Heard {
  readonly incarnation: Incarnation;
  readonly stage: number;
  readonly clusterId: ClusterId;
}

export interface FormationOwner {
  /** Makes the record durable before it returns. */
  saveFormation(record: FormationRecord): void;
  /** A state that only people can mend; each sentence comes once. */
  warnOfFormation(sentence: string): void;
}

export class Formation {
  record: FormationRecord | null;
  /** The cluster that this server is to be added to; null where it founds one. */
  readonly joins: ClusterId | null;
  readonly #identity: Identity;
  readonly #ids: readonly ServerId[];
  readonly #owner: FormationOwner;
  readonly #heard = new Map<ServerId, Heard>();
  /** One per peer and kind at most: the sentences are made of ids alone. */
  readonly #warned = new Set<string>();

  constructor(
    identity: Identity,
    record: FormationRecord | null,
    ids: readonly ServerId[],
    owner: FormationOwner,
    joins: ClusterId | null = null,
  ) {
    this.joins = joins;
    this.#identity = identity;
    this.record = record;
    this.#ids = [...ids].sort((a, b) => a - b);
    this.#owner = owner;
  }

  get isFormed(): boolean {
    return this.record?.stage === "formed";
  }

  /** All zeroes until formed. */
  get clusterId(): ClusterId {
    return this.record?.stage === "formed" ? this.record.clusterId : UNFORMED;
  }

  /** The incarnation that the record lists for a server; null where there is no record, or no such id. */
  listedIncarnation(id: ServerId): Incarnation | null {
    return this.record?.members.find((member) => member.serverId === id)?.incarnation ?? null;
  }

  /** Whom this server still waits for before it can form. */
  waitingFor(): ServerId[] {
    if (this.isFormed || this.joins !== null) return [];
    const wanted = this.record === null
      ? (heard: Heard | undefined) => heard !== undefined
      : (heard: Heard | undefined) => heard?.clusterId === this.record?.clusterId;
    return this.#ids.filter((id) => id !== this.#identity.serverId && !wanted(this.#heard.get(id)));
  }

  /** What to tell the others now. */
  notice(): FormationNotice {
    const record = this.record;
    const { unformed, prepared, formed } = FormationStage;
    return {
      stage: record === null ? unformed : record.stage === "prepared" ? prepared : formed,
      incarnation: this.#identity.incarnation,
      clusterId: record?.clusterId ?? UNFORMED,
      members: record?.members ?? [],
    };
  }

  /** Takes in the notice of another server; may prepare or form. */
  hear(from: ServerId, notice: FormationNotice): void {
    if (this.isFormed) return;
    if (this.joins !== null) return this.#hearFounders(from, notice, this.joins);
    if (!this.#ids.includes(from)) return;
    if (notice.stage !== FormationStage.unformed && !this.#isForUs(from, notice)) return;
    const listed = this.listedIncarnation(from);
    if (listed !== null && listed !== notice.incarnation) {
      this.#warnOnce(
        `Cannot form the cluster: server ${from} lost its data directory while it formed. ` +
          `If no server of this cluster ever served, stop all, remove their data directories and ` +
          `start again.`,
      );
      return;
    }
    const { incarnation, stage, clusterId } = notice;
    this.#heard.set(from, { incarnation, stage, clusterId });
    if (this.record === null && stage !== FormationStage.unformed) this.#prepare(notice.members);
    this.advance();
  }

  /** Prepares and forms as far as the notices allow; a single server forms at once. */
  advance(): void {
    if (this.joins !== null) return;
    if (this.record?.joined === true) return this.#joined(this.record);
    if (this.record === null && this.waitingFor().length === 0) {
      this.#prepare(this.#ids.map((id) => ({
        serverId: id,
        incarnation: id === this.#identity.serverId
          ? this.#identity.incarnation
          : this.#heard.get(id)!.incarnation,
      })));
    }
    const record = this.record;
    if (record === null || record.stage === "formed") return;
    let oneHasFormed = false;
    for (const heard of this.#heard.values()) {
      const isSame = heard.clusterId === record.clusterId;
      if (isSame && heard.stage === FormationStage.formed) oneHasFormed = true;
    }
    if (!oneHasFormed && this.waitingFor().length > 0) return;
    this.#save({ ...record, stage: "formed" });
  }

  /**
   * A member tells a server that is to be added who founded the cluster: the log begins with them, and the
   * store's hash is seeded with their incarnations, which clients must not know.
   */
  #hearFounders(from: ServerId, { stage, clusterId, members }: FormationNotice, joins: ClusterId) {
    if (stage !== FormationStage.formed || clusterId !== joins) return;
    if (clusterIdOf(members) !== clusterId) {
      return this.#warnOnce(
        `Server ${from} names other founders than those of cluster ${clusterId}: not joining it.`,
      );
    }
    // The record comes before the log that it makes: a log of no cluster would be what is left of a lost one.
    this.#save({ stage: "prepared", clusterId, members, joined: true });
    this.#joined(this.record!);
  }

  /** What it was told is durable: where it ended before it had a log, it makes one at its next start. */
  #joined(record: FormationRecord): void {
    if (record.stage === "prepared") this.#save({ ...record, stage: "formed" });
  }

  /** Checks a list that another server prepared: it must be of our ids, our incarnation, and one. */
  #isForUs(from: ServerId, notice: FormationNotice): boolean {
    const own = notice.members.find((member) => member.serverId === this.#identity.serverId);
    if (own?.incarnation !== this.#identity.incarnation) {
      this.#warnOnce(strangerText(from, this.#identity.serverId, own !== undefined));
      return false;
    }
    const ids = notice.members.map((member) => member.serverId);
    const isSameSet = ids.length === this.#ids.length && this.#ids.every((id) => ids.includes(id));
    const isSameList = this.record === null || this.record.clusterId === notice.clusterId;
    if (isSameSet && isSameList && clusterIdOf(notice.members) === notice.clusterId) return true;
    this.#warnOnce(
      `Cannot form the cluster: server ${from} forms it with servers ${
        ids.join(", ")
      } and this one ` +
        `with ${
          this.#ids.join(", ")
        }, or with other data directories of theirs. Give all servers ` +
        `the same cluster file; if no server of this cluster ever served, remove their data ` +
        `directories and start again.`,
    );
    return false;
  }

  #prepare(members: readonly FoundingMember[]): void {
    const sorted = [...members].sort((a, b) => a.serverId - b.serverId);
    this.#save({ stage: "prepared", clusterId: clusterIdOf(sorted), members: sorted });
  }

  #save(record: FormationRecord): void {
    this.#owner.saveFormation(record);
    this.record = record;
  }

  #warnOnce(sentence: string): void {
    if (this.#warned.has(sentence)) return;
    this.#warned.add(sentence);
    this.#owner.warnOfFormation(sentence);
  }
}

/** Server `from` has formed a cluster without the data directory of server `id`. */
function strangerText(from: ServerId, id: ServerId, hadOther: boolean): string {
  const join = `with raftkv serve --id ${id} --join HOST:PORT, then raftkv member`;
  const knows = `Server ${from} belongs to a cluster that does not know this data directory`;
  return hadOther
    ? `${knows}: it formed with another one under id ${id}. If that one was moved, put it back; ` +
      `if it is lost, start this server on an empty directory ${join} replace ${id}.`
    : `${knows}, and that formed without a server ${id}: start it on an empty directory ${join} ` +
      `add ${id}.`;
}
