/**
 * How long clients wait for their replies, and how many commands are refused and why. Counted where
 * replies are released, without a look at the clock: the time is that of the turn, or of the batch that
 * was submitted last, so a figure is exact to one turn of the node.
 */
import { bucketOf, TimeHistogram } from "../../util/time_histogram.ts";
import { ClientError } from "../../wire/command_batch.ts";
import { PendingKind } from "./pending_kind.ts";

/** `stale`: reads of what this server has, for READONLY connections. `local`: answered without data. */
export type RequestKind = "write" | "read" | "stale" | "local";

export class RequestMeters {
  readonly byKind: Readonly<Record<RequestKind, TimeHistogram>> = {
    write: new TimeHistogram(),
    read: new TimeHistogram(),
    stale: new TimeHistogram(),
    local: new TimeHistogram(),
  };
  /** Refused commands, by `ClientError`. */
  readonly refused: Float64Array = new Float64Array(Math.max(...Object.values(ClientError)) + 1);
  readonly #histograms: (TimeHistogram | null)[] = [];
  /** By the monotonic clock: set as often as the node looks at it. */
  #nowMs = 0;
  constructor() {
    this.#histograms[PendingKind.write] = this.byKind.write;
    this.#histograms[PendingKind.read] = this.byKind.read;
    this.#histograms[PendingKind.staleRead] = this.byKind.stale;
    this.#histograms[PendingKind.local] = this.byKind.local;
    // A change of members is no request like the others.
    const { refused, held, question, asked, authenticate, authenticating } = PendingKind;
    // What another server has answered, that one counts.
    const { forwarded } = PendingKind;
    for (const kind of [refused, held, question, asked, authenticate, authenticating, forwarded]) {
      this.#histograms[kind] = null;
    }
  }

  /** It is so late. */
  at(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** `count` commands of this kind, submitted then, are answered; at least one. */
  answered(kind: PendingKind, submittedMs: number, count: number): void {
    const histogram = this.#histograms[kind];
    if (histogram === null || histogram === undefined) return;
    const tookMs = Math.max(0, this.#nowMs - submittedMs);
    histogram.counts[bucketOf(tookMs)]! += count;
    histogram.sumMs += tookMs * count;
  }

  refusedFor(error: ClientError): void {
    this.refused[error]!++;
  }

  get refusedTotal(): number {
    return this.refused.reduce((sum, count) => sum + count, 0);
  }
}
