/** Each check of a node and its sessions fails where just that is broken, and on nothing that is sound. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeKeyOnly, Op } from "../../lib/kv/commands/command.ts";
import {
  type CheckedNode,
  type CheckedReplica,
  checkNode,
  checkReplica,
} from "../../lib/node/invariants.ts";
import type { Proposal } from "../../lib/node/log/append.ts";
import { PendingKind } from "../../lib/node/session/pending_kind.ts";
import { checkSession } from "../../lib/node/session/session_invariants.ts";
import type { NodeState } from "../../lib/node/state.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { AssertionError } from "../../lib/util/assert.ts";

interface Command {
  kind: number;
  round: number;
  readStart: number;
  replyEnd: number;
}

/** A session with a composed read that waits for its round, a write, a waiting read and a held command. */
function session() {
  const key = new TextEncoder().encode("k");
  const out = new ByteWriter();
  encodeKeyOnly(out, Op.get, key, 0, 1);
  const length = out.length;
  encodeKeyOnly(out, Op.get, key, 0, 1);
  const { read, write, held } = PendingKind;
  const commands: Command[] = [
    { kind: read, round: 8, readStart: 0, replyEnd: 30 },
    { kind: write, round: 0, readStart: 0, replyEnd: 0 },
    { kind: read, round: 8, readStart: 0, replyEnd: 0 },
    { kind: held, round: 0, readStart: length, replyEnd: 0 },
  ];
  const pending = {
    head: 10,
    evaluated: 11,
    tail: 14,
    capacity: 4,
    commandsWithBytes: 2,
    readBytes: { bytes: out.bytes, length: out.length },
    kind: (p: number) => commands[p - 10]!.kind,
    round: (p: number) => commands[p - 10]!.round,
    readStart: (p: number) => commands[p - 10]!.readStart,
    replyEnd: (p: number) => commands[p - 10]!.replyEnd,
  };
  return {
    remote: "test",
    pending,
    commands,
    length,
    replies: { taken: 10, released: 20, composed: 30 },
    confirmedRound: 7,
    heldCommands: 1,
    isAwaitingLeader: true as boolean,
    shareBytes: 0,
  };
}

type TestSession = ReturnType<typeof session>;

const BROKEN_SESSIONS: readonly [string, (s: TestSession) => void][] = [
  ["released a reply that is not composed", (s) => s.pending.head = 12],
  ["composed the reply to a command that never came", (s) => s.pending.tail = 10],
  ["has more commands than places for them", (s) => s.pending.capacity = 2],
  ["sent bytes that were not released", (s) => s.replies.taken = 21],
  ["released bytes that are not composed", (s) => s.replies.released = 31],
  ["answered a command that waits for a leader", (s) => s.commands[0]!.kind = PendingKind.held],
  ["holds a reply back that waits for nothing", (s) => s.confirmedRound = 8],
  ["has replies that end before they begin", (s) => s.commands[0]!.replyEnd = 19],
  ["composed bytes that are nobody's reply", (s) => s.replies.composed = 31],
  ["has two commands in the same bytes", (s) => s.commands[3]!.readStart = s.length - 1],
  ["waits with a command whose bytes are gone", (s) => s.commands[3]!.readStart = 2 * s.length],
  ["waits with a command that has no end", (s) => s.pending.readBytes.length--],
  ["miscounts the commands that have bytes", (s) => s.pending.commandsWithBytes = 3],
  ["miscounts the commands that wait for a leader", (s) => s.heldCommands = 2],
  ["waits for a leader, and nobody knows", (s) => s.isAwaitingLeader = false],
];

Deno.test("session: a sound one passes, and each thing that is broken is named", () => {
  checkSession(session());
  for (const [broken, damage] of BROKEN_SESSIONS) {
    const damaged = session();
    damage(damaged);
    assertThrows(() => checkSession(damaged), AssertionError, broken);
  }
});

/** A leader of term 3 with two entries of clients, one that lets time pass, and reads in two rounds. */
function node() {
  const terms = new Map([[21, 3], [22, 3], [23, 3]]);
  const log = { lastIndex: 23, termAt: (index: number) => terms.get(index) ?? 2 };
  const role = { kind: "leader", reads: { openRound: 9, started: 8, ended: 7 } };
  const output = { applyingIndex: 20, batch: null as unknown, reads: [] as { round: number }[] };
  const core = { role, term: 3, commitIndex: 20, log, output, repairing: false, suspect: false };
  const proposals = [proposal(21), proposal(22)];
  const rounds = [8, 9];
  const appender = {
    proposals: { length: 2, at: (place: number) => proposals[place] },
    gatheredBytes: 5,
    countGatheredBytes: () => 5,
    gathered: () => [{ ...proposal(0), rewrittenBytes: 4 }],
    rewrites: { bytes: 27, openBytes: 3 },
  };
  const readWaiters = {
    get length(): number {
      return rounds.length;
    },
    numberAt: (place: number) => rounds[place]!,
  };
  const state = { ledTerm: 3, timeEntryIndex: 23, appender, readWaiters };
  const replica = {
    raft: { state: core },
    store: { appliedIndex: 20 },
    persister: { isBusy: false },
    snapshots: { runningIndex: 20, isSending: true },
    isRepairing: false,
    isSuspect: false,
  };
  return { state, replica, core, proposals, rounds, terms };
}

function proposal(index: number): Proposal {
  const lists = { sessions: [], firstPositions: [], counts: [] };
  return { index, term: 3, rewrittenBytes: 10, proposedMs: 0, ...lists };
}

type TestNode = ReturnType<typeof node>;

function check({ state, replica }: TestNode): void {
  checkReplica(state as unknown as CheckedNode, replica as unknown as CheckedReplica);
}

