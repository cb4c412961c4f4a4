/**
 * Makes a failing seed small: the same check has to fire with fewer faults, fewer servers and clients,
 * a plainer network, a shorter run. What is left says more about the bug than what is gone.
 */
import { DEFAULT_LIMITS } from "../../lib/node/limits.ts";
import type { SimOptions, Strike } from "./options.ts";
import type { SimResult } from "./simulate.ts";

export interface Shrunk {
  readonly options: SimOptions;
  readonly result: SimResult;
  readonly tries: number;
}

export interface ShrinkOrder {
  readonly run: (options: SimOptions) => SimResult;
  readonly triesMax: number;
  readonly say: (line: string) => void;
}

const AFTER_LAST_STRIKE_MS = 5_000;

/** `result` is what `options` came to; its check has fired. */
export function shrink(options: SimOptions, result: SimResult, order: ShrinkOrder): Shrunk {
  const shrinker = new Shrinker(options, result, order);
  shrinker.attempt("the faults as they struck", { schedule: result.strikes });
  shrinker.dropFaultKinds();
  shrinker.dropStrikes();
  shrinker.simplify();
  shrinker.dropStrikes();
  return shrinker.shrunk;
}

class Shrinker {
  shrunk: Shrunk;
  readonly #check: string | null;
  readonly #order: ShrinkOrder;

  constructor(options: SimOptions, result: SimResult, order: ShrinkOrder) {
    this.#check = result.check;
    this.#order = order;
    this.shrunk = { options, result, tries: 0 };
  }

  /** Keeps the change where the same check still fires. */
  attempt(what: string, change: Partial<SimOptions>): boolean {
    const { run, triesMax, say } = this.#order;
    const { options, result, tries } = this.shrunk;
    if (tries >= triesMax) return false;
    const changed = { ...options, ...change };
    const next = run(changed);
    const isSame = next.check === this.#check;
    this.shrunk = isSame
      ? { options: changed, result: next, tries: tries + 1 }
      : { options, result, tries: tries + 1 };
    if (isSame) say(`${what}: it still fails, after ${next.events} events`);
    return isSame;
  }

  /** Where the exact schedule does not bring the failure back, whole kinds may be dropped. */
  dropFaultKinds(): void {
    if (this.shrunk.options.schedule !== null) return;
    for (const name of Object.keys(this.shrunk.options.faults)) {
      const { [name as keyof SimOptions["faults"]]: _, ...faults } = this.shrunk.options.faults;
      this.attempt(`without ${name}`, { faults });
    }
    this.attempt("without faults at new leaders", { newLeaderFault: 0 });
    this.attempt("without faults at snapshots", { installFault: 0 });
    this.attempt("without faults at reads and repairs", { momentFault: 0 });
  }

  /** Drops parts of the schedule, large ones first. */
  dropStrikes(): void {
    let size = Math.ceil((this.shrunk.options.schedule?.length ?? 0) / 2);
    while (size >= 1) {
      let dropped = false;
      for (let at = 0; at < this.#schedule.length;) {
        const rest = [...this.#schedule.slice(0, at), ...this.#schedule.slice(at + size)];
        if (this.attempt(`with ${rest.length} faults`, { schedule: rest })) dropped = true;
        else at += size;
      }
      if (size === 1 && !dropped) return;
      size = size === 1 ? 1 : Math.ceil(size / 2);
      if (this.shrunk.tries >= this.#order.triesMax) return;
    }
  }

  get #schedule(): readonly Strike[] {
    return this.shrunk.options.schedule ?? [];
  }

  simplify(): void {
    const { options } = this.shrunk;
    const last = this.#schedule.at(-1);
    if (options.schedule !== null) {
      const faultsMs = (last?.atUs ?? 0) / 1000 + AFTER_LAST_STRIKE_MS;
      if (faultsMs < options.faultsMs) {
        this.attempt("a shorter run", { faultsMs, operationsMin: 0 });
      }
    }
    this.attempt("without a core phase", { coreFirst: false });
    if (options.members !== null) this.attempt("with the founders alone", { members: null });
    for (
      const name of ["loss", "duplicate", "reorder", "fragment", "damaged", "halfOpen"] as const
    ) {
      this.#part("network", name, 0);
    }
    this.attempt("with default limits", { limits: DEFAULT_LIMITS });
    this.attempt("with a log that begins at 0", { origin: { index: 0, term: 0, version: 0 } });
    this.attempt("with good clocks", { driftMax: 0, wallOffsetMaxMs: 0 });
    for (const name of ["expiringKeys", "noreply", "large", "deletes", "cas"] as const) {
      this.#part("clients", name, 0);
    }
    this.#part("clients", "burstMax", 1);
    for (const count of [1, 2, 4]) {
      if (count < options.clients.count && this.#part("clients", "count", count)) break;
    }
    for (const servers of [1, 2, 3, 5]) {
      if (servers < options.servers && this.attempt(`${servers} servers`, { servers })) break;
    }
  }

  #part(part: "network" | "clients", name: string, value: number): boolean {
    const before: Record<string, unknown> = { ...this.shrunk.options[part] };
    if (before[name] === value) return false;
    const change = { [part]: { ...before, [name]: value } };
    return this.attempt(`${part}.${name} ${value}`, change);
  }
}
