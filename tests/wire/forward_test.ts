/** Forwarded commands and their answers, as bytes of a stream. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  COMMAND_HEAD_BYTES,
  encodeCommand,
  encodeKeyOnly,
  Op,
} from "../../lib/kv/commands/command.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { ByteFormatError, ByteReader, ByteWriter } from "../../lib/util/bytes.ts";
import { Random } from "../../lib/util/random.ts";
import { ClientAccess } from "../../lib/wire/client_access.ts";
import { Action, ClientError, CommandBatch } from "../../lib/wire/command_batch.ts";
import { AnswerReader } from "../../lib/wire/forward/answer_reader.ts";
import { ForwardCodec } from "../../lib/wire/forward/forward_codec.ts";
import {
  AnswerKind,
  encodeErrorAnswer,
  encodeResultAnswer,
  encodeUsersAnswer,
  readResult,
} from "../../lib/wire/forward/forwarded_answers.ts";
import { encodeForwarded, forwardedProblem } from "../../lib/wire/forward/forwarded_commands.ts";
import { questionProblem } from "../../lib/wire/forward/forwarded_questions.ts";
import { ProtocolError } from "../../lib/wire/rpc/rpc.ts";
import { encodeEval, encodeScriptRequest, takeScriptRequest } from "../../lib/wire/scripts.ts";

const encoder = new TextEncoder();
const TIME = { nowMs: () => 1_234.5, aheadOfWallMs: () => -3 };

function bytesOf(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter();
  write(out);
  return out.copy();
}

function getOf(key: string): Uint8Array {
  const bytes = encoder.encode(key);
  return bytesOf((out) => encodeKeyOnly(out, Op.get, bytes, 0, bytes.length));
}

function deleteOf(key: string): Uint8Array {
  const bytes = encoder.encode(key);
  return bytesOf((out) => encodeKeyOnly(out, Op.delete, bytes, 0, bytes.length));
}

function questionOf(value: Uint8Array): Uint8Array {
  return bytesOf((out) => void encodeCommand(out, Op.constant, value, 0, 0, 0, value.length));
}

/** An EVAL with two keys, of a client that speaks version 3. */
function evalQuestion(...words: string[]): Uint8Array {
  const ends = words.map((_, i) => words.slice(0, i + 1).join("").length);
  const request = {
    bytes: encoder.encode(words.join("")),
    starts: new Int32Array(ends.map((end, i) => end - words[i]!.length)),
    ends: new Int32Array(ends),
    count: words.length,
  };
  const flags = { isByHash: false, isReadOnly: false, isResp3: true };
  return bytesOf((out) => encodeEval(out, request, 2, flags));
}

function scriptQuestion(request: Parameters<typeof encodeScriptRequest>[1]): Uint8Array {
  return bytesOf((out) => encodeScriptRequest(out, request));
}

function forwarded(action: Action, command: Uint8Array, userId = 0): Uint8Array {
  const head = { action, replyMode: 7, command: 300, userId };
  return bytesOf((out) => encodeForwarded(out, head, command, 0, command.length));
}

function problemOf(bytes: Uint8Array): string | null {
  return forwardedProblem(bytes, 0, bytes.length);
}

/** Any result: what its status says nothing of, an earlier command may have left in it. */
function drawResult(random: Random, depth = 0): Result {
  const result = new Result();
  const statuses = Object.values(Status).filter((one) => depth < 3 || one !== Status.list);
  const status = random.pick(statuses);
  if (status === Status.list) {
    result.beginList();
    for (let i = random.between(0, 4); i > 0; i--) {
      const part = drawResult(random, depth + 1);
      result.addPart();
      result.list[result.listLength - 1] = part;
    }
  }
  result.status = status;
  result.version = random.pick([0, 1, 2 ** 53 - 1]);
  result.deadlineMs = random.pick([0, 1e12 + 0.5]);
  result.cursor = random.pick([0, 77]);
  result.tag = random.between(0, 255);
  result.integer.high = random.pick([0, -1, -0x8000_0000, 0x7fff_ffff]);
  result.integer.low = random.pick([0, 0xffff_ffff]);
  result.bytes = new Uint8Array([9, 8, 7, 6, 5]);
  result.offset = 1;
  result.length = random.between(0, 4);
  return result;
}

