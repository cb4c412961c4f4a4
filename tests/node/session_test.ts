import { RequestMeters } from "../../lib/node/session/request_meters.ts";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { commandLength, keyOffset, Op } from "../../lib/kv/commands/command.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import type { OwnRefusal, SessionHost } from "../../lib/node/session/session_host.ts";
import { MemoryBudget } from "../../lib/node/session/memory_budget.ts";
import { Session } from "../../lib/node/session/session.ts";
import { PubSub } from "../../lib/node/pubsub/pubsub.ts";
import { Watches } from "../../lib/node/watches/watches.ts";
import { DEFAULT_LIMITS } from "../../lib/node/limits.ts";
import { checkSession } from "../../lib/node/session/session_invariants.ts";
import type { ClientView } from "../../lib/wire/clients.ts";
import type { ClientAddress, ServerView } from "../../lib/wire/codec.ts";
import { BatchPool, ClientError } from "../../lib/wire/command_batch.ts";
import type { MemberAnswer, MemberRequest } from "../../lib/wire/members.ts";
import { LineCodec, lineCommandBytesMax } from "../../lib/wire/line/line_codec.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Appended {
  readonly session: Session;
  readonly position: number;
  readonly command: Uint8Array;
}

/** A leader whose log, rounds and clock the test moves by hand, over a Map of text. */
class FakeLeader implements SessionHost {
  readonly meters = new RequestMeters();
  readonly watches = new Watches({ limits: DEFAULT_LIMITS, markMs: 10_000 }, {
    store: () => null,
    clusterId: () => "",
    isAskedToKeep: () => false,
  });
  readonly pubsub = new PubSub(DEFAULT_LIMITS, {
    store: () => null,
    nowMs: () => this.nowMs,
    sendToOthers: () => 0,
    hasOthers: () => false,
    leadership: () => "",
    othersTellChanges: () => false,
  });
  readonly log: Appended[] = [];
  readonly values = new Map<string, { value: string; deadlineMs: number }>();
  refusedWith: OwnRefusal = 0;
  readonly awaiting = new Set<Session>();
  noSpace = false;
  leader: ClientAddress | null = null;
  nowMs = 1000;
  round = 1;
  timeWaiters: Session[] = [];
  expected: [number, Session][] = [];
  roundsAsked = 0;
  forgotten = 0;
  #version = 0;

  monotonicMs(): number {
    return this.nowMs;
  }
  readonly leaderTime = { nowMs: () => this.nowMs, aheadOfWallMs: () => 0 };
  readonly followerTime = this.leaderTime;
  serverView(): ServerView {
    throw new Error("Nothing of this server is asked for here");
  }
  backups(): null {
    return null;
  }
  clients(): ClientView[] {
    return [];
  }
  killClients(): number {
    return 0;
  }
  knowsUser(): boolean {
    return false;
  }
  statusText(): string {
    throw new Error("Nothing of this server is asked for here");
  }
  refusal(): OwnRefusal {
    return this.refusedWith;
  }
  writeRefusal(bytes: Uint8Array, at: number): ClientError | 0 {
    return this.noSpace && bytes[at + 4] !== Op.delete ? ClientError.noSpace : 0;
  }
  knowsLayout(): boolean {
    return true;
  }
  staleRefusal(): ClientError | 0 {
    return 0;
  }
  awaitLeader(session: Session): void {
    session.isAwaitingLeader = true;
    this.awaiting.add(session);
  }
  leaderAddress(): ClientAddress | null {
    return this.leader;
  }
  append(
    session: Session,
    firstPosition: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): void {
    let offset = start;
    for (let i = 0; i < count; i++) {
      const length = commandLength(bytes, offset);
      const command = bytes.slice(offset, offset + length);
      this.log.push({ session, position: firstPosition + i, command });
      offset += length;
    }
    assertEquals(offset, end);
  }
  readRound(): number {
    this.roundsAsked++;
    return this.round;
  }
  expectRound(session: Session, round: number): void {
    this.expected.push([round, session]);
  }
  waitForExpiry(session: Session): void {
    this.timeWaiters.push(session);
  }
  read(bytes: Uint8Array, offset: number, result: Result): void {
    const found = this.values.get(keyOf(bytes, offset));
    result.status = found === undefined ? Status.notFound : Status.found;
    if (found === undefined) return;
    result.bytes = encoder.encode(found.value);
    result.offset = 0;
    result.length = result.bytes.length;
    result.deadlineMs = found.deadlineMs;
    result.version = 7;
  }
  asked: { session: Session; position: number; request: MemberRequest }[] = [];
  ask(session: Session, position: number, request: MemberRequest): MemberAnswer | null {
    this.asked.push({ session, position, request });
    return this.answersAtOnce ? { kind: "done" } : null;
  }
  answersAtOnce = false;
  authenticate(): void {}
  randomHex(digits: number): string {
    return "0".repeat(digits);
  }
  markActive(): void {}
  mustRest(): boolean {
    return false;
  }
  forget(): void {
    this.forgotten++;
  }

