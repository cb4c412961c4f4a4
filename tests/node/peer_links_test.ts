import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeAddresses } from "../../lib/node/members/addresses.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { Random } from "../../lib/util/random.ts";
import {
  encodeAddressNotice,
  encodeHello,
  encodeMessage,
  encodeRefusal,
  FrameDecoder,
  HELLO_BYTES_MAX,
  NO_FEATURES,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_MIN,
  RefusalReason,
} from "../../lib/wire/rpc/rpc.ts";
import { history, member, voting } from "./configurations.ts";
import { FACTS } from "../wire/rpc_samples.ts";
import { connectAll, form, GRACE_MS, heartbeat, move, Server, Wire } from "./linked_servers.ts";

Deno.test("three servers form over their links and then exchange messages", () => {
  const { servers, wires } = form(3);
  assertEquals(servers.map((server) => server.formedCount), [1, 1, 1]);
  assertEquals(servers.map((server) => server.directory.formation?.stage), Array(3).fill("formed"));
  servers[0]!.links.send(heartbeat(1, 2));
  for (const wire of wires) wire.pump();
  assertEquals(servers[1]!.received, [heartbeat(1, 2)]);
  assertEquals(servers[2]!.received, []);
});

Deno.test("a digest reaches the others with its sender's name", () => {
  const { servers, wires } = form(3);
  const notice = { index: 7, digest: "0123456789abcdef" };
  servers[0]!.links.sendDigestToAll(notice);
  for (const wire of wires) {
    wire.outbound.onActivity?.();
    wire.pump();
  }
  assertEquals(servers.map((server) => server.digests), [[], [[1, notice]], [[1, notice]]]);
});

Deno.test("while not formed, no message of the core passes", () => {
  const random = new Random(1);
  const a = new Server(1, [1, 2, 3], random);
  const b = new Server(2, [1, 2, 3], random);
  const wire = new Wire(a, b);
  wire.pump();
  a.links.send(heartbeat(1, 2));
  wire.pump();
  assertEquals(b.received, []);
});

Deno.test("a server with another data directory is refused with a sentence", () => {
  const { servers } = form(3);
  const wiped = new Server(2, [1, 2, 3], new Random(99));
  const wire = new Wire(wiped, servers[0]!);
  wire.pump();
  const last = wiped.events.at(-1)!;
  assertEquals(last.message, "A peer refuses this server");
  assertMatch(String(last.fields.reason), /another data directory than it joined with/);
  // There is no first start to wait for.
  const waits = () => wiped.events.filter(({ message }) => message.startsWith("First start"));
  wiped.elapse(0);
  assertEquals(waits(), []);
  const stranded = new Server(2, [1, 2, 3], new Random(98));
  stranded.elapse(0);
  assertEquals(stranded.events.map(({ fields }) => fields), [{ waitingFor: "1, 3" }]);
});

Deno.test("a server of another cluster is refused, naming both clusters", () => {
  const { servers } = form(3);
  const random = new Random(7);
  const others = [1, 2, 3].map((id) => new Server(id, [1, 2, 3], random));
  const wires = connectAll(others);
  for (let nowMs = 0; nowMs < 2000; nowMs += 100) {
    for (const server of others) server.elapse(nowMs);
    for (const wire of wires) wire.pump();
  }
  new Wire(others[1]!, servers[0]!).pump();
  assertMatch(String(others[1]!.events.at(-1)!.fields.reason), /belongs to cluster [0-9a-f]{32}/);
});

Deno.test("a stranger and a wrong address are refused", () => {
  const { servers } = form(3);
  const ids = { clusterId: "0".repeat(32), from: 9, to: 1, incarnation: "0".repeat(16) };
  const hello = { protocolVersion: 1, features: NO_FEATURES, ...ids };
  for (
    const [changed, reason] of [
      [{ ...hello }, RefusalReason.stranger],
      [{ ...hello, from: 2, to: 3 }, RefusalReason.wrongServer],
      [{ ...hello, from: 1 }, RefusalReason.stranger],
    ] as const
  ) {
    const inbound = servers[0]!.links.openInbound("somewhere");
    const out = new ByteWriter();
    encodeHello(out, changed);
    inbound.receive(out.copy());
    const decoder = new FrameDecoder(1000);
    decoder.push(inbound.takeOutput()!);
    const frame = decoder.next();
    assertEquals(frame?.type === "refusal" ? frame.reason : frame, reason);
    assertEquals(inbound.closing !== null, true);
  }
});

