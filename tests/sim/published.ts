/** All that was ever published in a world, and by whom: what subscribers are told is held against it. */
import { Random } from "../../lib/util/random.ts";
import type { Reply } from "../process/redis_socket.ts";
import type { ClientSetting } from "./client.ts";
import type { ClientConnection } from "./client_connection.ts";
import { Conversation, odd, type Speaker } from "./conversation.ts";
import type { Mark } from "./mark_names.ts";
import type { SimServer } from "./sim_server.ts";
import type { SubscriberOptions } from "./subscriber_options.ts";

/** Two of one letter are told apart by a pattern. */
export const CHANNELS = ["ab", "ac", "b", "news"] as const;
/** Where everybody is heard once all is over. */
export const LAST_CHANNEL = "news";
const MESSAGE_BYTES_MAX = 200;
/** Errors that a server may answer with, and nobody was told. */
const REFUSALS = new Set(["TRYAGAIN", "BUSY", "LOADING", "CLUSTERDOWN"]);

/** One message. */
export interface Published {
  readonly channel: string;
  readonly text: string;
  /** The connection that it was sent over, and which of its messages it is. */
  readonly connection: number;
  readonly sequence: number;
  readonly server: SimServer;
  readonly serverLife: number;
  readonly sentUs: number;
  /** It is the first of those that are sent once all is over, or after it. */
  readonly isLast: boolean;
  outcome: "unknown" | "done" | "refused";
}

export class AllPublished {
  readonly byText = new Map<string, Published>();
  /** By connection, in their order. */
  readonly byConnection = new Map<number, Published[]>();

  add(message: Published): void {
    this.byText.set(message.text, message);
    const before = this.byConnection.get(message.connection);
    if (before === undefined) this.byConnection.set(message.connection, [message]);
    else before.push(message);
  }
}

export class Publisher implements Speaker {
  isSettled = false;
  readonly #all: AllPublished;
  readonly #options: SubscriberOptions;
  readonly #random: Random;
  readonly #hit: (mark: Mark) => void;
  readonly #talk: Conversation;
  #waiting: Published[] = [];
  #sequence = 0;
  #leavesUs = 0;

  constructor(
    setting: ClientSetting,
    options: SubscriberOptions,
    all: AllPublished,
    random: Random,
    hit: (mark: Mark) => void,
  ) {
    this.#all = all;
    this.#options = options;
    this.#random = random;
    this.#hit = hit;
    this.#talk = new Conversation(setting, random.fork(), this);
  }

  act(connection: ClientConnection): void {
    const { burstMax, stayMeanMs } = this.#options;
    if (this.#waiting.length > 0) return;
    if (this.#sequence === 0) {
      const staysMs = -Math.log(1 - this.#random.unit()) * (this.isSettled ? 200 : stayMeanMs);
      this.#leavesUs = this.#talk.nowUs + staysMs * 1_000;
    } else if (this.#talk.nowUs > this.#leavesUs) return this.#talk.move();
    const count = this.#random.between(1, burstMax);
    for (let i = 0; i < count; i++) this.#waiting.push(this.#next(connection));
    this.#talk.send(this.#waiting.map(({ channel, text }) => ["PUBLISH", channel, text]));
  }

  told(reply: Reply): void {
    const message = this.#waiting.shift();
    if (message === undefined) odd(`a publisher hears ${String(reply)}, and asked nothing`);
    if (reply instanceof Error) {
      const word = reply.message.split(" ", 1)[0]!;
      if (!REFUSALS.has(word)) odd(`PUBLISH was answered ${reply.message}`);
      message.outcome = "refused";
      if (word === "TRYAGAIN") this.#hit("a message is refused, as too much is published");
    } else {
      if (typeof reply !== "number") odd(`PUBLISH was answered ${String(reply)}`);
      message.outcome = "done";
    }
    if (this.#waiting.length > 0) return;
    this.#talk.answered();
    this.#talk.think(this.#options.thinkMeanMs);
  }

  lost(): void {
    this.#waiting = [];
    this.#sequence = 0;
  }

  /** From now on it goes from server to server quickly, so that each is heard. */
  settle(): void {
    this.isSettled = true;
    this.#talk.move();
  }

  leave(): void {
    this.#talk.leave();
  }

  #next({ id, server, serverLife }: ClientConnection): Published {
    const sequence = ++this.#sequence;
    const padding = "x".repeat(this.#random.between(0, MESSAGE_BYTES_MAX));
    const message: Published = {
      channel: this.isSettled ? LAST_CHANNEL : this.#random.pick([...CHANNELS]),
      text: `${id}.${sequence}.${padding}`,
      connection: id,
      sequence,
      server,
      serverLife,
      sentUs: this.#talk.nowUs,
      isLast: this.isSettled,
      outcome: "unknown",
    };
    this.#all.add(message);
    return message;
  }
}
