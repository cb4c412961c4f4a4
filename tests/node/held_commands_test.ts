/** Commands that wait for a leader: on both protocols, in order, bounded, dropped where nobody waits. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Appender } from "../../lib/node/log/append.ts";
import { AWAIT_LEADER } from "../../lib/node/session/session_host.ts";
import type { ClientAddress } from "../../lib/wire/codec.ts";
import { ClientError } from "../../lib/wire/command_batch.ts";
import { toBytes } from "../process/socket.ts";
import { OneClient, OneServer, requestBytes } from "../wire/resp_driver.ts";

const LEADER: ClientAddress = { hostname: "127.0.0.1", port: 9002 };
const NEVER = -Infinity;

function leaderless(): { server: OneServer; client: OneClient } {
  const server = new OneServer();
  server.refusedWith = AWAIT_LEADER;
  return { server, client: new OneClient(server) };
}

function sends(client: OneClient, ...requests: string[][]): string {
  client.output = "";
  client.send(requestBytes(requests), 100_000, false);
  return client.output;
}

function sendsLines(client: OneClient, text: string): string {
  client.output = "";
  client.send(toBytes(text), 100_000, false);
  return client.output;
}

/** What the client gets once `happens` has happened. */
function after(client: OneClient, happens: () => void): string {
  client.output = "";
  happens();
  client.server.settle();
  client.session.advance();
  client.send(new Uint8Array(0));
  return client.output;
}

/** This server leads now. */
function leads({ server, session }: OneClient): void {
  server.refusedWith = 0;
  session.resumeHeld(NEVER);
}

function follows({ server, session }: OneClient): void {
  server.refusedWith = ClientError.redirect;
  server.leader = LEADER;
  session.resumeHeld(NEVER);
}

Deno.test("held: lines wait for a leader and are then done, in order", () => {
  const { server, client } = leaderless();
  const text =
    "set a 0 1\r\nx\r\nget a\r\nset a 0 1\r\ny\r\nbogus\r\nget a\r\ndelete a\r\nget a\r\n";
  assertEquals(sendsLines(client, text), "");
  assertEquals([server.awaiting.size, client.session.heldCommands], [1, 6]);
  const replies = after(client, () => leads(client));
  assertEquals(
    replies,
    "OK 1\r\nVALUE 1\r\nx\r\nOK 2\r\nERR_CMD_ERR\r\nVALUE 1\r\ny\r\nDELETED\r\nERR_NOT_FOUND\r\n",
  );
  assertEquals(client.session.heldCommands, 0);
});

Deno.test("held: noreply keeps its silence, and what follows it its order", () => {
  const { client } = leaderless();
  assertEquals(sendsLines(client, "set a 0 1 noreply\r\nx\r\nget a\r\ndelete a\r\n"), "");
  assertEquals(after(client, () => leads(client)), "VALUE 1\r\nx\r\nDELETED\r\n");
});

Deno.test("held: another server leads: all are redirected, nothing is done", () => {
  const { server, client } = leaderless();
  assertEquals(sends(client, ["SET", "a", "x"], ["PING"], ["GET", "a"]), "");
  const replies = after(client, () => follows(client));
  assertEquals(
    replies,
    "-MOVED 15495 127.0.0.1:9002\r\n+PONG\r\n-MOVED 15495 127.0.0.1:9002\r\n",
  );
  assertEquals(server.store.keys, 0);
});

Deno.test("held: what waits too long is refused, what came later keeps waiting", () => {
  const { server, client } = leaderless();
  assertEquals(sends(client, ["SET", "a", "x"], ["SET", "b", "x"]), "");
  const firstMs = server.nowMs;
  server.nowMs += 600;
  assertEquals(sends(client, ["SET", "c", "x"]), "");
  assertEquals(after(client, () => client.session.resumeHeld(firstMs - 1)), "");
  const refused = after(client, () => client.session.resumeHeld(firstMs));
  assertMatch(refused, /^(-CLUSTERDOWN [^\r\n]+\r\n){2}$/);
  assertEquals(after(client, () => leads(client)), "+OK\r\n");
  assertEquals(server.store.keys, 1);
});

Deno.test("held: MULTI, EXEC and WATCH wait and then act as one", () => {
  const { server, client } = leaderless();
  const requests = [["WATCH", "a"], ["MULTI"], ["SET", "a", "1"], ["INCR", "a"], ["EXEC"]];
  assertEquals(sends(client, ...requests, ["GET", "a"]), "");
  const replies = after(client, () => leads(client));
  assertEquals(replies, "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n$1\r\n2\r\n");
  assertEquals(server.store.keys, 1);
});

