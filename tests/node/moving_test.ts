/** Servers that come back somewhere else: everybody finds them there, and the log is told. */
import { assertEquals } from "@std/assert";
import { decodeAddresses } from "../../lib/node/members/addresses.ts";
import { electionTimeoutMs, Fleet, type Machine, placed } from "./fleet.ts";

/** Starts a machine's server again, at another place by its own file. */
function restartAt(fleet: Fleet, { name, id }: Machine, hostname: string): void {
  const machine = fleet.at(name);
  fleet.stop(name);
  machine.file = machine.file.map((one) => one.id === id ? placed(id, hostname) : one);
  fleet.start(name);
}

/** Where each member is by a machine's log; "" where that does not say. */
function logged({ node }: Machine): string[] {
  const { members } = node!.raft!.state.configurations.current;
  return members.map(({ addresses }) => decodeAddresses(addresses)?.hostname ?? "");
}

function areAllUp(machines: readonly Machine[]): boolean {
  return machines.every(({ node }) => {
    const { outbound } = node!.links;
    return outbound.length === machines.length - 1 && outbound.every(({ isUp }) => isUp);
  });
}

/** Its own word is in every log, and its links are up. */
function isSettled(machines: readonly Machine[], places: readonly string[]): boolean {
  return areAllUp(machines) && machines.every((one) => logged(one).join() === places.join());
}

Deno.test("moved: nothing is put into the log as long as all are where the file says", () => {
  const fleet = new Fleet();
  const founders = fleet.found(3);
  fleet.pass(5 * electionTimeoutMs);
  assertEquals(founders.map(logged), [[], [], []]);
  const server = founders.find(({ role }) => role !== "leader")!;
  fleet.stop(server.name);
  fleet.start(server.name);
  fleet.until(() => areAllUp(founders));
  assertEquals(logged(fleet.leader()), []);
});

Deno.test("moved: a server that comes back elsewhere is dialled there before the log says it, and then it does", () => {
  const fleet = new Fleet();
  const founders = fleet.found(3);
  const moving = founders.find(({ role }) => role !== "leader")!;
  const third = founders.find((one) => one !== moving && one.role !== "leader")!;
  const places = founders.map(({ own }) => own.hostname);
  // The leader can't commit anything while nobody but the server that moves is there.
  fleet.isolate(third.name);
  restartAt(fleet, moving, "elsewhere");
  const leader = fleet.leader();
  const link = leader.node!.links.outbound.find(({ peerId }) => peerId === moving.id)!;
  fleet.until(() => link.isUp, 2 * electionTimeoutMs);
  assertEquals(link.addresses[0]!.hostname, "elsewhere");
  fleet.heal();
  places[moving.id - 1] = "elsewhere";
  fleet.until(() => isSettled(founders, places));
  // A redirect to it names its new place, from a server that has not heard it since.
  fleet.stop(third.name);
  fleet.start(third.name);
  assertEquals(third.node!.view.status().servers.map(({ hostname }) => hostname), places);
});

Deno.test("moved: all servers, one after the other, the leader among them, without a file that was changed elsewhere", () => {
  const fleet = new Fleet();
  const founders = fleet.found(5);
  const places = founders.map(({ own }) => own.hostname);
  for (const [at, machine] of founders.entries()) {
    places[at] = `new-${machine.id}`;
    restartAt(fleet, machine, places[at]!);
    const fromMs = fleet.nowMs;
    fleet.until(() => founders.some(({ role }) => role === "leader"), 5 * electionTimeoutMs);
    fleet.until(() => isSettled(founders, places), 20 * electionTimeoutMs);
    assertEquals(fleet.nowMs - fromMs < 20 * electionTimeoutMs, true);
  }
  // And once more: now only the log knows where the others are.
  for (const [at, machine] of founders.entries()) {
    places[at] = `newer-${machine.id}`;
    restartAt(fleet, machine, places[at]!);
    fleet.until(() => isSettled(founders, places), 20 * electionTimeoutMs);
  }
});

Deno.test("moved: two servers change places", () => {
  const fleet = new Fleet();
  const founders = fleet.found(3);
  const [a, b] = founders.filter(({ role }) => role !== "leader") as [Machine, Machine];
  const places = founders.map(({ own }) => own.hostname);
  fleet.change([{ kind: "demote", id: a.id }]);
  fleet.change([{ kind: "promote", id: a.id }]);
  fleet.until(() => isSettled(founders, places));
  // Both at once, so that each is dialled where the other one is; logPort tells them apart in no way.
  for (const one of [a, b]) fleet.stop(one.name);
  const [placeOfA, placeOfB] = [a.own, b.own];
  const at = (machine: Machine, { hostname, logPort, clientPort }: typeof placeOfA) => {
    const own = { id: machine.id, hostname, logPort, clientPort };
    machine.file = machine.file.map((one) => one.id === machine.id ? own : one);
    fleet.start(machine.name);
  };
  at(a, placeOfB);
  at(b, placeOfA);
  places[a.id - 1] = placeOfB.hostname;
  places[b.id - 1] = placeOfA.hostname;
  fleet.until(() => isSettled(founders, places), 20 * electionTimeoutMs);
});

Deno.test("moved: a new server takes an old one's place, and the old one finds another", () => {
  const fleet = new Fleet();
  const founders = fleet.found(3);
  const old = founders.find(({ role }) => role !== "leader")!;
  const place = old.own;
  fleet.stop(old.name);
  const clusterId = founders[0]!.directory!.formation!.clusterId;
  const four = fleet.add("four", 4, [{ ...place, id: 4 }], clusterId);
  fleet.change([fleet.adding(four)]);
  fleet.until(() => fleet.leader().voters().includes(4));
  restartAt(fleet, old, "other");
  const all = [...founders, four];
  const places = [...founders.map(({ own }) => own.hostname), place.hostname];
  fleet.until(() => isSettled(all, places), 20 * electionTimeoutMs);
});

Deno.test("moved: a server that was away while all others moved is found, and finds them", () => {
  const fleet = new Fleet();
  const founders = fleet.found(3);
  const away = founders.find(({ role }) => role !== "leader")!;
  fleet.change([{ kind: "demote", id: away.id }]);
  fleet.until(() => areAllUp(founders));
  fleet.stop(away.name);
  const places = founders.map(({ own }) => own.hostname);
  for (const machine of founders.filter((one) => one !== away)) {
    places[machine.id - 1] = `new-${machine.id}`;
    restartAt(fleet, machine, places[machine.id - 1]!);
    fleet.until(() => founders.some(({ role }) => role === "leader"), 20 * electionTimeoutMs);
    fleet.until(() => logged(fleet.leader()).join() === places.join(), 20 * electionTimeoutMs);
  }
  fleet.start(away.name);
  fleet.until(() => isSettled(founders, places), 20 * electionTimeoutMs);
});

Deno.test("moved: while the cluster version does not let the log have it, a server is found all the same", () => {
  const fleet = new Fleet();
  const founders = fleet.found(3, true);
  const moving = founders.find(({ role }) => role !== "leader")!;
  restartAt(fleet, moving, "elsewhere");
  fleet.until(() => areAllUp(founders), 5 * electionTimeoutMs);
  fleet.pass(5 * electionTimeoutMs);
  assertEquals(founders.map(logged), [[], [], []]);
  assertEquals(founders.flatMap((one) => one.said("error")), []);
});
