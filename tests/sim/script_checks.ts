/** What clients of scripts saw, and whether it can be true. */
import type { CounterOperation } from "./redis_checks.ts";

/** A script that moved an amount between two accounts, and counted itself. */
export interface ScriptTransfer {
  readonly operation: CounterOperation;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  /** What both held behind it; meaningful only where the operation is done. */
  after: readonly [number, number];
}

/**
 * What is wrong with the transfers, or null: done one after the other in the order of their counts, each has
 * to find what those before it have left. Where a count was told to nobody, one of those without an outcome
 * has it: what any of them may have touched is not known until it is told again.
 */
export function checkTransfers(
  transfers: readonly ScriptTransfer[],
  accounts: readonly string[],
  opening: number,
): string | null {
  const byCount = new Map<number, ScriptTransfer>();
  for (const transfer of transfers) {
    if (transfer.operation.outcome === "done") byCount.set(transfer.operation.value, transfer);
  }
  const unknown = transfers.filter(({ operation }) => operation.outcome === "unknown");
  const balances = new Map<string, number | null>(accounts.map((name) => [name, opening]));
  const last = Math.max(0, ...byCount.keys());
  for (let count = 1; count <= last; count++) {
    const transfer = byCount.get(count);
    if (transfer === undefined) {
      for (const { from, to } of unknown) balances.set(from, null).set(to, null);
      continue;
    }
    const { from, to, amount, after } = transfer;
    const sides = [[from, -amount, after[0]], [to, amount, after[1]]] as const;
    for (const [name, change, told] of sides) {
      const before = balances.get(name) ?? null;
      if (before !== null && before + change !== told) {
        return `transfer ${count} left ${told} in ${name}, which held ${before} before ${change}`;
      }
      balances.set(name, told);
    }
  }
  return null;
}

/** A SCRIPT LOAD that was acknowledged, of a script with this SHA-1. */
export interface ScriptLoad {
  readonly hash: string;
  readonly beganAt: number;
  readonly endedAt: number;
}

/** A SCRIPT FLUSH; `endedAt`: Infinity where its outcome is unknown. */
export interface ScriptFlush {
  readonly beganAt: number;
  endedAt: number;
}

/**
 * What is wrong with a script that was denied to who asked for it from `beganAt` to `endedAt`, or null: once a
 * load is acknowledged everybody knows it, whoever leads, unless it may have been flushed since.
 */
export function checkDenial(
  hash: string,
  beganAt: number,
  endedAt: number,
  loads: readonly ScriptLoad[],
  flushes: readonly ScriptFlush[],
): string | null {
  const load = loads.find((one) =>
    one.hash === hash && one.endedAt <= beganAt &&
    !flushes.some((flush) => flush.endedAt >= one.beganAt && flush.beganAt <= endedAt)
  );
  if (load === undefined) return null;
  return `${hash} was denied at ${endedAt}, and its load was acknowledged at ${load.endedAt}`;
}

/** From the acknowledgement that a lock was taken until its holder asked to give it back. */
export interface Hold {
  readonly lock: string;
  readonly token: string;
  readonly from: number;
  to: number;
}

/** What is wrong with the holds, or null: nobody holds a lock while another does. */
export function checkHolds(holds: readonly Hold[]): string | null {
  const latest = new Map<string, Hold>();
  for (const hold of [...holds].sort((a, b) => a.from - b.from)) {
    const before = latest.get(hold.lock);
    if (before !== undefined && before.to > hold.from) {
      return `${hold.lock}: ${hold.token} had it at ${hold.from}, which ${before.token} had from ` +
        `${before.from} to ${before.to}`;
    }
    if (before === undefined || hold.to > before.to) latest.set(hold.lock, hold);
  }
  return null;
}
