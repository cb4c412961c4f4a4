/** Commands that came to a forward port, on three whole nodes whose connections a test pumps and breaks by hand. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { ClientSession } from "../../lib/node/api.ts";
import { DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { encodeForward, encodeForwardTaken } from "../../lib/wire/rpc/rpc.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { fromBytes, toBytes } from "../process/socket.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { Three } from "./three_nodes.ts";

const { electionTimeoutMs, leaderWaitMs, commandTimeoutMs } = DEFAULT_TIMING;

/** One client's connection, as the stages of net/ would move it. */
class Connection {
  readonly session: ClientSession;
  text = "";
  #arrived = new Uint8Array(0);

  constructor(three: Three, at: number, isForwarding = true) {
    this.session = three.nodes[at]!.openSession("127.0.0.1:1", "", isForwarding)!;
  }

  send(text: string): void {
    const bytes = toBytes(text);
    this.#arrived = new Uint8Array([...this.#arrived, ...bytes]);
    this.pump();
  }

  pump(): void {
    const { session } = this;
    while (true) {
      const batch = session.nextBatch();
      if (batch !== null) session.submit(batch);
      else if (this.#arrived.length === 0 || !session.wantsInput) break;
      else {
        const space = session.inputSpace();
        const count = Math.min(space.length, this.#arrived.length);
        space.set(this.#arrived.subarray(0, count));
        this.#arrived = this.#arrived.slice(count);
        session.received(count);
      }
    }
    for (let out = session.takeOutput(); out !== null; out = session.takeOutput()) {
      this.text += fromBytes(out);
      session.outputWritten();
    }
  }

  /** What has come since the last look. */
  take(): string {
    this.pump();
    const { text } = this;
    this.text = "";
    return text;
  }
}

function resp(...words: string[]): string {
  return `*${words.length}\r\n${words.map((one) => `$${one.length}\r\n${one}\r\n`).join("")}`;
}

/** Three servers with forward ports; `follower` is none that leads. */
function formed(builds = [{}, {}, {}]): { three: Three; leader: number; follower: number } {
  const three = new Three(builds.map((one) => ({ forwards: true, ...one })));
  three.form();
  three.pass(1_000);
  const { leader } = three;
  return { three, leader, follower: (leader + 1) % 3 };
}

function ask(three: Three, client: Connection, text: string, ms = 20): string {
  client.send(text);
  for (let i = 0; i < ms; i++) {
    three.settle();
    client.pump();
    three.pass(1);
  }
  return client.take();
}

/** The wires for forwarded commands from one server. */
function streams(three: Three, from: number) {
  const main = three.nodes[from]!.links.outbound as readonly unknown[];
  return three.wires.filter((wire) => wire.from === from && !main.includes(wire.link));
}

function meters(three: Three, at: number) {
  return three.nodes[at]!.clientLoad.forwarded;
}

Deno.test("forward: commands at a follower are answered in their order, beside what it answers itself", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  const text = ask(
    three,
    client,
    resp("SET", "k", "1") + resp("PING") + resp("INCR", "k") + resp("GET", "k") +
      resp("NOSUCH") + resp("ECHO", "x") + resp("MGET", "k", "none") + resp("INCR", "k"),
  );
  assertEquals(
    text,
    "+OK\r\n+PONG\r\n:2\r\n$1\r\n2\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n" +
      "$1\r\nx\r\n*2\r\n$1\r\n2\r\n$-1\r\n:3\r\n",
  );
  assertEquals(meters(three, follower).sent, 5);
  assertEquals(meters(three, follower).waitingBytes, 0);
  assertEquals(meters(three, leader).sent, 0);
  const other = new Connection(three, follower, false);
  assertStringIncludes(ask(three, other, resp("INCR", "k")), "-MOVED ");
});

Deno.test("forward: the replies are the leader's own, to the byte, in both protocols", () => {
  const { three, leader, follower } = formed();
  const lines =
    "set a 100 3\r\nabc\r\ngetm a\r\nget none\r\ncas a 0 9 1\r\nx\r\ndelete a\r\nbad\r\n" +
    "set b 0 2\r\nno\r\nscan b 10\r\nset b 0 2 noreply\r\nxy\r\nget b\r\n";
  const commands = [
    ["SET", "k", "v", "EX", "100", "GET"],
    ["TTL", "k"],
    ["PTTL", "k"],
    ["APPEND", "k", "w"],
    ["SETRANGE", "k", "4", "zz"],
    ["INCR", "k"],
    ["INCRBYFLOAT", "f", "1.5"],
    ["MSET", "x", "1", "y", "2"],
    ["MGET", "x", "y", "none"],
    ["SCAN", "0"],
    ["DBSIZE"],
    ["RAFTKV.RANGE", "a", "z"],
    ["RAFTKV.GET", "k"],
    ["GETDEL", "x"],
    ["EXISTS", "x", "y"],
    ["TYPE", "y"],
    ["DEL", "y", "none"],
    ["DELIFEQ", "k", "no"],
    ["OBJECT", "ENCODING", "k"],
    ["FLUSHALL"],
  ].map((words) => resp(...words)).join("");
  const replies = [follower, leader].map((at) => {
    const [first, second] = [new Connection(three, at), new Connection(three, at)];
    ask(three, first, "");
    const third = ask(three, new Connection(three, at), resp("HELLO", "3") + commands, 60);
    const all = [ask(three, first, lines, 60), ask(three, second, commands, 60), third];
    ask(three, second, resp("FLUSHALL"));
    return all.map((text) => text.replace(/id\r\n:\d+/g, "id").replace(/:\d{5}\r\n/g, ":ttl\r\n"));
  });
  // Versions grow from run to run, as FLUSHALL does not forget them.
  const plain = replies.map((all) =>
    all.map((text) => text.replace(/:\d+|OK \d+|KEY b \d+|VALUE \d+ \d+/g, "n"))
  );
  for (const [i, all] of plain[0]!.entries()) {
    assertEquals(all.split("\r\n"), plain[1]![i]!.split("\r\n"));
  }
});

Deno.test("forward: transactions, their watches and a READONLY read keep their order", () => {
  const { three, follower } = formed();
  const client = new Connection(three, follower);
  const other = new Connection(three, follower);
  const begun = ask(
    three,
    client,
    resp("SET", "k", "1") + resp("WATCH", "k") + resp("MULTI") + resp("INCR", "k") + resp("EXEC"),
    60,
  );
  assertEquals(begun, "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n:2\r\n");
  assertEquals(
    ask(three, client, resp("WATCH", "k") + resp("MULTI") + resp("INCR", "k"), 60),
    "+OK\r\n+OK\r\n+QUEUED\r\n",
  );
  assertEquals(ask(three, other, resp("SET", "k", "9")), "+OK\r\n");
  assertEquals(ask(three, client, resp("EXEC")), "*-1\r\n");
  assertEquals(
    ask(three, client, resp("READONLY") + resp("GET", "k") + resp("INCR", "k")),
    "+OK\r\n$1\r\n9\r\n:10\r\n",
  );
});

Deno.test("forward: to its client the server is one without a cluster, which leads", () => {
  const { three, follower } = formed();
  const client = new Connection(three, follower);
  assertStringIncludes(
    ask(three, client, resp("HELLO", "2")),
    "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster",
  );
  const info = ask(three, client, resp("INFO"));
  for (const line of ["redis_mode:standalone", "role:master", "cluster_enabled:0", "loading:0"]) {
    assertStringIncludes(info, line);
  }
  assertStringIncludes(
    ask(three, client, resp("CLUSTER", "SLOTS")),
    "-ERR This instance has cluster support disabled",
  );
  assertStringIncludes(ask(three, client, resp("ROLE")), "master");
  const tracking = ask(three, client, resp("CLIENT", "TRACKING", "ON"));
  assertStringIncludes(tracking, "-ERR tracking is not there on a forward port");
  assertEquals(ask(three, client, resp("WAIT", "1", "0")), ":1\r\n");
  // The leader lists its own clients alone.
  assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
  const load = three.nodes[three.leader]!.clientLoad;
  assertEquals([load.connections, load.forwardedClients], [0, 1]);
});

Deno.test("forward: what the leader did not do is sent to the next one, in order, and never on by itself", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
  // The follower does not hear of the handover, and goes on sending to the old leader.
  const third = 3 - leader - follower;
  three.stop(follower);
  three.nodes[leader]!.raft!.transferLeadership(third + 1);
  three.pass(200);
  assertEquals(three.role(third), "leader");
  client.send(resp("INCR", "n") + resp("GET", "n") + resp("INCR", "n"));
  three.continue(follower);
  const text = ask(three, client, "", 600);
  assertEquals(text, ":2\r\n$1\r\n2\r\n:3\r\n");
  const { sent, notDone, lost } = meters(three, follower);
  assert(sent >= 4 && lost === 0, `${sent} sent, ${notDone} not done, ${lost} lost`);
  for (const at of [leader, third]) assertEquals(meters(three, at).sent, 0);
});

Deno.test("forward: a write whose connection ends is not sent again; a read is, and all that waited", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
  // It arrives, and the answer does not.
  three.stop(leader);
  client.send(resp("INCR", "n") + resp("GET", "n"));
  three.pass(2 * electionTimeoutMs + 1_500);
  three.continue(leader);
  const text = ask(three, client, "", 100);
  const [first, ...rest] = text.split("\r\n");
  assertEquals(
    first,
    "-ERR outcome unknown: the command is in the log and was not confirmed in time, it may be done or not",
  );
  assert(["$1\r\n1\r\n", "$1\r\n2\r\n"].includes(rest.join("\r\n")), text);
  assertEquals(meters(three, follower).lost, 1);
  assertEquals(meters(three, follower).waitingBytes, 0);
});

