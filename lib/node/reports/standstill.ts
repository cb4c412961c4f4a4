/**
 * Notices that this server stood still: far more time than a tick passed between two ticks. Meanwhile
 * nobody was heard, no sync was seen to end, and other servers may have taken it for dead. The log tells
 * for how long and, from what the process used meanwhile, why.
 */
import type { Clock, ProcessUse } from "../../host/ports.ts";
import { PacedLog } from "./paced_log.ts";
import type { NodeHost } from "../api.ts";

export interface StandstillOptions {
  readonly clock: Clock;
  readonly host: Pick<NodeHost, "log" | "use">;
  readonly tickMs: number;
  /** A standstill of this length is logged: others may have taken this server for dead. */
  readonly electionTimeoutMs: number;
}

/** The wall clock continues while a machine sleeps; the monotonic one does not. */
const SLEPT_MIN_MS = 1_000;
const NO_USE: ProcessUse = { cpuMs: 0, diskMs: 0, longestDiskCall: "" };

export class Standstill {
  readonly #options: StandstillOptions;
  readonly #paced: PacedLog;
  /** Of the last tick; below zero before the first. */
  #tickedMs = -1;
  #wallMs = 0;
  #use = NO_USE;
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
    return this.#totalMs + this.#beyondTickMs(nowMs);
  }

  tick(nowMs: number): void {
    const { clock, host } = this.#options;
    const wallMs = clock.wallMs();
    const use = host.use?.() ?? NO_USE;
    const stoodMs = this.#beyondTickMs(nowMs);
    this.#totalMs += stoodMs;
    if (stoodMs >= this.#options.electionTimeoutMs) this.#logStandstill(stoodMs, nowMs, use);
    const passedMs = nowMs - this.#tickedMs;
    const sleptMs = wallMs - this.#wallMs - passedMs;
    if (this.#tickedMs >= 0 && sleptMs >= SLEPT_MIN_MS) this.#logSlept(sleptMs, nowMs);
    this.#tickedMs = nowMs;
    this.#wallMs = wallMs;
    this.#use = use;
    this.#paced.tick(nowMs);
  }

  #beyondTickMs(nowMs: number): number {
    if (this.#tickedMs < 0) return 0;
    // On a busy machine ticks are often a little late.
    const beyondMs = nowMs - this.#tickedMs - this.#options.tickMs;
    return beyondMs >= this.#options.tickMs ? beyondMs : 0;
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
