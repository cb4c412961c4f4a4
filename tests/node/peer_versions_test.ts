/** Servers of which some speak an earlier version of the handshake. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { Random } from "../../lib/util/random.ts";
import {
  encodeHello,
  encodeMessage,
  encodePong,
  encodeRefusal,
  encodeStatus,
  encodeWelcome,
  Feature,
  FrameDecoder,
  RefusalReason,
} from "../../lib/wire/rpc/rpc.ts";
import { connectAll, form, heartbeat, Server, type Wire } from "./linked_servers.ts";
import { FACTS, STATUS } from "../wire/rpc_samples.ts";

const IDS = [1, 2, 3];
/** Says hello, and is refused: then it waits for its shell. */
const REFUSED = "A peer is of an earlier build: speaking its version of the protocol to it";

function mixed(versions: readonly number[]): { servers: Server[]; wires: Wire[] } {
  const random = new Random(3);
  const servers = IDS.map((id) => new Server(id, IDS, random, versions[id - 1]!));
  const wires = connectAll(servers);
  run(servers, wires, 0, 2_000);
  return { servers, wires };
}

function run(servers: readonly Server[], wires: readonly Wire[], fromMs: number, forMs: number) {
  for (let nowMs = fromMs; nowMs < fromMs + forMs; nowMs += 100) {
    for (const server of servers) {
      server.nowMs = nowMs;
      server.elapse(nowMs);
    }
    for (const server of servers) server.links.wake();
    for (const wire of wires) wire.pump();
  }
}

function linkOf(server: Server, peer: number) {
  return server.links.outbound.find((link) => link.peerId === peer)!;
}

Deno.test("versions: mixed servers form a cluster and exchange messages, whoever is the older", () => {
  for (const versions of [[1, 2, 2], [2, 1, 1], [2, 2, 1], [1, 1, 2]]) {
    const { servers, wires } = mixed(versions);
    assertEquals(servers.map((server) => server.formedCount), [1, 1, 1]);
    for (const from of IDS) {
      for (const to of IDS) {
        if (from !== to) servers[from - 1]!.links.send(heartbeat(from, to));
      }
    }
    for (const wire of wires) wire.pump();
    for (const server of servers) assertEquals(server.received.length, 2);
  }
});

Deno.test("versions: an older server refuses once, is spoken to in its version at once, and nobody complains", () => {
  const { servers, wires } = mixed([1, 2, 2]);
  const [older, newer, third] = servers;
  for (const server of [newer!, third!]) {
    const said = server.events.filter((event) => event.message === REFUSED);
    assertEquals(said.map(({ level, fields }) => [level, fields.peer]), [["info", 1]]);
    assertMatch(`${said[0]!.fields.reason}`, /^this server speaks protocol 1, not 2$/);
  }
  // What is remembered holds for later connections.
  for (let i = 0; i < 5; i++) {
    for (const wire of wires) {
      wire.outbound.disconnected("reset");
      wire.inbound.disconnected();
      wire.connect();
    }
    run(servers, wires, 2_000 + i * 1_000, 1_000);
  }
  for (const server of servers) {
    const refused = server.events.filter((event) => event.message === REFUSED).length;
    assertEquals(refused, server === older ? 0 : 1);
    assertEquals(server.events.filter(({ level }) => level === "warning" || level === "error"), []);
  }
});

Deno.test("versions: frames of a feature go only to servers that named it", () => {
  const { servers, wires } = mixed([1, 2, 2]);
  const [older, newer, third] = servers;
  assertEquals([2, 3].map((id) => linkOf(older!, id).supports(Feature.status)), [false, false]);
  assertEquals([1, 3].map((id) => linkOf(newer!, id).supports(Feature.status)), [false, true]);
  assertEquals([1, 2].map((id) => linkOf(third!, id).supports(Feature.status)), [false, true]);
  assertEquals([1, 3].map((id) => newer!.links.statuses.of(id) !== null), [false, true]);
  for (const server of servers) server.facts = FACTS;
  run(servers, wires, 3_000, 1_500);
  const heard = (of: Server, from: number) => of.links.facts.of(from, 4_500)?.facts.version;
  assertEquals([1, 3].map((id) => heard(newer!, id)), [undefined, "1.2.3"]);
  assertEquals([2, 3].map((id) => heard(older!, id)), [undefined, undefined]);
});

Deno.test("versions: a server that comes back as a later build is spoken to as one", () => {
  const { servers, wires } = mixed([1, 2, 2]);
  const [older, newer] = servers;
  const upgraded = older!.restart(2);
  const after = [upgraded, ...servers.slice(1)];
  for (const wire of wires) {
    if (!wire.isWith(1)) continue;
    wire.disconnect();
    wire.replace(older!, upgraded);
  }
  run(after, wires, 2_000, 1_000);
  for (const server of after) {
    for (const link of server.links.outbound) assert(link.isUp && link.supports(Feature.status));
  }
  // And back again.
  const downgraded = upgraded.restart(1);
  for (const wire of wires) {
    if (!wire.isWith(1)) continue;
    wire.disconnect();
    wire.replace(upgraded, downgraded);
  }
  run([downgraded, ...servers.slice(1)], wires, 3_000, 1_000);
  assertEquals(linkOf(newer!, 1).supports(Feature.status), false);
  assert(linkOf(newer!, 1).isUp && linkOf(downgraded, 2).isUp);
});

