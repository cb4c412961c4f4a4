/** What clients were told, key by key: which values may a key have now? Each key has one writer. */

export interface Counts {
  acknowledged: number;
  /** `ERR_NO_SPACE`. */
  refused: number;
  /** No answer that says what became of it, or none in time. */
  unknown: number;
  deletesAsked: number;
  deletesServed: number;
  getsAsked: number;
  getsServed: number;
}

const ABSENT = "";

export class Ledger {
  /** The possible values of each key; more than one where an answer left it open. */
  readonly #possible = new Map<string, Set<string>>();

  get keys(): string[] {
    return [...this.#possible.keys()];
  }

  /** Keys that are certain to be there. */
  get present(): string[] {
    const isPresent = (values: Set<string>) => !values.has(ABSENT);
    return [...this.#possible].filter(([, values]) => isPresent(values)).map(([key]) => key);
  }

  /** Keys that may be there. */
  get maybePresent(): string[] {
    const isPossible = (values: Set<string>) => values.size > 1 || !values.has(ABSENT);
    return [...this.#possible].filter(([, values]) => isPossible(values)).map(([key]) => key);
  }

  wasSet(key: string, value: string): void {
    this.#possible.set(key, new Set([value]));
  }

  maySet(key: string, value: string): void {
    this.#maybe(key).add(value);
  }

  wasDeleted(key: string): void {
    this.#possible.set(key, new Set([ABSENT]));
  }

  mayBeDeleted(key: string): void {
    this.#maybe(key).add(ABSENT);
  }

  /** Whether `value` (null: none) is one that the key may have. */
  allows(key: string, value: string | null): boolean {
    return this.#maybe(key).has(value ?? ABSENT);
  }

  #maybe(key: string): Set<string> {
    let values = this.#possible.get(key);
    if (values === undefined) this.#possible.set(key, values = new Set([ABSENT]));
    return values;
  }
}