/** What a codec may read of a result. */
function shown(result: Result): unknown {
  const { status, version, deadlineMs, cursor, tag } = result;
  const value = status === Status.found
    ? [...result.bytes.subarray(result.offset, result.offset + result.length)]
    : null;
  const integer = status === Status.integer ? [result.integer.high, result.integer.low] : null;
  const list = status === Status.list ? result.list.slice(0, result.listLength).map(shown) : null;
  return { status, version, deadlineMs, cursor, tag, value, integer, list };
}

Deno.test("forward: any result comes back as it was, into one that is used again", () => {
  const into = new Result();
  for (let seed = 1; seed <= 500; seed++) {
    const result = drawResult(new Random(seed));
    const bytes = bytesOf((out) => encodeResultAnswer(out, result, TIME));
    const reader = new ByteReader(bytes, 5 + 16, bytes.length);
    readResult(reader, into);
    reader.finish();
    assertEquals(shown(into), shown(result), `seed ${seed}`);
  }
});

Deno.test("forward: answers are read one after the other, however they are cut", () => {
  const result = new Result();
  result.setValue(encoder.encode("some value"), 5, 5);
  const bytes = bytesOf((out) => {
    encodeResultAnswer(out, result, TIME);
    encodeErrorAnswer(out, ClientError.busy);
    encodeUsersAnswer(out, 99);
  });
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new AnswerReader();
    const found: unknown[] = [];
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      reader.push(part);
      while (reader.isWhole) {
        const { kind, time, error, appliedIndex } = reader.peek();
        if (kind === AnswerKind.result) found.push([shown(reader.peek().result), time.nowMs()]);
        else found.push(kind === AnswerKind.error ? error : appliedIndex);
        reader.skip();
      }
    }
    assertEquals(found, [[shown(result), 1_234.5], ClientError.busy, 99], `cut at ${cut}`);
    assertEquals(reader.length, 0);
  }
});

Deno.test("forward: what is cut off behind the answers that count is gone", () => {
  const reader = new AnswerReader();
  const errors = [ClientError.busy, ClientError.redirect, ClientError.redirect] as const;
  reader.push(bytesOf((out) => errors.forEach((error) => encodeErrorAnswer(out, error))));
  reader.push(new Uint8Array([0, 0]));
  assertEquals(reader.errors(), [...errors]);
  reader.cut(1);
  assertEquals(reader.errors(), [ClientError.busy]);
  reader.push(bytesOf((out) => encodeErrorAnswer(out, ClientError.noSpace)));
  assertEquals(reader.errors(), [ClientError.busy, ClientError.noSpace]);
});

Deno.test("forward: any bytes as answers end in ProtocolError at worst, and announce what they take", () => {
  const good = bytesOf((out) => {
    for (let seed = 1; seed < 6; seed++) {
      encodeResultAnswer(out, drawResult(new Random(seed)), TIME);
      encodeErrorAnswer(out, ClientError.timeout);
    }
  });
  for (let seed = 1; seed <= 4_000; seed++) {
    const random = new Random(seed);
    const bytes = good.slice();
    for (let i = random.between(1, 4); i > 0; i--) {
      bytes[random.between(0, bytes.length - 1)] = random.pick([0, 1, 2, 8, 64, 127, 128, 255]);
    }
    readAll(bytes);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), readAll), { seed: 3, numRuns: 2_000 });
  const reader = new AnswerReader();
  reader.push(new Uint8Array([0xff, 0xff, 0xff, 0xff, 1]));
  assertEquals([reader.isWhole, reader.problem], [false, "an answer has 4294967295 bytes"]);
});

function readAll(bytes: Uint8Array): void {
  const reader = new AnswerReader();
  reader.push(bytes);
  reader.errors();
  try {
    while (reader.isWhole) {
      reader.peek();
      reader.skip();
    }
  } catch (error) {
    assert(error instanceof ProtocolError, `${error}`);
  }
}

