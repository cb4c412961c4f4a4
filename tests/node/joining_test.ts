/** Servers that are added to a cluster, take the place of one that was lost, and are removed. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { decodeAddresses } from "../../lib/node/members/addresses.ts";
import { electionTimeoutMs, Fleet, type Machine, placed } from "./fleet.ts";

/** Writes entries through whoever leads, until they are committed there. */
function write(fleet: Fleet, entries = 1): void {
  for (let i = 0; i < entries; i++) {
    const { node } = fleet.leader();
    const session = node!.openSession("test")!;
    const text = new TextEncoder().encode(`set k${i} 0 1\r\nx\r\n`);
    session.inputSpace().set(text);
    session.received(text.length);
    const batch = session.nextBatch();
    assert(batch !== null);
    session.submit(batch!);
    fleet.until(() => session.takeOutput() !== null, 10_000);
    session.outputWritten();
    session.disconnected();
  }
}

function clusterIdOf({ directory }: Machine): string {
  return directory!.formation!.clusterId;
}

/** A new machine under `id` that waits, as `name`. */
function newcomer(fleet: Fleet, name: string, id: number): Machine {
  return fleet.add(name, id, [placed(id, name)], clusterIdOf(fleet.at(1)));
}

function appliesAll(fleet: Fleet, machine: Machine): boolean {
  const { store } = machine.node!;
  const leader = fleet.leader().node!.store!;
  return store !== null && store.appliedIndex === leader.appliedIndex &&
    store.digest() === leader.digest();
}

Deno.test("joining: a server without a cluster file becomes a voter, and its directory continues", () => {
  const fleet = new Fleet();
  fleet.found(3);
  write(fleet, 3);
  const four = newcomer(fleet, "four", 4);
  fleet.pass(3 * electionTimeoutMs);
  assertEquals([four.node!.raft, four.directory!.formation], [null, null], "nobody knows of it");
  fleet.change([fleet.adding(four)]);
  fleet.until(() => fleet.leader().voters().length === 4);
  fleet.until(() => appliesAll(fleet, four));
  assertEquals(four.directory!.formation!.joined, true);
  assertEquals(four.node!.links.formation.clusterId, clusterIdOf(fleet.at(1)));
  assertEquals(four.said("error"), []);
  // It can do without the command line that it was started with, and without the others' places in a file.
  fleet.stop("four");
  four.join = undefined;
  fleet.start("four");
  write(fleet);
  fleet.until(() => appliesAll(fleet, four));
});

Deno.test("joining: three to five, and four of them have no file that tells of the others", () => {
  const fleet = new Fleet();
  fleet.found(1);
  for (const [name, id] of [["b", 2], ["c", 3], ["d", 4], ["e", 5]] as const) {
    const machine = newcomer(fleet, name, id);
    fleet.change([fleet.adding(machine)]);
    fleet.until(() => fleet.leader().voters().includes(id));
  }
  assertEquals(fleet.leader().voters(), [1, 2, 3, 4, 5]);
  // The only one that was founded is gone for ever; the others never had each other's places in a file.
  fleet.stop("1");
  fleet.until(() => ["b", "c", "d", "e"].some((name) => fleet.at(name).role === "leader"));
  write(fleet, 2);
});

Deno.test("joining: a crash at each step leaves a directory that the same command line continues", () => {
  for (let afterMs = 0; afterMs < 60; afterMs += 3) {
    const fleet = new Fleet();
    fleet.found(3);
    write(fleet);
    const four = newcomer(fleet, "four", 4);
    let isAsked = false;
    fleet.until(() => {
      isAsked ||= fleet.leader().node!.members.propose([fleet.adding(four)], () => {}) === null;
      return isAsked;
    });
    fleet.pass(afterMs);
    const { incarnation } = four;
    fleet.stop("four");
    fleet.pass(100);
    fleet.start("four");
    assertEquals(four.incarnation, incarnation);
    fleet.until(() => fleet.leader().voters().length === 4);
  }
});

