/**
 * Servers that this one talks to although its configuration does not have them: *guests*, whose claim names
 * a newer configuration than is committed here, for as long as they are connected; and those *leaving*, for
 * a moment after their removal is committed, so that a leader that removed itself can hand over, and
 * whoever was removed hears of it.
 */
import type { Incarnation, ServerId } from "../../raft/types.ts";
import type { Addresses } from "./addresses.ts";

/** So many guests get a link to them; others are only listened to. */
const GUESTS_MAX = 16;

export interface Contact {
  readonly id: ServerId;
  readonly incarnation: Incarnation;
  readonly places: readonly Addresses[];
}

interface Leaving extends Contact {
  /** When this server was first seen to know that its removal is committed; null before. */
  committedMs: number | null;
}

export class Contacts {
  readonly #guests = new Map<ServerId, Incarnation>();
  readonly #leaving = new Map<ServerId, Leaving>();
  readonly #graceMs: number;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** True where that was news. */
  admit(id: ServerId, incarnation: Incarnation): boolean {
    if (this.#guests.get(id) === incarnation) return false;
    if (!this.#guests.has(id) && this.#guests.size >= GUESTS_MAX) return false;
    this.#guests.set(id, incarnation);
    return true;
  }

  dismiss(id: ServerId, incarnation: Incarnation): boolean {
    return this.#guests.get(id) === incarnation && this.#guests.delete(id);
  }

  guests(): Iterable<[ServerId, Incarnation]> {
    return this.#guests;
  }

  leave(contact: Contact): void {
    this.#leaving.set(contact.id, { ...contact, committedMs: null });
  }

  leaving(): Iterable<Contact> {
    return this.#leaving.values();
  }

  isLeaving(id: ServerId, incarnation: Incarnation): boolean {
    return this.#leaving.get(id)?.incarnation === incarnation;
  }

  /** Forgets those for whom `isMember` holds: they are, or another life has their id. */
  settle(isMember: (id: ServerId) => boolean): void {
    for (const id of this.#leaving.keys()) if (isMember(id)) this.#leaving.delete(id);
  }

  /** It is `nowMs`, and whether the present configuration `isCommitted`; true where somebody has left. */
  elapse(nowMs: number, isCommitted: boolean): boolean {
    let hasLeft = false;
    for (const [id, leaving] of this.#leaving) {
      if (isCommitted) leaving.committedMs ??= nowMs;
      if (leaving.committedMs === null || nowMs - leaving.committedMs < this.#graceMs) continue;
      this.#leaving.delete(id);
      hasLeft = true;
    }
    return hasLeft;
  }

  /** When `elapse` has something to do by itself. */
  nextDeadlineMs(): number {
    let nextMs = Infinity;
    for (const { committedMs } of this.#leaving.values()) {
      if (committedMs !== null) nextMs = Math.min(nextMs, committedMs + this.#graceMs);
    }
    return nextMs;
  }

  get areLeaving(): boolean {
    return this.#leaving.size > 0;
  }
}