Deno.test("garbage, a message before the handshake, or under another name ends the link alone", () => {
  const { servers, wires } = form(3);
  const early = servers[0]!.links.openInbound("x");
  const out = new ByteWriter();
  encodeMessage(out, heartbeat(2, 1));
  early.receive(out.copy());
  assertMatch(early.closing ?? "", /before the handshake/);
  const garbage = servers[0]!.links.openInbound("y");
  garbage.receive(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  assertEquals(garbage.closing !== null, true);
  const wire = wires.find((one) => one.outbound.peerId === 1)!;
  out.clear();
  encodeMessage(out, heartbeat(wire.outbound === servers[1]!.links.outbound[0] ? 3 : 2, 1));
  wire.inbound.receive(out.copy());
  assertMatch(wire.inbound.closing ?? "", /under another server's name/);
  assertEquals(servers[0]!.received, []);
});

Deno.test("an outbox that nobody empties stays bounded, and drops", () => {
  const { servers, wires } = form(3);
  for (let i = 0; i < 10_000; i++) servers[0]!.links.send(heartbeat(1, 2));
  for (const wire of wires) wire.pump();
  const frames = servers[1]!.received.length;
  assertEquals(frames > 50 && frames < 1000, true, `${frames} frames came through`);
});

Deno.test("a lost connection is told to the core, from either side", () => {
  const { servers, wires } = form(3);
  const wire = wires.find((one) => one.outbound === servers[0]!.links.outbound[0])!;
  servers.forEach((server) => server.lost.splice(0));
  wire.outbound.disconnected("reset");
  wire.inbound.disconnected();
  assertEquals(servers[0]!.lost, [2]);
  assertEquals(servers[1]!.lost, [1]);
});

Deno.test("a server that keeps sending what makes no sense is warned about once in a while", () => {
  const { servers, wires } = form(3);
  const [first, second] = servers;
  const wire = wires.find((one) => one.outbound === second!.links.outbound[0])!;
  const complaints = () =>
    first!.events.filter((event) => event.message === "A peer sends what makes no sense").length;
  const good = new ByteWriter();
  encodeMessage(good, heartbeat(2, 1));
  const sendDamaged = (at: number) => {
    const damaged = good.copy();
    damaged[at]! ^= 1;
    wire.inbound.receive(damaged);
    assertMatch(wire.inbound.closing ?? "", /malformed/);
    wire.pump();
    wire.pump();
  };
  first!.nowMs = 2_000;
  const elapse = (ms: number) => first!.elapse(first!.nowMs += ms);
  for (let i = 0; i < 50; i++) {
    elapse(1_000);
    sendDamaged(20);
  }
  assertEquals(complaints(), 1);
  elapse(60_000);
  for (let i = 0; i < 10; i++) sendDamaged(20);
  assertEquals(complaints(), 2);
  // Something else is news, but not every time.
  elapse(1_000);
  for (const at of [4, 20, 4, 20]) sendDamaged(at);
  assertEquals(complaints(), 3);
});

Deno.test("a peer that refuses in other words each time, or comes and goes, does not fill the log", () => {
  const { servers } = form(3);
  const [first, second] = servers;
  const link = first!.links.outbound[0]!;
  link.disconnected("reset");
  first!.events.length = 0;
  first!.nowMs = 2_000;
  const pass = () => first!.elapse(first!.nowMs += 1_000);
  for (let i = 0; i < 3_600; i++) {
    link.connected();
    const refusal = new ByteWriter();
    encodeRefusal(refusal, RefusalReason.busy, `not now, number ${i}`);
    link.receive(refusal.copy());
    link.disconnected(link.closing!);
    pass();
  }
  const refused = first!.events.splice(0);
  assertEquals(refused.length > 50 && refused.length < 80, true, `${refused.length} lines an hour`);
  for (let i = 0; i < 3_600; i++) {
    const inbound = second!.links.openInbound("first");
    link.connected();
    move(link, inbound);
    move(inbound, link);
    assertEquals(link.isUp, true);
    inbound.disconnected();
    link.disconnected("reset");
    pass();
  }
  const flapping = first!.events;
  assertEquals(flapping.length > 50 && flapping.length < 160, true, `${flapping.length} lines`);
  const last = flapping.at(-1)!;
  assertEquals(last.message.startsWith("Peer "), true);
});

/** The founders of a cluster of three, as their logs have them. */
function foundersOf(server: Server) {
  return server.directory.formation!.members.map((one) => member(one.serverId, one.incarnation));
}

Deno.test("links: they come, go and move with the members", () => {
  const { servers } = form(3);
  const [first] = servers;
  const founders = foundersOf(first!);
  const peers = () => first!.links.outbound.map(({ peerId }) => peerId);
  const gone = first!.links.outbound[0]!;
  const before = first!.links.outbound;
  const [one, , three] = founders;
  const place = { hostname: "elsewhere", clientPort: 1, logPort: 2 };
  const fourth = member(4, "4".repeat(16), encodeAddresses(place));
  first!.members.note(history(founders), 0);
  const after = history(founders, voting(one!, three!, fourth));
  first!.members.note(after, 0);
  assertEquals([peers(), first!.links.outbound === before], [[3, 4, 2], false]);
  assertEquals(first!.links.outbound[1]!.addresses, [{ hostname: "elsewhere", port: 2 }]);
  assertEquals([gone.isOver, gone.closing], [false, null], "it may have something to be told yet");
  first!.members.note(after, GRACE_MS);
  assertEquals(peers(), [3, 4]);
  assertEquals([gone.isOver, gone.closing], [true, "it is no member of the cluster any more"]);
  assertEquals(first!.links.outbound[0]!.isUp, true, "who stays is not disturbed");
});

Deno.test("links: what is for one life of a server never leaves to another one", () => {
  const { servers, wires } = form(3);
  const [first, second] = servers;
  const founders = foundersOf(first!);
  const link = first!.links.outbound[0]!;
  const wire = wires.find((one) => one.outbound === link)!;
  first!.links.send(heartbeat(1, 2));
  const replaced = [founders[0]!, member(2, "5".repeat(16)), founders[2]!];
  first!.members.note(history(founders, voting(...replaced)), 0);
  // That was for whom it is connected to; this is for the one that took its place.
  first!.links.send({ ...heartbeat(1, 2), term: 7 });
  wire.pump();
  assertEquals(second!.received, [heartbeat(1, 2)]);
  // The old one still listens there: nothing is sent to it any more.
  wire.pump();
  assertEquals(link.isUp, false);
  const refused = first!.events.at(-1)!;
  assertEquals(refused.message, "A peer refuses this server");
  assertMatch(String(refused.fields.reason), /another data directory than the one that is meant/);
  first!.links.send(heartbeat(1, 2));
  wire.pump();
  assertEquals(second!.received.length, 1);
});

Deno.test("a hello to a server of which nothing is known is no longer than a build before takes", () => {
  const { servers } = form(3);
  const out = new ByteWriter();
  encodeHello(out, servers[0]!.links.hello(2, PROTOCOL_VERSION));
  assert(out.length - 4 <= HELLO_BYTES_MAX, `${out.length} bytes`);
  const before = new ByteWriter();
  encodeHello(before, servers[0]!.links.hello(2, PROTOCOL_VERSION_MIN));
  assertEquals(before.length, 56, "towards such a build not a byte is added");
});

Deno.test("links: a server says where it is, and where others have told it that they are", () => {
  const { servers, wires } = form(3);
  const [first, second, third] = servers;
  const place = { hostname: "elsewhere", clientPort: 1, logPort: 2 };
  const about = { id: 3, incarnation: third!.directory.identity.incarnation };
  const toFirst = wires.find((wire) => wire.outbound === third!.links.outbound[0]!)!;
  const frame = new ByteWriter();
  encodeAddressNotice(frame, { ...about, addresses: encodeAddresses(place) });
  toFirst.inbound.receive(frame.copy());
  assertEquals(first!.members.of(3)!.said, place);
  for (const wire of wires) wire.pump();
  const hosts = (server: Server) => server.members.of(3)!.places.map(({ hostname }) => hostname);
  assertEquals([hosts(first!), hosts(second!)], [["elsewhere", "host-3"], ["host-3", "elsewhere"]]);
  assertEquals(second!.members.of(3)!.said!.hostname, "host-3", "its own word is the first");
  // What is no address ends the connection that it came on, and is nobody's.
  const bad = new ByteWriter();
  encodeAddressNotice(bad, { ...about, addresses: new Uint8Array([7]) });
  toFirst.inbound.receive(bad.copy());
  assertMatch(toFirst.inbound.closing!, /^addresses that make no sense: addresses of form 7/);
  assertEquals(first!.members.of(3)!.said, place);
});

Deno.test("links: of whom no link is made to nothing is kept, however many come under however many ids", () => {
  const { servers: [one] } = form(2);
  const { links, events, status } = one!;
  const statusesBefore = links.statuses.received;
  links.receiveStatus(2, status);
  links.receiveFacts(2, FACTS);
  for (let id = 10; id < 1_010; id++) {
    links.receiveStatus(id, status);
    links.receiveFacts(id, FACTS);
    assertEquals([links.statuses.of(id), links.facts.of(id, one!.nowMs)], [null, null]);
  }
  assertEquals(links.statuses.received, statusesBefore + 1);
  assertEquals(links.facts.of(2, one!.nowMs)?.facts, FACTS.facts);
  // Nor does each of them get lines of its own in the log.
  const before = events.length;
  for (let id = 10; id < 1_010; id++) {
    links.log.up(id);
    links.log.problem(id, "No connection to a peer", "connection refused");
    links.log.down(id, "it ended");
  }
  assert(events.length - before <= 15, `${events.length - before} lines`);
});

Deno.test("links: who founded the cluster is told to members alone, not to whom it knows by a claim", () => {
  const { servers: [one, two] } = form(2);
  const { links, members } = one!;
  const guest = { hostname: "guest", clientPort: 1, logPort: 2 };
  const told: number[] = [];
  const ask = (id: number, incarnation: string) => {
    const link = links.outbound.find(({ peerId }) => peerId === id)!;
    link.sendNotice = () => told.push(id);
    links.receiveNotice(id, { stage: 0, incarnation, clusterId: "0".repeat(32), members: [] });
  };
  members.welcomed(77, "7".repeat(16), { index: 1e9, term: 0, wanted: null });
  members.claimed(77, "7".repeat(16), guest);
  ask(77, "7".repeat(16));
  assertEquals(told, []);
  // A member that has not heard yet that it is formed.
  ask(2, two!.directory.identity.incarnation);
  assertEquals(told, [2]);
});