Deno.test("joining: a newcomer answers a leader that has a founder's id and is another life of it", () => {
  const fleet = new Fleet();
  fleet.found(1);
  const second = newcomer(fleet, "second", 2);
  fleet.change([fleet.adding(second)]);
  fleet.until(() => fleet.leader().voters().length === 2);
  fleet.change([{ kind: "remove", id: 1 }]);
  fleet.stop("1");
  fleet.until(() => second.role === "leader");
  const next = newcomer(fleet, "next", 1);
  fleet.change([fleet.adding(next)]);
  fleet.until(() => fleet.leader().voters().length === 2);
  fleet.change([{ kind: "remove", id: 2 }]);
  fleet.stop("second");
  fleet.until(() => next.role === "leader");
  // Its log begins with the founders: by what it knows at first, 1 is the life that is gone.
  const third = newcomer(fleet, "third", 3);
  fleet.leader().node!.members.propose([fleet.adding(third)], () => {});
  fleet.until(() => third.directory!.formation !== null);
  // Whom it has met it forgets with its process.
  fleet.stop("third");
  fleet.start("third");
  assertEquals(third.node!.raft!.state.log.lastIndex, 0);
  fleet.until(() => fleet.leader().voters().length === 2);
  fleet.until(() => appliesAll(fleet, third));
});

Deno.test("joining: a server that waits takes nothing from another cluster, nor from who does not know it", () => {
  const [fleet, other] = [new Fleet(), new Fleet(1)];
  fleet.found(1);
  other.found(1);
  const four = fleet.add("four", 4, [placed(4)], clusterIdOf(other.at(1)));
  fleet.leader().node!.members.propose([fleet.adding(four)], () => {});
  fleet.pass(2_000);
  assertEquals(four.directory!.formation, null);
  const said = fleet.at(1).events.map(({ fields }) => `${fields.reason}`);
  assert(
    said.some((text) => /belongs to cluster [0-9a-f]{32}, this one to/.test(text)),
    said.join(),
  );
});

Deno.test("replaced: the next life of a server votes, and its old self is told and disturbs nobody", () => {
  const fleet = new Fleet();
  fleet.found(3);
  write(fleet, 2);
  const lost = [...fleet.machines.values()].find(({ role }) => role !== "leader")!;
  const { id } = lost;
  fleet.stop(lost.name);
  fleet.change([{ kind: "remove", id }]);
  const next = newcomer(fleet, "next", id);
  fleet.pass(1_000);
  assertEquals(next.directory!.formation, null);
  fleet.change([fleet.adding(next)]);
  fleet.until(() => fleet.leader().voters().includes(id));
  fleet.until(() => appliesAll(fleet, next));
  const { term } = fleet.leader().node!.raft!.state;
  // The disk that was lost is found again, and somebody starts its server.
  fleet.start(lost.name);
  fleet.pass(10 * electionTimeoutMs);
  assertEquals(fleet.leader().node!.raft!.state.term, term);
  assertEquals([lost.role, lost.node!.raft!.state.removed], ["follower", true]);
  const removed = lost.events.filter(({ level }) => level === "error");
  assertEquals(removed.map(({ message }) => message.split(":")[0]), [
    "This server was removed from its cluster",
  ]);
  write(fleet, 2);
  assertEquals(lost.node!.store!.appliedIndex < next.node!.store!.appliedIndex, true);
  const links = fleet.leader().node!.links.outbound.find(({ peerId }) => peerId === id)!;
  assertEquals([links.isUp, links.target.incarnation], [true, next.incarnation]);
});

Deno.test("removed: a follower is told at once, a leader hands over, and both say it once", () => {
  const fleet = new Fleet();
  const founders = fleet.found(5);
  write(fleet);
  const first = fleet.leader();
  const follower = founders.find((one) => one !== first)!;
  fleet.change([{ kind: "remove", id: follower.id }]);
  fleet.until(() => follower.node!.raft!.state.removed, 5 * electionTimeoutMs);
  const fromMs = fleet.nowMs;
  fleet.change([{ kind: "remove", id: first.id }]);
  fleet.until(() =>
    [...fleet.machines.values()].some((one) => one !== first && one.role === "leader")
  );
  assert(fleet.nowMs - fromMs < electionTimeoutMs, `handing over took ${fleet.nowMs - fromMs} ms`);
  write(fleet, 2);
  fleet.pass(10 * electionTimeoutMs);
  for (const gone of [follower, first]) {
    assertEquals([gone.role, gone.node!.raft!.state.removed], ["follower", true]);
    const errors = gone.events.filter(({ level }) => level === "error");
    assertEquals(errors.length, 1, JSON.stringify(errors));
    assertMatch(errors[0]!.message, /^This server was removed from its cluster: stop it/);
  }
  const { term } = fleet.leader().node!.raft!.state;
  fleet.pass(5 * electionTimeoutMs);
  assertEquals(fleet.leader().node!.raft!.state.term, term);
});

