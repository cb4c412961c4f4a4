/** Servers join, are replaced and are removed by RAFTKV.MEMBER alone, whoever is asked and whenever. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import { decodeAddresses } from "../../lib/node/members/addresses.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { electionTimeoutMs, Fleet, type Machine, placed } from "./fleet.ts";

const decoder = new TextDecoder();

/** What the leader answers, one request at a time, on a connection of its own. */
function ask(fleet: Fleet, machine: Machine, ...request: string[]): string {
  const session = machine.node!.openSession("test")!;
  const bytes = requestBytes([request]);
  session.inputSpace().set(bytes);
  session.received(bytes.length);
  session.submit(session.nextBatch()!);
  let output = "";
  fleet.until(() => {
    const taken = session.takeOutput();
    if (taken !== null) {
      output += decoder.decode(taken);
      session.outputWritten();
    }
    return output !== "";
  }, 20_000);
  session.disconnected();
  return output;
}

/** Repeats what can be done in a moment, as clients do. */
function surely(fleet: Fleet, ...request: string[]): string {
  for (let tries = 0; tries < 50; tries++) {
    const said = ask(fleet, fleet.leader(), ...request);
    if (!/^-(TRYAGAIN|MOVED|CLUSTERDOWN)/.test(said)) return said;
    fleet.pass(50);
  }
  throw new Error(`again and again: ${request.join(" ")}`);
}

/** A machine with an empty disk that is to join, and says so as a server does. */
function newcomer(fleet: Fleet, name: string, id: number): Machine {
  const { clusterId } = fleet.at(1).directory!.formation!;
  return fleet.add(name, id, [placed(id, name)], clusterId);
}

function waits(fleet: Fleet, { id, incarnation, own }: Machine): string {
  const place = [own.hostname, `${own.clientPort}`, `${own.logPort}`];
  return surely(fleet, "RAFTKV.MEMBER", "JOIN", `${id}`, incarnation, ...place);
}

function member(fleet: Fleet, word: string, id: number, ...more: string[]): string {
  return surely(fleet, "RAFTKV.MEMBER", word, `${id}`, ...more);
}

Deno.test("join by commands: who waits is added, catches up and votes", () => {
  const fleet = new Fleet();
  fleet.found(3);
  assertMatch(member(fleet, "ADD", 4), /^-ERR no server waits to join as 4: /);
  const four = newcomer(fleet, "four", 4);
  const said = waits(fleet, four);
  assertMatch(said, /standing\r\n\$3\r\nnew\r\n/);
  assert(said.includes(four.join!), said);
  assertEquals(member(fleet, "ADD", 4), "+OK\r\n");
  fleet.until(() => fleet.leader().voters().length === 4);
  assertMatch(waits(fleet, four), /standing\r\n\$6\r\nmember\r\n/);
  assertMatch(member(fleet, "ADD", 4), /^-ERR server 4 is a member already\r\n$/);
  // It is told of by whoever leads, at the address that it waited at.
  const list = surely(fleet, "RAFTKV.MEMBER", "LIST");
  assert(list.includes("$4\r\nfour\r\n") && list.includes(`:${four.own.logPort}\r\n`), list);
  for (const { directory } of fleet.machines.values()) {
    assert(!list.includes(directory!.identity.incarnation), "a life is shown to clients");
  }
});

Deno.test("join by commands: one that was taken in at a wrong address is found once it asks from its own", () => {
  const fleet = new Fleet();
  fleet.found(3);
  const four = newcomer(fleet, "four", 4);
  const wrong = ["elsewhere", "1", "2"];
  surely(fleet, "RAFTKV.MEMBER", "JOIN", "4", four.incarnation, ...wrong);
  assertEquals(member(fleet, "ADD", 4), "+OK\r\n");
  fleet.pass(5 * electionTimeoutMs);
  assertEquals(fleet.leader().voters(), [1, 2, 3], "nobody reaches it");
  assertMatch(waits(fleet, four), /standing\r\n\$6\r\nmember\r\n/);
  fleet.until(() => fleet.leader().voters().length === 4);
  // Its own handshake has moved it: the log tells everybody.
  fleet.until(() =>
    [...fleet.machines.values()].every(({ node }) => {
      const { members } = node!.raft!.state.configurations.current;
      const { addresses } = members.find(({ id }) => id === 4)!;
      return decodeAddresses(addresses)?.hostname === "four";
    })
  );
});

Deno.test("join by commands: a learner that is to stay one does, until it is promoted", () => {
  const fleet = new Fleet();
  fleet.found(3);
  waits(fleet, newcomer(fleet, "four", 4));
  assertEquals(member(fleet, "ADD", 4, "LEARNER"), "+OK\r\n");
  fleet.pass(10 * electionTimeoutMs);
  assertEquals(fleet.leader().voters(), [1, 2, 3]);
  assertEquals(member(fleet, "PROMOTE", 4), "+OK\r\n");
  assertEquals(fleet.leader().voters(), [1, 2, 3, 4]);
});

