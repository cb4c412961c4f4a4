/** Servers that prove a secret to each other: who is let in, and what nobody gets in by. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { InboundLink } from "../../lib/node/api.ts";
import { ClusterSecret } from "../../lib/node/peers/cluster_secret.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { hmacSha256, isSameInConstantTime } from "../../lib/util/mac.ts";
import { Random } from "../../lib/util/random.ts";
import { bytesToHex } from "../../lib/util/hex.ts";
import {
  encodeFormation,
  encodeHello,
  encodeMessage,
  encodePong,
  encodeProof,
  encodeRefusal,
  encodeWelcome,
  Feature,
  type Frame,
  FrameDecoder,
  type Hello,
  HELLO_BYTES_MAX,
  NONCE_BYTES,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_MIN,
  RefusalReason,
} from "../../lib/wire/rpc/rpc.ts";
import { form, heartbeat, pass, secret, Server, Wire } from "./linked_servers.ts";

const ALL = () => secret(["the cluster's"]);

function formed(secretOf: (id: number) => ClusterSecret | undefined = ALL) {
  return form(3, undefined, secretOf);
}

function bytes(encode: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter();
  encode(out);
  return out.copy();
}

/** Whoever speaks to a server over a connection that it accepted, or that it made. */
class Talk {
  readonly link: {
    receive(bytes: Uint8Array): void;
    takeOutput(): Uint8Array | null;
    outputWritten(): void;
    readonly closing: string | null;
  };
  readonly #decoder = new FrameDecoder(100_000);

  constructor(link: InboundLink) {
    this.link = link;
  }

  say(encode: (out: ByteWriter) => void): void {
    this.link.receive(bytes(encode));
  }

  hears(): Frame[] {
    const frames: Frame[] = [];
    for (let output = this.link.takeOutput(); output !== null; output = this.link.takeOutput()) {
      this.#decoder.push(output.slice());
      this.link.outputWritten();
      for (let frame = this.#decoder.next(); frame !== null; frame = this.#decoder.next()) {
        frames.push(frame);
      }
    }
    return frames;
  }

  /** The last frame that came, which is a hello or welcome. */
  hearsHello(): Hello {
    const frame = this.hears().at(-1);
    if (frame?.type === "hello" || frame?.type === "welcome") return frame.hello;
    throw new Error(`${frame?.type} came`);
  }

  assertRefused(reason: number): void {
    const frame = this.hears().at(-1);
    assertEquals(frame?.type === "refusal" ? frame.reason : frame, reason);
    assertNotEquals(this.link.closing, null);
  }
}

/** What server `from` would say to `to`, with this nonce; undefined: without the feature. */
function helloOf(from: Server, to: number, nonce?: Uint8Array): Hello {
  const hello = from.links.hello(to, PROTOCOL_VERSION);
  if (nonce === undefined) return hello;
  return { ...hello, features: new Map([...hello.features, [Feature.secret, nonce]]) };
}

function nonce(byte: number): Uint8Array {
  return new Uint8Array(NONCE_BYTES).fill(byte);
}

function acceptedBy(server: Server): Talk {
  return new Talk(server.links.openInbound("somewhere"));
}

/** The connection that `server` makes to `to` reaches somebody else. */
function diallingOf(server: Server, to: number): Talk {
  const link = server.links.outbound.find(({ peerId }) => peerId === to)!;
  link.disconnected("reset");
  link.connected();
  return new Talk(link as unknown as InboundLink);
}

function linesOf(server: Server): string[] {
  return server.events.map(({ message, fields }) => `${message}: ${fields.reason}`);
}

Deno.test("secret: servers that share one form, and what they say to each other arrives", () => {
  const { servers, wires } = formed();
  assertEquals(servers.map(({ formedCount }) => formedCount), [1, 1, 1]);
  servers[0]!.links.send(heartbeat(1, 2));
  for (const wire of wires) wire.pump();
  assertEquals(servers[1]!.received, [heartbeat(1, 2)]);
  assertEquals(servers.flatMap((server) => server.links.outbound.map(({ isUp }) => isUp)), [
    ...Array(6).fill(true),
  ]);
  assertEquals(linesOf(servers[0]!).filter((line) => /secret/.test(line)), []);
});

