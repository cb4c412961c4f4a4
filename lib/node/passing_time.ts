/** Entries that only let time pass, one under way at a time: nothing else may expire a key. */
import type { Store } from "../kv/store.ts";
import type { Raft } from "../raft/raft.ts";
import { timeEntry } from "./replica.ts";

export interface PassingTimeOptions {
  /** The term that this node leads, as far as the sessions know; 0 where it does not. */
  readonly ledTerm: () => number;
  /** The leader's clock. */
  readonly nowMs: () => number;
  readonly scheduleTurn: () => void;
}

export class PassingTime {
  readonly #options: PassingTimeOptions;
  /** Index of the last such entry; 0 where none is under way. */
  #index = 0;

  constructor(options: PassingTimeOptions) {
    this.#options = options;
  }

  /** Adds one where a key is due, and this server leads. */
  letPass(raft: Raft, store: Store): void {
    if (this.#index !== 0 || raft.state.role.kind !== "leader") return;
    if (store.nextDeadlineMs() > this.#options.nowMs() && !store.hasDueKeys()) return;
    this.add(raft);
  }

  /** Adds one. Returns its index, or 0 where it was not taken. */
  add(raft: Raft): number {
    const { ledTerm, nowMs, scheduleTurn } = this.#options;
    if (this.#index !== 0 || raft.state.term !== ledTerm()) return 0;
    const result = raft.propose(timeEntry(nowMs()));
    if (!result.accepted) return 0;
    this.#index = result.index;
    scheduleTurn();
    return result.index;
  }

  /** The entry at `index` was applied. */
  applied(index: number): void {
    if (index >= this.#index) this.#index = 0;
  }

  /** The leadership was lost, and what was under way with it. */
  clear(): void {
    this.#index = 0;
  }
}
