/** A server's full disk reaches the leader's core by its reports, before a change of members rests on it. */
import { assert, assertEquals } from "@std/assert";
import { DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { setEntry } from "../storage/helpers.ts";
import { Three } from "./three_nodes.ts";

const { electionTimeoutMs } = DEFAULT_TIMING;

/** Makes the leader write until that server's disk has no more room. */
function fill(three: Three, at: number): void {
  const disk = three.disks[at]!;
  disk.capacityBytes = disk.usedBytes();
  const leader = three.nodes[three.leader]!;
  for (let i = 0; i < 2_000 && leader.raft!.state.options.roomOf!(at + 1) === "free"; i++) {
    const { lastIndex } = leader.raft!.state.log;
    leader.raft!.propose(setEntry(lastIndex + 1, leader.raft!.state.term).data);
    leader.wake();
    three.pass(1);
  }
}

Deno.test("a change that would rest on a follower with a full disk is refused, and begun once it has room", () => {
  const three = new Three();
  three.form();
  three.pass(20 * electionTimeoutMs); // the cluster version is raised
  const { leader } = three;
  const [full, other] = [0, 1, 2].filter((at) => at !== leader);
  fill(three, full!);
  const { members, raft } = three.nodes[leader]!;
  const roomOf = raft!.state.options.roomOf!;
  assertEquals([roomOf(leader + 1), roomOf(other! + 1)], ["free", "free"]);
  assert(roomOf(full! + 1) !== "free", "it reports that it is full");
  const told: string[] = [];
  const ask = () =>
    members.propose([{ kind: "demote", id: other! + 1 }], (outcome) => told.push(outcome));
  const refused = ask();
  assertEquals(refused?.reason === "full" && refused.servers, [full! + 1]);
  three.disks[full!]!.capacityBytes = Infinity;
  for (let i = 0; i < 40 && roomOf(full! + 1) !== "free"; i++) three.pass(electionTimeoutMs);
  assertEquals([ask(), told], [null, []]);
  three.pass(electionTimeoutMs);
  assertEquals(told, ["committed"]);
});
