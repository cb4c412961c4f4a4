/** Questions about the members among other commands, on one connection, whatever happens meanwhile. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AWAIT_LEADER } from "../../lib/node/session/session_host.ts";
import { checkSession } from "../../lib/node/session/session_invariants.ts";
import { ClientError } from "../../lib/wire/command_batch.ts";
import { OneClient, OneServer, requestBytes } from "./resp_driver.ts";

type Step =
  | { readonly does: "send"; readonly what: number; readonly pieceBytes: number }
  | { readonly does: "settle" | "rounds" | "lose" | "miss" | "lead" | "late" | "early" };

const WHATS = [
  ["SET", "k", "1"],
  ["GET", "k"],
  ["INCR", "n"],
  ["RAFTKV.MEMBER", "REMOVE", "3"],
  ["RAFTKV.LEADER", "MOVE"],
  ["RAFTKV.MEMBER", "LIST"],
];

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("send" as const),
      what: fc.nat(WHATS.length - 1),
      pieceBytes: fc.integer({ min: 1, max: 60 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...(["settle", "rounds", "lose", "miss", "lead", "late", "early"] as const),
    ).map((does) => ({ does })),
  },
);

/** Each request is followed by an ECHO of its number, so that the order of the replies shows. */
function numbered(what: number, number: number): string[][] {
  return [WHATS[what]!, ["ECHO", `#${number}`]];
}

function take(server: OneServer, client: OneClient, does: Exclude<Step["does"], "send">): void {
  const { session } = client;
  switch (does) {
    case "settle":
      return server.settle();
    case "rounds":
      return void server.confirmRounds();
    case "lose":
      return server.loseLeadership([session], { hostname: "b", port: 2 });
    case "miss":
      server.loseLeadership([session], { hostname: "b", port: 2 });
      server.refusedWith = AWAIT_LEADER;
      return;
    case "lead":
      server.refusedWith = 0;
      return session.resumeHeld(-Infinity);
    case "late":
      server.nowMs += 6_000;
      if (server.refusedWith === AWAIT_LEADER) session.resumeHeld(server.nowMs - 1_000);
      return session.checkDeadlines(server.nowMs, 5_000, 1e9);
    case "early":
      server.answer = server.answer === null ? { kind: "done" } : null;
  }
}

/** Sends what the session has room for, in pieces; gives what is left. */
function feed(client: OneClient, bytes: Uint8Array, pieceBytes: number): Uint8Array {
  const nothing = new Uint8Array(0);
  client.send(nothing, 1, false);
  while (bytes.length > 0 && client.session.wantsInput) {
    client.send(bytes.slice(0, pieceBytes), pieceBytes, false);
    bytes = bytes.slice(pieceBytes);
    client.send(nothing, 1, false);
  }
  return bytes;
}

Deno.test("resp questions: every request is answered once and in its order, whatever happens meanwhile", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const server = new OneServer();
      const client = new OneClient(server);
      server.answer = null;
      let sent = 0;
      let unsent: Uint8Array = new Uint8Array(0);
      let asked = 0;
      for (const one of steps) {
        if (one.does === "send") {
          const more = requestBytes(numbered(one.what, sent++));
          unsent = feed(client, Uint8Array.from([...unsent, ...more]), one.pieceBytes);
        } else {
          const canAnswer = server.refusedWith === 0;
          take(server, client, one.does);
          unsent = feed(client, unsent, 100);
          assert(
            canAnswer || one.does === "lead" || server.asked.length === asked,
            "asked too early",
          );
        }
        asked = server.asked.length;
        checkSession(client.session.inspect());
      }
      server.refusedWith = 0;
      client.session.resumeHeld(-Infinity);
      for (let i = 0; i < 4 * sent + 2; i++) {
        server.settle();
        unsent = feed(client, unsent, 100);
      }
      const replies = client.replies();
      assertEquals(replies.length, 2 * sent);
      for (let i = 0; i < sent; i++) assertEquals(replies[2 * i + 1], `#${i}`);
      assertEquals([client.session.hasPending, unsent.length], [false, 0]);
    }),
    { numRuns: 500 },
  );
});

Deno.test("resp questions: the node is asked each question at most once, and only by who leads", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  server.refusedWith = ClientError.noLeader;
  client.ask(...WHATS.slice(3));
  assertEquals(server.asked.length, 0);
  server.refusedWith = 0;
  client.ask(...WHATS.slice(3));
  assertEquals(server.asked.length, 3);
});