Deno.test("forward: where nobody leads in time, commands are refused, and nothing was done", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  assertEquals(ask(three, client, "set a 0 1\r\nx\r\n"), "OK 1\r\n");
  const third = 3 - leader - follower;
  three.stop(leader);
  three.stop(third);
  three.pass(4 * electionTimeoutMs);
  client.send("set a 0 1\r\ny\r\n");
  three.pass(leaderWaitMs + 100);
  client.pump();
  assertEquals(client.take(), "ERR_NO_LEADER\r\n");
  const end = new Connection(three, follower);
  end.send("get a\r\n");
  end.session.inputEnded();
  assertEquals(end.take(), "ERR_NO_LEADER\r\n");
  assertEquals(end.session.closing, "the client ended the connection");
});

Deno.test("forward: a client that leaves takes its queue, its watches and its stream with it", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  ask(three, client, resp("WATCH", "k") + resp("MULTI") + resp("INCR", "k"), 60);
  assertEquals(three.nodes[leader]!.clientLoad.forwardedClients, 1);
  client.session.disconnected();
  three.settle();
  three.pass(10);
  assertEquals(three.nodes[leader]!.clientLoad.forwardedClients, 0);
  const other = new Connection(three, follower);
  assertEquals(ask(three, other, resp("GET", "k")), "$-1\r\n");
  // Held, with nobody who leads: gone as well.
  const third = 3 - leader - follower;
  three.stop(leader);
  three.stop(third);
  three.pass(4 * electionTimeoutMs);
  other.send(resp("SET", "k", "1"));
  other.session.disconnected();
  three.pass(10);
  assertEquals(meters(three, follower).waitingBytes, 0);
  assertEquals(three.nodes[follower]!.clientLoad.bufferBytes, 0);
});

