/**
 * What one address, or one user, may do: a token bucket for commands and one for bytes, which all of its
 * connections share. Each holds what a second brings, at most: so much at once is a burst. What was begun is
 * finished, so both may go below zero; nothing more is taken before that is made up for.
 */
import type { ClientBounds } from "../limits.ts";

export class RateBucket {
  /** The address or user, */
  readonly key: string;
  /** and where the cluster file bounds it: limits.perAddress, limits.perUser. */
  readonly bound: string;
  /** Those that are open, and those of them that wait. */
  connections = 0;
  waiting = 0;
  readonly #bounds: ClientBounds;
  #commands: number;
  #bytes: number;
  #atMs: number;
  /** What this round of waking has to give, and to each of those that wait. */
  #left = 0;
  #share = 0;

  constructor(key: string, bound: string, bounds: ClientBounds, nowMs: number) {
    this.key = key;
    this.bound = bound;
    this.#bounds = bounds;
    this.#commands = bounds.commandsPerSecond;
    this.#bytes = bounds.bytesPerSecond;
    this.#atMs = nowMs;
  }

  get isOpenForOneMore(): boolean {
    const { connectionsMax } = this.#bounds;
    return connectionsMax === 0 || this.connections < connectionsMax;
  }

  /** How many commands may be taken now. */
  commandsLeft(nowMs: number): number {
    this.#refill(nowMs);
    const { commandsPerSecond, bytesPerSecond } = this.#bounds;
    if (bytesPerSecond > 0 && this.#bytes <= 0) return 0;
    return commandsPerSecond === 0 ? Infinity : Math.max(0, Math.floor(this.#commands));
  }

  takeCommands(count: number): void {
    if (this.#bounds.commandsPerSecond > 0) this.#commands -= count;
  }

  /** Of commands that were taken, or of replies. */
  takeBytes(count: number): void {
    if (this.#bounds.bytesPerSecond > 0) this.#bytes -= count;
  }

  /** A new round of waking begins: what there is, is for those that wait, in equal parts. */
  beginRound(nowMs: number): void {
    this.#left = this.commandsLeft(nowMs);
    this.#share = Math.max(1, Math.floor(this.#left / Math.max(1, this.waiting)));
  }

  /** How many commands the next of those that wait may take in this round. */
  get nextShare(): number {
    return Math.min(this.#share, this.#left);
  }

  /** It takes so many. */
  give(commands: number): void {
    if (this.#left < Infinity) this.#left -= commands;
  }

  /** It holds nothing that a new one would not hold. */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    const { commandsPerSecond, bytesPerSecond } = this.#bounds;
    return this.connections === 0 && this.#commands >= commandsPerSecond &&
      this.#bytes >= bytesPerSecond;
  }

  #refill(nowMs: number): void {
    const seconds = Math.max(0, nowMs - this.#atMs) / 1_000;
    const { commandsPerSecond, bytesPerSecond } = this.#bounds;
    this.#commands = Math.min(commandsPerSecond, this.#commands + seconds * commandsPerSecond);
    this.#bytes = Math.min(bytesPerSecond, this.#bytes + seconds * bytesPerSecond);
    this.#atMs = nowMs;
  }
}
