/**
 * Compares what the servers hold: now and then the leader names its digest at one entry, and each
 * follower compares its own at the same one. Replicas that applied the same entries and differ mean
 * that memory, disk or program is at fault somewhere: both servers log an error.
 */
import type { Store } from "../../kv/store.ts";
import type { ServerId } from "../../raft/types.ts";
import type { DigestNotice } from "../../wire/rpc/rpc.ts";
import type { NodeHost } from "../api.ts";

const INTERVAL_MS = 5_000;

/** The links to the other servers. */
export interface DigestLinks {
  sendDigest(to: ServerId, notice: DigestNotice): void;
  sendDigestToAll(notice: DigestNotice): void;
}

export class DigestExchange {
  readonly #host: Pick<NodeHost, "log">;
  readonly #links: DigestLinks;
  #lastMs = 0;
  #lastIndex = 0;
  /** The newest that came for an entry which is not applied here yet. */
  #waiting: { readonly from: ServerId; readonly notice: DigestNotice } | null = null;

  constructor(host: Pick<NodeHost, "log">, links: DigestLinks) {
    this.#host = host;
    this.#links = links;
  }

  /** When the leader names its digest again, or what came can be compared. */
  nextDeadlineMs(isLeader: boolean, { appliedIndex }: Store): number {
    if (this.#waiting !== null && appliedIndex >= this.#waiting.notice.index) return this.#lastMs;
    return isLeader && appliedIndex !== this.#lastIndex ? this.#lastMs + INTERVAL_MS : Infinity;
  }

  elapse(nowMs: number, isLeader: boolean, store: Store): void {
    const waiting = this.#waiting;
    if (waiting !== null && store.appliedIndex >= waiting.notice.index) {
      this.#waiting = null;
      this.#compare(waiting.from, waiting.notice, isLeader, store);
    }
    const index = store.appliedIndex;
    if (!isLeader || nowMs - this.#lastMs < INTERVAL_MS || index === this.#lastIndex) return;
    this.#lastMs = nowMs;
    this.#lastIndex = index;
    this.#links.sendDigestToAll({ index, digest: store.digest() });
  }

  receive(from: ServerId, notice: DigestNotice, isLeader: boolean, store: Store): void {
    if (notice.index > store.appliedIndex) this.#waiting = { from, notice };
    else this.#compare(from, notice, isLeader, store);
  }

  #compare(from: ServerId, notice: DigestNotice, isLeader: boolean, store: Store): void {
    const { index, digest: theirs } = notice;
    const digest = store.digestAt(index);
    if (digest === null || digest === theirs) return;
    this.#host.log({
      level: "error",
      message: "Contents differ from another server's at the same entry: one of the two is " +
        "damaged. Compare all servers; the one that differs from the others has to be replaced",
      fields: { peer: from, index, digest, theirs },
    });
    // The leader is to know too; it does not answer, so this ends here.
    if (!isLeader) this.#links.sendDigest(from, { index, digest });
  }
}
