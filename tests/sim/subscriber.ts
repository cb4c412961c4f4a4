/** A client that subscribes to channels and patterns, changes its mind, and goes from server to server. */
import type { Random } from "../../lib/util/random.ts";
import type { Reply } from "../process/redis_socket.ts";
import type { ClientSetting } from "./client.ts";
import type { ClientConnection } from "./client_connection.ts";
import { Conversation, odd, type Speaker } from "./conversation.ts";
import { KEYEVENT, KEYSPACE } from "./key_event_model.ts";
import type { Mark } from "./mark_names.ts";
import { CHANNELS, LAST_CHANNEL } from "./published.ts";
import type { SimServer } from "./sim_server.ts";
import type { SubscriberOptions } from "./subscriber_options.ts";
import { Subscription, type Told } from "./subscription.ts";

/** Errors that a server may answer with, and nothing was changed. */
const REFUSALS = new Set(["BUSY", "LOADING", "CLUSTERDOWN", "TRYAGAIN"]);
const PATTERNS = [
  "a*",
  "?",
  "*",
  `${KEYSPACE}*`,
  `${KEYSPACE}*`,
  `${KEYEVENT}*`,
  `${KEYEVENT}e*`,
  `${KEYSPACE}counter?`,
  "__key*",
];
const OF_KEYS = ["set", "del", "expired", "expire", "incrby"].map((event) => KEYEVENT + event);
const SLOW_MAX_MS = 8_000;
/** Between two changes of mind. */
const CHANGE_MEAN_MS = 1_500;
const NAMES_MAX = 3;

/** What waits for its answer: one for each name. */
interface Change {
  readonly word: string;
  readonly isPattern: boolean;
  readonly name: string;
  /** What its server had applied when this was sent. */
  readonly appliedIndex: number;
}

export class Subscriber implements Speaker {
  isSettled = false;
  /** Servers whose clients it has heard since it stays where it is. */
  readonly heardLast = new Set<SimServer>();
  readonly #setting: ClientSetting;
  readonly #options: SubscriberOptions;
  readonly #told: Told;
  readonly #random: Random;
  readonly #hit: (mark: Mark) => void;
  readonly #talk: Conversation;
  readonly #all: Subscription[];
  #current = new Map<string, Subscription>();
  #waiting: Change[] = [];
  /** HELLO 3 waits for its answer. */
  #greets = false;
  #isNew = true;
  #leavesUs = 0;
  /** The last that it was told, by the connection that it was published over. */
  #last = new Map<number, number>();