Deno.test("removed: clients of a leader that hands over are sent to the next one, and need not wait", () => {
  const fleet = new Fleet();
  fleet.found(3);
  write(fleet);
  const first = fleet.leader();
  fleet.change([{ kind: "remove", id: first.id }]);
  fleet.until(() => first.role === "follower");
  const fromMs = fleet.nowMs;
  const session = first.node!.openSession("test")!;
  const text = new TextEncoder().encode("get a\r\n");
  session.inputSpace().set(text);
  session.received(text.length);
  session.submit(session.nextBatch()!);
  let said: Uint8Array | null = null;
  fleet.until(() => (said = session.takeOutput()) !== null);
  assert(fleet.nowMs - fromMs < electionTimeoutMs / 2, `it took ${fleet.nowMs - fromMs} ms`);
  fleet.until(() =>
    [...fleet.machines.values()].some((one) => one !== first && one.role === "leader")
  );
  const next = fleet.leader();
  assert(next !== first);
  const line = `ERR_REDIRECT h${next.id} ${10 * next.id}`;
  assertEquals(new TextDecoder().decode(said!).trimEnd(), line);
});

/** What a server answers a new connection that sends `text`. */
function ask(fleet: Fleet, { node }: Machine, text: string): string {
  const session = node!.openSession("test")!;
  const bytes = new TextEncoder().encode(text);
  session.inputSpace().set(bytes);
  session.received(bytes.length);
  session.submit(session.nextBatch()!);
  let said: Uint8Array | null = null;
  fleet.until(() => (said = session.takeOutput()) !== null);
  const answer = new TextDecoder().decode(said!);
  session.disconnected();
  return answer;
}

Deno.test("removed: whoever asks such a server is told so: clients, probes, the status", () => {
  const fleet = new Fleet();
  const founders = fleet.found(5);
  write(fleet);
  const first = fleet.leader();
  const follower = founders.find((one) => one !== first)!;
  for (const { id } of [follower, first]) {
    fleet.change([{ kind: "remove", id }]);
    fleet.pass(10 * electionTimeoutMs);
  }
  const problemsOf = ({ id, node }: Machine) =>
    node!.view.status().servers.find((one) => one.id === id)?.facts?.problems
      .map(({ kind }) => kind);
  const get = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
  for (const gone of [follower, first]) {
    // The one that handed over, too: it does not hear where its successor moves.
    assertMatch(ask(fleet, gone, get), /^-CLUSTERDOWN .* was removed /);
    assertMatch(ask(fleet, gone, "get a\r\n"), /^ERR_NO_LEADER\r\n$/);
    const stale = ask(fleet, gone, `*1\r\n$8\r\nREADONLY\r\n${get}`);
    assertMatch(stale, /^\+OK\r\n-CLUSTERDOWN .* was removed /);
    assertEquals(gone.node!.view.health().isRemoved, true);
    assertEquals(gone.node!.view.counts().facts.problems[0]!.kind, "removed");
    assertEquals(problemsOf(gone)?.[0], "removed");
  }
  assertEquals(fleet.leader().node!.view.health().isRemoved, false);
  assertEquals(problemsOf(fleet.leader()), []);
});

