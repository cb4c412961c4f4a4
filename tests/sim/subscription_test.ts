/** What a subscriber may be told, by hand: each rule lets the right thing through, and nothing else. */
import { assertEquals, assertThrows } from "@std/assert";
import { ChangeKind, SetCause } from "../../lib/kv/commands/changes.ts";
import type { ClientConnection } from "./client_connection.ts";
import { KeyEventModel } from "./key_event_model.ts";
import { AllPublished, type Published } from "./published.ts";
import type { SimServer } from "./sim_server.ts";
import { channelTest, Subscription } from "./subscription.ts";
import { toBytes } from "../process/socket.ts";

const HERE = { id: 1, name: "server 1" } as SimServer;
const THERE = { id: 2, name: "server 2" } as SimServer;
const NO_ORIGIN = { index: 0, term: 0, version: 0 };

class Rig {
  readonly published = new AllPublished();
  readonly keys = new KeyEventModel(NO_ORIGIN);

  publish(connection: number, server: SimServer, channel: string, sentUs = 10): Published {
    const sequence = (this.published.byConnection.get(connection)?.length ?? 0) + 1;
    const text = `${connection}.${sequence}`;
    const message: Published = {
      ...{ channel, text, connection, sequence, server, serverLife: 0, sentUs, isLast: false },
      outcome: "done",
    };
    this.published.add(message);
    return message;
  }

  change(revision: number, key: string, cause: SetCause = SetCause.set): void {
    const bytes = toBytes(key);
    this.keys.changed(ChangeKind.set, revision, 1, bytes, 0, key.length, key.length, cause);
  }

  subscribe(name: string, range: readonly [number, number] = [0, 0]): Subscription {
    const connection = { id: 7, server: HERE, serverLife: 0 } as ClientConnection;
    const isPattern = /[*?]/.test(name);
    return new Subscription(this, { isPattern, name }, connection, 5, range);
  }
}

function fails(run: () => void, words: string): void {
  assertThrows(run, Error, words);
}

Deno.test("patterns of channels: any letters, one letter, and no more than that", () => {
  const matching = (pattern: string, ...channels: string[]) =>
    channels.filter(channelTest(true, pattern));
  assertEquals(matching("a*", "a", "ab", "ba"), ["a", "ab"]);
  assertEquals(matching("?", "a", "ab", "."), ["a", "."]);
  assertEquals(matching("__key.*", "__keyspace@0__:a", "__key.a"), ["__key.a"]);
  assertEquals(["a*", "ab"].filter(channelTest(false, "a*")), ["a*"]);
});

Deno.test("a message is told once, in its own channel, and only if it was published", () => {
  const rig = new Rig();
  const [first, second] = [rig.publish(1, HERE, "ab"), rig.publish(1, HERE, "b")];
  const one = rig.subscribe("a*");
  assertEquals(one.take("ab", first.text), first);
  fails(() => one.take("ab", first.text), "twice");
  fails(() => one.take("ab", "1.3"), "nobody has published");
  fails(() => one.take("b", second.text), "in channel b");
  fails(() => one.take("ac", second.text), "in channel ac");
  const refused = rig.publish(1, HERE, "ab");
  refused.outcome = "refused";
  fails(() => one.take("ab", refused.text), "which was refused");
});

Deno.test("a message that is refused once it was told is a fault at the end", () => {
  const rig = new Rig();
  const message = rig.publish(1, THERE, "ab");
  const one = rig.subscribe("ab");
  one.take("ab", message.text);
  message.outcome = "refused";
  fails(() => one.judge(() => {}), "which was refused");
});

Deno.test("of those published to its own server none is left out, of others some may be", () => {
  const leftOut = (server: SimServer, outcome: Published["outcome"], sentUs = 10) => {
    const rig = new Rig();
    const first = rig.publish(1, server, "ab", sentUs);
    first.outcome = outcome;
    const second = rig.publish(1, server, "ab", sentUs);
    const one = rig.subscribe("ab");
    one.take("ab", second.text);
    let count = 0;
    one.judge(() => count++);
    return count;
  };
  fails(() => leftOut(HERE, "done"), "was told 1.2 and not 1.1 before it");
  assertEquals(leftOut(HERE, "unknown"), 0);
  assertEquals(leftOut(HERE, "done", 4), 0, "sent before it subscribed");
  assertEquals(leftOut(THERE, "done"), 1);
});

Deno.test("changes of keys are told all, in order, from somewhere in the range where it began", () => {
  const rig = new Rig();
  rig.change(1, "a");
  rig.change(2, "b", SetCause.setForTime);
  rig.change(3, "a", SetCause.persist);
  const begin = (...range: [number, number]) => rig.subscribe("__keyspace@0__:*", range);
  const all = begin(0, 0);
  const tell = (one: Subscription, key: string, event: string) =>
    one.take(`__keyspace@0__:${key}`, event);
  fails(() => tell(all, "b", "set"), "and not");
  tell(all, "a", "set");
  fails(() => tell(all, "a", "set"), "and not");
  fails(() => tell(all, "b", "expire"), "and not");
  tell(all, "b", "set");
  tell(all, "b", "expire");
  assertEquals(all.isBehind, true);
  tell(all, "a", "persist");
  assertEquals(all.isBehind, false);
  fails(() => tell(all, "a", "persist"), "nothing yet");
  const later = begin(0, 2);
  tell(later, "b", "set");
  const last = begin(0, 2);
  tell(last, "a", "persist");
  assertEquals(last.isBehind, false);
  fails(() => tell(begin(1, 2), "a", "set"), "something from");
  assertEquals(begin(0, 2).isBehind, true);
  assertEquals(begin(0, 3).isBehind, false, "it may have begun after all of them");
});

Deno.test("who subscribes to both kinds of channels by one pattern is told of each change in both", () => {
  const rig = new Rig();
  rig.change(1, "a");
  const one = rig.subscribe("__key*");
  one.take("__keyspace@0__:a", "set");
  fails(() => one.take("__keyspace@0__:a", "set"), "and not");
  one.take("__keyevent@0__:set", "a");
  assertEquals(one.isBehind, false);
});
