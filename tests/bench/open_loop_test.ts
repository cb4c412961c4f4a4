import { assert, assertEquals, assertRejects } from "@std/assert";
import { isWithin, OpenLoop, Samples } from "../../bench/open_loop.ts";

Deno.test("open loop: samples are told apart by when they were due", () => {
  const samples = new Samples();
  for (let i = 0; i < 100_000; i++) samples.push(i, i < 50_000 ? 1 : 9);
  const early = samples.summary((dueMs) => dueMs < 50_000);
  const late = samples.summary((dueMs) => dueMs >= 50_000);
  assertEquals([early.count, early.maxMs, late.count, late.maxMs], [50_000, 1, 50_000, 9]);
});

Deno.test("open loop: an interval holds its start and not its end", () => {
  const intervals = [{ startMs: 10, endMs: 20 }, { startMs: 30, endMs: 40 }];
  assertEquals([9, 10, 19, 20, 30, 40].map((ms) => isWithin(intervals, ms)), [
    false,
    true,
    true,
    false,
    true,
    false,
  ]);
});

/** Answers each line that begins with `set` after `pauseMs`, or with an error. */
async function withServer(
  answer: string,
  stallMs: number,
  run: (port: number) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async () => {
    for await (const conn of listener) {
      const into = new Uint8Array(65_536);
      const decoder = new TextDecoder();
      let isFirst = true;
      for (let count = await conn.read(into); count !== null; count = await conn.read(into)) {
        const sets = decoder.decode(into.subarray(0, count)).split("set key:").length - 1;
        if (isFirst) await new Promise((resolve) => setTimeout(resolve, stallMs));
        isFirst = false;
        await conn.write(new TextEncoder().encode(answer.repeat(sets)));
      }
      conn.close();
    }
  };
  const serving = serve();
  try {
    await run((listener.addr as Deno.NetAddr).port);
  } finally {
    listener.close();
    await serving;
  }
}

const OPTIONS = { connections: 1, perSecond: 500, keys: 10, valueBytes: 8 };

Deno.test("open loop: a stall is counted by every set that was due while it lasted", async () => {
  const stallMs = 200;
  await withServer("OK 1\r\n", stallMs, async (port) => {
    const loop = await OpenLoop.start({ ...OPTIONS, leader: { hostname: "127.0.0.1", port } });
    while (loop.samples.count < 150) await new Promise((resolve) => setTimeout(resolve, 5));
    await loop.stop();
    assertEquals(loop.inFlight, 0);
    let firstMs = Infinity;
    loop.samples.summary((dueMs) => (firstMs = Math.min(firstMs, dueMs)) > 0);
    // A closed loop would have sent one set and waited; each that was due had to wait as well.
    const half = loop.samples.summary((dueMs) => dueMs < firstMs + stallMs / 2);
    assertEquals(half.count, OPTIONS.perSecond * stallMs / 2 / 1_000);
    assert(half.p50Ms >= stallMs / 2, `${half.p50Ms}`);
  });
});

Deno.test("open loop: an answer in error ends the measurement with a reason", async () => {
  await withServer("ERR_BUSY\r\n", 0, async (port) => {
    const loop = await OpenLoop.start({ ...OPTIONS, leader: { hostname: "127.0.0.1", port } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await assertRejects(() => loop.stop(), Error, "A set was answered ERR_BUSY");
  });
});
