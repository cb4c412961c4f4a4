import { assertEquals, assertMatch } from "@std/assert";
import { Formation } from "../../lib/node/peers/formation.ts";
import { clusterIdOf } from "../../lib/node/peers/cluster_id.ts";
import type { FormationRecord } from "../../lib/storage/types.ts";
import { Random } from "../../lib/util/random.ts";

/** One server's durable part (identity, record) and its present life. */
class Server {
  readonly id: number;
  readonly ids: readonly number[];
  incarnation: string;
  record: FormationRecord | null = null;
  saved: FormationRecord[] = [];
  complaints: string[] = [];
  formation!: Formation;

  constructor(id: number, ids: readonly number[], incarnation: string) {
    this.id = id;
    this.ids = ids;
    this.incarnation = incarnation;
    this.restart();
  }

  restart(): void {
    this.formation = new Formation(
      { serverId: this.id, incarnation: this.incarnation },
      this.record,
      this.ids,
      {
        saveFormation: (record) => {
          this.record = record;
          this.saved.push(record);
        },
        warnOfFormation: (sentence) => this.complaints.push(sentence),
      },
    );
    this.formation.advance();
  }

  wipe(incarnation: string): void {
    this.record = null;
    this.incarnation = incarnation;
    this.restart();
  }
}

function incarnationOf(n: number): string {
  return n.toString(16).padStart(16, "0");
}

function makeServers(count: number): Server[] {
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  return ids.map((id) => new Server(id, ids, incarnationOf(id)));
}

function tell(from: Server, to: Server): void {
  to.formation.hear(from.id, from.formation.notice());
}

function tellAll(servers: readonly Server[]): void {
  for (const from of servers) for (const to of servers) if (from !== to) tell(from, to);
}

Deno.test("a single server forms at once", () => {
  const [server] = makeServers(1) as [Server];
  assertEquals(server.formation.isFormed, true);
  assertEquals(server.saved.map((record) => record.stage), ["prepared", "formed"]);
});

Deno.test("three servers form the same cluster, and only once all three were heard", () => {
  const [a, b, c] = makeServers(3) as [Server, Server, Server];
  for (let i = 0; i < 5; i++) tellAll([a, b]);
  assertEquals(a.record, null);
  assertEquals(a.formation.waitingFor(), [3]);
  for (let i = 0; i < 3; i++) tellAll([a, b, c]);
  assertEquals([a, b, c].map((s) => s.formation.isFormed), [true, true, true]);
  assertEquals(new Set([a, b, c].map((s) => s.formation.clusterId)).size, 1);
});

Deno.test("a crash between prepared and formed resumes from the recorded incarnations", () => {
  const [a, b, c] = makeServers(3) as [Server, Server, Server];
  tell(b, a);
  tell(c, a);
  assertEquals(a.record?.stage, "prepared");
  a.restart();
  for (let i = 0; i < 3; i++) tellAll([a, b, c]);
  assertEquals([a, b, c].map((s) => s.record?.stage), ["formed", "formed", "formed"]);
});

Deno.test("a server whose list lacks the newcomer's incarnation makes it warnOnce and stay out", () => {
  const [a, b, c] = makeServers(3) as [Server, Server, Server];
  for (let i = 0; i < 3; i++) tellAll([a, b, c]);
  b.wipe(incarnationOf(99));
  for (let i = 0; i < 3; i++) tellAll([a, b, c]);
  assertEquals(b.formation.isFormed, false);
  assertMatch(b.complaints[0]!, /does not know this data directory/);
  assertEquals(b.complaints.length, 2, "once per server that says so");
});

Deno.test("a server wiped after the others prepared is named, and nobody forms without it", () => {
  const [a, b, c] = makeServers(3) as [Server, Server, Server];
  tell(b, a);
  tell(c, a);
  b.wipe(incarnationOf(99));
  for (let i = 0; i < 5; i++) tellAll([a, b, c]);
  assertEquals([a, b, c].some((s) => s.formation.isFormed), false);
  assertMatch(a.complaints.join(), /server 2 lost its data directory/);
});

Deno.test("servers with different cluster files do not form", () => {
  const a = new Server(1, [1, 2], incarnationOf(1));
  const b = new Server(2, [1, 2, 3], incarnationOf(2));
  for (let i = 0; i < 5; i++) tellAll([a, b]);
  assertEquals(a.formation.isFormed, false);
  assertEquals(b.formation.isFormed, false);
  assertMatch(b.complaints.join(), /Give all servers the same cluster file/);
});

Deno.test("a cluster id depends on every id and incarnation", () => {
  const members = [1, 2, 3].map((id) => ({ serverId: id, incarnation: incarnationOf(id) }));
  const id = clusterIdOf(members);
  assertMatch(id, /^[0-9a-f]{32}$/);
  assertEquals(clusterIdOf(members), id);
  for (let i = 0; i < 3; i++) {
    const changed = members.map((member, at) =>
      at === i ? { ...member, incarnation: incarnationOf(77) } : member
    );
    assertEquals(clusterIdOf(changed) === id, false);
  }
});

Deno.test("whatever is lost, wiped or restarted: no two different clusters are ever formed", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const random = new Random(seed);
    const count = random.pick([2, 3, 5]);
    const servers = makeServers(count);
    const formedIds = new Set<string>();
    const wipedIds = new Set<number>();
    for (let step = 0; step < 200; step++) {
      const from = random.pick(servers);
      const to = random.pick(servers);
      if (from !== to) tell(from, to);
      if (random.chance(0.03)) random.pick(servers).restart();
      // A minority may lose its data; the rule has to hold for all of those.
      const victim = random.pick(servers);
      const mayWipe = wipedIds.has(victim.id) || wipedIds.size < Math.ceil(count / 2) - 1;
      if (mayWipe && random.chance(0.02)) {
        wipedIds.add(victim.id);
        victim.wipe(incarnationOf(1000 * seed + step));
      }
      for (const server of servers) {
        if (server.formation.isFormed) formedIds.add(server.formation.clusterId);
      }
    }
    assertEquals(formedIds.size <= 1, true, `seed ${seed}: ${[...formedIds].join(" ")}`);
  }
});

Deno.test("without faults every order of messages ends in one formed cluster", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = new Random(seed);
    const servers = makeServers(random.pick([2, 3, 5, 7]));
    for (let step = 0; step < 2000; step++) {
      const from = random.pick(servers);
      const to = random.pick(servers);
      if (from !== to && random.chance(0.7)) tell(from, to);
    }
    assertEquals(servers.every((server) => server.formation.isFormed), true, `seed ${seed}`);
    assertEquals(servers.flatMap((server) => server.complaints), [], `seed ${seed}`);
  }
});