  /** `all`: where its subscriptions are kept, to be judged. */
  constructor(
    setting: ClientSetting,
    options: SubscriberOptions,
    told: Told,
    all: Subscription[],
    random: Random,
    hit: (mark: Mark) => void,
  ) {
    this.#setting = setting;
    this.#options = options;
    this.#told = told;
    this.#all = all;
    this.#random = random;
    this.#hit = hit;
    this.#talk = new Conversation(setting, random.fork(), this);
    this.#talk.drawTakesUs = () => {
      const isSlow = !this.isSettled && random.chance(options.slow);
      return isSlow ? random.between(1, SLOW_MAX_MS) * 1_000 : null;
    };
  }

  /** What it lacks of what it has to be told in the end, in words; null where that is nothing. */
  get lacks(): string | null {
    const behind = [...this.#current.values()].find(({ isBehind }) => isBehind);
    if (behind !== undefined) return `a subscriber to ${behind.name} is behind`;
    const unheard = this.#setting.asked.find((server) => !this.heardLast.has(server));
    if (unheard === undefined) return null;
    const where = this.#talk.connection?.server.name ?? "no server";
    return `a subscriber at ${where} has heard nobody at ${unheard.name}`;
  }

  act(connection: ClientConnection): void {
    if (this.#waiting.length > 0 || this.#greets) return;
    if (this.#isNew) return this.#begin(connection);
    if (this.isSettled) {
      if (!this.#current.has(keyOf(false, LAST_CHANNEL))) {
        this.#change(connection, "SUBSCRIBE", [LAST_CHANNEL]);
      }
      return;
    }
    if (this.#talk.nowUs > this.#leavesUs) return this.#talk.move();
    const isPattern = this.#random.chance(0.5);
    const own = [...this.#current.values()].filter((one) => one.isPattern === isPattern);
    const word = isPattern ? "PUNSUBSCRIBE" : "UNSUBSCRIBE";
    if (own.length === 0 || this.#random.chance(0.4)) this.#subscribe(connection);
    else if (this.#random.chance(0.2)) this.#change(connection, word, []);
    else this.#change(connection, word, [this.#random.pick(own).name]);
  }

  told(reply: Reply): void {
    if (reply instanceof Error) return this.#refused(reply.message);
    if (this.#greets) {
      this.#greets = false;
      return this.#subscribe(this.#talk.connection!);
    }
    if (!Array.isArray(reply)) odd(`a subscriber hears ${String(reply)}`);
    const words = reply as readonly Reply[];
    const [word, name = "", channel = "", text = ""] = words;
    if (word === "message" && words.length === 3) this.#message(false, name, name, channel);
    else if (word === "pmessage" && words.length === 4) this.#message(true, name, channel, text);
    else this.#changed(words);
  }

  lost(): void {
    this.#current = new Map();
    this.#last = new Map();
    this.#waiting = [];
    this.#greets = false;
    this.#isNew = true;
  }

  /** It stays where it is from now on, takes what comes, and listens for what comes last. */
  settle(): void {
    this.isSettled = true;
    const { connection } = this.#talk;
    const stays = connection !== null && connection.takesUs === null &&
      this.#setting.asked.includes(connection.server);
    if (!stays) this.#talk.move();
  }

  leave(): void {
    this.#talk.leave();
  }

  #begin(connection: ClientConnection): void {
    const staysMs = -Math.log(1 - this.#random.unit()) * this.#options.stayMeanMs;
    this.#leavesUs = this.#talk.nowUs + staysMs * 1_000;
    this.#isNew = false;
    if (this.#random.chance(0.5)) return this.#subscribe(connection);
    this.#greets = true;
    this.#talk.send([["HELLO", "3"]]);
  }

  #subscribe(connection: ClientConnection): void {
    const isPattern = this.#random.chance(0.5);
    const count = this.#random.between(1, NAMES_MAX);
    const keys = this.#setting.options.clients.keys;
    const drawn = Array.from({ length: count }, () => {
      if (isPattern) return this.#random.pick(PATTERNS);
      const isOfKey = this.#random.chance(0.3);
      if (isOfKey) return `${KEYSPACE}key${this.#random.between(1, keys)}`;
      return this.#random.pick([...CHANNELS, ...CHANNELS, ...OF_KEYS]);
    });
    this.#change(connection, isPattern ? "PSUBSCRIBE" : "SUBSCRIBE", drawn);
  }

  /** `names`: none for all. */
  #change(connection: ClientConnection, word: string, names: readonly string[]): void {
    const isPattern = word.startsWith("P");
    const { server } = connection;
    const probe = server.life === connection.serverLife ? server.probe : null;
    const appliedIndex = probe?.isOpen() === true ? probe.appliedIndex() : 0;
    const own = [...this.#current.values()].filter((one) => one.isPattern === isPattern);
    const meant = names.length > 0 ? names : own.map(({ name }) => name);
    this.#waiting = meant.map((name) => {
      return { word: word.toLowerCase(), isPattern, name, appliedIndex };
    });
    this.#talk.send([[word, ...names]]);
  }

  #changed(words: readonly Reply[]): void {
    const change = this.#waiting.shift();
    if (change === undefined) odd(`a subscriber hears ${JSON.stringify(words)} unasked`);
    const { word, isPattern, name } = change;
    const key = keyOf(isPattern, name);
    if (!word.endsWith("unsubscribe")) {
      if (!this.#current.has(key)) this.#current.set(key, this.#begun(change));
    } else this.#current.delete(key);
    const wanted = [word, name, this.#current.size];
    if (JSON.stringify(words) !== JSON.stringify(wanted)) {
      odd(`a subscriber hears ${JSON.stringify(words)} and not ${JSON.stringify(wanted)}`);
    }
    if (this.#waiting.length > 0) return;
    this.#talk.answered();
    this.#talk.think(CHANGE_MEAN_MS);
  }

  #begun(change: Change): Subscription {
    const connection = this.#talk.connection!;
    const { server } = connection;
    const { options: { origin } } = this.#setting;
    const probe = server.life === connection.serverLife ? server.probe : null;
    const appliedIndex = probe?.isOpen() === true
      ? probe.appliedIndex()
      : this.#told.keys.store.revision - origin.index;
    const range = [change.appliedIndex, appliedIndex].map((index) => index + origin.index);
    const begun = new Subscription(
      this.#told,
      change,
      connection,
      this.#talk.nowUs,
      [Math.min(range[0]!, range[1]!), Math.max(range[0]!, range[1]!)],
    );
    this.#all.push(begun);
    return begun;
  }

  #message(isPattern: boolean, name: Reply, channel: Reply, text: Reply): void {
    const subscription = this.#current.get(keyOf(isPattern, String(name)));
    if (subscription === undefined) {
      odd(`a connection that does not subscribe to ${String(name)} is told ${String(text)}`);
    }
    if (this.#waiting.some((one) => one.word.endsWith("unsubscribe") && one.name === name)) {
      this.#hit("a message comes before the answer to UNSUBSCRIBE");
    }
    const message = subscription.take(String(channel), String(text));
    const { server } = subscription.connection;
    if (message === null) {
      if (server.probe?.isOpen() === true && !server.probe.isLeader()) {
        this.#hit("a follower tells of a key's change");
      }
      return;
    }
    const { connection, sequence } = message;
    const last = this.#last.get(connection) ?? 0;
    if (sequence < last) {
      odd(`${message.text} comes to ${server.name} behind message ${last} of its connection`);
    }
    this.#last.set(connection, sequence);
    if (message.server !== server) this.#hit("a message is heard on another server");
    if (message.isLast && this.isSettled) this.heardLast.add(message.server);
  }

  #refused(text: string): void {
    if (!REFUSALS.has(text.split(" ", 1)[0]!)) odd(`a subscriber was answered ${text}`);
    if (this.#waiting.length === 0 && !this.#greets) odd(`a subscriber hears ${text} unasked`);
    this.#talk.move();
  }
}

function keyOf(isPattern: boolean, name: string): string {
  return `${isPattern ? "p" : ""} ${name}`;
}