Deno.test("forward: a leader of a build before is told nothing, and its clients one clear sentence", () => {
  const { three, leader, follower } = formed(
    [{ isOlder: true }, { isOlder: true }, { isOlder: true }].map(
      (older, at) => at === 2 ? {} : older,
    ),
  );
  if (leader === 2) return;
  const at = 2;
  const client = new Connection(three, at);
  assertStringIncludes(
    ask(three, client, resp("SET", "a", "1")),
    "-CLUSTERDOWN The leader runs a build that takes no forwarded commands: nothing was done",
  );
  assertEquals(ask(three, new Connection(three, at), "get a\r\n"), "ERR_NO_LEADER\r\n");
  assertEquals(streams(three, at).length, 0);
  assertEquals(meters(three, at).sent, 0);
  const logged = three.events[at]!.filter(({ message }) =>
    message === "No commands are forwarded to the leader"
  );
  assertEquals(logged.length, 1);
  assert(follower >= 0);
});

Deno.test("forward: large values, and more of them than a window, come whole and in order", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  const value = "x".repeat(300_000);
  let text = "";
  client.send(resp("SET", "a", value) + resp("SET", "b", value) + resp("SET", "c", "y"));
  client.send(resp("MGET", "a", "b", "c") + resp("GET", "a").repeat(6));
  for (let i = 0; i < 400; i++) {
    three.settle();
    text += client.take();
    three.pass(1);
    for (const at of [leader, follower]) {
      const { bufferBytes } = three.nodes[at]!.clientLoad;
      assert(bufferBytes < 8_000_000, `${bufferBytes} bytes`);
    }
  }
  const bulk = `$300000\r\n${value}\r\n`;
  assert(
    text === "+OK\r\n".repeat(3) + `*3\r\n${bulk}${bulk}$1\r\ny\r\n` + bulk.repeat(6),
    `${text.length} characters`,
  );
});

