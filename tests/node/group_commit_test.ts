/** For whom the next entry waits, and how long (lib/node/log/group_commit.ts). */
import { assertEquals } from "@std/assert";
import { GroupCommit } from "../../lib/node/log/group_commit.ts";
import { ClientPace } from "../../lib/node/session/client_pace.ts";
import { type LeaderRole, Raft, type RaftState } from "../../lib/raft/raft.ts";
import { makeReadIndexState } from "../../lib/raft/read_index.ts";
import { makeThriftyAppends } from "../../lib/raft/thrifty_appends.ts";
import { makeOptions } from "../raft/cluster.ts";

const LEADER: LeaderRole = {
  kind: "leader",
  progress: new Map(),
  heartbeatDueMs: 0,
  uncommittedBytes: 0,
  transfer: null,
  thrifty: makeThriftyAppends(0),
  reads: makeReadIndexState(0),
  catchUps: new Map(),
  isReconfiguring: false,
  isHandingOver: false,
};

/** Clients whose writes are gathered, replicated and answered as the test says. */
class Clients {
  readonly paces: ClientPace[];
  readonly gathering: GroupCommit;
  readonly state: RaftState = new Raft(makeOptions()).state;
  nowMs = 0;

  constructor(count: number) {
    this.paces = Array.from({ length: count }, () => new ClientPace());
    this.gathering = new GroupCommit();
    this.state.role = LEADER;
  }

  arrive(from: number, to: number): void {
    for (const pace of this.paces.slice(from, to)) this.gathering.arrived(pace);
  }

  /** All clients' writes go into the log, and are answered after a flight of 4 ms. */
  flyAll(): void {
    this.gathering.flushed(this.nowMs);
    this.nowMs += 4;
    for (const pace of this.paces) this.gathering.answered(pace);
  }

  shouldLinger(bytes = 1_000): boolean {
    return this.gathering.shouldLinger(this.state, bytes, this.nowMs);
  }
}

/** All came back at once the last time, so now they are awaited. */
function prompt(count: number): Clients {
  const clients = new Clients(count);
  clients.flyAll();
  clients.arrive(0, count);
  clients.flyAll();
  return clients;
}

Deno.test("clients that came back at once are waited for, but for the last eighth", () => {
  const clients = prompt(16);
  assertEquals(clients.shouldLinger(), true);
  clients.arrive(0, 13);
  assertEquals(clients.shouldLinger(), true);
  clients.arrive(13, 14);
  assertEquals(clients.shouldLinger(), false);
});

Deno.test("the wait is no longer than the commit took", () => {
  const clients = prompt(16);
  assertEquals(clients.shouldLinger(), true);
  clients.nowMs += 3.9;
  assertEquals(clients.shouldLinger(), true);
  clients.nowMs += 0.1;
  assertEquals(clients.shouldLinger(), false);
});

Deno.test("nobody waits for a few clients, after many bytes, or where this server does not lead", () => {
  assertEquals(prompt(7).shouldLinger(), false);
  assertEquals(prompt(8).shouldLinger(), true);
  assertEquals([prompt(16).shouldLinger(65_535), prompt(16).shouldLinger(65_536)], [true, false]);
  const clients = prompt(16);
  clients.state.role = { kind: "follower" };
  assertEquals(clients.shouldLinger(), false);
});

Deno.test("clients that take their time are not waited for", () => {
  const clients = prompt(16);
  // Two groups of others leave before these come back.
  clients.gathering.flushed(clients.nowMs);
  clients.gathering.flushed(clients.nowMs);
  clients.arrive(0, 16);
  clients.flyAll();
  assertEquals(clients.shouldLinger(), false);
  clients.arrive(0, 16);
  clients.flyAll();
  assertEquals(clients.shouldLinger(), true, "until they hurry again");
});

Deno.test("one client's several writes count once", () => {
  const clients = prompt(8);
  for (let i = 0; i < 10; i++) clients.arrive(0, 1);
  assertEquals(clients.shouldLinger(), true);
  clients.arrive(1, 8);
  assertEquals(clients.shouldLinger(), false);
});
