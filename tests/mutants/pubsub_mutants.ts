/**
 * Bugs of channels and tracking (lib/node/pubsub/): those for which a test is named, and those that seeds have
 * to find, by clients that publish and subscribe.
 */
import { type Mutant, mutant } from "./mutant.ts";
import { tested, type TestedMutant } from "./security_mutants.ts";

const CHANNELS = "node/pubsub_test.ts";
const TRACKING = "node/tracking_test.ts";
const STALE = "a client that keeps what it reads never keeps what is stale, whatever is sent when";

export const PUBSUB: readonly TestedMutant[] = [
  tested([
    "pubsub-revoked-stays",
    "Who lost a channel stays until something comes there",
    CHANNELS,
    "who loses a channel, the command or its user is disconnected before anything more is told",
  ], [
    "node/pubsub/pubsub.ts",
    "    for (const one of this.#connections) one.isAllowed(users);\n",
    "",
  ]),
  tested([
    "pubsub-secret-key",
    "A subscriber is told of keys that it may not read",
    CHANNELS,
    "of keys that a user may not read it is told nothing",
  ], [
    "node/pubsub/channels.ts",
    "    if (key !== null && !one.mayRead(key.bytes, key.start, key.length)) continue;\n",
    "",
  ]),
  tested([
    "pubsub-late-message",
    "What was told before UNSUBSCRIBE comes after its reply",
    CHANNELS,
    "what was told before UNSUBSCRIBE comes before its reply, and nothing after",
  ], [
    "wire/resp/resp_subscribing.ts",
    "  // What was told before comes before, and nothing after.\n  subscriptions.flush(out);\n",
    "",
  ]),
  tested([
    "pubsub-over-another-store",
    "A leader's snapshot replaces the store, and subscribers are not told what lies between",
    CHANNELS,
    "where a snapshot takes the store's place, who is told of keys is disconnected, others stay",
  ], [
    "node/pubsub/pubsub.ts",
    "      if (one.isOfKeys) one.disconnect(",
    "      if (one.queuedBytes < 0) one.disconnect(",
  ]),
  tested([
    "pubsub-message-unbounded",
    "A subscriber that takes nothing is kept",
    CHANNELS,
    "one that takes nothing is disconnected, and holds no more than its bound",
  ], [
    "node/pubsub/subscriptions.ts",
    "    if (this.#queue.bytes > limits.subscriberBytesMax) {\n",
    "    if (this.#queue.bytes > 1_000 * limits.subscriberBytesMax) {\n",
  ]),
  tested([
    "tracking-not-read-again",
    "A key that was told to be forgotten is not noted when it is read again",
    TRACKING,
    STALE,
  ], [
    "node/pubsub/tracking_table.ts",
    "    if (readers.has(reader)) return;\n",
    "    if (readers.has(reader) || this.size > 2) return;\n",
  ]),
  tested([
    "tracking-eviction-untold",
    "Where the table is full the oldest key goes without a word",
    TRACKING,
    STALE,
  ], [
    "node/pubsub/tracking.ts",
    "      for (const one of this.table.take(key)!) this.#tell(one, key);\n",
    "      this.table.take(key);\n",
  ]),
  tested([
    "tracking-before-reply",
    "What is to be forgotten is told before the reply that showed it",
    TRACKING,
    "a value that was read before a write is told to be forgotten after its reply, never before",
  ], [
    "node/session/watch_output.ts",
    "    if (stream.isHeldUp) return;\n",
    "    if (stream.isHeldUp && this.#subscriptions?.isReady !== true) return;\n",
  ]),
  tested([
    "tracking-leader-unnoticed",
    "With another leader what clients keep is not to be forgotten",
    TRACKING,
    "FLUSHALL, another leader and a snapshot have all forgotten",
  ], [
    "node/pubsub/pubsub.ts",
    "    if (leadership === this.#leadership) return;\n    this.#leadership = leadership;\n",
    '    this.#leadership = leadership;\n    if (leadership !== "") return;\n',
  ]),
];

export const SUBSCRIBERS: readonly Mutant[] = [
  mutant(
    "subscriber-over-snapshot",
    "A snapshot replaces the store, and who is told of keys stays",
    [
      "node/pubsub/pubsub.ts",
      "      if (one.isOfKeys) one.disconnect(",
      "      if (one.queuedBytes < 0) one.disconnect(",
    ],
  ),
  mutant("subscriber-late-message", "What was told before UNSUBSCRIBE comes after its reply", [
    "wire/resp/resp_subscribing.ts",
    "  // What was told before comes before, and nothing after.\n  subscriptions.flush(out);\n",
    "",
  ]),
  mutant("subscriber-told-twice", "What is published is handed on twice", [
    "node/peers/published.ts",
    "    else link.sendOf(Feature.publish, (out) => encodePublish(out, channel, message));\n",
    "    else {\n" +
    "      link.sendOf(Feature.publish, (out) => encodePublish(out, channel, message));\n" +
    "      link.sendOf(Feature.publish, (out) => encodePublish(out, channel, message));\n" +
    "    }\n",
  ]),
  mutant("subscriber-newest-first", "Of what waits to be told the newest comes first", [
    "node/pubsub/message.ts",
    "    this.#messages.push(message);\n",
    "    this.#messages.splice(this.#first, 0, message);\n",
  ]),
  mutant("subscriber-left-out", "Who takes slowly is left out, and not disconnected", [
    "node/pubsub/channels.ts",
    "    if (!one.isAllowed(users)) continue;\n",
    "    if (!one.isAllowed(users) || one.queuedBytes > 500) continue;\n",
  ]),
  mutant(
    "subscriber-told-refused",
    "Of a message that is refused the server's own clients are told",
    [
      "node/pubsub/pubsub.ts",
      "      if (!this.#pace.take(bytes, this.#server.nowMs())) return null;\n",
      "      if (!this.#pace.take(bytes, this.#server.nowMs())) {\n" +
      "        this.channels.publish(channel, message, this.#users());\n" +
      "        return null;\n" +
      "      }\n",
    ],
  ),
  mutant("subscriber-here-alone", "What is published is told to clients of its own server alone", [
    "node/peers/published.ts",
    "  for (const link of links) {\n",
    "  for (const link of links.slice(0, 0)) {\n",
  ]),
  mutant(
    "subscriber-expiry-first",
    "That a key has a time to live is told before that it was set",
    [
      "node/pubsub/key_events.ts",
      "  [SetCause.setForTime]: [...SET, EXPIRE],\n",
      "  [SetCause.setForTime]: [EXPIRE, ...SET],\n",
    ],
  ),
];