Deno.test("forward: lists that announce more than there is, or lie too deep, are refused", () => {
  const deep = [Status.list, 64, 0, 0, 0, 1];
  const cases = [
    [[Status.list, 64, 0xff, 0xff, 0xff, 0xff], "4294967295 results are announced in 0 bytes"],
    [[...deep, ...deep, ...deep, ...deep, 3, 0], "1 results are announced in 2 bytes"],
    [[Status.found, 64, 0, 0, 0, 0], "a list is no list"],
    [[Status.integer, 0], "an integer is missing"],
    [[0, 0], "a status 0 is unknown"],
    [[Status.deleted, 128], "fields that this version does not know"],
    [[Status.stored, 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f], "a number is none"],
  ] as const;
  for (const [bytes, part] of cases) {
    const reader = new ByteReader(new Uint8Array(bytes));
    assertThrows(() => readResult(reader, new Result()), ProtocolError, part);
  }
  const cut = new ByteReader(new Uint8Array([Status.found, 32, 0, 0, 0, 9, 1]));
  assertThrows(() => readResult(cut, new Result()), ByteFormatError);
});

Deno.test("forward: a command is taken as what it is, and as nothing else", () => {
  assertEquals(problemOf(forwarded(Action.read, getOf("k"))), null);
  assertEquals(problemOf(forwarded(Action.write, deleteOf("k"))), null);
  assertEquals(problemOf(forwarded(Action.transaction, deleteOf("k"))), null);
  assertEquals(
    problemOf(forwarded(Action.ask, questionOf(encoder.encode('{"kind":"list"}')))),
    null,
  );
  const cases = [
    [forwarded(Action.write, getOf("k")), "is no write"],
    [forwarded(Action.read, deleteOf("k")), "is no read"],
    [forwarded(Action.read, questionOf(encoder.encode("x"))), "is no read"],
    [forwarded(Action.ask, getOf("k")), "is no question"],
    [forwarded(Action.local, getOf("k")), "is not forwarded"],
    [forwarded(Action.authenticate, getOf("k")), "is not forwarded"],
    [forwarded(Action.read, getOf("k")).subarray(0, 14), "cut off"],
  ] as const;
  for (const [bytes, part] of cases) assertStringIncludes(problemOf(bytes) ?? "", part);
  const user = forwarded(Action.read, getOf("k"));
  user.set([0, 0x20], 4);
  assertStringIncludes(problemOf(user)!, "2^53 - 1");
});

Deno.test("forward: questions are checked, and one that counts on loopback alone is none", () => {
  const problem = (text: string) => {
    const bytes = encoder.encode(text);
    return questionProblem(bytes, 0, bytes.length);
  };
  const good = [
    { kind: "users" },
    { kind: "changeUser", name: "a", rules: ["on", ">b"] },
    { kind: "add", id: 4, staysLearner: false },
    { kind: "moveLeader", to: null },
    { kind: "moveLeader", to: 2 },
    {
      kind: "join",
      server: { id: 4, incarnation: "0".repeat(16), hostname: "h", clientPort: 1, logPort: 2 },
    },
  ];
  for (const one of good) assertEquals(problem(JSON.stringify(one)), null);
  const bad = [
    { kind: "resetUser", secret: "s", name: "a", rules: [] },
    { kind: "changeUser", name: "a", rules: [1] },
    { kind: "add", id: "4", staysLearner: false },
    { kind: "remove" },
    { kind: "moveLeader", to: 0 },
    { kind: "join", server: { id: 4 } },
    { kind: "toString" },
    [],
    null,
    "list",
  ];
  for (const one of bad) assert(problem(JSON.stringify(one)) !== null, JSON.stringify(one));
  for (const text of ["", "{", '{"kind":']) assert(problem(text) !== null, text);
});

Deno.test("forward: a script's question is taken whole, and nothing that is cut or bent", () => {
  const bytes = evalQuestion("eval", "return 1", "2", "a", "b", "");
  const others = [
    { kind: "loadScript", script: "x" },
    { kind: "scriptsExist", hashes: ["a", "b"] },
    { kind: "flushScripts" },
  ] as const;
  for (const one of [bytes, ...others.map(scriptQuestion)]) {
    assertEquals(questionProblem(one, 0, one.length), null);
    for (let end = 0; end < one.length; end++) {
      assert(questionProblem(one, 0, end) !== null, `kind ${one[1]} cut at ${end}`);
    }
  }
  const taken = takeScriptRequest(questionOf(bytes), 0);
  const request = { script: "return 1", isByHash: false, isReadOnly: false, isResp3: true };
  assertEquals(taken, { kind: "eval", ...request, keys: ["a", "b"], args: [""] });
  for (let at = 1; at < bytes.length; at++) {
    for (const value of [0, 1, 127, 255]) {
      const bent = bytes.slice();
      bent[at] = value;
      questionProblem(bent, 0, bent.length);
    }
  }
});

