/**
 * Notices that this server stood still: it was woken far later than it had asked for. Meanwhile
 * nobody was heard, no sync was seen to end, and other servers may have taken it for dead. The log tells
 * for how long and, from what the process used meanwhile, why.
 */
import type { Clock, ProcessUse } from "../../host/ports.ts";
import { PacedLog } from "./paced_log.ts";
import type { NodeHost } from "../api.ts";

export interface StandstillOptions {
  readonly clock: Clock;
  readonly host: Pick<NodeHost, "log" | "use">;
  /** A standstill of this length is logged: others may have taken this server for dead. */
  readonly electionTimeoutMs: number;
}

/** On a busy machine it is often woken a little late. */
const LATE_MIN_MS = 10;
/** The wall clock continues while a machine sleeps; the monotonic one does not. */
const SLEPT_MIN_MS = 1_000;
/**
 * What the process uses is asked for as often as this part of an election timeout, which is far less often
 * than it is woken under load: the system adds up all threads for that. So what was used before a standstill
 * and is taken for a part of it is never enough to be its reason.
 */
const USE_SHARE = 1 / 4;
const NO_USE: ProcessUse = { cpuMs: 0, diskMs: 0, longestDiskCall: "" };

export class Standstill {
  readonly #options: StandstillOptions;
  readonly #paced: PacedLog;
  /** When this server was woken last; below zero before that. */
  #wokenMs = -1;
  /** When it is to be woken; Infinity where it has not asked for that. */
  #dueMs = Infinity;
  #wallMs = 0;
  #use = NO_USE;
  #usedMs = -Infinity;
  #totalMs = 0;

  constructor(options: StandstillOptions) {
    this.#options = options;
    this.#paced = new PacedLog(options.host);
  }

  /**
   * For how long this server has stood still in all, up to now: the difference of two such figures is
   * how long it stood still between them.
   */
  totalMs(nowMs: number): number {
    return this.#totalMs + this.lateMs(nowMs);
  }

  /** At `nowMs` this server has asked to be woken at `dueMs`. It may be late for an earlier time already. */
  expect(dueMs: number, nowMs: number): void {
    if (nowMs <= this.#dueMs) this.#dueMs = dueMs;
  }

  nextDeadlineMs(): number {
    return this.#paced.nextDeadlineMs();
  }

  /** This server is woken. Returns for how long it stood still just before; 0 where that is no matter. */
  woken(nowMs: number): number {
    const { clock, host, electionTimeoutMs } = this.#options;
    const wallMs = clock.wallMs();
    const stoodMs = this.lateMs(nowMs);
    const isLong = stoodMs >= electionTimeoutMs;
    const isDue = isLong || nowMs - this.#usedMs >= USE_SHARE * electionTimeoutMs;
    const use = isDue ? host.use?.() ?? NO_USE : this.#use;
    this.#dueMs = Infinity;
    this.#totalMs += stoodMs;
    if (isLong) this.#logStandstill(stoodMs, nowMs, use);
    const passedMs = nowMs - this.#wokenMs;
    const sleptMs = wallMs - this.#wallMs - passedMs;
    if (this.#wokenMs >= 0 && sleptMs >= SLEPT_MIN_MS) this.#logSlept(sleptMs, nowMs);
    this.#wokenMs = nowMs;
    this.#wallMs = wallMs;
    this.#use = use;
    if (isDue) this.#usedMs = nowMs;
    this.#paced.elapse(nowMs);
    return stoodMs;
  }

  /** For how long it stands still now, as far as is known: its waking is late by so much. */
  lateMs(nowMs: number): number {
    const lateMs = nowMs - this.#dueMs;
    return lateMs >= LATE_MIN_MS ? lateMs : 0;
  }

  #logStandstill(stoodMs: number, nowMs: number, use: ProcessUse): void {
    const cpuMs = use.cpuMs - this.#use.cpuMs;
    const diskMs = use.diskMs - this.#use.diskMs;
    const { level, message } = { level: "warning", message: "This server stood still" } as const;
    const fields = {
      stoodStillMs: Math.round(stoodMs),
      cpuMs: Math.round(cpuMs),
      diskMs: Math.round(diskMs),
      reason: reasonOf(stoodMs, cpuMs, diskMs, use.longestDiskCall),
    };
    this.#paced.log("standstill", { level, message, fields }, nowMs);
  }

  #logSlept(sleptMs: number, nowMs: number): void {
    const message = "The machine slept, or its clock was set forward";
    const fields = { aheadMs: Math.round(sleptMs) };
    this.#paced.log("slept", { level: "warning", message, fields }, nowMs);
  }
}

function reasonOf(stoodMs: number, cpuMs: number, diskMs: number, longest: string): string {
  if (diskMs >= stoodMs / 2) {
    return `the disk held it up, for the longest time this call: ${longest}`;
  }
  if (cpuMs >= stoodMs / 2) return "it was computing, or collecting garbage";
  return "its process was stopped, or the machine gave it no processor";
}
