/** Connections that carry nothing any more, and connections that only look so. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ByteWriter } from "../../lib/util/bytes.ts";
import {
  encodeHello,
  encodeMessage,
  FrameDecoder,
  NO_FEATURES,
  PROTOCOL_VERSION,
} from "../../lib/wire/rpc/rpc.ts";
import type { InboundLink, OutboundLink } from "../../lib/node/api.ts";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { ELECTION_TIMEOUT_MS, form, heartbeat, move, Server, Wire } from "./linked_servers.ts";

const SILENCE_MS = 3 * ELECTION_TIMEOUT_MS;
const TICK_MS = 10;

/** A formed cluster, the connection from server 1 to server 2, and a clock. */
class Bench {
  readonly servers: Server[];
  readonly wire: Wire;
  readonly #wires: Wire[];
  #nowMs = 2_000;

  constructor() {
    const { servers, wires } = form(3);
    this.servers = servers;
    this.#wires = wires;
    this.wire = wires.find((wire) => wire.outbound === servers[0]!.links.outbound[0])!;
    for (const server of servers) server.events.length = 0;
    this.run(TICK_MS);
  }

  get outbound(): OutboundLink {
    return this.wire.outbound;
  }

  get inbound(): InboundLink {
    return this.wire.inbound;
  }