Deno.test("join by commands: a server that restarts just then is not replaced", () => {
  const fleet = new Fleet();
  fleet.found(3);
  const bounced = [...fleet.machines.values()].find(({ role }) => role !== "leader")!;
  const { id } = bounced;
  waits(fleet, newcomer(fleet, "next", id));
  fleet.stop(bounced.name);
  fleet.pass(5);
  assertMatch(ask(fleet, fleet.leader(), "RAFTKV.MEMBER", "REPLACE", `${id}`), /^-TRYAGAIN server/);
  fleet.start(bounced.name);
  assertMatch(member(fleet, "REPLACE", id), /^-ERR server \d answers with the data directory /);
  assertEquals(fleet.leader().voters(), [1, 2, 3]);
});

Deno.test("join by commands: a server whose disk is gone is replaced, not before it is down", () => {
  const fleet = new Fleet();
  fleet.found(3);
  const lost = [...fleet.machines.values()].find(({ role }) => role !== "leader")!;
  const { id } = lost;
  const next = newcomer(fleet, "next", id);
  assertMatch(waits(fleet, next), /standing\r\n\$8\r\nreplaces\r\n/);
  assertMatch(
    member(fleet, "ADD", id),
    /^-ERR server \d is a member with another data directory: /,
  );
  assertMatch(member(fleet, "REPLACE", id), /^-ERR server \d answers with the data directory /);
  fleet.stop(lost.name);
  fleet.pass(electionTimeoutMs);
  waits(fleet, next);
  assertEquals(member(fleet, "REPLACE", id), "+added\r\n");
  fleet.until(() => {
    const said = member(fleet, "REPLACE", id);
    assertMatch(said, /^\+(catchingUp|voter)\r\n$/);
    return said === "+voter\r\n";
  }, 100);
  assertEquals(fleet.leader().voters(), [1, 2, 3]);
  assertEquals(next.node!.raft!.state.configurations.current.voters, [1, 2, 3]);
  // The earlier one comes back, and has no part any more.
  fleet.start(lost.name);
  const { term } = fleet.leader().node!.raft!.state;
  fleet.pass(10 * electionTimeoutMs);
  assertEquals(fleet.leader().node!.raft!.state.term, term);
  assertEquals(lost.said("error").length > 0, true);
});

Deno.test("join by commands: a replacement is interrupted at any moment, and the same command ends it", () => {
  for (let afterMs = 0; afterMs < 24; afterMs += 2) {
    const fleet = new Fleet(afterMs + 1);
    fleet.found(3);
    const { name: leaderName } = fleet.leader();
    const lost = [...fleet.machines.values()].find(({ role }) => role !== "leader")!;
    fleet.stop(lost.name);
    fleet.pass(electionTimeoutMs);
    const next = newcomer(fleet, "next", lost.id);
    waits(fleet, next);
    const session = fleet.leader().node!.openSession("test")!;
    const bytes = requestBytes([["RAFTKV.MEMBER", "REPLACE", `${lost.id}`]]);
    session.inputSpace().set(bytes);
    session.received(bytes.length);
    session.submit(session.nextBatch()!);
    fleet.pass(afterMs);
    fleet.stop(leaderName);
    fleet.pass(100);
    fleet.start(leaderName);
    fleet.until(() => [...fleet.machines.values()].some(({ role }) => role === "leader"));
    for (let tries = 0;; tries++) {
      assert(tries < 20, `${afterMs} ms: it is not replaced`);
      waits(fleet, next);
      const said = member(fleet, "REPLACE", lost.id);
      if (said === "+voter\r\n") break;
      fleet.pass(electionTimeoutMs);
    }
    const { members } = fleet.leader().node!.raft!.state.configurations.current;
    assertEquals(members.find(({ id }) => id === lost.id)!.incarnation, next.incarnation);
  }
});

Deno.test("join by commands: a server that is lost before the cluster version is raised is replaced and removed", () => {
  for (const word of ["REPLACE", "REMOVE"]) {
    const fleet = new Fleet();
    fleet.found(3, true);
    const lost = [...fleet.machines.values()].find(({ role }) => role !== "leader")!;
    const { id } = lost;
    fleet.stop(lost.name);
    // Nobody holds the version back any more but the one that is lost.
    for (const machine of [...fleet.machines.values()].filter((one) => one !== lost)) {
      fleet.stop(machine.name);
      machine.holds = false;
      fleet.start(machine.name);
      fleet.until(() => [...fleet.machines.values()].some(({ role }) => role === "leader"));
    }
    fleet.pass(20 * electionTimeoutMs);
    assertEquals(fleet.leader().node!.store!.clusterVersion, 1);
    const other = id === 1 ? 2 : 1;
    const held = new RegExp(`version is 1, .* server ${id} is not heard`);
    assertMatch(member(fleet, "DEMOTE", other), held);
    const next = newcomer(fleet, "next", id);
    let said = "";
    for (let looks = 0; looks < 8; looks++) {
      if (word === "REPLACE") waits(fleet, next);
      said = ask(fleet, fleet.leader(), "RAFTKV.MEMBER", word, `${id}`);
      if (said.startsWith("+")) break;
      assertMatch(said, /^-TRYAGAIN the cluster version is 1, .* it is being raised/);
      fleet.pass(electionTimeoutMs);
    }
    assertEquals(said, word === "REPLACE" ? "+added\r\n" : "+OK\r\n");
    assertEquals(fleet.leader().node!.store!.clusterVersion, CLUSTER_VERSION_MAX);
    const voters = () => fleet.leader().voters().filter((one) => one !== id);
    assertEquals(voters(), [1, 2, 3].filter((one) => one !== id));
  }
});
