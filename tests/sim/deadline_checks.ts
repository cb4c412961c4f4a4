/**
 * What a server must not do where it is woken late: a process that was stopped finds every deadline over,
 * and what would have moved them unread. So a late waking changes no role by itself; and however long a
 * server stood still, it waits for no more than an election timeout from now.
 */
import type { RaftState } from "../../lib/raft/state.ts";
import { CheckFailure } from "./world.ts";

/** Times are sums of fractions. */
const SLACK_MS = 1;

export class DeadlineChecks {
  readonly #heartbeatIntervalMs: number;
  /** When its timer is to go off, by its own clock. */
  #dueMs = Infinity;
  #isLate = false;
  #wasLate = false;
  #roleBefore = "";

  constructor(heartbeatIntervalMs: number) {
    this.#heartbeatIntervalMs = heartbeatIntervalMs;
  }

  /** It starts. */
  begin(): void {
    this.#dueMs = Infinity;
    this.#isLate = this.#wasLate = false;
  }

  /** By its clock at `nowMs` it has asked to be woken at `atMs`. It may be late for an earlier time. */
  asked(atMs: number, nowMs: number): void {
    if (nowMs <= this.#dueMs) this.#dueMs = atMs;
  }

  /** Its timer goes off, by its clock at `nowMs`. Returns whether that is late. */
  wakes(nowMs: number, state: RaftState | null): boolean {
    this.#wasLate = this.#isLate;
    this.#isLate = nowMs - this.#dueMs > this.#heartbeatIntervalMs + SLACK_MS;
    this.#dueMs = Infinity;
    this.#roleBefore = state?.role.kind ?? "";
    return this.#isLate;
  }

  /** That step is over. One that follows a late waking is late itself only where it is stopped again. */
  woken(id: number, { role }: RaftState): void {
    if (!this.#isLate || this.#wasLate || role.kind === this.#roleBefore) return;
    if (this.#roleBefore === "") return;
    throw new CheckFailure(
      "a deadline before what has arrived",
      `server ${id} was woken late, and is ${role.kind} now, was ${this.#roleBefore}`,
    );
  }

  /** After each step. */
  check(id: number, { electionDeadlineMs, electionTimeoutMs, nowMs }: RaftState): void {
    if (electionDeadlineMs <= nowMs + electionTimeoutMs + SLACK_MS) return;
    throw new CheckFailure(
      "a deadline too far",
      `server ${id} waits for ${electionDeadlineMs - nowMs} ms, and its election timeout is ` +
        `${electionTimeoutMs} ms`,
    );
  }
}
