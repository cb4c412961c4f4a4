import { assertEquals, assertThrows } from "@std/assert";
import { NO_TERM, RaftLog } from "../../lib/raft/log.ts";
import { AssertionError } from "../../lib/util/assert.ts";
import { Random } from "../../lib/util/random.ts";
import { entry, log } from "./builders.ts";

const NONE = { index: 0, term: 0 };

Deno.test("terms by index, in front of, in and behind a log with a snapshot", () => {
  const raftLog = new RaftLog({ index: 3, term: 2 }, log(4).terms(2, 5));
  assertEquals([2, 3, 4, 5, 6].map((index) => raftLog.termAt(index)), [NO_TERM, 2, 2, 5, NO_TERM]);
  assertEquals([raftLog.firstIndex, raftLog.lastIndex, raftLog.lastTerm], [4, 5, 5]);
  const empty = new RaftLog({ index: 3, term: 2 }, []);
  assertEquals([empty.lastIndex, empty.lastTerm], [3, 2]);
  assertEquals(new RaftLog(NONE, []).termAt(0), 0);
});

Deno.test("a gap, and terms that fall, are refused", () => {
  const raftLog = new RaftLog(NONE, log(1).terms(1, 3));
  assertThrows(() => raftLog.append([entry(4, 3)]), AssertionError, "cannot follow 2/t3");
  assertThrows(() => raftLog.append([entry(3, 2)]), AssertionError, "cannot follow 2/t3");
  assertThrows(() => raftLog.at(3), AssertionError);
});

Deno.test("a slice holds as many entries as fit, but at least one", () => {
  const raftLog = new RaftLog({ index: 1, term: 1 }, log(2).terms(1, 1, 1, 1));
  const indexes = (from: number, to?: number, bytes?: number) =>
    raftLog.slice(from, to, bytes).map(({ index }) => index);
  const size = entry(2, 1).data.length;
  assertEquals(indexes(2), [2, 3, 4, 5]);
  assertEquals(indexes(3, 4), [3, 4]);
  assertEquals(indexes(2, 5, 2 * size), [2, 3]);
  assertEquals(indexes(2, 5, 2 * size + 1), [2, 3]);
  assertEquals(indexes(2, 5, 0), [2]);
  assertEquals(indexes(6), []);
});

Deno.test("entries handed out are the very objects put in", () => {
  const entries = log(1).terms(1, 1);
  assertEquals(new RaftLog(NONE, entries).slice(2)[0] === entries[1], true);
});

Deno.test("lastIndexWithTermAtMost agrees with walking back", () => {
  const random = new Random(3);
  for (let run = 0; run < 1_000; run++) {
    const start = random.between(0, 3);
    let term = random.between(0, 2);
    const snapshot = { index: start, term: start === 0 ? 0 : term };
    const terms = Array.from({ length: random.between(0, 8) }, () => {
      term += random.pick([0, 0, 1, 2]);
      return Math.max(1, term);
    });
    const raftLog = new RaftLog(snapshot, log(start + 1).terms(...terms));
    const index = random.between(0, 12);
    const most = random.between(0, 8);
    let expected = Math.max(start, Math.min(index, raftLog.lastIndex));
    while (expected > start && raftLog.termAt(expected) > most) expected--;
    assertEquals(raftLog.lastIndexWithTermAtMost(index, most), expected);
  }
});

Deno.test("entries replaced while their sync runs do not count as durable", () => {
  const raftLog = new RaftLog(NONE, log(1).terms(1));
  raftLog.append(log(2).terms(1, 1, 1));
  const batch = raftLog.submit();
  assertEquals(batch.map(({ index }) => index), [2, 3, 4]);
  raftLog.truncate(3);
  raftLog.append(log(3).terms(2));
  raftLog.markDurable(batch);
  assertEquals(raftLog.durableIndex, 2);
  const next = raftLog.submit();
  assertEquals(next.map(({ index, term }) => [index, term]), [[3, 2]]);
  raftLog.markDurable(next);
  assertEquals([raftLog.durableIndex, raftLog.submittedIndex], [3, 3]);
});