Deno.test("versions: a frame of a feature that the hello did not name ends the connection", () => {
  const { servers } = form(3);
  const identity = servers[1]!.links.hello(1, 1);
  const status = new ByteWriter();
  encodeStatus(status, STATUS);
  const piece = new ByteWriter();
  const of = { index: 1, snapshotTerm: 1, offset: 0, totalBytes: null, data: new Uint8Array(1) };
  encodeMessage(piece, { kind: "snapshotChunk", from: 2, to: 1, term: 1, ...of });
  const named = new Map([[Feature.status, new Uint8Array(0)]]);
  const namesPieces = new Map([[Feature.pieces, new Uint8Array(0)]]);
  for (
    const [frame, protocolVersion, features, problem] of [
      [status, 1, named, /^a status frame, and the handshake did not name status$/],
      [status, 2, new Map(), /^a status frame, and the handshake did not name status$/],
      [status, 2, named, null],
      [piece, 2, named, /^a message frame, and the handshake did not name pieces$/],
      [piece, 2, namesPieces, null],
    ] as const
  ) {
    const inbound = servers[0]!.links.openInbound("somewhere");
    const hello = new ByteWriter();
    encodeHello(hello, { ...identity, protocolVersion, features });
    inbound.receive(hello.copy());
    const decoder = new FrameDecoder(1_000);
    decoder.push(inbound.takeOutput()!.slice());
    const welcome = decoder.next();
    assertEquals(welcome?.type === "welcome" && welcome.hello.protocolVersion, protocolVersion);
    inbound.receive(frame.copy());
    if (problem === null) assertEquals(inbound.closing, null);
    else assertMatch(inbound.closing!, problem);
    inbound.disconnected();
  }
});

Deno.test("versions: an answer after the one that ended a connection is not taken for another", () => {
  const { servers } = form(3);
  const wiped = new Server(2, IDS, new Random(99));
  const link = linkOf(servers[0]!, 2);
  link.disconnected("reset");
  link.connected();
  const inbound = wiped.links.openInbound("server 1");
  inbound.receive(link.takeOutput()!.slice());
  link.outputWritten();
  wiped.links.elapse(0);
  wiped.links.elapse(1_000);
  servers[0]!.events.length = 0;
  // Its welcome, which names another data directory, and a pong, in one piece.
  const welcome = inbound.takeOutput()!.slice();
  const pong = new ByteWriter();
  encodePong(pong);
  link.receive(new Uint8Array([...welcome, ...pong.copy()]));
  link.receive(pong.copy());
  assertEquals(servers[0]!.events.map((event) => event.message), [
    "A peer is not the server that the cluster file names",
  ]);
});

Deno.test("versions: who speaks the later version here is not taken for an older one by a refusal from its address", () => {
  const { servers, wires } = mixed([2, 2, 2]);
  const [first, second] = servers;
  const link = linkOf(first!, 2);
  const refusal = new ByteWriter();
  encodeRefusal(refusal, RefusalReason.otherVersion, "this server speaks protocol 1, not 2");
  const refuse = () => {
    link.disconnected("reset");
    link.connected();
    link.receive(refusal.copy());
    link.disconnected("refused");
    link.connected();
    const decoder = new FrameDecoder(1_000);
    decoder.push(link.takeOutput()!.slice());
    link.outputWritten();
    const hello = decoder.next();
    return hello?.type === "hello" ? hello.hello.protocolVersion : 0;
  };
  assertEquals(refuse(), 2);
  assertEquals(first!.events.filter((event) => event.message === REFUSED), []);
  // Once it does not speak here any more, it may be of an earlier build.
  const fromSecond = wires.find((wire) => wire.outbound === linkOf(second!, 1))!;
  fromSecond.disconnect();
  assertEquals(refuse(), 1);
});

Deno.test("versions: who is refused in the first version is said hello in the latest one next time", () => {
  const { servers } = mixed([2, 1, 2]);
  const link = linkOf(servers[0]!, 2);
  const helloVersion = () => {
    link.disconnected("reset");
    link.connected();
    const decoder = new FrameDecoder(1_000);
    decoder.push(link.takeOutput()!.slice());
    link.outputWritten();
    const hello = decoder.next();
    return hello?.type === "hello" ? hello.hello.protocolVersion : 0;
  };
  assertEquals(helloVersion(), 1, "as the build before is spoken to");
  const welcome = new ByteWriter();
  const of = servers[1]!.links.hello(1, 1);
  // Another life of this server, of which nobody has heard which version it speaks.
  encodeWelcome(welcome, {
    ...of,
    protocolVersion: 1,
    incarnation: servers[2]!.links.hello(1, 1).incarnation,
  });
  link.receive(welcome.copy());
  assert(link.closing !== null || !link.isUp, "that life is refused");
  assertEquals(helloVersion(), 2);
});