Deno.test("held: a transaction of which a part was refused is discarded, the next is not", () => {
  const { server, client } = leaderless();
  assertEquals(sends(client, ["MULTI"], ["SET", "a", "1"]), "+OK\r\n");
  const queuedMs = server.nowMs;
  server.nowMs += 600;
  assertEquals(sends(client, ["EXEC"], ["MULTI"], ["SET", "b", "1"], ["EXEC"]), "");
  assertMatch(after(client, () => client.session.resumeHeld(queuedMs)), /^-CLUSTERDOWN /);
  const replies = after(client, () => leads(client));
  assertMatch(replies, /^-EXECABORT [^\r\n]+\r\n\+OK\r\n\+QUEUED\r\n\*1\r\n\+OK\r\n$/);
  assertEquals(client.ask(["GET", "a"], ["GET", "b"]), [null, "1"]);
});

Deno.test("held: READONLY reads never wait, but after commands that wait they keep their place", () => {
  const server = new OneServer();
  const writer = new OneClient(server);
  writer.ask(["SET", "a", "x"]);
  server.refusedWith = AWAIT_LEADER;
  const client = new OneClient(server, 2);
  assertEquals(client.ask(["READONLY"], ["GET", "a"], ["PING"]), ["OK", "x", "PONG"]);
  assertEquals(sends(client, ["SET", "a", "y"], ["GET", "a"]), "");
  assertEquals(after(client, () => leads(client)), "+OK\r\n$1\r\ny\r\n");
});

Deno.test("held: a connection holds the bytes of one command, the rest is told that it is busy", () => {
  const { server, client } = leaderless();
  const value = "v".repeat(1_000);
  const requests = Array.from({ length: 20 }, (_, i) => ["SET", `k${i}`, value]);
  assertEquals(sends(client, ...requests), "");
  const held = client.session.heldCommands;
  assert(held > 1 && held < 10, `${held} commands of 1,000 bytes are held`);
  const replies = after(client, () => leads(client));
  assertEquals(replies.match(/\+OK/g)!.length, held);
  assertEquals(replies.match(/-TRYAGAIN/g)!.length, 20 - held);
  assertEquals(server.store.keys, held);
});

Deno.test("held: nothing is done for a client that has left, or has ended its side", () => {
  const { server, client } = leaderless();
  sends(client, ["SET", "a", "x"]);
  client.session.disconnected();
  leads(client);
  server.settle();
  assertEquals([server.store.keys, client.session.heldCommands], [0, 0]);
  server.refusedWith = AWAIT_LEADER;
  const other = new OneClient(server, 2);
  assertEquals(sends(other, ["SET", "a", "x"], ["QUIT"]), "");
  const replies = after(other, () => other.session.inputEnded());
  assertMatch(replies, /^-CLUSTERDOWN [^\r\n]+\r\n\+OK\r\n$/);
  leads(other);
  server.settle();
  assertEquals(server.store.keys, 0);
});

Deno.test("held: a read that lost its leadership waits; one before a write that may be done does not", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  client.ask(["SET", "a", "x"]);
  client.output = "";
  client.send(requestBytes([["GET", "a"], ["SET", "a", "y"], ["GET", "a"]]), 1_000, false);
  const replies = after(client, () => {
    server.dropAll();
    server.refusedWith = AWAIT_LEADER;
    client.session.leadershipLost(ClientError.redirect);
  });
  assertMatch(replies, /^-CLUSTERDOWN [^\r\n]+\r\n-ERR outcome unknown[^\r\n]+\r\n$/);
  assertEquals(client.session.heldCommands, 1);
  assertEquals(after(client, () => leads(client)), "$1\r\nx\r\n");
});

Deno.test("held: writes that did not come into the log wait for the next leader, with what is around them", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  client.output = "";
  const requests = [["SET", "a", "1"], ["INCR", "a"], ["GET", "a"], ["MULTI"], ["INCR", "a"]];
  client.send(requestBytes([...requests, ["EXEC"]]), 1_000, false);
  const replies = after(client, () => {
    server.refusedWith = AWAIT_LEADER;
    server.giveBack(ClientError.redirect);
    client.session.leadershipLost(ClientError.redirect);
  });
  assertEquals([replies, client.session.heldCommands], ["", 4]);
  const done = after(client, () => leads(client));
  assertEquals(done, "+OK\r\n:2\r\n$1\r\n2\r\n+OK\r\n+QUEUED\r\n*1\r\n:3\r\n");
});

Deno.test("held: an absolute time that comes back from the log is the one that the client gave", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  const deadlineMs = server.nowMs + 60_000;
  client.output = "";
  client.send(requestBytes([["SET", "a", "x", "PXAT", `${deadlineMs}`]]), 1_000, false);
  const [command] = server.takeWaiting();
  const appender = new Appender(1_000);
  appender.append(client.session, 0, command!, 0, command!.length, 1);
  server.refusedWith = AWAIT_LEADER;
  const time = { nowMs: () => server.nowMs, aheadOfWallMs: () => 3_600_000 };
  appender.flush(time, { propose: () => ({ accepted: false, reason: "notLeader" }) }, 0);
  assertEquals(client.session.heldCommands, 1);
  assertEquals(after(client, () => leads(client)), "+OK\r\n");
  assertEquals(client.ask(["PEXPIRETIME", "a"]), [deadlineMs]);
});
