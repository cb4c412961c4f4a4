/**
 * The table of tails: each combination of facts that can occur meets exactly one row, each row is met,
 * and the page has the same rows in the same order, with the same verdicts.
 */
import { assertEquals, assertThrows } from "@std/assert";
import {
  classifyTail,
  meets,
  TAIL_ROWS,
  type TailFacts,
  type TailVerdict,
} from "../../lib/storage/recovery/classify_tail.ts";

const VALUES: { readonly [Fact in keyof TailFacts]: readonly TailFacts[Fact][] } = {
  isRecycled: [false, true],
  ending: ["closed", "ended", "open"],
  after: ["proof", "marker", "bytes", "zeroes", "unread"],
  next: ["none", "gap", "unreadable", "unused", "used"],
  isLaterProven: [false, true],
};

function* combinations(): Generator<TailFacts> {
  for (const isRecycled of VALUES.isRecycled) {
    for (const ending of VALUES.ending) {
      for (const after of VALUES.after) {
        for (const next of VALUES.next) {
          for (const isLaterProven of VALUES.isLaterProven) {
            yield { isRecycled, ending, after, next, isLaterProven };
          }
        }
      }
    }
  }
}

/** Why facts can't occur together, or null where they can. */
function whyImpossible(facts: TailFacts): string | null {
  const { isRecycled, ending, after, next, isLaterProven } = facts;
  if ((ending === "closed") !== (after === "unread")) {
    return "nothing is looked for after the marker of the segment's end, and always where there is none";
  }
  if (ending === "ended" && !isRecycled) {
    return "a marker of the log's end counts in a recycled segment only; elsewhere it is bytes";
  }
  if (isRecycled && after === "zeroes") {
    return "in a recycled segment zeroes are no evidence, and count as bytes";
  }
  if (ending === "closed" && next === "unused") {
    return "a segment counts as unused only where the one before it does not know of it";
  }
  if (isLaterProven && (ending === "closed" || (next !== "none" && next !== "unused"))) {
    return "other files are asked only where the log itself does not say that there is more";
  }
  return null;
}

Deno.test("tails: every combination of facts that can occur meets exactly one row", () => {
  const met = new Set<string>();
  let possible = 0;
  let all = 0;
  for (const facts of combinations()) {
    all++;
    if (whyImpossible(facts) !== null) continue;
    possible++;
    const rows = TAIL_ROWS.filter((row) => meets(facts, row));
    assertEquals(rows.length, 1, `${JSON.stringify(facts)}: ${rows.map(({ name }) => name)}`);
    assertEquals(classifyTail(facts), rows[0]);
    met.add(rows[0]!.name);
  }
  assertEquals(all, 300);
  assertEquals(possible, 78);
  assertEquals(TAIL_ROWS.map(({ name }) => name).filter((name) => !met.has(name)), []);
});

Deno.test("tails: facts that no row is for are a broken invariant, not a guess", () => {
  const impossible: TailFacts = {
    isRecycled: false,
    ending: "closed",
    after: "bytes",
    next: "none",
    isLaterProven: false,
  };
  assertThrows(() => classifyTail(impossible), Error, "No row");
});

Deno.test("tails: only the last segment may be torn, and what a marker proves never is", () => {
  for (const facts of combinations()) {
    if (whyImpossible(facts) !== null) continue;
    const { verdict, dropsNext } = classifyTail(facts);
    if (verdict === "torn") {
      assertEquals([facts.next === "none" || facts.next === "unused", facts.after], [
        true,
        facts.after === "marker" ? "marker" : "bytes",
      ]);
    }
    if (facts.after === "proof") assertEquals(verdict, "damaged");
    if (facts.isLaterProven) assertEquals(verdict, "damaged");
    if (facts.ending === "ended" && facts.after === "bytes" && facts.next === "none") {
      assertEquals(verdict, facts.isLaterProven ? "damaged" : "clean");
    }
    if (dropsNext) assertEquals(facts.next, "unused");
  }
});

Deno.test("tails: the page has the same rows, with the same verdicts", () => {
  const page = new URL("../../docs/data-directory.md", import.meta.url);
  const text = Deno.readTextFileSync(page);
  const table = text.slice(text.indexOf("| the tail "));
  const lines = table.slice(0, table.indexOf("\n\n")).split("\n").slice(2);
  const rows = lines.map((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    return [cells[1]!, cells[3]!];
  });
  const words: Record<TailVerdict, string> = {
    continued: "continues in the next segment",
    clean: "continues here",
    torn: "cuts it off, and is suspect",
    damaged: "damage",
  };
  const expected = TAIL_ROWS.map(({ name, verdict, dropsNext }) => [
    name,
    dropsNext && verdict !== "damaged"
      ? `takes the unused segment away; ${words[verdict]}`
      : words[verdict],
  ]);
  assertEquals(rows, expected);
});