Deno.test("forward: a client that takes nothing holds up itself alone", () => {
  const { three, leader, follower } = formed();
  const [slow, other] = [new Connection(three, follower), new Connection(three, follower)];
  ask(three, other, resp("SET", "a", "x".repeat(200_000)), 60);
  const { session } = slow;
  const bytes = toBytes(resp("GET", "a").repeat(80));
  session.inputSpace().set(bytes);
  session.received(bytes.length);
  for (let batch = session.nextBatch(); batch !== null; batch = session.nextBatch()) {
    session.submit(batch);
  }
  for (let i = 0; i < 50; i++) {
    three.settle();
    three.pass(1);
  }
  for (const at of [leader, follower]) {
    const { bufferBytes } = three.nodes[at]!.clientLoad;
    assert(bufferBytes < 3_000_000, `${bufferBytes} bytes`);
  }
  assertEquals(ask(three, other, resp("INCR", "n")), ":1\r\n");
});

Deno.test("forward: a server that comes to lead answers by itself, after what it had sent", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
  three.nodes[leader]!.raft!.transferLeadership(follower + 1);
  client.send(resp("INCR", "n") + resp("INCR", "n"));
  const text = ask(three, client, "", 400);
  assertEquals(three.role(follower), "leader");
  assertEquals(text, ":2\r\n:3\r\n");
  const before = meters(three, follower).sent;
  assertEquals(ask(three, client, resp("INCR", "n")), ":4\r\n");
  assertEquals(meters(three, follower).sent, before);
});

Deno.test("forward: what was not done before a write that may be is refused, and not sent again", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
  // The leader can confirm no read and commit nothing, and says so over the connection that is left.
  three.stop(3 - leader - follower);
  for (const [at, other] of [[leader, follower], [follower, leader]] as const) {
    for (const link of three.nodes[at]!.links.outbound) {
      if (link.peerId === other + 1) three.held.add(link);
    }
  }
  client.send(resp("GET", "n") + resp("INCR", "n") + resp("GET", "n"));
  three.pass(3 * electionTimeoutMs);
  assertEquals(three.role(leader) === "leader", false);
  three.continue(3 - leader - follower);
  three.held.clear();
  const said = ask(three, client, "", 3_000).split("\r\n");
  assertStringIncludes(said[0]!, "-CLUSTERDOWN");
  assertStringIncludes(said[1]!, "-ERR outcome unknown");
  assert(["1", "2"].includes(said[3]!), said.join());
});

