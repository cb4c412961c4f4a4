/** Two processes under one name: which of them may stay. */
import { assertEquals, assertMatch } from "@std/assert";
import { PeerProcesses, type ProcessLink, type Twin } from "../../lib/node/peers/peer_processes.ts";
import { Random } from "../../lib/util/random.ts";
import { form, heartbeat, Server, Wire } from "./linked_servers.ts";

class Link implements ProcessLink {
  readonly address: string;
  readonly told: string[] = [];
  readonly #processes: PeerProcesses;
  lastProbe = 0;

  constructor(address: string, processes: PeerProcesses) {
    this.address = address;
    this.#processes = processes;
  }

  probe(number: number): void {
    this.lastProbe = number;
    this.told.push("probe");
  }

  admitted(): void {
    this.told.push("admitted");
  }

  refusedFor({ address, sharesDirectory }: Twin): void {
    this.told.push(`refused for ${address}${sharesDirectory ? "" : ", another directory"}`);
  }

  givesWay(): void {
    this.told.push("gives way");
    this.#processes.closed(this);
  }

  answer(): void {
    this.#processes.answered(this, this.lastProbe);
  }
}

function links(...addresses: string[]): [PeerProcesses, ...Link[]] {
  const processes = new PeerProcesses(() => false);
  return [processes, ...addresses.map((address) => new Link(address, processes))];
}

Deno.test("processes: connections of one process, of several servers and of older builds are admitted", () => {
  const [processes, a, b, c, d, e] = links("a", "b", "c", "d", "e");
  processes.present(a!, 2, "one", "shared");
  processes.present(b!, 2, "one", "shared");
  processes.present(c!, 3, "two", "shared");
  processes.present(d!, 2, null, "shared");
  processes.present(e!, 2, null, "shared");
  for (const link of [a, b, c, d, e]) assertEquals(link!.told, ["admitted"]);
});

Deno.test("processes: while the earlier one answers, the later is refused", () => {
  const [processes, a, b, later] = links("a", "b", "later");
  processes.present(a!, 2, "one", "shared");
  processes.present(b!, 2, "one", "shared");
  processes.present(later!, 2, "two", "shared");
  assertEquals([a, b, later].map((link) => link!.told.at(-1)), ["probe", "probe", undefined]);
  processes.elapse(490);
  b!.answer();
  // Whichever answers, the oldest is named, so that the same is said each time.
  assertEquals(later!.told, ["refused for a"]);
  // Both answers are one.
  a!.answer();
  processes.elapse(1_000);
  assertEquals(later!.told, ["refused for a"]);
  assertEquals(a!.told, ["admitted", "probe"]);
  // Another one comes, and an answer from before says nothing now.
  const again = new Link("again", processes);
  const old = a!.lastProbe;
  processes.present(again, 2, "three", "shared");
  processes.answered(a!, old);
  assertEquals(again.told, []);
  a!.answer();
  assertEquals(again.told, ["refused for a"]);
});

Deno.test("processes: an earlier one that does not answer gives way, on all its connections", () => {
  const [processes, a, b, later, other] = links("a", "b", "later", "other");
  processes.present(a!, 2, "one", "shared");
  processes.present(b!, 2, "one", "shared");
  processes.present(other!, 3, "three", "shared");
  processes.present(later!, 2, "two", "shared");
  processes.elapse(499);
  assertEquals(later!.told, []);
  processes.elapse(1);
  assertEquals(later!.told, ["admitted"]);
  assertEquals([a!.told.at(-1), b!.told.at(-1)], ["gives way", "gives way"]);
  assertEquals(other!.told, ["admitted"]);
  // It comes back, late: it had its time.
  const back = new Link("back", processes);
  processes.present(back, 2, "one", "shared");
  assertEquals(back.told, ["refused for later"]);
});

Deno.test("processes: once the earlier one's connections are gone, nobody waits", () => {
  const [processes, a, b, later, gone] = links("a", "b", "later", "gone");
  processes.present(a!, 2, "one", "shared");
  processes.present(b!, 2, "one", "shared");
  processes.present(later!, 2, "two", "shared");
  processes.present(gone!, 2, "two", "shared");
  processes.closed(gone!);
  processes.closed(a!);
  assertEquals(later!.told, []);
  processes.closed(b!);
  assertEquals(later!.told, ["admitted"]);
  processes.elapse(1_000);
  assertEquals([later!.told, gone!.told], [["admitted"], []]);
});

