/** The stream of /events: one message a second for all, and nothing piles up. */
import { assert, assertEquals } from "@std/assert";
import { EventStreams } from "../../lib/admin/event_streams.ts";
import type { ClusterStatus, EventFacts } from "../../lib/wire/status.ts";

const decoder = new TextDecoder();

class Reader {
  readonly received: string[] = [];
  pendingBytes = 0;
  dropped: string | null = null;
  /** False: it leaves what it is sent. */
  takes = true;

  push(bytes: Uint8Array): void {
    if (this.takes) this.received.push(decoder.decode(bytes));
    else this.pendingBytes += bytes.length;
  }

  drop(reason: string): void {
    this.dropped = reason;
  }

  /** The numbers of the events in each message. */
  get events(): number[][] {
    return this.received.map((message) => {
      const status = JSON.parse(/^data: (.*)$/m.exec(message)![1]!) as ClusterStatus;
      return status.events.map(({ number }) => number);
    });
  }
}

function setUp() {
  const bench = { made: 0, leaderId: 1, events: [] as EventFacts[] };
  const streams = new EventStreams(() => {
    bench.made++;
    const { events, leaderId } = bench;
    return { format: 1, clusterId: "", serverId: 1, wallMs: 0, leaderId, servers: [], events };
  }, () => bench.leaderId);
  const happens = (number: number) => {
    const level = "info" as const;
    const event = { serverId: 1, number, atMs: number, level, message: "x", detail: "" };
    bench.events = [...bench.events, event];
  };
  return { bench, streams, happens };
}

Deno.test("streams: a message is made once for all, with the events since the last", () => {
  const { bench, streams, happens } = setUp();
  happens(1);
  const readers = [new Reader(), new Reader(), new Reader()];
  for (const reader of readers) streams.add(reader);
  assert(readers[0]!.received[0]!.startsWith("retry: 1000\nevent: status\ndata: {"));
  const madeBefore = bench.made;
  streams.tell();
  happens(2);
  streams.tell();
  streams.tell();
  assertEquals(bench.made - madeBefore, 3);
  for (const reader of readers) assertEquals(reader.events, [[1], [], [2], []]);
  streams.closeAll("the test is over");
});

Deno.test("streams: who takes nothing is sent nothing more, and dropped after five seconds", () => {
  const { streams } = setUp();
  const slow = new Reader();
  const quick = new Reader();
  slow.takes = false;
  streams.add(slow);
  streams.add(quick);
  const firstBytes = slow.pendingBytes;
  for (let i = 0; i < 4; i++) streams.tell();
  assertEquals([slow.pendingBytes, slow.dropped], [firstBytes, null]);
  streams.tell();
  assertEquals(slow.dropped, "it takes no messages");
  assertEquals([streams.count, quick.received.length], [1, 6]);
  streams.closeAll("the test is over");
});

Deno.test("streams: one that was late for a moment goes on", () => {
  const { streams } = setUp();
  const reader = new Reader();
  streams.add(reader);
  for (let round = 0; round < 4; round++) {
    reader.pendingBytes = 1;
    for (let i = 0; i < 4; i++) streams.tell();
    reader.pendingBytes = 0;
    streams.tell();
  }
  assertEquals([reader.dropped, reader.received.length], [null, 5]);
  streams.closeAll("the test is over");
});

Deno.test("streams: a message comes with every fifth look, and at once when the leader changes", () => {
  const { bench, streams } = setUp();
  const [reader, slow] = [new Reader(), new Reader()];
  slow.takes = false;
  streams.add(reader);
  streams.add(slow);
  const messagesAfter = (looks: number) => {
    for (let i = 0; i < looks; i++) streams.look();
    return reader.received.length - 1;
  };
  assertEquals([messagesAfter(4), messagesAfter(1), messagesAfter(5)], [0, 1, 2]);
  bench.leaderId = 0;
  assertEquals([messagesAfter(1), messagesAfter(3)], [3, 3]);
  // The next one by the clock comes all the same.
  assertEquals(messagesAfter(1), 4);
  // However often leaders change, nobody is dropped sooner for it.
  for (let leaderId = 1; leaderId <= 4; leaderId++) {
    bench.leaderId = leaderId;
    streams.look();
  }
  assertEquals([messagesAfter(0), slow.dropped], [8, null]);
  streams.closeAll("the test is over");
});

Deno.test("streams: they are bounded, and end with the server", () => {
  const { streams } = setUp();
  const readers = Array.from({ length: 64 }, () => new Reader());
  for (const reader of readers) {
    assert(!streams.isFull);
    streams.add(reader);
  }
  assert(streams.isFull);
  streams.closeAll("this server is shutting down");
  assertEquals(new Set(readers.map(({ dropped }) => dropped)).size, 1);
  assertEquals(streams.count, 0);
});