Deno.test("forward: who comes to lead with answers outstanding does nothing before they are settled", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
  three.stop(leader);
  client.send(resp("INCR", "n"));
  const third = 3 - leader - follower;
  for (let i = 0; i < 3_000 && three.role(follower) !== "leader"; i++) {
    three.pass(1);
    if (three.role(third) === "leader") three.nodes[third]!.raft!.transferLeadership(follower + 1);
  }
  assertEquals(three.role(follower), "leader");
  assertEquals(meters(three, follower).waitingBytes > 0, true, "it is settled already");
  client.send(resp("INCR", "n"));
  const said = ask(three, client, "", 4_000).split("\r\n");
  assertStringIncludes(said[0]!, "-ERR outcome unknown");
  assert([":2", ":3"].includes(said[1]!), said.join());
});

Deno.test("forward: a peer that breaks the rules of a stream loses its connection, and nothing else", () => {
  const cases: readonly ((out: ByteWriter) => void)[] = [
    (out) => encodeForwardTaken(out, 1, 1_000_000),
    (out) => encodeForwardTaken(out, 99, 1),
  ];
  for (const write of cases) {
    const { three, leader, follower } = formed();
    const client = new Connection(three, follower);
    assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
    const [wire] = streams(three, follower);
    const out = new ByteWriter();
    write(out);
    wire!.inbound.receive(out.copy());
    assert(wire!.inbound.closing !== null);
    three.settle();
    assertEquals(ask(three, client, resp("INCR", "n"), 200), ":2\r\n");
    assertEquals(three.leader, leader);
  }
});

Deno.test("forward: answers that make no sense end the connection; the command's outcome is unknown", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
  three.stop(leader);
  client.send(resp("INCR", "n"));
  three.settle();
  const [wire] = streams(three, follower);
  const out = new ByteWriter();
  // A reply to a question, where nothing was asked.
  encodeForward(out, 1, new Uint8Array([0, 0, 0, 3, 3, 43, 13]), 0, 7);
  wire!.link.receive(out.copy());
  client.pump();
  assertStringIncludes(client.take(), "-ERR outcome unknown");
  assert(wire!.link.closing !== null);
  three.continue(leader);
  const text = ask(three, client, resp("INCR", "n"), 300);
  assert([":2\r\n", ":3\r\n"].includes(text), text);
});

Deno.test("forward: a command that the leader never answers is given up in its time", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
  const third = 3 - leader - follower;
  // Nothing commits, and the leader does not notice for as long as it stands still.
  three.stop(third);
  three.stop(leader);
  client.send(resp("INCR", "n"));
  three.pass(commandTimeoutMs + 500);
  assertStringIncludes(client.take(), "-ERR outcome unknown");
});

Deno.test("forward: what was given up holds nothing back once its answer has come, however large", () => {
  const { three, leader, follower } = formed();
  const client = new Connection(three, follower);
  assertEquals(ask(three, client, resp("INCR", "n")), ":1\r\n");
  const [{ link }] = streams(three, follower) as [Three["wires"][number]];
  // Nothing commits, as the followers' disks stand still; and the answer that says so comes late.
  const stalled = three.disks.filter((_, at) => at !== leader);
  for (const disk of stalled) disk.completeAll = () => {};
  client.send(resp("INCR", "n"));
  three.pass(commandTimeoutMs - 200);
  three.held.add(link);
  three.pass(500);
  assertStringIncludes(client.take(), "-ERR outcome unknown");
  assert(meters(three, follower).waitingBytes > 0, "it is answered already");
  three.held.delete(link);
  for (const disk of stalled) disk.completeAll = SimDisk.prototype.completeAll;
  three.pass(100);
  assertEquals([three.leader, link.closing], [leader, null]);
  assertEquals(meters(three, follower).waitingBytes, 0);
  const large = resp("SET", "a", "x".repeat(300_000));
  assertEquals(ask(three, client, large, 100), "+OK\r\n");
});