Deno.test("secret: handshakes stay as short as a build before takes them", () => {
  const { servers } = formed();
  const dialling = diallingOf(servers[0]!, 2);
  const hello = dialling.hearsHello();
  assert(bytes((out) => encodeHello(out, hello)).length - 4 <= HELLO_BYTES_MAX);
  const accepted = acceptedBy(servers[1]!);
  accepted.say((out) => encodeHello(out, hello));
  const welcome = accepted.hearsHello();
  assertEquals(welcome.features.get(Feature.secret)!.length, NONCE_BYTES + 32);
  assert(bytes((out) => encodeWelcome(out, welcome)).length - 4 <= HELLO_BYTES_MAX);
});

Deno.test("secret: none is configured, and none is named", () => {
  const { servers } = form(2);
  assertEquals(diallingOf(servers[0]!, 2).hearsHello().features.has(Feature.secret), false);
  const accepted = acceptedBy(servers[1]!);
  // A server that has one and does without for now hears nothing of it.
  accepted.say((out) => encodeHello(out, helloOf(servers[0]!, 2, nonce(1))));
  assertEquals(accepted.hearsHello().features.has(Feature.secret), false);
  assertEquals(accepted.link.closing, null);
});

Deno.test("secret: who does not name it is refused before anything that it says counts", () => {
  const { servers } = formed();
  const [first, second] = servers as [Server, Server, Server];
  for (const version of [PROTOCOL_VERSION_MIN, PROTOCOL_VERSION]) {
    const stranger = acceptedBy(first);
    stranger.say((out) => encodeHello(out, second.links.hello(1, version)));
    stranger.assertRefused(RefusalReason.secret);
    stranger.say((out) => encodeMessage(out, heartbeat(2, 1)));
  }
  assertEquals(first.received, []);
  assertMatch(linesOf(first).at(-1)!, /^A server is refused: server 2 does not name .* secret/);
});

Deno.test("secret: no message, notice or pong counts before the proof", () => {
  const notice = { stage: 2, clusterId: "0".repeat(32), members: [] };
  const frames: ((out: ByteWriter) => void)[] = [
    (out) => encodeMessage(out, heartbeat(2, 1)),
    (out) => encodeFormation(out, { ...notice, incarnation: "0".repeat(16) }),
    (out) => encodePong(out),
    (out) => encodeProof(out, new Uint8Array(32)),
  ];
  for (const frame of frames) {
    const { servers } = formed();
    const [first, second] = servers as [Server, Server, Server];
    const stranger = acceptedBy(first);
    stranger.say((out) => encodeHello(out, helloOf(second, 1, nonce(1))));
    stranger.hearsHello();
    stranger.say(frame);
    assertNotEquals(stranger.link.closing, null);
    assertEquals(first.received, []);
  }
});

Deno.test("secret: two servers with different ones refuse each other, with a sentence in both logs", () => {
  const { servers, wires } = formed((id) => secret([id === 3 ? "a typo" : "the cluster's"]));
  assertEquals(servers.map(({ formedCount }) => formedCount), [0, 0, 0]);
  const wrong = (by: Server, id: number) =>
    linesOf(by).some((line) => line.includes(`server ${id} does not prove the cluster's secret`));
  assertEquals([wrong(servers[0]!, 3), wrong(servers[2]!, 1), wrong(servers[0]!, 2)], [
    true,
    true,
    false,
  ]);
  for (const wire of wires) wire.pump();
  assertEquals(servers.flatMap(({ received }) => received), []);
});

Deno.test("secret: a server without one is told so, though it connects to nobody", () => {
  const { servers } = formed((id) => id === 1 ? ALL() : undefined);
  const [first, second] = servers as [Server, Server, Server];
  const dialling = diallingOf(first, 2);
  const accepted = acceptedBy(second);
  accepted.say((out) => encodeHello(out, dialling.hearsHello()));
  dialling.say((out) => encodeWelcome(out, accepted.hearsHello()));
  const refusal = dialling.hears().at(-1);
  if (refusal?.type !== "refusal") throw new Error(`${refusal?.type} came`);
  assertEquals(refusal.reason, RefusalReason.secret);
  assertMatch(linesOf(first).at(-1)!, /^A peer does not prove .*: server 2 does not name/);
  accepted.say((out) => encodeRefusal(out, refusal.reason, refusal.text));
  const said = "server 1 finds that this server does not prove";
  assertEquals(linesOf(second).filter((line) => line.includes(said)).length, 1);
  assertNotEquals(accepted.link.closing, null);
});

