/** Moments without a leader, on whole servers: who waits, for how long, and what is said then. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DEFAULT_TIMING } from "../../lib/node/limits.ts";
import type { ClientSession } from "../../lib/node/api.ts";
import { realServers } from "./make_node.ts";
import { calm, leaderOf, othersThan, runFor, scenario } from "./scenarios.ts";
import type { SimServer } from "./sim_server.ts";
import { simulate } from "./simulate.ts";
import type { Simulation } from "./simulation.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const { heartbeatIntervalMs, electionTimeoutMs, leaderWaitMs } = DEFAULT_TIMING;
/** What ticks and a frame's way add. */
const SLACK_MS = 60;

/** A client of one server, by hand. */
class Asker {
  readonly #session: ClientSession;

  constructor(server: SimServer) {
    this.#session = server.node!.openSession("asker")!;
  }

  send(text: string): void {
    const bytes = encoder.encode(text);
    this.#session.inputSpace().set(bytes);
    this.#session.received(bytes.length);
    for (let batch = this.#session.nextBatch(); batch !== null; batch = this.#session.nextBatch()) {
      this.#session.submit(batch);
    }
  }

  replies(): string {
    const output = this.#session.takeOutput();
    const text = output === null ? "" : decoder.decode(output);
    if (output !== null) this.#session.outputWritten();
    return text;
  }

  leave(): void {
    this.#session.disconnected();
  }
}

function ask(server: SimServer, text: string): Asker {
  const asker = new Asker(server);
  asker.send(text);
  return asker;
}

/** Lets time pass until there is a reply, at most so many ms; how long it took, and the reply. */
function replyOf(simulation: Simulation, asker: Asker, msMax: number): [number, string] {
  const startUs = simulation.world.now;
  let text = asker.replies();
  while (text === "" && simulation.world.now < startUs + msMax * 1000) {
    runFor(simulation, 1);
    text = asker.replies();
  }
  asker.leave();
  return [(simulation.world.now - startUs) / 1000, text];
}

const SET = "set wait 0 1\r\nx\r\n";
const RESP_SET = "*3\r\n$3\r\nSET\r\n$4\r\nwait\r\n$1\r\nx\r\n";
const TIMING = { ...DEFAULT_TIMING, commandTimeoutMs: 2_000 };

Deno.test("leader wait: a follower that misses three heartbeats sends nobody to its leader any more", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const [follower] = othersThan(simulation, leader);
    const port = (text: string) => Number(text.trim().split(/[ :]/).at(-1));
    runFor(simulation, heartbeatIntervalMs);
    const [, before] = replyOf(simulation, ask(follower!, SET), 50);
    assertMatch(before, /^ERR_REDIRECT /);
    leader.pause();
    runFor(simulation, 4 * heartbeatIntervalMs);
    const lines = ask(follower!, SET);
    const resp = ask(follower!, RESP_SET);
    assertEquals([lines.replies(), resp.replies()], ["", ""]);
    const [, text] = replyOf(simulation, lines, leaderWaitMs);
    const [, respText] = replyOf(simulation, resp, leaderWaitMs);
    const next = leaderOf(simulation);
    assert(next !== leader, "Nobody took over from a leader that stands still");
    if (next === follower) {
      assertMatch(text, /^OK /);
      assertEquals(respText, "+OK\r\n");
    } else {
      assertMatch(text, /^ERR_REDIRECT /);
      assertMatch(respText, /^-MOVED /);
      assert(port(text) !== port(before), "It was sent to the leader that stands still");
    }
    leader.resume();
  });
});

