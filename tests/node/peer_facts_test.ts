/** What a server remembers of what the others say of themselves. */
import { assertEquals } from "@std/assert";
import { PeerFacts } from "../../lib/node/peers/peer_facts.ts";
import type { FactsNotice } from "../../lib/wire/rpc/rpc.ts";
import { FACTS } from "../wire/rpc_samples.ts";

/** Says: up for so long, and these events happened. */
function said(uptimeMs: number, ...events: [number: number, atMs: number][]): FactsNotice {
  const level = "info" as const;
  return {
    facts: { ...FACTS.facts, uptimeMs },
    events: events.map(([number, atMs]) => {
      return { serverId: 2, number, atMs, level, message: "Peer up", detail: "" };
    }),
  };
}

Deno.test("peer facts: told at most once a second, with what leaves then", () => {
  const facts = new PeerFacts(300);
  const dueAt: number[] = [];
  for (let nowMs = 0; nowMs < 3_000; nowMs += 150) if (facts.isDue(nowMs)) dueAt.push(nowMs);
  assertEquals(dueAt, [0, 1_050, 2_100]);
});

Deno.test("peer facts: what was said five seconds ago is not shown any more", () => {
  const facts = new PeerFacts(300);
  assertEquals(facts.of(2, 0), null);
  facts.receive(2, said(1), 1_000);
  assertEquals(facts.of(2, 6_000)?.ageMs, 5_000);
  assertEquals(facts.of(2, 6_001), null);
  // Where reports are rarer, it stays for longer.
  const slow = new PeerFacts(10_000);
  slow.receive(2, said(1), 0);
  assertEquals([slow.of(2, 30_000)?.ageMs, slow.of(2, 30_001)], [30_000, null]);
});

Deno.test("peer facts: an event that is told again counts once, one of a new process again", () => {
  const facts = new PeerFacts(300);
  const numbers = () => facts.events().map(({ number }) => number);
  facts.receive(2, said(1_000, [1, 10], [2, 20]), 0);
  facts.receive(2, said(2_000, [1, 10], [2, 20], [3, 30]), 0);
  assertEquals(numbers(), [1, 2, 3]);
  facts.receive(2, said(100, [1, 40]), 0);
  facts.receive(2, said(200, [1, 40], [2, 50]), 0);
  assertEquals(numbers(), [1, 2, 3, 1, 2]);
  // A new process whose first word comes late, and one that speaks for another server.
  facts.receive(2, said(500, [1, 60]), 0);
  facts.receive(3, said(1_000, [9, 70]), 0);
  assertEquals(numbers(), [1, 2, 3, 1, 2, 1]);
});

Deno.test("peer facts: no more than the last 64 events of a server are kept", () => {
  const facts = new PeerFacts(300);
  for (let n = 1; n <= 100; n++) facts.receive(2, said(n, [n, n]), 0);
  assertEquals(
    facts.events().map(({ number }) => number),
    Array.from({ length: 64 }, (_, i) => i + 37),
  );
});
