/** A leadership that begins and ends between two turns of its node. */
import { assertEquals, assertMatch } from "@std/assert";
import type { Message } from "../../lib/raft/types.ts";
import { replies } from "./one_server.ts";
import { Three } from "./three_nodes.ts";

Deno.test("what was gathered in a leadership that no turn has seen is given back, and not kept for the next one", () => {
  const three = new Three();
  three.form();
  const leader = three.leader;
  const at = (leader + 1) % 3;
  const other = 3 - leader - at;
  three.stop(leader);
  three.stop(other);
  const node = three.nodes[at]!;
  const receive = (from: number, message: object) =>
    node.messageReceived(
      { from: from + 1, to: at + 1, ...message } as Message,
      `${from + 1}`.repeat(16),
    );
  const session = node.openSession("client")!;
  receive(leader, { kind: "timeoutNow", term: node.raft!.state.term });
  three.settle();
  assertEquals(three.role(at), "candidate");
  const { term } = node.raft!.state;
  const granted = {
    preVote: false,
    granted: true,
    suspect: false,
    repairing: false,
    removed: false,
  };
  receive(other, { kind: "voteResponse", term, ...granted });
  assertEquals(three.role(at), "leader");
  const write = new TextEncoder().encode("set a 0 1\r\n1\r\n");
  session.inputSpace().set(write);
  session.received(write.length);
  session.submit(session.nextBatch()!);
  receive(leader, { kind: "heartbeat", term: term + 1, commitIndex: 0, readRound: 0 });
  assertEquals(three.role(at), "follower");
  three.settle();
  assertMatch(replies(session), /^ERR_REDIRECT /);
});
