/** When a leader raises the cluster version, and whom it keeps out then. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CLUSTER_VERSION_MAX, encodeClusterVersion } from "../../lib/kv/cluster_version.ts";
import { DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { type AppendRequest, EntryKind } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { connectAll, Server, type Wire } from "./linked_servers.ts";
import { Fleet } from "./fleet.ts";
import { type BuildOptions, Three } from "./three_nodes.ts";

const { electionTimeoutMs } = DEFAULT_TIMING;
/** By server. */
const LATEST = Array(3).fill(CLUSTER_VERSION_MAX);
const LONG_MS = 20 * electionTimeoutMs;

function formed(builds: readonly BuildOptions[] = []): Three {
  const three = new Three(builds);
  three.form();
  return three;
}

function versions(three: Three): number[] {
  return three.nodes.map(({ store }) => store!.clusterVersion);
}

/** Entries that raise the version, in each log. */
function raises(three: Three): number[] {
  return three.nodes.map(({ raft }) =>
    raft!.state.log.entries.filter(({ data }) => data[0] === EntryKind.clusterVersion).length
  );
}

function waits(three: Three): string | null {
  return three.nodes[three.leader]!.view.counts().facts.clusterVersionWaits;
}

Deno.test("cluster version: the leader raises it, once, where all can, and each server says so once", () => {
  const three = formed();
  three.pass(LONG_MS);
  assertEquals(versions(three), LATEST);
  assertEquals(raises(three), [1, 1, 1]);
  assertEquals(waits(three), null);
  for (const events of three.events) {
    assertEquals(events.filter(({ message }) => /version is raised: /.test(message)).length, 1);
  }
  const { servers } = three.nodes[0]!.view.status();
  assertEquals(servers.map(({ facts }) => facts?.clusterVersion), LATEST);
});

Deno.test("cluster version: it waits for a server of a build before, and says for which", () => {
  const three = formed([{}, {}, { isOlder: true }]);
  three.pass(LONG_MS);
  assertEquals(versions(three), [1, 1, 1]);
  assertEquals(raises(three), [0, 0, 0]);
  if (three.leader !== 2) {
    assertEquals(waits(three), "server 3 runs a build that can read 1 at most");
  }
});

Deno.test("cluster version: it is raised as far as all can read, and it is said whom the rest waits for", () => {
  const three = formed([{}, {}, { clusterVersionMax: 2 }]);
  three.pass(LONG_MS);
  assertEquals(versions(three), [2, 2, 2]);
  assertEquals(raises(three), [1, 1, 1]);
  if (three.leader === 2) return;
  assertEquals(waits(three), "server 3 runs a build that can read 2 at most");
});

Deno.test("cluster version: one server that holds it back is enough, whoever leads", () => {
  for (const at of [0, 1, 2]) {
    const builds = [0, 1, 2].map((other) => ({ holds: other === at }));
    const three = formed(builds);
    three.pass(LONG_MS);
    assertEquals(versions(three), [1, 1, 1]);
    assertEquals(waits(three), `server ${at + 1} holds it back (holdClusterVersion)`);
  }
});

Deno.test("cluster version: it waits for a server that is not heard, and is raised once it is there", () => {
  const three = new Three();
  three.settle();
  while (three.leader < 0) three.pass(1);
  const away = (three.leader + 1) % 3;
  three.stop(away);
  three.pass(LONG_MS);
  assertEquals(raises(three).filter((count) => count > 0), []);
  assertEquals(waits(three), `server ${away + 1} is not heard`);
  three.continue(away);
  three.pass(LONG_MS);
  assertEquals(versions(three), LATEST);
});

/** What the servers log of a raise that is ahead, each in its own life. */
function ahead(fleet: Fleet, holds: boolean): string[] {
  const phrase = holds ? "held back here" : "raised once all";
  return fleet.found(3, holds).map(({ name, events }) => {
    fleet.pass(2 * electionTimeoutMs);
    const at = events.length;
    fleet.stop(name);
    fleet.start(name);
    fleet.pass(20 * electionTimeoutMs);
    const said = events.slice(at).filter(({ message }) => message.includes(phrase));
    return `${name} ${said.length}`;
  });
}