Deno.test("leader wait: without a leader the answer comes after leaderWaitMs, not before", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const [left, other] = othersThan(simulation, leader);
    leader.pause();
    other!.pause();
    runFor(simulation, 3 * electionTimeoutMs);
    const lines = ask(left!, SET);
    const resp = ask(left!, RESP_SET);
    runFor(simulation, leaderWaitMs - SLACK_MS);
    assertEquals([lines.replies(), resp.replies()], ["", ""]);
    const [ms, text] = replyOf(simulation, lines, 10_000);
    assert(ms <= 2 * SLACK_MS, `It waited ${leaderWaitMs - SLACK_MS + ms} ms`);
    assertEquals(text, "ERR_NO_LEADER\r\n");
    assertMatch(replyOf(simulation, resp, 10)[1], /^-CLUSTERDOWN /);
    leader.resume();
    other!.resume();
  }, { timing: TIMING, driftMax: 0 });
});

Deno.test("leader wait: 0 waits for nobody", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const [left, other] = othersThan(simulation, leader);
    leader.pause();
    other!.pause();
    runFor(simulation, 3 * electionTimeoutMs);
    assertEquals(replyOf(simulation, ask(left!, SET), 5)[1], "ERR_NO_LEADER\r\n");
    leader.resume();
    other!.resume();
  }, { timing: { ...TIMING, leaderWaitMs: 0 } });
});

Deno.test("leader wait: a stop hands over, and who asks meanwhile hears of the next leader", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const early = new Asker(leader);
    leader.node!.shutdown(() => {});
    early.send(SET);
    const [ms, text] = replyOf(simulation, early, 700);
    assertMatch(text, /^ERR_REDIRECT /);
    assert(ms < 500, `It took ${ms} ms`);
    leader.crash("it has stopped");
    leader.start();
  });
});

Deno.test("leader wait: a stop that ends before its successor leads says so to who waits for it", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const [left, other] = othersThan(simulation, leader);
    const early = new Asker(leader);
    left!.pause();
    other!.pause();
    let isDone = false;
    leader.node!.shutdown(() => isDone = true);
    early.send(SET);
    const [ms, text] = replyOf(simulation, early, 1_500);
    assertEquals(text, "ERR_NO_LEADER\r\n");
    assert(ms > 500, `Nobody was waited for: ${ms} ms`);
    runFor(simulation, 1_000);
    assert(isDone, "The stop did not end");
    leader.crash("it has stopped");
    leader.start();
    left!.resume();
    other!.resume();
    // The hand-over is given up after an election timeout: this one is longer than a stop takes.
  }, { timing: { ...TIMING, electionTimeoutMs: 2_000 }, driftMax: 0 });
});

Deno.test("leader wait: a follower that stops keeps nobody waiting", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const [left, other] = othersThan(simulation, leader);
    leader.pause();
    other!.pause();
    runFor(simulation, 3 * electionTimeoutMs);
    const asker = ask(left!, SET);
    runFor(simulation, 10);
    assertEquals(asker.replies(), "");
    let isDone = false;
    left!.node!.shutdown(() => isDone = true);
    const [ms, text] = replyOf(simulation, asker, 1_000);
    assertEquals(text, "ERR_NO_LEADER\r\n");
    assert(ms <= 20, `It waited ${ms} ms`);
    runFor(simulation, 50);
    assert(isDone, "Nothing was to be waited for");
    left!.crash("it has stopped");
    left!.start();
    leader.resume();
    other!.resume();
  });
});

Deno.test("leader wait: while a cluster forms commands wait; what takes longer is said", () => {
  const result = simulate(calm(1, { driftMax: 0 }), realServers, null, false, (simulation) => {
    const [first, ...others] = simulation.servers;
    first!.start();
    runFor(simulation, 100);
    assertEquals(first!.probe?.raft(), null);
    const [ms, tooLate] = replyOf(simulation, ask(first!, SET), 10_000);
    assertEquals(tooLate, "ERR_NO_LEADER\r\n");
    assert(ms >= leaderWaitMs && ms <= leaderWaitMs + 2 * SLACK_MS, `It waited ${ms} ms`);
    const asker = ask(first!, SET);
    for (const other of others) other.start();
    assertMatch(replyOf(simulation, asker, 10_000)[1], /^(OK|ERR_REDIRECT) /);
  });
  assertEquals(result.check, null, `${result.message}\n${result.stack}`);
});
