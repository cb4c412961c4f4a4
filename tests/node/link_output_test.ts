import { assertEquals } from "@std/assert";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { freeNow } from "../../lib/util/free_now.ts";
import { Random } from "../../lib/util/random.ts";
import { LinkOutput } from "../../lib/node/peers/link_output.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { type AppendRequest, type Entry, EntryKind } from "../../lib/raft/types.ts";
import { encodeMessage, encodePing } from "../../lib/wire/rpc/rpc.ts";

/** Lengths on both sides of the one from which on data is not copied. */
const LENGTHS = [ENVELOPE_BYTES, 100, 131_071, 131_072, 200_000, 1_048_700];

function appendOf(random: Random, prevIndex: number): AppendRequest {
  const entries: Entry[] = Array.from({ length: random.between(0, 4) }, (_, i) => {
    const data = new Uint8Array(LENGTHS[random.between(0, LENGTHS.length - 1)]!);
    for (let at = 0; at < data.length; at += 97) data[at] = random.between(0, 255);
    writeEnvelope(data, EntryKind.commands, 1_000);
    return { index: prevIndex + 1 + i, term: 3, data };
  });
  const of = { from: 1, to: 2, term: 3, prevIndex, prevTerm: 3, commitIndex: 2, readRound: 0 };
  return { kind: "appendRequest", ...of, entries };
}

Deno.test("link output: large data that is not copied leaves in its place, byte for byte", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const output = new LinkOutput();
    output.restart(0);
    const wanted = new ByteWriter();
    const written = new ByteWriter();
    let flying: Uint8Array | null = null;
    const step = () => {
      if (flying === null) flying = output.take();
      else {
        assertEquals(output.take(), null);
        written.raw(flying);
        output.written();
        flying = null;
      }
    };
    for (let i = 0; i < 40; i++) {
      if (random.chance(0.4)) {
        const message = appendOf(random, i * 10);
        encodeMessage(wanted, message);
        encodeMessage(output.writer, message, output);
        // The log may drop what it has sent, at any time from now on.
        for (const { data } of message.entries) freeNow(data);
      } else if (random.chance(0.3)) {
        encodePing(wanted);
        encodePing(output.writer);
      }
      if (random.chance(0.5)) step();
      assertEquals(output.pendingBytes, wanted.length - written.length);
    }
    while (flying !== null || output.pendingBytes > 0) step();
    assertEquals(written.length, wanted.length);
    assertEquals(indexOfDifference(written, wanted), -1);
  }
});

Deno.test("link output: what waits is let go with the connection, and freed where it was given up", () => {
  const output = new LinkOutput();
  output.restart(0);
  const entry = { index: 1, term: 1, data: new Uint8Array(200_000) };
  const of = { from: 1, to: 2, term: 1, prevIndex: 0, prevTerm: 0, commitIndex: 0, readRound: 0 };
  const send = () =>
    encodeMessage(output.writer, { kind: "appendRequest", ...of, entries: [entry] }, output);
  send();
  output.take();
  output.written();
  const taken = output.take();
  assertEquals(taken, entry.data);
  send();
  freeNow(entry.data);
  assertEquals(entry.data.length, 200_000);
  output.clear();
  assertEquals([entry.data.length, output.pendingBytes], [0, 0]);
  output.written();
  output.restart(1);
  encodePing(output.writer);
  assertEquals(output.take()?.length, 9);
});

function indexOfDifference(one: ByteWriter, other: ByteWriter): number {
  const bytes = other.view();
  return one.view().findIndex((byte, i) => byte !== bytes[i]);
}