Deno.test("cluster version: a server that starts again says what is ahead once it knows, and only if it is", () => {
  assertEquals(ahead(new Fleet(), false), ["1 0", "2 0", "3 0"]);
  assertEquals(ahead(new Fleet(), true), ["1 1", "2 1", "3 1"]);
});

function raise(from: number, to: number): AppendRequest {
  const data = new Uint8Array(ENVELOPE_BYTES + 2);
  writeEnvelope(data, EntryKind.clusterVersion, 1);
  data.set(encodeClusterVersion(2), ENVELOPE_BYTES);
  return {
    kind: "appendRequest",
    from,
    to,
    term: 1,
    prevIndex: 0,
    prevTerm: 0,
    entries: [{ index: 1, term: 1, data }],
    commitIndex: 0,
    readRound: 0,
  };
}

/** Three servers' links; the first one is of a build before. */
function linked(): { servers: [Server, Server, Server]; wires: Wire[]; pump(ms: number): void } {
  const random = new Random(5);
  const ids = [1, 2, 3];
  const servers = ids.map((id) => new Server(id, ids, random, id === 1 ? 1 : 2));
  const wires = connectAll(servers);
  let nowMs = 0;
  const pump = (ms: number) => {
    for (const untilMs = nowMs + ms; nowMs < untilMs; nowMs += 100) {
      for (const server of servers) server.elapse(nowMs);
      for (const server of servers) server.links.wake();
      for (const wire of wires) wire.pump();
    }
  };
  pump(2_000);
  assertEquals(servers.map(({ formedCount }) => formedCount), [1, 1, 1]);
  for (const server of servers) server.lost.length = 0;
  return { servers: servers as [Server, Server, Server], wires, pump };
}

const TOO_EARLY =
  /^server 1 runs a build that can read cluster version 1 at most, and this cluster has 2: /;

Deno.test("cluster version: an entry that raises it is never sent to a build before; both sides say why", () => {
  const { servers: [older, leader, third], pump } = linked();
  leader.links.send(raise(2, 3));
  leader.links.send(raise(2, 1));
  pump(200);
  assertEquals(third.received.length, 1);
  assertEquals(older.received, []);
  assert(leader.lost.includes(1), "its connection ended");
  // From now on its handshake is refused, too: its log may make the version the cluster's.
  leader.needed = 2;
  for (const link of leader.links.outbound) link.connectAfresh("the test says so");
  for (const link of older.links.outbound) link.connectAfresh("the test says so");
  pump(4_000);
  leader.links.send(raise(2, 1));
  pump(200);
  assertEquals(older.received, []);
  const told = leader.events.filter(({ level, fields }) => {
    return level === "warning" && TOO_EARLY.test(`${fields.reason}`);
  });
  assertEquals([...new Set(told.map(({ message }) => message))].sort(), [
    "A peer runs too early a build, and gets nothing until it has a later one",
    "A server's build is too early",
  ]);
  assert(told.length <= 4, `said ${told.length} times`);
  const heard = older.events.filter(({ fields }) => TOO_EARLY.test(`${fields.reason}`));
  assertEquals(heard.map(({ message }) => message), ["A peer refuses this server"]);
});

Deno.test("cluster version: once it is raised, a build before that is connected is let go, both ways", () => {
  const { servers: [older, leader, third], pump } = linked();
  leader.needed = 2;
  leader.links.versionRaised(2);
  pump(1_000);
  assert(leader.lost.includes(1) && older.lost.includes(2), `${leader.lost} / ${older.lost}`);
  assertEquals([leader.lost.includes(3), third.lost], [false, []]);
  assertMatch(`${older.events.at(-1)?.fields.reason}`, TOO_EARLY);
});
