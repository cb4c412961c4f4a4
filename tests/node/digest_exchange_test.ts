import { assertEquals, assertMatch } from "@std/assert";
import { encodeSet, ExpiryKind } from "../../lib/kv/commands/command.ts";
import { Result } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { DigestExchange } from "../../lib/node/peers/digest_exchange.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import type { DigestNotice } from "../../lib/wire/rpc/rpc.ts";

function setup() {
  const events: LogEvent[] = [];
  const sent: [number, DigestNotice][] = [];
  const exchange = new DigestExchange({ log: (event) => events.push(event) }, {
    sendDigestToAll: (notice) => sent.push([0, notice]),
    sendDigest: (id, notice) => sent.push([id, notice]),
  });
  return { events, sent, exchange, store: new Store({ hashSeed: 1 }) };
}

function set(store: Store, key: string, value: string): void {
  const bytes = new TextEncoder().encode(key + value);
  const out = new ByteWriter();
  encodeSet(out, ExpiryKind.never, 0, bytes, 0, key.length, key.length, bytes.length);
  store.beginEntry(store.appliedIndex + 1, 1000);
  store.applyCommand(out.bytes, 0, new Result());
  store.endEntry();
}

Deno.test("the leader names its digest now and then, where something changed", () => {
  const { sent, exchange, store } = setup();
  set(store, "a", "1");
  exchange.elapse(10_000, true, store);
  exchange.elapse(10_010, true, store);
  exchange.elapse(20_000, true, store);
  assertEquals(sent, [[0, { index: 1, digest: store.digest() }]]);
  exchange.elapse(20_010, false, store);
  assertEquals(sent.length, 1);
});

Deno.test("equal contents are no news, also where the entry is applied only later", () => {
  const { events, sent, exchange, store } = setup();
  const other = new Store({ hashSeed: 1 });
  set(other, "a", "1");
  exchange.receive(3, { index: 1, digest: other.digest() }, false, store);
  set(store, "a", "1");
  exchange.elapse(10, false, store);
  assertEquals([events, sent], [[], []]);
});

Deno.test("a difference is logged by the follower, which tells the leader, which logs it too", () => {
  const follower = setup();
  const leader = setup();
  set(leader.store, "a", "1");
  set(follower.store, "a", "2");
  leader.exchange.elapse(10_000, true, leader.store);
  const [, notice] = leader.sent[0]!;
  follower.exchange.receive(1, notice, false, follower.store);
  assertMatch(follower.events[0]!.message, /Contents differ/);
  assertEquals(follower.sent, [[1, { index: 1, digest: follower.store.digest() }]]);
  leader.exchange.receive(2, follower.sent[0]![1], true, leader.store);
  assertEquals(leader.events.map((event) => event.level), ["error"]);
  assertEquals(leader.sent.length, 1, "the leader does not answer");
});
