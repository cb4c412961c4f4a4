/** The stream is kept up: lost, silent, hidden, back again. */
import { assert, assertEquals } from "@std/assert";
import { HIDDEN_MAX_MS, SILENCE_MAX_MS, type SourceEvents, Stream } from "../../page/stream.ts";

class Bench {
  readonly sources: { readonly events: SourceEvents; isClosed: boolean }[] = [];
  readonly received: string[] = [];
  readonly stream = new Stream((events) => {
    const source = { events, isClosed: false };
    this.sources.push(source);
    return { close: () => source.isClosed = true };
  }, (data) => this.received.push(data));
  nowMs = 0;

  get last() {
    return this.sources.at(-1)!;
  }

  /** Lets time pass; what the open source says in each second of it, if anything. */
  pass(ms: number, { says = null as string | null, isHidden = false } = {}): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += 500;
      this.stream.tick(this.nowMs, isHidden);
      if (says !== null && !this.last.isClosed) this.last.events.message(says);
    }
  }
}

Deno.test("stream: live while messages come", () => {
  const bench = new Bench();
  bench.pass(500);
  assertEquals(bench.stream.state.kind, "connecting");
  bench.pass(60_000, { says: "x" });
  assertEquals([bench.stream.state.kind, bench.sources.length], ["live", 1]);
  assertEquals(bench.received.length, 120);
});

Deno.test("stream: an error is a loss, with the time of the last message; then it connects again", () => {
  const bench = new Bench();
  bench.pass(2_000, { says: "x" });
  bench.last.events.failed();
  assertEquals(bench.stream.state, { kind: "lost", sinceMs: 2_000, isSilent: false });
  assert(bench.last.isClosed);
  bench.pass(1_000);
  assertEquals(bench.sources.length, 2);
  bench.pass(500, { says: "y" });
  assertEquals(bench.stream.state.kind, "live");
});

Deno.test("stream: a server that stands still holds the connection, and is lost all the same", () => {
  const bench = new Bench();
  bench.pass(2_000, { says: "x" });
  bench.pass(SILENCE_MAX_MS + 500);
  assertEquals(bench.stream.state, { kind: "lost", sinceMs: 2_000, isSilent: true });
  // What the old source says after that is of no account.
  const old = bench.sources[0]!;
  assert(old.isClosed);
  const count = bench.received.length;
  old.events.message("late");
  old.events.failed();
  assertEquals([bench.received.length, bench.stream.state.kind], [count, "lost"]);
});

Deno.test("stream: it tries less and less often, at least every five seconds of silence", () => {
  const bench = new Bench();
  bench.pass(500);
  for (let lost = 0; lost < 20; lost++) {
    bench.last.events.failed();
    const before = bench.sources.length;
    bench.pass(5_500);
    assertEquals(bench.sources.length, before + 1);
  }
  assertEquals(bench.stream.state, { kind: "lost", sinceMs: null, isSilent: false });
});

Deno.test("stream: a hidden page gives its connection back, and takes one when it is seen", () => {
  const bench = new Bench();
  bench.pass(2_000, { says: "x" });
  bench.pass(HIDDEN_MAX_MS - 500, { says: "x", isHidden: true });
  assertEquals(bench.stream.state.kind, "live");
  bench.pass(1_000, { says: "x", isHidden: true });
  assertEquals([bench.stream.state.kind, bench.last.isClosed], ["paused", true]);
  bench.pass(60_000, { isHidden: true });
  assertEquals(bench.sources.length, 1);
  bench.pass(500, { says: "x" });
  assertEquals([bench.stream.state.kind, bench.sources.length], ["live", 2]);
});