Deno.test("behind: 3 sleeps while the cluster becomes {3, 4, 5}; 5 dies; 3 and 4 commit", () => {
  const fleet = new Fleet();
  fleet.found(3);
  write(fleet);
  if (fleet.leader().id === 3) {
    assert(fleet.leader().node!.raft!.transferLeadership());
    fleet.until(() => fleet.at(3).role === "follower");
  }
  fleet.isolate("3");
  for (const [name, id] of [["four", 4], ["five", 5]] as const) {
    fleet.change([fleet.adding(newcomer(fleet, name, id))]);
    fleet.cut("3", name);
    fleet.until(() => fleet.leader().voters().includes(id));
  }
  // 3 is needed for none of these: 1, 2, 4 and 5 agree, at the end 4 and 5 do.
  for (const id of [1, 2]) {
    fleet.change([{ kind: "remove", id }]);
    fleet.until(() => fleet.leader().id !== id);
  }
  assertEquals(fleet.leader().voters(), [3, 4, 5]);
  fleet.pass(5 * electionTimeoutMs);
  assertEquals(fleet.at(3).voters(), [1, 2, 3]);
  for (const name of ["1", "2", "five"]) fleet.stop(name);
  fleet.heal();
  // Whichever of the two comes to lead: 3 knew none of them, and takes the word of the other for it.
  fleet.until(() =>
    fleet.at(3).voters().join() === "3,4,5" && fleet.at(3).node!.raft!.state.leaderId > 0
  );
  write(fleet, 3);
  assertEquals(fleet.at(3).voters(), [3, 4, 5]);
});

Deno.test("behind: who knows only the earlier life of a leader, which answers, takes the later one, too", () => {
  const fleet = new Fleet();
  fleet.found(3);
  const lead = (machine: Machine) => {
    fleet.until(() => {
      if (machine.role === "leader") return true;
      fleet.leader().node!.raft!.transferLeadership(machine.id);
      return false;
    });
  };
  lead(fleet.at(1));
  const four = newcomer(fleet, "four", 4);
  fleet.change([fleet.adding(four)]);
  fleet.until(() => fleet.leader().voters().length === 4);
  // 3 is in touch with 2 alone, which is removed, and runs on.
  for (const name of ["1", "four", "next"]) fleet.cut("3", name);
  fleet.change([{ kind: "remove", id: 2 }]);
  const next = newcomer(fleet, "next", 2);
  fleet.change([fleet.adding(next)]);
  fleet.until(() => fleet.leader().voters().includes(2));
  lead(next);
  fleet.change([{ kind: "remove", id: 4 }]);
  for (const name of ["1", "four"]) fleet.stop(name);
  fleet.heal();
  fleet.until(() => fleet.at(3).voters().join() === "1,2,3");
  fleet.until(() => next.role === "leader");
  write(fleet);
  fleet.until(() => appliesAll(fleet, fleet.at(3)));
});

Deno.test("behind: a member is added under a partition, and the others learn of it when that ends", () => {
  const fleet = new Fleet();
  const founders = fleet.found(3);
  const away = founders.find(({ role }) => role !== "leader")!;
  fleet.isolate(away.name);
  const four = newcomer(fleet, "four", 4);
  fleet.cut(away.name, "four");
  fleet.change([fleet.adding(four)]);
  fleet.until(() => fleet.leader().voters().length === 4);
  // It has heard nothing of the one that is away, but for where the log says that it is.
  const { members } = four.node!.raft!.state.configurations.current;
  const place = decodeAddresses(members.find(({ id }) => id === away.id)!.addresses);
  assertEquals(place?.hostname, away.own.hostname);
  fleet.heal();
  write(fleet);
  fleet.until(() => appliesAll(fleet, away));
  assertEquals(away.voters(), [1, 2, 3, 4]);
  const link = away.node!.links.outbound.find(({ peerId }) => peerId === 4)!;
  fleet.until(() => link.isUp);
});

Deno.test("replaced: after a loss of power the old self is there first, a voter is missing, and the new one is needed", () => {
  const fleet = new Fleet();
  fleet.found(3);
  write(fleet, 2);
  const lost = [...fleet.machines.values()].find(({ role }) => role !== "leader")!;
  const { id } = lost;
  const [kept, missing] = [...fleet.machines.values()].filter((one) => one !== lost);
  fleet.stop(lost.name);
  fleet.change([{ kind: "remove", id }]);
  const next = newcomer(fleet, "next", id);
  fleet.change([fleet.adding(next)]);
  fleet.until(() => fleet.leader().voters().includes(id));
  write(fleet);
  fleet.pass(100);
  for (const one of [kept!, missing!, next]) fleet.stop(one.name);
  // Nobody knows yet what is committed.
  fleet.start(kept!.name);
  fleet.start(lost.name);
  fleet.pass(2 * electionTimeoutMs);
  fleet.start("next");
  fleet.until(() => [kept!, next].some(({ role }) => role === "leader"));
  write(fleet, 2);
  assertEquals([lost.role, lost.node!.raft!.state.removed], ["follower", true]);
});
