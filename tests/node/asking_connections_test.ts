/** Questions about the members on connections to whole nodes: what is answered, when, and in which order. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import type { ClientSession } from "../../lib/node/api.ts";
import { DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { Three } from "./three_nodes.ts";

const { electionTimeoutMs, commandTimeoutMs } = DEFAULT_TIMING;
const decoder = new TextDecoder();

/** Three servers, of version 2, and a client of one of them. */
class Client {
  readonly three: Three;
  readonly at: number;
  readonly session: ClientSession;
  #output = "";

  constructor(three: Three, at: number) {
    this.three = three;
    this.at = at;
    this.session = three.nodes[at]!.openSession("client")!;
  }

  send(...requests: string[][]): void {
    const bytes = requestBytes(requests);
    this.session.inputSpace().set(bytes);
    this.session.received(bytes.length);
    this.#submit();
  }

  /** Lets time pass and gives what has come. */
  pass(ms: number): string {
    for (let passed = 0; passed < ms; passed += 10) {
      this.three.pass(10);
      this.#submit();
      for (let bytes = this.session.takeOutput(); bytes !== null;) {
        this.#output += decoder.decode(bytes);
        this.session.outputWritten();
        bytes = this.session.takeOutput();
      }
    }
    const output = this.#output;
    this.#output = "";
    return output;
  }

  #submit(): void {
    for (let batch = this.session.nextBatch(); batch !== null; batch = this.session.nextBatch()) {
      this.session.submit(batch);
    }
    this.three.settle();
  }
}

function formed(): Three {
  const three = new Three();
  three.form();
  three.pass(6 * electionTimeoutMs);
  assertEquals(three.nodes[three.leader]!.store!.clusterVersion, CLUSTER_VERSION_MAX);
  return three;
}

function otherThan(...ats: number[]): number {
  return [0, 1, 2].find((at) => !ats.includes(at))!;
}

/** Cuts the leader off: what it begins now is not committed. */
function stopOthers(three: Three): number {
  const { leader } = three;
  for (const at of [0, 1, 2]) if (at !== leader) three.stop(at);
  return leader;
}

Deno.test("asking: the leadership moves, the answer says to whom, and what came before and after it is in order", () => {
  const three = formed();
  const client = new Client(three, three.leader);
  const to = otherThan(client.at);
  client.send(["SET", "k", "1"], ["RAFTKV.LEADER", "MOVE", "TO", `${to + 1}`], ["PING"]);
  assertEquals(client.pass(100), `+OK\r\n:${to + 1}\r\n+PONG\r\n`);
  assertEquals(three.leader, to);
});

Deno.test("asking: a follower sends on, the leader changes the members, and a list shows it", () => {
  const three = formed();
  const { leader } = three;
  const away = otherThan(leader);
  const follower = new Client(three, away);
  follower.send(["RAFTKV.MEMBER", "LIST"]);
  assertEquals(follower.pass(50), `-MOVED 0 a:${10 * (leader + 1)}\r\n`);
  const client = new Client(three, leader);
  client.send(["RAFTKV.MEMBER", "DEMOTE", `${away + 1}`], ["RAFTKV.MEMBER", "LIST"]);
  const shown = client.pass(100);
  assert(shown.startsWith("+OK\r\n*10\r\n"), shown);
  assertEquals(shown.match(/\$7\r\nlearner\r\n/g)?.length, 1, shown);
});

Deno.test("asking: a removed leader answers, and leads no more", () => {
  const three = formed();
  const client = new Client(three, three.leader);
  client.send(["RAFTKV.MEMBER", "REMOVE", `${client.at + 1}`]);
  assertEquals(client.pass(100), "+OK\r\n");
  three.pass(4 * electionTimeoutMs);
  assert(three.leader !== client.at && three.leader >= 0, `${three.leader} leads`);
});

Deno.test("asking: a leadership that can't be confirmed answers nothing about the members", () => {
  const three = formed();
  const client = new Client(three, stopOthers(three));
  client.send(["RAFTKV.MEMBER", "LIST"], ["RAFTKV.MEMBER", "REMOVE", "1"]);
  const said = client.pass(3 * electionTimeoutMs + 3 * DEFAULT_TIMING.leaderWaitMs);
  assert(/^(-CLUSTERDOWN [^\r]*\r\n){2}$/.test(said), said);
});

Deno.test("asking: where a change is begun and its leader loses a majority, it may be done or not", () => {
  const three = formed();
  const client = new Client(three, three.leader);
  const away = otherThan(client.at);
  client.session.inputSpace();
  client.send(["RAFTKV.MEMBER", "DEMOTE", `${away + 1}`]);
  // What was to confirm the leadership has come by now; the change is under way at most.
  stopOthers(three);
  const said = client.pass(4 * electionTimeoutMs + commandTimeoutMs);
  assert(/^(\+OK|-ERR outcome unknown: .*|-CLUSTERDOWN .*|-MOVED .*)\r\n$/.test(said), said);
});

Deno.test("asking: a server that stops leaves open what became of the change", () => {
  const three = formed();
  const { leader } = three;
  const client = new Client(three, leader);
  // Its round is confirmed by one of the others; then nobody is there.
  const raft = three.nodes[leader]!.raft!;
  const { lastIndex } = raft.state.log;
  client.send(["RAFTKV.MEMBER", "DEMOTE", `${otherThan(leader) + 1}`]);
  assert(raft.state.log.lastIndex >= lastIndex);
  stopOthers(three);
  let isDone = false;
  three.nodes[leader]!.shutdown(() => isDone = true);
  const said = client.pass(3_000);
  assertEquals(isDone, true);
  assert(said.startsWith("+OK") || said.startsWith("-ERR outcome unknown: "), said);
  if (!said.startsWith("+OK")) assertStringIncludes(said, "may be done");
});

Deno.test("asking: the change of a client that has left continues", () => {
  const three = formed();
  const client = new Client(three, three.leader);
  const away = otherThan(client.at);
  client.send(["RAFTKV.MEMBER", "DEMOTE", `${away + 1}`]);
  client.session.disconnected();
  three.pass(100);
  const { configurations } = three.nodes[client.at]!.raft!.state;
  assertEquals(configurations.current.learners, [away + 1]);
});