  /** Applies the next `count` appended commands, as a commit would. */
  apply(count = 1): void {
    for (let i = 0; i < count; i++) {
      const { session, position, command } = this.log.shift()!;
      const result = new Result();
      session.beforeApply(position);
      const key = keyOf(command, 0);
      if (command[4] === Op.delete) {
        result.status = this.values.delete(key) ? Status.deleted : Status.notFound;
      } else {
        const at = keyOffset(command, 0) + key.length;
        this.values.set(key, { value: decoder.decode(command.subarray(at)), deadlineMs: 0 });
        result.status = Status.stored;
        result.version = ++this.#version;
      }
      session.applied(position, result);
      session.advance();
    }
  }

  confirm(round: number): void {
    for (const [expected, session] of this.expected) {
      if (expected <= round) session.confirmed(round);
    }
  }
}

function keyOf(bytes: Uint8Array, offset: number): string {
  const length = (bytes[offset + 6]! << 8) | bytes[offset + 7]!;
  const at = keyOffset(bytes, offset);
  return decoder.decode(bytes.slice(at, at + length));
}

function setup(
  limits: { pipelineCommandsMax?: number; outputBytesMax?: number; clientBytesMax?: number } = {},
) {
  const leader = new FakeLeader();
  const session = new Session("test", new LineCodec({ valueBytesMax: 1000 }), leader, {
    pipelineCommandsMax: limits.pipelineCommandsMax ?? 100,
    outputBytesMax: limits.outputBytesMax ?? 100_000,
    commandBytesMax: lineCommandBytesMax(1000),
    budget: new MemoryBudget(limits.clientBytesMax ?? 1_000_000_000),
    batches: new BatchPool(),
  });
  return { leader, session };
}

function send(session: Session, text: string): void {
  const bytes = encoder.encode(text);
  let sent = 0;
  while (sent < bytes.length && session.wantsInput) {
    const space = session.inputSpace();
    const count = Math.min(space.length, bytes.length - sent);
    space.set(bytes.subarray(sent, sent + count));
    session.received(count);
    sent += count;
    pump(session);
  }
}

function pump(session: Session): void {
  let batch = session.nextBatch();
  while (batch !== null) {
    session.submit(batch);
    batch = session.nextBatch();
  }
  checkSession(session.inspect());
}

function output(session: Session): string {
  let text = "";
  let bytes = session.takeOutput();
  while (bytes !== null) {
    text += decoder.decode(bytes);
    session.outputWritten();
    bytes = session.takeOutput();
  }
  if (!session.isGone) checkSession(session.inspect());
  return text;
}

Deno.test("a set is answered once it is applied, not before", () => {
  const { leader, session } = setup();
  send(session, "set a 0 1\r\nx\r\n");
  assertEquals(output(session), "");
  leader.apply();
  assertEquals(output(session), "OK 1\r\n");
});

