/**
 * A server that may have forgotten something has a say again only once it holds all that it ever
 * acknowledged, as far as that is committed: until then others may rest on its word, and lose by it. A
 * repair has ended only once that is durable, too.
 */
import { CheckFailure } from "./world.ts";

/** What the checks know of a server's log now. */
export interface SettledLog {
  readonly lastIndex: number;
  readonly durableIndex: number;
  /** A checksum of everything up to each index. */
  readonly chain: readonly number[];
}

/** What one server has acknowledged, over all its lives. */
class Acks {
  /** Sparse: at an index that was acknowledged, the checksum of everything up to it. */
  readonly links: number[] = [];
  /** Acknowledged in the step that is under way: what the log holds there is seen behind it. */
  readonly fresh: number[] = [];
  isSuspect = false;
  isRepairing = false;
}

export class SuspicionChecks {
  readonly #acks = new Map<number, Acks>();

  #of(id: number): Acks {
    let acks = this.#acks.get(id);
    if (acks === undefined) this.#acks.set(id, acks = new Acks());
    return acks;
  }

  /** A server says, to others or to itself, that it holds everything up to `index` durably. */
  acknowledged(id: number, index: number): void {
    this.#of(id).fresh.push(index);
  }

  /** A process begins, or has ended: what it was before ended with it, and not by itself. */
  started(id: number): void {
    Object.assign(this.#of(id), { isSuspect: false, isRepairing: false });
  }

  /** Looks at a server after a step; `committed` has the checksum at each committed index. */
  check(
    id: number,
    log: SettledLog,
    now: { readonly isSuspect: boolean; readonly isRepairing: boolean },
    committed: readonly number[],
  ): void {
    const acks = this.#of(id);
    const { fresh, links } = acks;
    for (let at = 0; at < fresh.length; at++) {
      const link = log.chain[fresh[at]!];
      if (link !== undefined) links[fresh[at]!] = link;
    }
    fresh.length = 0;
    if (acks.isSuspect && !now.isSuspect) this.#expect(id, log.lastIndex, log, committed);
    if (acks.isRepairing && !now.isRepairing) this.#expect(id, log.durableIndex, log, committed);
    acks.isSuspect = now.isSuspect;
    acks.isRepairing = now.isRepairing;
  }

  #expect(id: number, upTo: number, log: SettledLog, committed: readonly number[]): void {
    const { links } = this.#of(id);
    let index = Math.min(links.length, committed.length) - 1;
    while (index > 0 && (links[index] === undefined || links[index] !== committed[index])) index--;
    if (index <= 0 || (upTo >= index && log.chain[index] === committed[index])) return;
    throw new CheckFailure(
      "all that was acknowledged is there again",
      `server ${id} has a say again with its log up to ${upTo}, and had acknowledged entry ` +
        `${index}, which is committed`,
    );
  }
}