Deno.test("processes: a process that makes a newer connection is asked there, too", () => {
  const [processes, a, newer, later] = links("a", "newer", "later");
  processes.present(a!, 2, "one", "shared");
  processes.present(later!, 2, "two", "shared");
  processes.elapse(400);
  processes.present(newer!, 2, "one", "shared");
  processes.closed(a!);
  processes.elapse(400);
  newer!.answer();
  assertEquals(later!.told, ["refused for newer"]);
});

Deno.test("processes: of three, the first that answers stays", () => {
  const [processes, a, b, c] = links("a", "b", "c");
  processes.present(a!, 2, "one", "shared");
  processes.present(b!, 2, "two", "shared");
  processes.elapse(250);
  processes.present(c!, 2, "three", "shared");
  processes.elapse(250);
  assertEquals([a!.told.at(-1), b!.told, c!.told], ["gives way", ["admitted", "probe"], []]);
  b!.answer();
  assertEquals(c!.told, ["refused for b"]);
});

Deno.test("processes: three at once: the one just admitted is asked before it is thrown out", () => {
  const [processes, a, b, c] = links("a", "b", "c");
  processes.present(a!, 2, "one", "shared");
  processes.present(b!, 2, "two", "shared");
  processes.present(c!, 2, "three", "shared");
  processes.elapse(500);
  assertEquals([a!.told.at(-1), b!.told, c!.told], ["gives way", ["admitted", "probe"], []]);
  processes.elapse(490);
  b!.answer();
  assertEquals(c!.told, ["refused for b"]);
});

Deno.test("processes: who was refused or gave way is refused at once, whoever is there; a restart is not", () => {
  const [processes, a, copy, waiting] = links("a", "copy", "waiting");
  processes.present(a!, 2, "one", "shared");
  processes.present(copy!, 2, "two", "shared");
  const probe = a!.lastProbe;
  processes.present(waiting!, 2, "two", "shared");
  // One answer refuses the process, on the connection that asked later, too.
  processes.answered(a!, probe);
  assertEquals([copy!.told, waiting!.told], [["refused for a"], ["refused for a"]]);
  processes.closed(a!);
  const again = new Link("again", processes);
  processes.present(again, 2, "two", "shared");
  assertEquals(again.told, ["refused for null"]);
  const restarted = new Link("restarted", processes);
  processes.present(restarted, 2, "three", "shared");
  assertEquals(restarted.told, ["admitted"]);
  // It stands still, and a restart of its takes its place: it does not come back either.
  const next = new Link("next", processes);
  processes.present(next, 2, "four", "shared");
  processes.elapse(500);
  const back = new Link("back", processes);
  processes.present(back, 2, "three", "shared");
  assertEquals([next.told, back.told], [["admitted"], ["refused for next"]]);
  // The other servers have ids of their own.
  const other = new Link("other", processes);
  processes.present(other, 3, "two", "shared");
  assertEquals(other.told, ["admitted"]);
});

Deno.test("processes: of those refused the last sixteen are remembered, and who keeps trying stays one of them", () => {
  const [processes, a] = links("a");
  processes.present(a!, 2, "one", "shared");
  const present = (startId: string) => {
    const link = new Link(startId, processes);
    processes.present(link, 2, startId, "shared");
    const isAsked = link.told.length === 0;
    if (isAsked) a!.answer();
    assertEquals(link.told, ["refused for a"]);
    return isAsked;
  };
  assertEquals([present("stays"), present("goes")], [true, true]);
  for (let i = 0; i < 15; i++) assertEquals([present(`${i}`), present("stays")], [true, false]);
  assertEquals([present("0"), present("goes")], [false, true]);
});

Deno.test("processes: two fresh servers under one id are said to be that, and may come once it is put right", () => {
  const [processes, a, b] = links("a", "b");
  processes.present(a!, 2, "one", "a's");
  processes.present(b!, 2, "two", "b's");
  a!.answer();
  assertEquals(b!.told, ["refused for a, another directory"]);
  processes.closed(a!);
  const again = new Link("again", processes);
  processes.present(again, 2, "two", "b's");
  assertEquals(again.told, ["admitted"]);
});