Deno.test("a read is answered once its round is confirmed, not before", () => {
  const { leader, session } = setup();
  leader.values.set("a", { value: "x", deadlineMs: 0 });
  send(session, "get a\r\n");
  assertEquals(output(session), "");
  leader.confirm(1);
  assertEquals(output(session), "VALUE 1\r\nx\r\n");
});

Deno.test("only reads ask for a round, once for all reads of a batch", () => {
  const { leader, session } = setup();
  send(session, "set a 0 1\r\nx\r\ndelete b\r\n");
  assertEquals([leader.roundsAsked, leader.expected.length], [0, 0]);
  send(session, "get a\r\nset a 0 1\r\ny\r\nget a\r\n");
  assertEquals([leader.roundsAsked, leader.expected.length], [1, 1]);
  send(session, "set a 0 1\r\nz\r\n");
  assertEquals([leader.roundsAsked, leader.expected.length], [1, 1], "though reads wait");
});

Deno.test("an earlier round's confirmation does not serve a read of a later round", () => {
  const { leader, session } = setup();
  leader.round = 2;
  send(session, "get a\r\n");
  session.confirmed(1);
  assertEquals(output(session), "");
  session.confirmed(2);
  assertEquals(output(session), "ERR_NOT_FOUND\r\n");
});

Deno.test("a read after a write of its own connection sees the write, noreply included", () => {
  const { leader, session } = setup();
  send(session, "set a 0 1 noreply\r\nx\r\nget a\r\n");
  leader.confirm(1);
  assertEquals(output(session), "", "the round alone is not enough");
  leader.apply();
  assertEquals(output(session), "VALUE 1\r\nx\r\n");
});

Deno.test("a read before a write does not see it, though confirmed only after it", () => {
  const { leader, session } = setup();
  leader.values.set("a", { value: "old", deadlineMs: 0 });
  send(session, "get a\r\nset a 0 3\r\nnew\r\nget a\r\n");
  leader.apply();
  assertEquals(output(session), "", "nothing leaves before the round is confirmed");
  leader.confirm(1);
  assertEquals(output(session), "VALUE 3\r\nold\r\nOK 1\r\nVALUE 3\r\nnew\r\n");
});

Deno.test("where the leadership is lost, an evaluated read is replaced, an applied write stays", () => {
  const { leader, session } = setup();
  leader.values.set("a", { value: "old", deadlineMs: 0 });
  send(session, "get a\r\nset a 0 3\r\nnew\r\nget a\r\nset b 0 1\r\ny\r\n");
  leader.apply();
  leader.leader = { hostname: "other", port: 9002 };
  session.leadershipLost(ClientError.redirect);
  assertEquals(
    output(session),
    "ERR_REDIRECT other 9002\r\nOK 1\r\nERR_REDIRECT other 9002\r\nERR_TIMEOUT\r\n",
  );
  leader.apply(); // the second set commits after all: its reply was given already
  assertEquals(output(session), "");
});

Deno.test("a follower redirects every command, and answers so when it knows no leader", () => {
  const { leader, session } = setup();
  leader.refusedWith = ClientError.redirect;
  leader.leader = { hostname: "127.0.0.1", port: 9004 };
  send(session, "set a 0 1\r\nx\r\nget a\r\ndelete a\r\nset a 0 1 noreply\r\nx\r\n");
  assertEquals(output(session), "ERR_REDIRECT 127.0.0.1 9004\r\n".repeat(3));
  leader.leader = null;
  leader.refusedWith = ClientError.noLeader;
  send(session, "getm a\r\n");
  assertEquals(output(session), "ERR_NO_LEADER\r\n");
  assertEquals(leader.log.length, 0);
});

Deno.test("without space sets are refused in their place, deletes and reads continue", () => {
  const { leader, session } = setup();
  leader.values.set("a", { value: "x", deadlineMs: 0 });
  leader.noSpace = true;
  send(session, "delete a\r\nset b 0 1\r\ny\r\ndelete a\r\nget b\r\n");
  leader.apply(2);
  leader.confirm(1);
  assertEquals(output(session), "DELETED\r\nERR_NO_SPACE\r\nERR_NOT_FOUND\r\nERR_NOT_FOUND\r\n");
});