Deno.test("secret: who has proven nothing and refuses this server is told of as somebody", () => {
  const { servers } = formed();
  const [first, second] = servers as [Server, Server, Server];
  const stranger = acceptedBy(first);
  stranger.say((out) => encodeHello(out, helloOf(second, 1, nonce(1))));
  stranger.hearsHello();
  stranger.say((out) => encodeRefusal(out, RefusalReason.secret, "no"));
  const said = linesOf(first).at(-1)!;
  assertMatch(said, /: somebody who claims to be server 2, and has not proven it, finds/);
  assertEquals(linesOf(first).filter((line) => line.includes(": server 2 finds")), []);
});

Deno.test("secret: a hello that was refused as too new is not followed by one without a proof", () => {
  const version = PROTOCOL_VERSION;
  // It hears nobody who speaks that version.
  const first = new Server(1, [1, 2], new Random(1), version, undefined, undefined, ALL());
  for (let tries = 0; tries < 3; tries++) {
    const dialling = diallingOf(first, 2);
    assertEquals(dialling.hearsHello().protocolVersion, PROTOCOL_VERSION);
    dialling.say((out) => encodeRefusal(out, RefusalReason.otherVersion, "too new"));
    assertNotEquals(dialling.link.closing, null);
  }
});

Deno.test("secret: a welcome without a proof, with half of one or with another's is none", () => {
  const { servers } = formed();
  const [first, second] = servers as [Server, Server, Server];
  for (const value of [undefined, nonce(3), new Uint8Array(47), new Uint8Array(48)]) {
    const dialling = diallingOf(first, 2);
    dialling.hearsHello();
    dialling.say((out) => encodeWelcome(out, helloOf(second, 1, value)));
    dialling.assertRefused(RefusalReason.secret);
  }
  assertEquals(first.links.outbound.find(({ peerId }) => peerId === 2)!.isUp, false);
});

Deno.test("secret: no challenge is answered by whoever set it, in either direction", () => {
  const { servers } = formed();
  const [first, second] = servers as [Server, Server, Server];
  // Server 1 connects to somebody who has taken server 2's place, and has no secret.
  const dialling = diallingOf(first, 2);
  const challenge = dialling.hearsHello().features.get(Feature.secret)!;
  // He has server 1 itself answer the challenge, over a connection of his own.
  const back = acceptedBy(first);
  back.say((out) => encodeHello(out, helloOf(second, 1, challenge)));
  const answered = back.hearsHello().features.get(Feature.secret)!;
  dialling.say((out) => encodeWelcome(out, helloOf(second, 1, answered)));
  dialling.assertRefused(RefusalReason.secret);
  // And gives back as his own proof what server 1 has proven itself by.
  back.say((out) => encodeProof(out, answered.subarray(NONCE_BYTES)));
  back.assertRefused(RefusalReason.secret);
  assertEquals(first.received, []);
});

Deno.test("secret: a proof is good for one connection, and for one server, life and cluster", () => {
  const { servers } = formed();
  const [first, second, third] = servers as [Server, Server, Server];
  // What server 2 says to server 1, word for word.
  const dialling = diallingOf(second, 1);
  const hello = dialling.hearsHello();
  const real = acceptedBy(first);
  const other = acceptedBy(first);
  real.say((out) => encodeHello(out, hello));
  other.say((out) => encodeHello(out, hello));
  dialling.say((out) => encodeWelcome(out, real.hearsHello()));
  const proof = dialling.hears().at(-1);
  if (proof?.type !== "proof") throw new Error(`${proof?.type} came`);
  // At the same time, over another connection to the same server.
  other.hearsHello();
  other.say((out) => encodeProof(out, proof.mac));
  other.assertRefused(RefusalReason.secret);
  // Over one to another server.
  const third2 = acceptedBy(third);
  third2.say((out) => encodeHello(out, { ...hello, to: 3 }));
  third2.hearsHello();
  third2.say((out) => encodeProof(out, proof.mac));
  third2.assertRefused(RefusalReason.secret);
  // Where it belongs it is good, once; and so is what follows.
  real.say((out) => encodeProof(out, proof.mac));
  assertEquals(real.hears().map(({ type }) => type), ["pong"]);
  real.say((out) => encodeMessage(out, heartbeat(2, 1)));
  assertEquals(first.received, [heartbeat(2, 1)]);
  // Later, all of it again.
  const later = acceptedBy(first);
  later.say((out) => encodeHello(out, hello));
  later.hearsHello();
  later.say((out) => encodeProof(out, proof.mac));
  later.assertRefused(RefusalReason.secret);
});

