/** Values that are not copied on their way to followers, which may be slow to take them. */
import { assert, assertEquals } from "@std/assert";
import type { ClientSession } from "../../lib/node/api.ts";
import { Random } from "../../lib/util/random.ts";
import { replies } from "./one_server.ts";
import { Three } from "./three_nodes.ts";

const LENGTHS = [1, 5_000, 40_000, 140_000, 300_000, 1_048_576];
const encoder = new TextEncoder();

/** Hands in a whole request, however many reads that takes. */
function send(session: ClientSession, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const space = session.inputSpace();
    const count = Math.min(space.length, bytes.length - at);
    space.set(bytes.subarray(at, at + count));
    session.received(count);
    at += count;
    const batch = session.nextBatch();
    if (batch !== null) session.submit(batch);
  }
}

function setOf(random: Random, key: string, length: number): Uint8Array {
  const head = encoder.encode(`set ${key} 0 ${length}\r\n`);
  const bytes = new Uint8Array(head.length + length + 2);
  bytes.set(head);
  const first = random.between(0, 255);
  for (let i = 0; i < length; i++) bytes[head.length + i] = first + i;
  bytes.set([13, 10], head.length + length);
  return bytes;
}

Deno.test("large values arrive on all servers, while links stand still and the log drops what it sent", () => {
  const three = new Three();
  three.form();
  const { leader } = three;
  const sessions = [1, 2, 3].map(() => three.nodes[leader]!.openSession("client")!);
  const random = new Random(5);
  const links = three.wires.filter(({ from }) => from === leader).map(({ link }) => link);
  let acknowledged = 0;
  for (let i = 0; i < 120; i++) {
    const session = sessions[i % 3]!;
    const length = LENGTHS[random.between(0, LENGTHS.length - 1)]!;
    // One link at a time stands still, for long enough to hold more than the log keeps in memory.
    if (i % 30 === 5) three.held.add(links[(i / 30) & 1]!);
    if (i % 30 === 25) three.held.clear();
    send(session, setOf(random, `k${random.between(1, 9)}`, length));
    three.pass(2);
    acknowledged += replies(session).match(/OK \d+\r\n/g)?.length ?? 0;
  }
  three.held.clear();
  three.pass(500);
  for (const session of sessions) {
    acknowledged += replies(session).match(/OK \d+\r\n/g)?.length ?? 0;
  }
  assertEquals([three.leader, acknowledged], [leader, 120]);
  const digests = three.nodes.map(({ store }) => store!.digest());
  assertEquals(digests, [digests[0], digests[0], digests[0]]);
  assert(three.nodes.every(({ store }) => store!.appliedIndex > 100));
});
