import { assertEquals, assertThrows } from "@std/assert";
import { expectSilence } from "../../bench/failover.ts";
import { ContinuousWriter, type WriteOutcome } from "../../bench/continuous_writer.ts";

const OPTIONS = { intervalMs: 0, attemptTimeoutMs: 100, retryMs: 0, prefix: "k" };

/** Three servers that answer as `answer` says; the writer is stopped after `attempts` of them. */
async function written(
  attempts: number,
  answer: (server: number, attempt: number) => WriteOutcome,
): Promise<{ writer: ContinuousWriter; asked: number[] }> {
  const asked: number[] = [];
  let end = () => {};
  const over = new Promise<void>((resolve) => end = resolve);
  const writer = new ContinuousWriter({
    serverIds: [1, 2, 3],
    attempt: (id) => {
      asked.push(id);
      if (asked.length === attempts) end();
      return Promise.resolve(answer(id, asked.length - 1));
    },
  }, OPTIONS);
  writer.start(1);
  await over;
  await writer.stop();
  return { writer, asked: asked.slice(0, attempts) };
}

const acknowledged: WriteOutcome = { kind: "acknowledged" };
const unanswered: WriteOutcome = { kind: "unanswered" };
const refused = (leader: number | null): WriteOutcome => ({ kind: "refused", leader });

Deno.test("writes go on to the server that acknowledges them, each with a key of its own", async () => {
  const { writer, asked } = await written(5, () => acknowledged);
  assertEquals(asked, [1, 1, 1, 1, 1]);
  assertEquals(writer.acknowledged.slice(0, 5).map((write) => write.key), [
    "k0",
    "k1",
    "k2",
    "k3",
    "k4",
  ]);
});

Deno.test("a redirect is followed", async () => {
  const { asked } = await written(3, (server) => server === 3 ? acknowledged : refused(3));
  assertEquals(asked, [1, 3, 3]);
});

Deno.test("a leader that went silent is not asked again while the others still name it", async () => {
  const { asked } = await written(8, (server, attempt) => {
    if (server === 1) return unanswered;
    return attempt < 6 ? refused(1) : acknowledged;
  });
  assertEquals(asked, [1, 2, 3, 2, 3, 2, 3, 3]);
});

Deno.test("where no server answers, all of them are tried in turn", async () => {
  const { asked } = await written(9, () => unanswered);
  assertEquals(asked.slice(0, 3), [1, 2, 3]);
  for (const id of [1, 2, 3]) assertEquals(asked.filter((server) => server === id).length, 3);
});

Deno.test("only acknowledged attempts are kept", async () => {
  const { writer } = await written(
    6,
    (_, attempt) => attempt % 2 === 0 ? acknowledged : refused(1),
  );
  assertEquals(writer.acknowledged.slice(0, 3).map((write) => write.key), ["k0", "k2", "k4"]);
});

Deno.test("gaps are measured between acknowledgements, and from a fault to another server", () => {
  const writer = new ContinuousWriter({
    serverIds: [],
    attempt: () => Promise.resolve(unanswered),
  }, OPTIONS);
  const add = (server: number, sentMs: number, acknowledgedMs: number) =>
    writer.acknowledged.push({ key: "k", server, sentMs, acknowledgedMs });
  add(1, 0, 2);
  add(1, 90, 95);
  add(1, 99, 101);
  add(1, 102, 104);
  assertEquals(writer.firstAfter(100, 1), null);
  add(2, 400, 405);
  add(2, 410, 415);
  const first = writer.firstAfter(100, 1);
  assertEquals([first?.server, first?.acknowledgedMs], [2, 405]);
  assertEquals(writer.longestGapMs(0), 301);
  assertEquals(writer.longestGapMs(410), 10);
});

Deno.test("a round of faults fails where whoever failed acknowledges a later write", () => {
  const attempt = () => Promise.resolve(unanswered);
  const writer = new ContinuousWriter({ serverIds: [], attempt }, OPTIONS);
  const add = (server: number, sentMs: number) =>
    writer.acknowledged.push({ key: "k", server, sentMs, acknowledgedMs: sentMs + 200 });
  add(1, 90);
  expectSilence(writer, 1, 100);
  add(2, 150);
  expectSilence(writer, 1, 100);
  add(1, 160);
  add(1, 170);
  assertThrows(() => expectSilence(writer, 1, 100), Error, "sent 60 ms after its fault");
  expectSilence(writer, 1, 170);
});