Deno.test("secret: everything that identifies a connection is in what is proven", () => {
  const own = ALL();
  const hello: Hello = {
    protocolVersion: 2,
    clusterId: "0".repeat(32),
    from: 1,
    to: 2,
    incarnation: "1".repeat(16),
    features: new Map([[Feature.secret, nonce(1)]]),
  };
  const welcome = {
    ...hello,
    from: 2,
    to: 1,
    incarnation: "2".repeat(16),
    features: new Map([[Feature.secret, nonce(2)]]),
  };
  const mac = own.proofMac({ hello, welcome });
  assert(own.provenBy({ hello, welcome }, mac) !== null);
  const changes: Partial<Hello>[] = [
    { from: 3 },
    { incarnation: "3".repeat(16) },
    { clusterId: "1".repeat(32) },
    { features: new Map([[Feature.secret, nonce(3)]]) },
  ];
  for (const change of changes) {
    const changed = { hello: { ...hello, ...change }, welcome };
    assertEquals(own.provenBy(changed, mac), null, JSON.stringify(change));
    assertEquals(own.provenBy({ hello, welcome: { ...welcome, ...change } }, mac), null);
  }
  assertEquals(own.provenBy({ hello: welcome, welcome: hello }, mac), null, "the other direction");
  assertEquals(own.welcomedBy({ hello, welcome }, mac), null, "the other role");
  assertEquals(secret(["another"]).provenBy({ hello, welcome }, mac), null);
});

Deno.test("secret: HMAC-SHA256 is that of RFC 4231, and compares bytes", () => {
  const text = (value: string) => new TextEncoder().encode(value);
  const mac = hmacSha256(text("Jefe"), text("what do ya want for nothing?"));
  const expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  assertEquals(bytesToHex(mac, 0, 32), expected);
  assert(isSameInConstantTime(mac, mac.slice()));
  const other = mac.slice();
  other[31]! ^= 1;
  assertEquals(isSameInConstantTime(mac, other), false);
  assertEquals(isSameInConstantTime(mac, mac.subarray(1)), false);
});

Deno.test("secret: a stranger can't tell a server that it was removed", () => {
  const { servers } = formed();
  const first = servers[0]!;
  const dialling = diallingOf(first, 2);
  dialling.hearsHello();
  dialling.say((out) => encodeRefusal(out, RefusalReason.removed, "go"));
  assertEquals(first.removedBy, []);
  const open = form(2).servers[0]!;
  const heard = diallingOf(open, 2);
  heard.hearsHello();
  heard.say((out) => encodeRefusal(out, RefusalReason.removed, "go"));
  assertEquals(open.removedBy, [2]);
});

Deno.test("secret: it is rolled in a server at a time, and nobody is shut out meanwhile", () => {
  const optional = () => secret(["the cluster's"], true);
  const both = formed((id) => id === 1 ? optional() : undefined);
  assertEquals(both.servers.map(({ formedCount }) => formedCount), [1, 1, 1]);
  const most = formed((id) => id === 1 ? ALL() : optional());
  assertEquals(most.servers.map(({ formedCount }) => formedCount), [1, 1, 1]);
  // Whoever names one proves it, also where that is not asked of all.
  const typo = formed((id) => secret([id === 3 ? "a typo" : "the cluster's"], true));
  assertEquals(typo.servers.map(({ formedCount }) => formedCount), [0, 0, 0]);
});

Deno.test("secret: it is exchanged while servers are connected", () => {
  const bytesOf = (...texts: string[]) =>
    texts.map((text) => new TextEncoder().encode(text.padEnd(32, "-")));
  const { servers, wires } = formed(() => secret(["old"]));
  const ups = () =>
    servers.flatMap(({ links }) => links.outbound).filter(({ isUp }) => isUp).length;
  let nowMs = 2_000;
  const steps = [bytesOf("old", "new"), bytesOf("new", "old"), bytesOf("new")];
  for (const [at, step] of steps.entries()) {
    for (const server of servers) {
      const before = ups();
      server.secret!.exchange(step);
      server.links.secretExchanged();
      // What was proven by one that still counts stays as it is.
      if (at < 2) assertEquals(ups(), before);
      for (let i = 0; i < 3; i++) for (const wire of wires) wire.pump();
      assertEquals(ups(), 6, `step ${at}`);
      pass(servers, wires, nowMs, nowMs += 1_000);
    }
  }
  assertEquals(servers.flatMap(({ events }) => events).filter(({ level }) => level !== "info"), []);
  // Who missed it is out.
  servers[2]!.secret!.exchange(bytesOf("old"));
  servers[2]!.links.secretExchanged();
  for (let i = 0; i < 3; i++) for (const wire of wires) wire.pump();
  assertEquals(ups(), 2);
});

