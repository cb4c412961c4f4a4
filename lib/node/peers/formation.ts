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
  ) {
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
    if (this.isFormed) return [];
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
    if (this.isFormed || !this.#ids.includes(from)) return;
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

  /** Checks a list that another server prepared: it must be of our ids, our incarnation, and one. */
  #isForUs(from: ServerId, notice: FormationNotice): boolean {
    const own = notice.members.find((member) => member.serverId === this.#identity.serverId);
    if (own?.incarnation !== this.#identity.incarnation) {
      this.#warnOnce(
        `Server ${from} belongs to a cluster that does not know this data directory: it formed ` +
          `with another one under id ${this.#identity.serverId}. If that one was moved, ` +
          `put it back; if it is lost, leave this server stopped, for no build can take a lost ` +
          `server back yet (see docs/operating.md).`,
      );
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
