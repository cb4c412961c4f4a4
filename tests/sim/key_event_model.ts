/**
 * What becomes of keys, as Redis's keyspace notifications tell it, of all that is ever committed: by a store of
 * its own. Who subscribes to some of these channels has to be told what comes there, all of it and in order,
 * from where its server was then, for as long as its connection lasts.
 */
import { ChangeKind, type ChangeSink, SetCause } from "../../lib/kv/commands/changes.ts";
import { latin1 } from "../../lib/util/latin1.ts";
import { CommittedStore, countUpTo } from "./committed_store.ts";
import type { Origin } from "./options.ts";

export const KEYSPACE = "__keyspace@0__:";
export const KEYEVENT = "__keyevent@0__:";

/** redis-server 7.0 with notify-keyspace-events KEA. */
const EVENTS: Readonly<Record<SetCause, readonly string[]>> = {
  [SetCause.set]: ["set"],
  [SetCause.setForTime]: ["set", "expire"],
  [SetCause.append]: ["append"],
  [SetCause.setRange]: ["setrange"],
  [SetCause.add]: ["incrby"],
  [SetCause.addFloat]: ["incrbyfloat"],
  [SetCause.expire]: ["expire"],
  [SetCause.persist]: ["persist"],
};

export interface KeyMessage {
  readonly revision: number;
  readonly channel: string;
  readonly text: string;
}

export class KeyEventModel implements ChangeSink {
  /** In the order in which they are told. */
  readonly messages: KeyMessage[] = [];
  readonly store: CommittedStore;

  constructor(origin: Origin) {
    this.store = new CommittedStore(origin, this);
  }

  changed(
    kind: ChangeKind,
    revision: number,
    _version: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    _end: number,
    cause: SetCause,
  ): void {
    const key = latin1(bytes, keyStart, keyStart + keyLength);
    const events = kind === ChangeKind.set
      ? EVENTS[cause]
      : [kind === ChangeKind.delete ? "del" : "expired"];
    for (const event of events) {
      this.messages.push({ revision, channel: KEYSPACE + key, text: event });
      this.messages.push({ revision, channel: KEYEVENT + event, text: key });
    }
  }

  /** Redis tells nothing of it. */
  flushed(_revision: number): void {}
}

/**
 * Where one subscription may be in the order of all messages: where exactly its server was when it began does
 * not show, and what it is told makes that clear.
 */
export class KeyPlaces {
  readonly #model: KeyEventModel;
  readonly #isOf: (channel: string) => boolean;
  /** Ascending: the next message may be at or behind each of these. */
  #places: number[];

  /** It began while its server had applied something between entries `first` and `last`. */
  constructor(
    model: KeyEventModel,
    isOf: (channel: string) => boolean,
    first: number,
    last: number,
  ) {
    this.#model = model;
    this.#isOf = isOf;
    const places = new Set<number>();
    for (let revision = first; revision <= last; revision++) {
      places.add(countUpTo(model.messages, revision));
    }
    this.#places = [...places];
  }

  /** It is told this. Returns what it had to be told instead, in words; null where that is this. */
  told(channel: string, text: string): string | null {
    const wanted = this.#next();
    const places = new Set<number>();
    for (const place of wanted) {
      const message = this.#model.messages[place];
      if (message?.channel === channel && message.text === text) places.add(place + 1);
    }
    if (places.size === 0) {
      const [first, last] = [wanted[0]!, wanted.at(-1)!].map((at) => {
        const message = this.#model.messages[at];
        return message === undefined ? "nothing yet" : JSON.stringify(message);
      });
      return first === last ? first! : `something from ${first} to ${last}`;
    }
    this.#places = [...places];
    return null;
  }

  /** Something may have come that it has not been told of. */
  get isBehind(): boolean {
    return !this.#next().includes(this.#model.messages.length);
  }

  /** Of each place, the first message from there on that it is to be told; behind the last where none is. */
  #next(): readonly number[] {
    const { messages } = this.#model;
    const found = new Set<number>();
    for (const place of this.#places) {
      let at = place;
      while (at < messages.length && !this.#isOf(messages[at]!.channel)) at++;
      found.add(at);
    }
    return this.#places = [...found];
  }
}
