/**
 * Clients that publish, and clients that subscribe: to what is published, and to what becomes of keys, on any
 * server. Messages come at most once, and in their order for each connection that publishes; nobody is told
 * what nobody said, or in a channel that it does not subscribe to; who is told of keys is told of all changes.
 */
import { Random } from "../../lib/util/random.ts";
import type { StateChecks } from "./checks.ts";
import type { ClientSetting } from "./client.ts";
import { KeyEventModel } from "./key_event_model.ts";
import type { Mark } from "./mark_names.ts";
import type { Marks } from "./marks.ts";
import { AllPublished, Publisher } from "./published.ts";
import { Subscriber } from "./subscriber.ts";
import type { SubscriberOptions } from "./subscriber_options.ts";
import type { Subscription, Told } from "./subscription.ts";

export class SubscriberWorkload {
  readonly #setting: ClientSetting;
  readonly #options: SubscriberOptions;
  readonly #random: Random;
  readonly #told: Told;
  readonly #subscriptions: Subscription[] = [];
  readonly #hit: (mark: Mark) => void;
  #subscribers: Subscriber[] = [];
  #publishers: Publisher[] = [];

  constructor(
    setting: ClientSetting,
    options: SubscriberOptions,
    checks: StateChecks,
    marks: Marks,
  ) {
    this.#setting = setting;
    this.#options = options;
    this.#random = new Random(setting.options.seed ^ 0x50b);
    const keys = new KeyEventModel(setting.options.origin);
    this.#told = { keys, published: new AllPublished() };
    this.#hit = (mark) => marks.hit(mark);
    const others = checks.onCommitted;
    checks.onCommitted = (data) => {
      others?.(data);
      keys.store.committed(data);
    };
  }

  begin(): void {
    const { subscribers, publishers } = this.#options;
    for (let i = 0; i < publishers; i++) {
      const random = this.#random.fork();
      const { published } = this.#told;
      this.#publishers.push(
        new Publisher(this.#setting, this.#options, published, random, this.#hit),
      );
    }
    for (let i = 0; i < subscribers; i++) {
      const random = this.#random.fork();
      this.#subscribers.push(
        new Subscriber(
          this.#setting,
          this.#options,
          this.#told,
          this.#subscriptions,
          random,
          this.#hit,
        ),
      );
    }
  }

  /** Nothing goes wrong any more: each subscriber stays where it is, and has to hear of each server. */
  settle(): void {
    for (const one of [...this.#subscribers, ...this.#publishers]) one.settle();
  }

  /** What somebody lacks of what it has to be told, in words; null where nobody does. */
  lacks(): string | null {
    for (const { lacks } of this.#subscribers) if (lacks !== null) return lacks;
    return null;
  }

  leave(): void {
    for (const one of [...this.#subscribers, ...this.#publishers]) one.leave();
    this.#subscribers = [];
    this.#publishers = [];
  }

  judge(): void {
    const { counters } = this.#setting.fabric.world;
    counters.add("messages published", this.#told.published.byText.size);
    for (const one of this.#subscriptions) {
      counters.add("messages heard", one.heard.size);
      one.judge(() => this.#hit("a message does not reach another server"));
    }
  }
}
