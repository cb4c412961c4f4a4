/** Whether clients write just now, told by the entries that are applied: one by one, or all the time. */
import type { Clock } from "../../host/ports.ts";
import type { Raft } from "../../raft/raft.ts";
import type { MakerLoad } from "./snapshot_maker.ts";

/** Entries are counted by spans of time of this length. */
const SPAN_MS = 100;
/** So many in a span are clients that write all the time. */
const BUSY_ENTRIES = 5;
/** After the last such span. */
const CALM_MS = 500;

export class WriteLoad implements MakerLoad {
  readonly #raft: Pick<Raft, "state">;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #entries = 0;
  #spanStartMs = -Infinity;
  #busyMs = -Infinity;

  constructor(raft: Pick<Raft, "state">, clock: Pick<Clock, "monotonicMs">) {
    this.#raft = raft;
    this.#clock = clock;
  }

  get isLeader(): boolean {
    return this.#raft.state.role.kind === "leader";
  }

  get isBusy(): boolean {
    return this.#clock.monotonicMs() - this.#busyMs < CALM_MS;
  }

  /** The core was told what time it is: a set costs no look at the clock for this. */
  noteApplied(): void {
    if (++this.#entries < BUSY_ENTRIES) return;
    const { nowMs } = this.#raft.state;
    if (nowMs - this.#spanStartMs < SPAN_MS) this.#busyMs = nowMs;
    this.#spanStartMs = nowMs;
    this.#entries = 0;
  }
}
