/**
 * Sends a file's items, many at a time, and keeps account of each: done, not done, unknown. Two items of
 * one key are never under way together, so that the later one wins whatever is sent again.
 */
import { Unknown } from "../../../client/mod.ts";
import { BadItem, type Item } from "./items.ts";

const UNDER_WAY_MAX = 256;
const BYTES_UNDER_WAY_MAX = 8 * 1024 * 1024;

/** What became of the items; numbers are those of the file. */
export interface Account {
  /** How many were done in this run. */
  readonly done: number;
  /** All up to this number are done (or were passed over); 0: none. */
  readonly doneUpTo: number;
  /** After `doneUpTo`, and done all the same. */
  readonly doneBeyond: readonly number[];
  /** Sent without an answer, ascending. */
  readonly unknown: readonly number[];
  /** What ended it; null where the file's end did. */
  readonly failure: { readonly number: number; readonly error: unknown } | null;
}

export interface SendOptions {
  readonly from: number;
  /** Rejects where it was refused, not sent, or not answered (`Unknown`). */
  readonly send: (item: Item) => Promise<unknown>;
  /** After each that was done. */
  readonly progress: (done: number) => void;
  readonly signal: AbortSignal;
}

export class ItemSender {
  readonly #options: SendOptions;
  readonly #underWay = new Map<number, Promise<void>>();
  readonly #keys = new Map<string, Promise<void>>();
  #bytes = 0;
  #done = 0;
  #doneUpTo: number;
  readonly #doneBeyond = new Set<number>();
  /** After `#doneUpTo`, and standing for nothing: empty lines, PING. */
  readonly #passedOver = new Set<number>();
  /** The last that was sent. */
  #last: number;
  readonly #unknown: number[] = [];
  #failure: { number: number; error: unknown } | null = null;

  constructor(options: SendOptions) {
    this.#options = options;
    this.#doneUpTo = options.from - 1;
    this.#last = options.from - 1;
  }

  /** Sends all, or up to the first that fails; whatever is under way then is waited for. */
  async run(items: AsyncIterable<Item>): Promise<Account> {
    try {
      for await (const item of items) {
        if (item.number < this.#options.from) continue;
        await this.#makeRoom(item);
        if (this.#failure !== null || this.#options.signal.aborted) break;
        this.#send(item);
      }
    } catch (error) {
      const number = error instanceof BadItem ? error.number : this.#last + 1;
      this.#fail(number, error);
    }
    await Promise.all(this.#underWay.values());
    const { signal } = this.#options;
    if (signal.aborted) this.#failure = { number: this.#doneUpTo + 1, error: signal.reason };
    return {
      done: this.#done,
      doneUpTo: this.#doneUpTo,
      doneBeyond: [...this.#doneBeyond].sort((a, b) => a - b),
      unknown: this.#unknown.sort((a, b) => a - b),
      failure: this.#failure,
    };
  }

  async #makeRoom(item: Item): Promise<void> {
    // What may touch any key waits for all, and all wait for it.
    const alone = this.#keys.get("");
    if (alone !== undefined) await alone;
    if (item.key === null) return void await Promise.all(this.#underWay.values());
    await this.#keys.get(`k${item.key}`);
    while (
      this.#underWay.size >= UNDER_WAY_MAX ||
      (this.#underWay.size > 0 && this.#bytes + item.bytes > BYTES_UNDER_WAY_MAX)
    ) {
      if (this.#failure !== null) return;
      await this.#underWay.values().next().value;
    }
  }

  #send(item: Item): void {
    // Numbers between the last item and this one stand for nothing.
    for (let n = this.#last + 1; n < item.number; n++) this.#passedOver.add(n);
    this.#last = item.number;
    const name = item.key === null ? "" : `k${item.key}`;
    this.#bytes += item.bytes;
    const sent = this.#options.send(item).then(() => this.#succeed(item.number), (error) => {
      if (error instanceof Unknown) this.#unknown.push(item.number);
      this.#fail(item.number, error);
    }).finally(() => {
      this.#bytes -= item.bytes;
      this.#underWay.delete(item.number);
      if (this.#keys.get(name) === sent) this.#keys.delete(name);
    });
    this.#underWay.set(item.number, sent);
    this.#keys.set(name, sent);
  }

  #succeed(number: number): void {
    this.#done++;
    this.#doneBeyond.add(number);
    for (let next = this.#doneUpTo + 1;; next++) {
      if (!this.#doneBeyond.delete(next) && !this.#passedOver.delete(next)) break;
      this.#doneUpTo = next;
    }
    this.#options.progress(this.#done);
  }

  /** The first in the file's order is what the person has to look at. */
  #fail(number: number, error: unknown): void {
    if (this.#failure === null || number < this.#failure.number) this.#failure = { number, error };
  }
}

/** `3, 5 to 9, 12`: at most so many parts, then "…". Pure. */
export function rangesText(numbers: readonly number[], partsMax = 10): string {
  const parts: string[] = [];
  for (let at = 0; at < numbers.length;) {
    let end = at;
    while (numbers[end + 1] === numbers[end]! + 1) end++;
    const [first, last] = [numbers[at]!, numbers[end]!];
    parts.push(first === last ? `${first}` : `${first} to ${last}`);
    at = end + 1;
  }
  return parts.length <= partsMax ? parts.join(", ") : `${parts.slice(0, partsMax).join(", ")}, …`;
}