Deno.test("forward: the codec takes whole commands, however cut, and refuses a bad one alone", () => {
  const stream = new Uint8Array([
    ...forwarded(Action.write, deleteOf("k")),
    ...forwarded(Action.write, getOf("k")),
    ...forwarded(Action.read, getOf("a key that is too long for this server's bounds")),
    ...forwarded(Action.read, getOf("key")),
  ]);
  for (let cut = 0; cut <= stream.length; cut++) {
    const codec = new ForwardCodec(new ClientAccess(), 40);
    const batch = new CommandBatch();
    const used = codec.parse(stream, 0, cut, batch, 10);
    assert(codec.bytesNeeded() <= 40);
    codec.parse(stream, used, stream.length, batch, 10);
    const { write, refuse, read } = Action;
    assertEquals(
      [...batch.actions.subarray(0, batch.count)],
      [write, refuse, refuse, read],
      `${cut}`,
    );
    assertEquals([...batch.replies.subarray(1, 3)], [ClientError.command, ClientError.command]);
    assertEquals([batch.commands[0], batch.commands[3]], [300, 300]);
  }
});

Deno.test("forward: any bytes as commands are a problem at worst", () => {
  const good = new Uint8Array([
    ...forwarded(Action.write, deleteOf("k")),
    ...forwarded(Action.read, getOf("key")),
    ...forwarded(Action.ask, questionOf(scriptQuestion({ kind: "flushScripts" })), 5),
  ]);
  const parse = (bytes: Uint8Array) => {
    const codec = new ForwardCodec(new ClientAccess(), 1_000);
    const batch = new CommandBatch();
    const used = codec.parse(bytes, 0, bytes.length, batch, 100);
    assert(used <= bytes.length && codec.bytesNeeded() <= 1_000);
    for (let i = 0; i < batch.count; i++) {
      const bytes = batch.ends[i]! - batch.starts[i]!;
      assert(bytes >= COMMAND_HEAD_BYTES || batch.actions[i] === Action.refuse);
    }
  };
  for (let seed = 1; seed <= 6_000; seed++) {
    const random = new Random(seed);
    const bytes = good.slice();
    for (let i = random.between(1, 4); i > 0; i--) {
      bytes[random.between(0, bytes.length - 1)] = random.pick([0, 1, 2, 12, 16, 20, 64, 127, 255]);
    }
    parse(bytes);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), parse), { seed: 4, numRuns: 2_000 });
});

Deno.test("forward: nothing is taken in after a question before that one is answered", () => {
  const question = forwarded(Action.ask, questionOf(scriptQuestion({ kind: "flushScripts" })), 5);
  const write = forwarded(Action.write, deleteOf("k"));
  const stream = new Uint8Array([...write, ...write, ...question, ...write]);
  const codec = new ForwardCodec(new ClientAccess(), 1_000);
  const batch = new CommandBatch();
  let used = 0;
  const parse = (): number => {
    used += codec.parse(stream, used, stream.length, batch, 100);
    return batch.count;
  };
  const [out, result] = [new ByteWriter(), new Result()];
  const time = { nowMs: () => 0, aheadOfWallMs: () => 0 };
  assertEquals([parse(), codec.isWaiting()], [3, true]);
  // What came before it is answered, or refused, and that is revoked: it says nothing of the question.
  codec.writeResult(out, 0, result, time);
  codec.noteRefused(0, false);
  codec.noteRefused(0, true);
  assertEquals([parse(), codec.isWaiting()], [3, true]);
  codec.noteRefused(0, false);
  assertEquals([parse(), codec.isWaiting(), used], [4, false, stream.length]);
});