Deno.test("what never got into the log is refused with the reason of the log", () => {
  const { session } = setup();
  send(session, "set a 0 1\r\nx\r\nset b 0 1\r\nx\r\n");
  session.refuseWrites(0, 2, ClientError.busy, new Uint8Array(0), 0);
  assertEquals(output(session), "ERR_BUSY\r\nERR_BUSY\r\n");
});

Deno.test("an error in the middle of a pipeline keeps its place", () => {
  const { leader, session } = setup();
  send(session, "set a 0 1\r\nx\r\nbogus\r\nset b 0 1\r\ny\r\n");
  leader.apply(2);
  assertEquals(output(session), "OK 1\r\nERR_CMD_ERR\r\nOK 2\r\n");
});

Deno.test("a key whose time has come on the leader waits for time to be committed", () => {
  const { leader, session } = setup();
  leader.values.set("a", { value: "x", deadlineMs: 900 });
  send(session, "get a\r\n");
  leader.confirm(1);
  assertEquals(output(session), "");
  assertEquals(leader.timeWaiters, [session]);
  leader.values.delete("a");
  session.advance();
  assertEquals(output(session), "ERR_NOT_FOUND\r\n");
});

Deno.test("the window holds input back, and opens as replies are released", () => {
  const { leader, session } = setup({ pipelineCommandsMax: 2 });
  send(session, "set a 0 1\r\nx\r\nset b 0 1\r\nx\r\nset c 0 1\r\nx\r\n");
  assertEquals(leader.log.length, 2);
  assertEquals(session.wantsInput, false);
  leader.apply();
  assertEquals(session.wantsInput, true);
  pump(session);
  leader.apply(2);
  assertEquals(output(session), "OK 1\r\nOK 2\r\nOK 3\r\n");
});

Deno.test("a client that takes no replies holds its own reads back, in bounded memory", () => {
  const { leader, session } = setup({ outputBytesMax: 500 });
  leader.values.set("a", { value: "v".repeat(400), deadlineMs: 0 });
  send(session, "get a\r\n".repeat(20));
  leader.confirm(1);
  const first = session.takeOutput()!;
  assertEquals(first.length < 1000, true);
  assertEquals(session.wantsInput, false);
  session.outputWritten();
  const rest = output(session);
  assertEquals(first.length + rest.length, 20 * "VALUE 400\r\n".length + 20 * 402);
});

Deno.test("reads that a write overtakes are turned away where their replies have no room", () => {
  const { leader, session } = setup({ outputBytesMax: 500 });
  leader.values.set("a", { value: "v".repeat(400), deadlineMs: 0 });
  send(session, "get a\r\n".repeat(5) + "set a 0 1\r\nx\r\n");
  leader.apply();
  leader.confirm(1);
  const lines = output(session).split("\r\n");
  assertEquals(lines.filter((line) => line === "ERR_BUSY").length, 3);
  assertEquals(lines.filter((line) => line.startsWith("VALUE")).length, 2);
});

Deno.test("a write that is not confirmed in time answers ERR_TIMEOUT, younger ones wait on", () => {
  const { leader, session } = setup();
  send(session, "set a 0 1\r\nx\r\n");
  leader.nowMs = 3000;
  send(session, "set b 0 1\r\nx\r\n");
  leader.nowMs = 6100;
  session.checkDeadlines(leader.nowMs, 5000, 30_000);
  assertEquals(output(session), "ERR_TIMEOUT\r\n");
  leader.apply(2);
  assertEquals(output(session), "OK 2\r\n");
});