Deno.test("secret: what is proven by the old one ends when that is taken out", () => {
  const { servers, wires } = formed(() => secret(["old"]));
  const [first] = servers as [Server, Server, Server];
  first.secret!.exchange([new TextEncoder().encode("new".padEnd(32, "-"))]);
  const accepted = wires.filter(({ outbound }) => outbound.peerId === 1);
  first.links.secretExchanged();
  assertEquals(
    accepted.map(({ inbound }) => inbound.closing),
    Array(2).fill("the secret was exchanged"),
  );
  for (const wire of wires) wire.pump();
  assertEquals(first.links.outbound.map(({ isUp }) => isUp), [false, false]);
});

Deno.test("secret: one that is taken out while a handshake is under way lets nobody in by it", () => {
  const newer = [new TextEncoder().encode("new".padEnd(32, "-"))];
  // The end that connects has sent its proof, and waits.
  const { servers } = formed(() => secret(["old"]));
  const [first, second] = servers as [Server, Server, Server];
  const dialling = diallingOf(first, 2);
  const accepted = acceptedBy(second);
  accepted.say((out) => encodeHello(out, dialling.hearsHello()));
  dialling.say((out) => encodeWelcome(out, accepted.hearsHello()));
  const proof = dialling.hears().at(-1);
  if (proof?.type !== "proof") throw new Error(`${proof?.type} came`);
  first.secret!.exchange(newer);
  first.links.secretExchanged();
  assertEquals(dialling.link.closing, "the secret was exchanged");
  // The other end judges it when it comes.
  second.secret!.exchange(newer);
  second.links.secretExchanged();
  assertEquals(accepted.link.closing, null);
  accepted.say((out) => encodeProof(out, proof.mac));
  accepted.assertRefused(RefusalReason.secret);
});

Deno.test("secret: the next process of a server takes the place of one that does not answer", () => {
  const { servers, wires } = formed();
  const [first, second] = servers as [Server, Server, Server];
  const wire = wires.find((one) => one.isWith(1) && one.outbound === second.links.outbound[0])!;
  const next = second.restart();
  const again = new Wire(next, first);
  for (let i = 0; i < 3; i++) again.pump();
  assertEquals(next.links.outbound[0]!.isUp, false, "the earlier one is asked");
  for (let nowMs = 2_000; nowMs < 4_000; nowMs += 50) {
    first.elapse(nowMs);
    again.pump();
  }
  assertEquals(next.links.outbound[0]!.isUp, true);
  assertNotEquals(wire.inbound.closing, null);
});

Deno.test("secret: whatever strangers send, they are not let in, and nothing else happens", () => {
  const random = new Random(65);
  const { servers, wires } = formed();
  const [first, second] = servers as [Server, Server, Server];
  for (let round = 0; round < 3_000; round++) {
    const stranger = acceptedBy(first);
    const value = new Uint8Array(random.between(0, 200)).map(() => random.between(0, 255));
    const named = value.length >= NONCE_BYTES ? value : nonce(round & 255);
    stranger.say((out) => encodeHello(out, helloOf(second, 1, named.subarray(0, 64))));
    for (let more = random.between(1, 4); more > 0 && stranger.link.closing === null; more--) {
      const frame = bytes((out) => {
        const mac = new Uint8Array(32).map(() => random.between(0, 255));
        if (random.chance(0.7)) encodeProof(out, mac);
        else if (random.chance(0.5)) encodeMessage(out, { ...heartbeat(2, 1), term: 1_000 });
        else encodePong(out);
      });
      if (random.chance(0.5)) {
        frame[random.between(0, frame.length - 1)]! ^= 1 << random.between(0, 7);
      }
      stranger.link.receive(frame.subarray(0, random.between(1, frame.length)));
      stranger.link.receive(frame);
    }
    for (const frame of stranger.hears()) {
      assert(frame.type === "welcome" || frame.type === "refusal", frame.type);
    }
    (stranger.link as unknown as InboundLink).disconnected();
  }
  assertEquals(first.received, []);
  assert(first.events.length < 50, `${first.events.length} lines`);
  for (const wire of wires) wire.pump();
  assertEquals(first.links.outbound.map(({ isUp }) => isUp), [true, true]);
});
