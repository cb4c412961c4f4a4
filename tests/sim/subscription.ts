/** What one connection is told of one channel or pattern that it subscribes to, from its answer on. */
import type { ClientConnection } from "./client_connection.ts";
import { odd } from "./conversation.ts";
import { KEYEVENT, type KeyEventModel, KeyPlaces, KEYSPACE } from "./key_event_model.ts";
import type { AllPublished, Published } from "./published.ts";

/** What there is to be compared with. */
export interface Told {
  readonly published: AllPublished;
  readonly keys: KeyEventModel;
}

/** By how Redis reads patterns, as far as those that are drawn here go. */
export function channelTest(isPattern: boolean, name: string): (channel: string) => boolean {
  if (!isPattern) return (channel) => channel === name;
  const source = [...name].map((letter) => {
    return letter === "*" ? ".*" : letter === "?" ? "." : letter.replace(/[^\w]/, "\\$&");
  }).join("");
  const expression = new RegExp(`^${source}$`, "s");
  return (channel) => expression.test(channel);
}

export class Subscription {
  readonly isPattern: boolean;
  readonly name: string;
  readonly connection: ClientConnection;
  readonly beganUs: number;
  readonly heard = new Set<Published>();
  readonly isOf: (channel: string) => boolean;
  readonly #told: Told;
  readonly #places: KeyPlaces;

  /** Its server had applied something between entries `first` and `last` when it began. */
  constructor(
    told: Told,
    { isPattern, name }: { readonly isPattern: boolean; readonly name: string },
    connection: ClientConnection,
    beganUs: number,
    [first, last]: readonly [number, number],
  ) {
    this.#told = told;
    this.isPattern = isPattern;
    this.name = name;
    this.connection = connection;
    this.beganUs = beganUs;
    this.isOf = channelTest(isPattern, name);
    this.#places = new KeyPlaces(told.keys, this.isOf, first, last);
  }

  /** Something of keys may have come that it has not been told of. */
  get isBehind(): boolean {
    return this.#places.isBehind;
  }

  /** It is told this. Returns what was published; null where that is of a key. */
  take(channel: string, text: string): Published | null {
    if (!this.isOf(channel)) this.#odd(`is told something in channel ${channel}`);
    if (channel.startsWith(KEYSPACE) || channel.startsWith(KEYEVENT)) {
      const missing = this.#places.told(channel, text);
      if (missing === null) return null;
      this.#odd(`is told ${JSON.stringify({ channel, text })} and not ${missing}`);
    }
    const message = this.#told.published.byText.get(text);
    if (message === undefined) this.#odd(`is told ${text}, which nobody has published`);
    if (message.channel !== channel) this.#odd(`is told ${text} in channel ${channel}`);
    if (message.outcome === "refused") this.#odd(`is told ${text}, which was refused`);
    if (this.heard.has(message)) this.#odd(`is told ${text} twice`);
    this.heard.add(message);
    return message;
  }

  /**
   * Of those that were published over one connection to its own server, none is left out before one that it
   * was told; between servers some may be. `onLeftOut`: for each of these.
   */
  judge(onLeftOut: () => void): void {
    const lastOf = new Map<number, Published>();
    for (const message of this.heard) {
      if (message.outcome === "refused") this.#odd(`was told ${message.text}, which was refused`);
      const last = lastOf.get(message.connection);
      if (last === undefined || last.sequence < message.sequence) {
        lastOf.set(message.connection, message);
      }
    }
    for (const [connection, last] of lastOf) {
      const isOwn = last.server === this.connection.server &&
        last.serverLife === this.connection.serverLife;
      for (const message of this.#told.published.byConnection.get(connection)!) {
        if (message.sequence >= last.sequence) break;
        const isMeant = message.sentUs > this.beganUs && message.outcome === "done" &&
          this.isOf(message.channel) && !this.heard.has(message);
        if (!isMeant) continue;
        if (isOwn) this.#odd(`was told ${last.text} and not ${message.text} before it`);
        onLeftOut();
      }
    }
  }

  #odd(what: string): never {
    const { id, server } = this.connection;
    odd(`connection ${id} to server ${server.id}, subscribed to ${this.name}, ${what}`);
  }
}