Deno.test("half a command must become whole in time, an idle connection may stay", () => {
  const { leader, session } = setup();
  leader.nowMs = 100_000;
  session.checkDeadlines(leader.nowMs, 5000, 30_000);
  assertEquals(session.closing, null);
  send(session, "set a 0 10\r\nabc");
  leader.nowMs = 131_000;
  session.checkDeadlines(leader.nowMs, 5000, 30_000);
  assertStringIncludes(session.closing ?? "", "half a command");
});

Deno.test("after the client's end the due replies still go out, then the session closes", () => {
  const { leader, session } = setup();
  send(session, "set a 0 1\r\nx\r\n");
  session.inputEnded();
  assertEquals(session.closing, null);
  leader.apply();
  assertEquals(output(session), "OK 1\r\n");
  assertStringIncludes(session.closing ?? "", "ended");
});

Deno.test("a value that is too large is refused and the connection closed after the reply", () => {
  const { leader, session } = setup();
  send(session, "set a 0 1\r\nx\r\nset b 0 1001\r\nget a\r\n");
  assertEquals(session.wantsInput, false);
  leader.apply();
  assertEquals(output(session), "OK 1\r\nERR_CMD_ERR\r\n");
  assertEquals(session.closing !== null, true);
});

Deno.test("a connection that is gone leaves its commands to the log", () => {
  const { leader, session } = setup();
  send(session, "set a 0 1\r\nx\r\nget a\r\n");
  session.disconnected();
  leader.apply();
  leader.confirm(1);
  assertEquals(leader.forgotten, 1);
  assertEquals(leader.values.get("a")?.value, "x");
});

Deno.test("reads whose round is confirmed wait for a slow client, however long it takes", () => {
  const { leader, session } = setup({ outputBytesMax: 500 });
  leader.values.set("a", { value: "v".repeat(400), deadlineMs: 0 });
  send(session, "get a\r\n".repeat(10));
  leader.confirm(1);
  leader.nowMs += 60_000;
  session.checkDeadlines(leader.nowMs, 5000, 30_000);
  assertEquals(output(session), `VALUE 400\r\n${"v".repeat(400)}\r\n`.repeat(10));
});

Deno.test("reads whose round is not confirmed in time are told that nothing was done", () => {
  const { leader, session } = setup();
  send(session, "get a\r\n");
  leader.nowMs += 6_000;
  session.checkDeadlines(leader.nowMs, 5000, 30_000);
  assertEquals(output(session), "ERR_NO_LEADER\r\n");
});

Deno.test("beyond the common budget a session that holds much waits, and continues when there is room", () => {
  const { leader, session } = setup({ outputBytesMax: 1_000_000, clientBytesMax: 300_000 });
  const value = "v".repeat(50_000);
  leader.values.set("a", { value, deadlineMs: 0 });
  send(session, "get a\r\n".repeat(20));
  leader.confirm(1);
  const held = session.takeOutput()!;
  assertEquals(held.length < 500_000, true, `${held.length} bytes`);
  assertEquals(session.wantsInput, false);
  let total = held.length;
  session.outputWritten();
  while (total < 20 * (value.length + 15)) {
    session.checkDeadlines(leader.nowMs, 5000, 30_000);
    const bytes = session.takeOutput();
    if (bytes === null) break;
    total += bytes.length;
    session.outputWritten();
  }
  assertEquals(total, 20 * (value.length + 15));
  session.checkDeadlines(leader.nowMs, 5000, 30_000);
  assertEquals(session.wantsInput, true);
});

Deno.test("a session that is gone gives its share of the budget back", () => {
  const budget = new MemoryBudget(1);
  const leader = new FakeLeader();
  const session = new Session("test", new LineCodec({ valueBytesMax: 1000 }), leader, {
    pipelineCommandsMax: 10,
    outputBytesMax: 1000,
    commandBytesMax: lineCommandBytesMax(1000),
    budget,
    batches: new BatchPool(),
  });
  assertEquals(session.wantsInput, true, "a small one always continues");
  assertEquals(budget.bytes > 0, true);
  session.disconnected();
  assertEquals(budget.bytes, 0);
});
