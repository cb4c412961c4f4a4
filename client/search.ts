/**
 * One round of asking servers who leads. The next one is asked when one has failed, or has said nothing
 * for a moment: a server that is frozen, or cut off, costs no more than that.
 */
import { Attempt, KNOWS_NONE, type Outcome } from "./attempt.ts";
import type { Connection, ConnectionSettings } from "./connection.ts";
import type { SearchFailure } from "./lateness.ts";

export interface SearchOptions {
  readonly settings: ConnectionSettings;
  /** How long a server may take for the connection and its answers. */
  readonly timeoutMsOf: (server: string) => number;
}

export interface SearchEvents {
  /** A layout was seen: these servers are there. */
  learned(servers: readonly string[]): void;
  found(connection: Connection): void;
  /**
   * No server leads: what each of them said. `answered`: one of them was there. `denial`: one of them
   * answers nothing to this client, in its words.
   */
  failed(reasons: ReadonlyMap<string, string>, answered: boolean, denial: Denial | null): void;
}

export interface Denial {
  readonly server: string;
  readonly text: string;
}

const STAGGER_MS = 150;

/** `first` and `last` are asked so, where they are given, whether they are among `servers` or not. */
export function inOrder(
  servers: readonly string[],
  first: string | null,
  last: string | null,
): string[] {
  const rest = servers.filter((one) => one !== first && one !== last);
  const end = last === null || last === first ? [] : [last];
  return [...first === null ? [] : [first], ...rest, ...end];
}

export class Search {
  readonly #options: SearchOptions;
  readonly #events: SearchEvents;
  readonly #left: string[];
  readonly #asked = new Set<string>();
  readonly #attempts = new Set<Attempt>();
  readonly #reasons = new Map<string, string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #answered = false;
  #denial: Denial | null = null;
  #isOver = false;

  /** Asks `servers` in this order. */
  constructor(servers: readonly string[], options: SearchOptions, events: SearchEvents) {
    this.#options = options;
    this.#events = events;
    this.#left = [...servers];
    this.#askNext();
  }

  /**
   * What each server has said by now, or how far its attempt has come. `before` is what the search before
   * came to: it counts for whom this one knows nothing of yet.
   */
  standing(before: SearchFailure | null): SearchFailure {
    const reasons = new Map([...before?.reasons ?? [], ...this.#reasons]);
    let isOver = true;
    let answered = this.#answered || before?.answered === true;
    const add = (server: string, why: string) => {
      if (reasons.has(server)) return;
      reasons.set(server, why);
      isOver = false;
    };
    for (const attempt of this.#attempts) {
      if (attempt.hasAnswered) answered = true;
      add(attempt.server, attempt.standing);
    }
    for (const server of this.#left) add(server, "it was not asked yet");
    return { reasons, answered, isOver };
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    for (const attempt of this.#attempts) attempt.cancel();
    this.#attempts.clear();
  }

  #askNext(): void {
    clearTimeout(this.#timer);
    let next = this.#left.shift();
    while (next !== undefined && this.#asked.has(next)) next = this.#left.shift();
    if (next === undefined) {
      if (this.#attempts.size > 0) return;
      this.cancel();
      this.#events.failed(this.#reasons, this.#answered, this.#denial);
      return;
    }
    this.#asked.add(next);
    const { settings, timeoutMsOf } = this.#options;
    this.#attempts.add(
      new Attempt(next, settings, timeoutMsOf(next), (attempt, outcome) => {
        this.#done(attempt, outcome);
      }),
    );
    this.#timer = setTimeout(() => this.#askNext(), STAGGER_MS);
  }

  #done(attempt: Attempt, outcome: Outcome): void {
    this.#attempts.delete(attempt);
    if (this.#isOver) {
      if (outcome.kind === "leads") outcome.connection.close("");
      return;
    }
    if (outcome.kind === "failed") {
      this.#reasons.set(attempt.server, outcome.why);
      if (outcome.answered) this.#answered = true;
      const { denial } = outcome;
      if (denial !== null) this.#denial = { server: attempt.server, text: denial };
      return this.#askNext();
    }
    this.#answered = true;
    this.#events.learned(outcome.servers);
    if (outcome.kind === "leads") {
      this.cancel();
      this.#events.found(outcome.connection);
      return;
    }
    // The last one that it knew is worth a question all the same: it may lead again.
    const why = outcome.knows ? `it says that ${outcome.leader} leads` : KNOWS_NONE;
    this.#reasons.set(attempt.server, why);
    this.#left.unshift(outcome.leader);
    this.#askNext();
  }
}