const BROKEN_NODES: readonly [string, (n: TestNode) => void][] = [
  ["applied what is not committed", (n) => n.replica.store.appliedIndex = 21],
  ["applied other entries than it was given", (n) => n.core.output.applyingIndex = 19],
  ["forgot a batch that it was to persist", (n) => n.core.output.batch = {}],
  ["calls a log repaired that is not", (n) => n.core.repairing = true],
  ["calls its vote sound while it is suspect", (n) => n.core.suspect = true],
  ["tells its clients of another leadership than its own", (n) => n.state.ledTerm = 2],
  ["tells its clients of another leadership than its own", (n) => n.core.role.kind = "follower"],
  ["takes a snapshot of what is not applied", (n) => n.replica.snapshots.runningIndex = 21],
  ["sends snapshots without leading", (n) => {
    follow(n);
    n.rounds.length = n.state.timeEntryIndex = 0;
  }],
  ["waits for an entry that is applied, or out of order", (n) => n.proposals[0]!.index = 20],
  ["waits for an entry that is applied, or out of order", (n) => n.proposals.reverse()],
  ["waits for an entry that is not in the log", (n) => n.core.log.lastIndex = 21],
  ["waits for an entry of another leadership", (n) => n.proposals[1]!.term = 2],
  ["waits for an entry that was replaced", (n) => n.terms.set(22, 2)],
  ["waits for time to pass by an entry that is not under way", (n) => n.state.timeEntryIndex = 20],
  ["waits for time to pass by an entry that is not under way", (n) => n.state.timeEntryIndex = 24],
  ["miscounts the bytes that it gathered", (n) => n.state.appender.gatheredBytes = 6],
  ["miscounts the bytes of values to be copied", (n) => n.state.appender.rewrites.bytes = 26],
  ["lets reads wait for a confirmed round, or out of order", (n) => n.rounds[0] = 7],
  ["lets reads wait for a confirmed round, or out of order", (n) => n.rounds.reverse()],
  ["lets reads wait for a round that nobody asked for", (n) => n.rounds[1] = 10],
  ["lets time pass without leading", (n) => {
    follow(n);
    n.rounds.length = 0;
  }],
  ["lets reads wait without leading", (n) => {
    follow(n);
    n.state.timeEntryIndex = 0;
  }],
];

/** It leads no more, and nobody waits for its entries. */
function follow(n: TestNode): void {
  n.core.role.kind = "follower";
  n.state.ledTerm = 0;
  n.state.appender.proposals.length = 0;
  n.state.appender.rewrites.bytes = 7;
}

Deno.test("replica: a sound one passes, and each thing that is broken is named", () => {
  check(node());
  const idle = node();
  idle.replica.snapshots.runningIndex = Infinity;
  check(idle);
  for (const [broken, damage] of BROKEN_NODES) {
    const damaged = node();
    damage(damaged);
    assertThrows(() => check(damaged), AssertionError, broken);
  }
});

Deno.test("replica: a round that is confirmed may wait until the store has what it has to show", () => {
  const waiting = node();
  waiting.core.role.reads.ended = 8;
  waiting.core.output.reads.push({ round: 8 });
  check(waiting);
  waiting.core.output.reads.length = 0;
  assertThrows(() => check(waiting), AssertionError, "lets reads wait for a confirmed round");
});

/** The same, with one client whose write at position 11 is in the log's entry 21. */
function nodeWithClient() {
  const one = node();
  const client = session();
  const known = { inspect: () => client };
  const carried = one.proposals[0]!;
  (carried.sessions as unknown[]).push(known);
  (carried.firstPositions as number[]).push(11);
  (carried.counts as number[]).push(1);
  const sessionLimits = { budget: { bytes: 0 } };
  const sessions = { all: () => [known] };
  const links = { linksDueMs: 100, nextLinkMs: () => 100 };
  const { replica } = one;
  const state = { ...one.state, replica, sessions, sessionLimits, links, shutdown: null };
  return { state, carried, client };
}

Deno.test("node: each write that waits is in one entry, and the clients' bytes add up", () => {
  const run = (damage: (n: ReturnType<typeof nodeWithClient>) => void) => {
    const one = nodeWithClient();
    damage(one);
    checkNode(one.state as unknown as NodeState);
  };
  run(() => {});
  const broken: [string, (n: ReturnType<typeof nodeWithClient>) => void][] = [
    ["lets test wait for a write that is not under way", ({ carried }) => {
      (carried.firstPositions as number[])[0] = 12;
    }],
    ["has a write in two entries", ({ carried }) => {
      (carried.sessions as unknown[]).push(carried.sessions[0]);
      (carried.firstPositions as number[]).push(11);
      (carried.counts as number[]).push(1);
    }],
    ["miscounts the bytes of its clients", ({ client }) => client.shareBytes = 1],
    ["would look after a link too late", ({ state }) => state.links.linksDueMs = 101],
    ["sent bytes that were not released", ({ client }) => client.replies.taken = 21],
  ];
  for (const [text, damage] of broken) assertThrows(() => run(damage), AssertionError, text);
});

Deno.test("node: every sentence of the checks is one that a test provokes", async () => {
  const read = (path: string) => Deno.readTextFile(new URL(path, import.meta.url));
  const source = await read("../../lib/node/invariants.ts") +
    await read("../../lib/node/session/session_invariants.ts");
  const sentences = [...source.matchAll(/hold\(\s*\w+,[^;]*?["`]([^"`]+)["`],?\s*\);/g)]
    .map((match) => match[1]!.replace("${remote}", "test"));
  assert(sentences.length > 30, `${sentences.length} sentences found`);
  const own = await Deno.readTextFile(new URL(import.meta.url));
  assertEquals(sentences.filter((sentence) => !own.includes(`"${sentence}"`)), []);
});