  /** Lets time pass, `wires` carrying what there is. */
  run(forMs: number, wires: readonly Wire[] = this.#wires): void {
    for (const untilMs = this.#nowMs + forMs; this.#nowMs < untilMs;) {
      this.#nowMs += TICK_MS;
      for (const server of this.servers) server.elapse(this.#nowMs);
      for (const server of this.servers) server.links.wake();
      for (const wire of wires) wire.pump();
    }
  }

  /** All other connections continue. */
  runWithout(forMs: number): void {
    this.run(forMs, this.#wires.filter((wire) => wire !== this.wire));
  }

  /** The process of every server stands still, and continues. */
  jump(forMs: number): void {
    this.#nowMs += forMs;
  }
}

function up(server: Server): boolean[] {
  return server.links.outbound.map((link) => link.isUp);
}

Deno.test("links without traffic stay up: pings are answered", () => {
  const bench = new Bench();
  bench.run(60_000);
  for (const server of bench.servers) {
    assertEquals(up(server), [true, true]);
    assertEquals(server.events, []);
  }
});

Deno.test("a connection over which nothing comes back is given up after three election timeouts", () => {
  const bench = new Bench();
  bench.runWithout(SILENCE_MS / 2);
  assertEquals([bench.outbound.isLost, bench.outbound.closing], [false, null]);
  bench.runWithout(SILENCE_MS / 2);
  assertEquals(bench.outbound.isLost, true);
  assertMatch(bench.outbound.closing!, /nothing came back for 1200 ms/);
  // The next connection begins afresh.
  const link = bench.outbound;
  link.disconnected(link.closing!);
  assertEquals(bench.servers[0]!.lost.includes(2), true);
  new Wire(bench.servers[0]!, bench.servers[1]!).pump();
  assertEquals([link.isLost, link.closing, up(bench.servers[0]!)], [false, null, [true, true]]);
});

Deno.test("bytes that wait to be written do not keep a lost connection", () => {
  const bench = new Bench();
  for (let i = 0; i < 10; i++) bench.servers[0]!.links.send(heartbeat(1, 2));
  assertEquals(bench.outbound.takeOutput() !== null, true);
  bench.runWithout(SILENCE_MS + TICK_MS);
  assertEquals(bench.outbound.isLost, true);
});

Deno.test("a welcome that does not come in time ends the try", () => {
  const bench = new Bench();
  bench.outbound.disconnected("reset");
  bench.outbound.connected();
  bench.runWithout(SILENCE_MS + TICK_MS);
  assertEquals(bench.outbound.isLost, true);
});

Deno.test("who connects and does not say who it is within five seconds is closed", () => {
  const bench = new Bench();
  const silent = bench.servers[1]!.links.openInbound("10.0.0.9:1");
  const half = bench.servers[1]!.links.openInbound("10.0.0.9:2");
  const hello = new ByteWriter();
  encodeHello(hello, bench.servers[0]!.links.hello(2, PROTOCOL_VERSION));
  for (let at = 0; at < 10; at++) {
    // A byte now and then is no handshake.
    half.receive(hello.bytes.slice(at, at + 1));
    bench.run(450);
  }
  assertEquals([silent.isLost, half.isLost], [false, false]);
  bench.run(500);
  for (const link of [silent, half]) {
    assertEquals(link.isLost, true);
    assertMatch(link.closing!, /no handshake within 5000 ms/);
  }
});

Deno.test("a frame that takes long to come is answered while it comes", () => {
  const bench = new Bench();
  const out = new ByteWriter();
  const data = new Uint8Array(60_000);
  const chunk = { index: 1, snapshotTerm: 1, offset: 0, totalBytes: data.length, data };
  encodeMessage(out, { kind: "snapshotChunk", from: 1, to: 2, term: 1, ...chunk });
  for (let at = 0; at < out.length; at += 100) {
    bench.inbound.receive(out.bytes.slice(at, Math.min(at + 100, out.length)));
    bench.runWithout(TICK_MS);
    const pongs = bench.inbound.takeOutput();
    if (pongs === null) continue;
    bench.outbound.receive(pongs.slice());
    bench.inbound.outputWritten();
  }
  assertEquals(bench.outbound.isLost, false);
  assertEquals(bench.servers[1]!.received.length, 1);
});

Deno.test("however much comes in, pongs are few", () => {
  const bench = new Bench();
  const out = new ByteWriter();
  encodeMessage(out, heartbeat(1, 2));
  let pongs = 0;
  const decoder = new FrameDecoder(1_000);
  for (let ms = 0; ms < 10 * SILENCE_MS; ms += TICK_MS) {
    bench.inbound.receive(out.copy());
    bench.runWithout(TICK_MS);
    const bytes = bench.inbound.takeOutput();
    if (bytes === null) continue;
    decoder.push(bytes.slice());
    while (decoder.next() !== null) pongs++;
    bench.inbound.outputWritten();
  }
  // With the first thing that comes a quarter of the silence after the last one.
  assert(pongs >= 38 && pongs <= 40, `${pongs} pongs`);
});

Deno.test("a process that stood still does not take its own silence for the others'", () => {
  const bench = new Bench();
  bench.jump(60_000);
  bench.run(SILENCE_MS);
  for (const server of bench.servers) assertEquals(server.events, []);
});

Deno.test("an accepted connection whose maker is gone without a word is closed in the end", () => {
  const bench = new Bench();
  bench.runWithout(3 * SILENCE_MS);
  assertEquals(bench.inbound.isLost, false);
  bench.runWithout(SILENCE_MS);
  assertEquals(bench.inbound.isLost, true);
  assertMatch(bench.inbound.closing!, /nothing came in/);
});

Deno.test("a newer connection of the same server takes the place of the older, told to the core once", () => {
  const bench = new Bench();
  const [first, second] = bench.servers;
  const old = bench.inbound;
  second!.lost.length = 0;
  bench.outbound.disconnected("given up");
  const wire = new Wire(first!, second!);
  wire.pump();
  assertEquals([old.isLost, old.isKnown, wire.inbound.isKnown], [true, false, true]);
  assertMatch(old.closing!, /newer connection/);
  assertEquals(second!.lost, [1]);
  const out = new ByteWriter();
  encodeMessage(out, heartbeat(1, 2));
  old.receive(out.copy());
  assertEquals(second!.received, [], "what the old one still brings is void");
  old.disconnected();
  assertEquals(second!.lost, [1]);
  wire.inbound.receive(out.copy());
  assertEquals(second!.received, [heartbeat(1, 2)]);
  assertEquals(wire.inbound.closing, null);
});

Deno.test("a stranger's hello takes nobody's place", () => {
  const bench = new Bench();
  const before = bench.inbound;
  const thief = bench.servers[1]!.links.openInbound("thief");
  const out = new ByteWriter();
  encodeHello(out, {
    protocolVersion: 1,
    features: NO_FEATURES,
    clusterId: "0".repeat(32),
    from: 1,
    to: 2,
    incarnation: "0".repeat(16),
  });
  thief.receive(out.copy());
  assertEquals([before.isLost, before.closing, thief.isKnown], [false, null, false]);
});

Deno.test("a peer that stood still for most of the silence answers with the first thing that it reads", () => {
  for (
    const [electionTimeoutMs, stillMs] of [[300, 900], [3_000, 8_800], [10_000, 29_000]] as const
  ) {
    const random = new Random(1);
    const [first, second] = [1, 2].map((id) =>
      new Server(id, [1, 2], random, PROTOCOL_VERSION, new SimDisk(), electionTimeoutMs)
    ) as [Server, Server];
    const outbound = first.links.outbound[0]!;
    const inbound = second.links.openInbound("first");
    outbound.connected();
    let stoppedMs = Infinity;
    for (let nowMs = 0; nowMs < 6 * electionTimeoutMs + stillMs + 5_000; nowMs++) {
      first.nowMs = nowMs;
      if (nowMs % 10 === 0) first.elapse(nowMs);
      assertEquals(outbound.isLost, false, `T ${electionTimeoutMs}: given up`);
      if (nowMs >= stoppedMs && nowMs < stoppedMs + stillMs) continue;
      second.nowMs = nowMs;
      if (nowMs % 10 === 5) second.elapse(nowMs);
      move(outbound, inbound);
      const answer = inbound.takeOutput()?.slice();
      if (answer === undefined) continue;
      inbound.outputWritten();
      outbound.receive(answer);
      if (nowMs > 6 * electionTimeoutMs && stoppedMs === Infinity) stoppedMs = nowMs + 1;
    }
    assert(stoppedMs < Infinity);
  }
});