/** Lets time pass for these servers and connections. */
class Time {
  #nowMs = 2_000;

  run(forMs: number, servers: readonly Server[], wires: readonly Wire[]): void {
    for (const untilMs = this.#nowMs + forMs; this.#nowMs < untilMs;) {
      this.#nowMs += 10;
      for (const server of servers) server.elapse(this.#nowMs);
      for (const server of servers) server.links.wake();
      for (const wire of wires) wire.pump();
    }
  }
}

const TWINS = /^Two processes run with the data directory of one server/;

Deno.test("processes: a copied data directory next to its living original is refused, and both are named", () => {
  const { servers, wires } = form(3);
  const [first, second, third] = servers;
  const time = new Time();
  time.run(100, servers, wires);
  const copy = second!.restart();
  const copied = [new Wire(copy, first!), new Wire(copy, third!)];
  servers.forEach((server) => server.lost.splice(0));
  time.run(30_000, [...servers, copy], [...wires, ...copied]);
  for (const server of [first!, third!]) {
    const said = server.events.filter(({ message }) => TWINS.test(message));
    // It tries again as often as this bench lets it, and that is said once.
    assertEquals(said.map(({ level }) => level), ["error"]);
    const reason = `${said[0]!.fields.reason}`;
    assertMatch(reason, /^server 2 answers at (server 2|again|host-2:9102), so another/);
    assertMatch(reason, / at (server 2|again), is refused/);
    assertEquals(server.lost, [], "the original's connections stay");
  }
  assertEquals(copy.links.outbound.map((link) => link.isUp), [false, false]);
  const told = copy.events.filter(({ message }) => message === "A peer refuses this server");
  assertEquals(told.map(({ level, fields }) => [level, fields.peer]), [["error", 1], ["error", 3]]);
  second!.links.send(heartbeat(2, 1));
  for (const wire of wires) wire.pump();
  assertEquals(first!.received, [heartbeat(2, 1)]);
});

Deno.test("processes: a server that answers at the address in the file is refused while another is it", () => {
  const { servers, wires } = form(3);
  const [first, second] = servers;
  const time = new Time();
  time.run(100, servers, wires);
  // Whatever listens at the address of server 2 now: server 1 connects to it.
  const copy = second!.restart();
  const toSecond = wires.find((wire) => wire.outbound === first!.links.outbound[0])!;
  toSecond.disconnect();
  toSecond.replace(second!, copy);
  time.run(1_000, [...servers, copy], wires);
  assertEquals(first!.links.outbound[0]!.isUp, false);
  const said = first!.events.filter(({ message }) => TWINS.test(message));
  assertEquals(said.length, 1);
  assertMatch(`${said[0]!.fields.reason}`, /at host-2:9102, is refused/);
});

Deno.test("processes: a restart after which the old connections still seem open takes half a second", () => {
  const { servers, wires } = form(3);
  const [, second] = servers;
  const time = new Time();
  time.run(100, servers, wires);
  const next = second!.restart();
  const living = [servers[0]!, next, servers[2]!];
  // Nothing of the old process is carried any more, and nobody said that it ended.
  const others = wires.filter((wire) => !wire.isWith(2));
  const fresh = [servers[0]!, servers[2]!].map((server) => new Wire(next, server));
  time.run(400, living, [...others, ...fresh]);
  assertEquals(next.links.outbound.map((link) => link.isUp), [false, false]);
  time.run(150, living, [...others, ...fresh]);
  assertEquals(next.links.outbound.map((link) => link.isUp), [true, true]);
  for (const server of servers) {
    assertEquals(server.events.filter(({ level }) => level === "error"), []);
  }
});

Deno.test("processes: a copy that was refused does not come in while its original restarts", () => {
  const { servers, wires } = form(3);
  const [first, second, third] = servers;
  const time = new Time();
  time.run(100, servers, wires);
  const copy = second!.restart();
  const copied = [new Wire(copy, first!), new Wire(copy, third!)];
  time.run(3_000, [...servers, copy], [...wires, ...copied]);
  copy.directory.close();
  const next = second!.restart();
  const own = wires.filter((wire) => wire.isWith(2));
  const others = wires.filter((wire) => !wire.isWith(2));
  for (const wire of own) wire.disconnect();
  time.run(300, [first!, third!, copy], [...others, ...copied]);
  assertEquals(copy.links.outbound.map((link) => link.isUp), [false, false]);
  for (const wire of own) wire.replace(second!, next);
  time.run(3_000, [first!, next, third!, copy], [...wires, ...copied]);
  assertEquals(copy.links.outbound.map((link) => link.isUp), [false, false]);
  assertEquals(next.links.outbound.map((link) => link.isUp), [true, true]);
  for (const server of [first!, third!]) {
    const said = server.events.filter(({ message }) => TWINS.test(message));
    for (const { fields } of said) {
      assertMatch(`${fields.reason}`, /not which is the copy: stop both, compare both directories/);
    }
  }
  next.links.send(heartbeat(2, 1));
  for (const wire of wires) wire.pump();
  assertEquals(first!.received, [heartbeat(2, 1)]);
});

Deno.test("processes: while unformed, two fresh servers under one id are told so, and no copy is spoken of", () => {
  const random = new Random(7);
  const ids = [1, 2, 3];
  const [first, second, wrong] = [1, 2, 2].map((id) => new Server(id, ids, random));
  const wires = [new Wire(second!, first!)];
  const time = new Time();
  time.run(100, [first!, second!], wires);
  wires.push(new Wire(wrong!, first!));
  time.run(1_000, [first!, second!, wrong!], wires);
  const said = first!.events.filter(({ level }) => level === "error");
  assertEquals(said.map(({ message }) => message), ["Two servers were started under the same id"]);
  const told = wrong!.events.filter(({ level }) => level === "error");
  assertMatch(`${told[0]!.fields.reason}`, /two servers were started with the same id$/);
});

for (const electionTimeoutMs of [100, 400, 1_000, 10_000]) {
  Deno.test(`processes: a judge that stood still hears the answer before it decides, election timeout ${electionTimeoutMs} ms`, () => {
    const { servers, wires } = form(3, electionTimeoutMs);
    const [first, second] = servers;
    const time = new Time();
    time.run(100, servers, wires);
    const copy = second!.restart();
    const wire = new Wire(copy, first!);
    wire.pump();
    // The question is out; for an hour nothing runs here.
    first!.elapse(3_600_000);
    for (const one of wires) one.pump();
    first!.elapse(3_600_010);
    wire.pump();
    assertEquals(copy.links.outbound[0]!.isUp, false);
    assertEquals(first!.events.filter(({ message }) => TWINS.test(message)).length, 1);
  });
}

Deno.test("processes: where the cluster tells lives apart, two data directories under one id are two servers", () => {
  const processes = new PeerProcesses(() => true);
  const [earlier, later, copy] = ["earlier", "later", "copy"]
    .map((address) => new Link(address, processes));
  processes.present(earlier!, 2, "one", "removed");
  processes.present(later!, 2, "two", "in its place");
  assertEquals([earlier!.told, later!.told], [["admitted"], ["admitted"]]);
  processes.present(copy!, 2, "three", "removed");
  earlier!.answer();
  assertEquals(copy!.told, ["refused for earlier"]);
});

Deno.test("processes: those that must not come back are remembered of 64 servers", () => {
  const processes = new PeerProcesses(() => true);
  const bar = (peer: number) => {
    const [earlier, later] = [new Link("a", processes), new Link("b", processes)];
    processes.present(earlier, peer, "one", "shared");
    processes.present(later, peer, "two", "shared");
    earlier.answer();
    processes.closed(earlier);
    return later.told.at(-1);
  };
  const isBarred = (peer: number) => {
    const again = new Link("c", processes);
    processes.present(again, peer, "two", "shared");
    processes.closed(again);
    return again.told.at(-1) !== "admitted";
  };
  assertEquals(bar(1), "refused for a");
  assertEquals(isBarred(1), true);
  for (let peer = 2; peer <= 65; peer++) bar(peer);
  assertEquals([isBarred(1), isBarred(2), isBarred(65)], [false, true, true]);
});
