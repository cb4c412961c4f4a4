/** limits.perAddress on a whole node: judged by counts, in time that the test moves. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DEFAULT_CLIENT_BOUNDS } from "../../lib/node/limits.ts";
import { RateTable } from "../../lib/node/session/rate_table.ts";
import { Session } from "../../lib/node/session/session.ts";
import { addressKey } from "../../lib/util/address.ts";
import { metricsText } from "../../lib/admin/metrics.ts";
import { BoundedClient, boundedServer, boundedUsers, pass, request } from "./bounded_client.ts";
import { OneServer } from "./one_server.ts";

const GET = "get a\r\n";
const NONE = "ERR_NOT_FOUND";
const OVER = "ERR_BUSY";

function metric(server: OneServer, sample: string): number {
  const line = metricsText(server.node.view.counts(), 0).split("\n")
    .find((one) => one.startsWith(`${sample} `));
  return Number(line?.split(" ")[1]);
}

Deno.test("bounds: a greedy client gets its rate and no more, a modest one all that it asks", () => {
  const server = boundedServer({ commandsPerSecond: 100 });
  const greedy = Array.from({ length: 10 }, (_, at) => new BoundedClient(server, `10.0.0.1:${at}`));
  const modest = new BoundedClient(server, "10.0.0.2:1");
  for (const client of greedy) client.send(GET.repeat(10_000));
  let asked = 0;
  let steps = 0;
  pass(5_000, [...greedy, modest], () => {
    if (steps++ % 10 !== 0) return;
    modest.send(GET.repeat(5));
    asked += 5;
    assertEquals(modest.counts(), { [NONE]: asked }, "each in the step in which it asks");
  });
  const counts = greedy.map((client) => client.counts());
  const done = counts.reduce((sum, one) => sum + (one[NONE] ?? 0), 0);
  assert(done <= 600 && done >= 590, `${done} of 100 at once and 500 more`);
  for (const [at, one] of counts.entries()) {
    assert((one[NONE] ?? 0) >= 20, `connection ${at} got ${one[NONE]}: each has its turn`);
  }
  assert(metric(server, "raftkv_client_held_back_total") > 100);
});

Deno.test("bounds: the log names who is held back, and how often that was omitted", () => {
  const server = boundedServer({ commandsPerSecond: 10 });
  const greedy = new BoundedClient(server, "10.0.0.1:7");
  greedy.send(GET.repeat(1_000));
  pass(3_000, [greedy]);
  const heldBack = () =>
    server.events.filter(({ message }) => message.startsWith("A client is held back"));
  const [first] = heldBack();
  assertEquals(first, {
    level: "info",
    message: "A client is held back: it has used up limits.perAddress",
    fields: { address: "10.0.0.1", remote: "10.0.0.1:7" },
  });
  // What is not said yet is said once it may be, though nobody waits any more.
  greedy.session.disconnected();
  server.pass(10_000);
  const lines = heldBack();
  const omitted = lines.reduce((sum, { fields }) => sum + Number(fields?.omitted ?? 0), 0);
  assertEquals(lines.length + omitted, metric(server, "raftkv_client_held_back_total"));
  assert(lines.length >= 6 && lines.length <= 8, `${lines.length} lines`);
  server.pass(100_000);
  assertEquals(heldBack().length, lines.length);
});

Deno.test("bounds: the log names the user who is held back", () => {
  const server = boundedUsers({ commandsPerSecond: 5 }, "ann");
  const client = new BoundedClient(server, "10.0.0.1:7");
  client.send(request("AUTH", "ann", "x"));
  pass(20, [client]);
  client.send(request("PING").repeat(20));
  const { message, fields } = server.events.findLast((event) =>
    event.message.startsWith("A client is held back")
  )!;
  assertEquals(message, "A client is held back: it has used up limits.perUser");
  assertEquals([fields?.user, fields?.remote], ["ann", "10.0.0.1:7"]);
});

Deno.test("bounds: no command is lost or answered twice, however it was held back", () => {
  const server = boundedServer({ commandsPerSecond: 50 });
  const clients = [1, 2, 3].map((at) => new BoundedClient(server, `10.0.0.1:${at}`));
  for (const client of clients) client.send(GET.repeat(100));
  pass(6_000, clients);
  for (const client of clients) {
    const { [NONE]: done = 0, [OVER]: over = 0, ...others } = client.counts();
    assertEquals([done + over, client.unreadBytes, others], [100, 0, {}]);
  }
});

Deno.test("bounds: within a second it is slowed down and nothing is refused", () => {
  const server = boundedServer({ commandsPerSecond: 100 });
  const client = new BoundedClient(server, "10.0.0.1:1");
  client.send(GET.repeat(100));
  assertEquals(client.counts(), { [NONE]: 100 }, "a second's worth at once");
  client.send(GET.repeat(50));
  pass(200, [client]);
  const soon = client.counts()[NONE]!;
  assert(soon >= 118 && soon <= 121, `${soon}`);
  pass(400, [client]);
  assertEquals(client.counts(), { [NONE]: 150 });
});

Deno.test("bounds: what has waited for a second is refused in words, and nothing of it is done", () => {
  const server = boundedServer({ commandsPerSecond: 1 });
  const client = new BoundedClient(server, "10.0.0.1:1");
  const other = new BoundedClient(server, "10.0.0.1:2");
  client.send(request("INCR", "n"));
  client.expect(":1\r\n");
  client.send(request("INCR", "n"));
  other.send(request("INCR", "n") + request("READONLY") + request("GET", "n"));
  pass(900, [client, other]);
  assertEquals([client.output, other.output], ["", ""]);
  pass(300, [client, other]);
  client.expect(":2\r\n");
  const refused = /^-BUSY .*limits\.perAddress.*nothing was done.*\r\n\+OK\r\n-BUSY .*\r\n$/;
  assertMatch(other.output, refused);
  assertEquals(server.node.store!.keys, 1);
});

Deno.test("bounds: what is refused for its rate is not done, also where no leader is needed for it", () => {
  const server = boundedUsers({ commandsPerSecond: 1 }, "ann", "bob");
  const login = (name: string, remote: string) => {
    const client = new BoundedClient(server, remote);
    client.send(request("AUTH", name, "x"));
    pass(1_100, [client]);
    client.expect("+OK\r\n");
    return client;
  };
  const victim = login("bob", "10.0.0.9:1");
  const [first, second] = [login("ann", "10.0.0.1:1"), login("ann", "10.0.0.1:2")];
  first.send(request("GET", "n").repeat(3));
  const asked = [
    ["INFO"],
    ["RAFTKV.STATUS"],
    ["RAFTKV.BACKUP", "INDEX"],
    ["CLIENT", "KILL", "USER", "bob"],
    ["CLUSTER", "SLOTS"],
    ["AUTH", "bob", "x"],
  ];
  second.send(asked.map((words) => request(...words)).join(""));
  pass(1_300, [first, second]);
  const busy = second.output.split("\r\n").slice(0, -1);
  assertEquals(busy.length, asked.length, second.output);
  for (const line of busy) assertMatch(line, /^-BUSY .*nothing was done/);
  assertEquals(victim.session.closing, null);
  second.output = "";
  pass(3_000, [first, second]);
  second.send(request("ACL", "WHOAMI"));
  pass(1_300, [second]);
  second.expect("$3\r\nann\r\n");
});

Deno.test("bounds: a transaction one of whose commands is refused is discarded", () => {
  const server = boundedServer({ commandsPerSecond: 2 });
  const client = new BoundedClient(server, "10.0.0.1:1");
  const others = [2, 3, 4, 5].map((at) => new BoundedClient(server, `10.0.0.1:${at}`));
  client.send(request("MULTI") + request("PING"));
  client.expect("+OK\r\n+QUEUED\r\n");
  for (const other of others) other.send(GET);
  client.send(request("SET", "k", "v"));
  pass(1_100, [...others, client]);
  assertMatch(client.output, /^-BUSY .*\r\n$/);
  assert(metric(server, 'raftkv_client_refused_total{error="over_rate"}') >= 2);
  client.output = "";
  client.send(request("EXEC"));
  pass(1_100, [client]);
  assertMatch(client.output, /^-EXECABORT/);
  assertEquals(server.node.store!.keys, 0);
});

Deno.test("bounds: what was begun is finished, and made up for before more is taken", () => {
  const server = boundedServer({ bytesPerSecond: 1_000 });
  const client = new BoundedClient(server, "10.0.0.1:1");
  client.send(`set k 0 5000\r\n${"v".repeat(5_000)}\r\n`);
  client.expect("OK 1\r\n");
  client.send(GET);
  pass(1_500, [client]);
  client.expect(`${OVER}\r\n`);
  pass(3_000, [client]);
  client.send(GET);
  client.expect(`${NONE}\r\n`);
  // And a reply that is longer than a second's worth.
  client.send("get k\r\n");
  client.send("get k\r\n");
  assertMatch(client.output, /^VALUE 5000\r\nv{5000}\r\n$/);
  client.output = "";
  pass(1_100, [client]);
  client.expect(`${OVER}\r\n`);
});

Deno.test("bounds: half commands win nothing", () => {
  const server = boundedServer({ commandsPerSecond: 10 });
  const clients = [1, 2, 3, 4].map((at) => new BoundedClient(server, `10.0.0.1:${at}`));
  let sent = 0;
  pass(10_000, clients, () => {
    for (const client of clients) {
      client.send(sent % 2 === 0 ? "get " : "a\r\n");
    }
    sent++;
  });
  const done = clients.reduce((sum, one) => sum + (one.counts()[NONE] ?? 0), 0);
  assert(done <= 10 + 100 + clients.length, `${done} of 10 at once and 100 more`);
  assert(done >= 100, `${done}`);
});

Deno.test("bounds: what comes after a refused command's value wins nothing, in whatever pieces it comes", () => {
  const refused = `set k x 4\r\nbody\r\n`;
  const halves = [refused.slice(0, -5), refused.slice(-5)];
  for (const pieces of [[refused.repeat(20)], [refused], halves, [halves[1]! + halves[0]!]]) {
    const server = boundedServer({ commandsPerSecond: 10 });
    const client = new BoundedClient(server, "10.0.0.1:1");
    if (pieces[0]!.startsWith("body")) client.send(halves[0]!);
    let sent = 0;
    pass(3_000, [client], () => client.send(pieces[sent++ % pieces.length]!));
    const { [OVER]: over = 0, ...others } = client.counts();
    const done = Object.values(others).reduce((sum, count) => sum + count, 0);
    assert(done <= 10 + 30 + 1, `${done} of 10 at once and 30 more`);
    assert(done >= 30 && sent > 50, `${done} of ${sent}, ${over} refused`);
  }
});

Deno.test("bounds: stores that are refused without a reply go by the rate as well", () => {
  const server = boundedServer({ commandsPerSecond: 10 });
  const client = new BoundedClient(server, "10.0.0.1:1");
  const refused = ["set k x 1 noreply\r\nv\r\n", "set k 0 1 noreply\r\nlong\r\n"];
  let rounds = 0;
  pass(3_000, [client], () => {
    if (rounds++ === 0) { for (let i = 0; i < 30; i++) client.send(refused.join("") + GET); }
  });
  const { [OVER]: over = 0, [NONE]: done = 0, ...others } = client.counts();
  assertEquals(others, {});
  assert(3 * done <= 10 + 30 + 3 && done >= 8, `${done} of every third command, ${over} refused`);
});

Deno.test("bounds: commands that wait for room in the session are counted when they are taken", () => {
  const server = boundedServer({ commandsPerSecond: 20 }, { pipelineCommandsMax: 1 });
  const client = new BoundedClient(server, "10.0.0.1:1");
  client.send(GET.repeat(1_000));
  pass(2_000, [client]);
  const done = client.counts()[NONE]!;
  assert(done <= 60 && done >= 55, `${done} of 20 at once and 40 more`);
});

Deno.test("bounds: a client that leaves while it waits is forgotten, and those behind it go on", () => {
  const server = boundedServer({ commandsPerSecond: 10 });
  const [gone, stays] = [1, 2].map((at) => new BoundedClient(server, `10.0.0.1:${at}`));
  gone!.send(GET.repeat(100));
  stays!.send(GET.repeat(5));
  gone!.session.disconnected();
  pass(700, [stays!]);
  assertEquals(stays!.counts(), { [NONE]: 5 });
  assertEquals(server.node.clientLoad.connections, 1);
});

Deno.test("bounds: a server that stops ends those that wait as well", () => {
  const server = boundedServer({ commandsPerSecond: 1 });
  const client = new BoundedClient(server, "10.0.0.1:1");
  client.send(GET.repeat(5));
  server.node.shutdown(() => {});
  pass(300, [client]);
  assert(client.session.closing !== null);
  assertEquals(server.node.openSession("10.0.0.9:1"), null);
  assertMatch(server.node.turnedAwayWith, /^-ERR this server is stopping/);
  assertEquals(server.node.turnedAwayBecause, "this server is stopping");
});

Deno.test("bounds: connections of one address, in words where there are too many", () => {
  const server = boundedServer({ connectionsMax: 2 }, { connectionsMax: 4 });
  const first = [1, 2].map((at) => server.node.openSession(`10.0.0.1:${at}`)!);
  assertEquals(server.node.openSession("10.0.0.1:3"), null);
  assertEquals(
    server.node.turnedAwayWith,
    "-ERR max number of clients reached for this address: limits.perAddress.connectionsMax is 2",
  );
  assertEquals(server.node.turnedAwayBecause, "limits.perAddress.connectionsMax is 2");
  assert(server.node.openSession("10.0.0.2:1") !== null);
  first[0]!.disconnected();
  assert(server.node.openSession("10.0.0.1:4") !== null);
  assert(server.node.openSession("10.0.0.3:1") !== null);
  assertEquals(server.node.openSession("10.0.0.4:1"), null);
  assertEquals(server.node.turnedAwayWith, "-ERR max number of clients reached");
  assertEquals(server.node.turnedAwayBecause, "limits.connectionsMax is 4");
  assertEquals(metric(server, 'raftkv_client_turned_away_total{by="per_address"}'), 1);
  assertEquals(metric(server, 'raftkv_client_turned_away_total{by="connections_max"}'), 1);
});

Deno.test("bounds: who connects anew does not begin afresh, and who is gone is forgotten", () => {
  const server = boundedServer({ commandsPerSecond: 10 });
  let done = 0;
  for (let at = 0; at < 100; at++) {
    const client = new BoundedClient(server, `10.0.0.1:${at}`);
    client.send(GET.repeat(10));
    done += client.counts()[NONE] ?? 0;
    client.session.disconnected();
    pass(10, [client]);
  }
  assert(done <= 20, `${done} in a second`);
  assertEquals(metric(server, "raftkv_client_bounded_addresses"), 1);
  server.pass(2_000);
  server.node.openSession("10.0.0.2:1")!.disconnected();
  assertEquals(metric(server, "raftkv_client_bounded_addresses"), 0);
});

Deno.test("bounds: a greedy user gets its rate and no more, from wherever it comes", () => {
  const server = boundedUsers({ commandsPerSecond: 50 }, "ann", "bob");
  const login = (name: string, remote: string) => {
    const client = new BoundedClient(server, remote);
    client.send(request("AUTH", name, "x"));
    pass(20, [client]);
    client.expect("+OK\r\n");
    return client;
  };
  const greedy = [1, 2, 3, 4].map((at) => login("ann", `10.0.0.${at}:1`));
  const modest = login("bob", "10.0.0.1:2");
  for (const client of greedy) client.send(request("PING").repeat(1_000));
  let asked = 0;
  let steps = 0;
  pass(3_000, [...greedy, modest], () => {
    if (steps++ % 10 !== 0) return;
    modest.send(request("PING"));
    assertEquals(modest.counts(), { "+PONG": ++asked }, "in the step in which it asks");
  });
  const done = greedy.reduce((sum, one) => sum + (one.counts()["+PONG"] ?? 0), 0);
  assert(done <= 200 && done >= 190, `${done} of 50 at once and 150 more`);
});

Deno.test("bounds: connections of one user, told so at AUTH and closed where there are too many", () => {
  const server = boundedUsers({ connectionsMax: 2 }, "ann", "bob");
  const login = (name: string) => {
    const client = new BoundedClient(server, "10.0.0.1:1");
    client.send(request("AUTH", name, "x"));
    pass(20, [client]);
    return client;
  };
  const [first, second] = [login("ann"), login("ann")];
  first.expect("+OK\r\n");
  second.expect("+OK\r\n");
  const third = login("ann");
  assertMatch(
    third.output,
    /^-ERR max number of clients .* limits\.perUser\.connectionsMax .*\r\n$/,
  );
  assert(third.session.closing !== null);
  login("bob").expect("+OK\r\n");
  // The same user once more on one connection is no other one.
  first.send(request("AUTH", "ann", "x"));
  pass(20, [first]);
  first.expect("+OK\r\n");
  // Who becomes another user leaves a place, and so does who leaves.
  first.send(request("AUTH", "bob", "x"));
  pass(20, [first]);
  first.expect("+OK\r\n");
  login("ann").expect("+OK\r\n");
  assertMatch(login("ann").output, /^-ERR max number/);
  second.session.disconnected();
  login("ann").expect("+OK\r\n");
});

Deno.test("bounds: after RESET a connection is no user's, and nothing that it did before is forgotten", () => {
  const server = boundedUsers({ connectionsMax: 1, commandsPerSecond: 10 }, "ann");
  const login = () => {
    const client = new BoundedClient(server, "10.0.0.1:1");
    client.send(request("AUTH", "ann", "x"));
    pass(20, [client]);
    return client;
  };
  const first = login();
  first.expect("+OK\r\n");
  assertMatch(login().output, /^-ERR max number/);
  first.send(request("PING").repeat(7) + request("RESET") + request("GET", "k"));
  first.expect("+PONG\r\n".repeat(7) + "+RESET\r\n-NOAUTH Authentication required.\r\n");
  // Nobody's commands are not counted for anybody, whoever it was before.
  first.send(request("GET", "k").repeat(100));
  assertEquals(first.counts(), { "-NOAUTH Authentication required.": 100 });
  const second = login();
  second.expect("+OK\r\n");
  second.send(request("PING").repeat(10));
  const left = second.counts()["+PONG"]!;
  assert(left <= 3, `${left}: seven, RESET and GET before, as one batch`);
  // It comes back, once there is a place.
  first.output = "";
  first.send(request("AUTH", "ann", "x"));
  pass(20, [first]);
  assertMatch(first.output, /^-ERR max number/);
});

Deno.test("bounds: the table is bounded, however many addresses come, do much and go", () => {
  const table = new RateTable("limits.perAddress", {
    ...DEFAULT_CLIENT_BOUNDS,
    commandsPerSecond: 1,
  });
  for (let at = 0; at < 30_000; at++) {
    const bucket = table.enter(`10.${at}`, 0)!;
    bucket.takeCommands(1_000);
    table.leave(bucket, 0);
  }
  assertEquals(table.size, 10_000);
  for (let at = 0; at < 3_000; at++) table.leave(table.enter("10.0.0.1", 2_000_000)!, 2_000_000);
  assertEquals(table.size, 0);
});

Deno.test("bounds: where nothing is bounded a connection is a plain session", () => {
  assert(new OneServer().node.openSession("10.0.0.1:1") instanceof Session);
});

Deno.test("bounds: an IPv4 address is one, and an IPv6 network of 64 bits", () => {
  const keys: Record<string, string> = {
    "10.0.0.1:5": "10.0.0.1",
    "[::1]:5": "0:0:0:0::/64",
    "[2001:db8::1]:5": "2001:db8:0:0::/64",
    "[2001:db8:1:2:3:4:5:6]:5": "2001:db8:1:2::/64",
    "[2001:db8:1:2::9]:80": "2001:db8:1:2::/64",
    "[2001::3:4:5:6:7]:80": "2001:0:0:3::/64",
    "[1:2:3:4:5:6:7::]:80": "1:2:3:4::/64",
    "[::]:80": "0:0:0:0::/64",
    // As a socket for both families calls addresses of IPv4.
    "[::ffff:10.0.0.1]:5": "10.0.0.1",
    "[::FFFF:10.0.0.2]:5": "10.0.0.2",
    "[::ffff:a00:1]:5": "0:0:0:0::/64",
    "client-7": "client-7",
  };
  for (const [remote, key] of Object.entries(keys)) assertEquals(addressKey(remote), key, remote);
});
