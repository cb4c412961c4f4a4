/** The checks of short-lived keys can fail: they are shown what they have to refuse. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { Reply } from "../process/redis_socket.ts";
import { transactionProblem } from "./volatile_model.ts";
import { VolatileHistory } from "./volatile_task.ts";
import { CheckFailure } from "./world.ts";

/** A transaction on `k` at time 5,000, with what its first and last look saw. */
function problem(
  command: string[],
  first: [string | null, number],
  reply: Reply,
  last: [string | null, number],
  watched: string | null | undefined = undefined,
): string {
  const replies: Reply[] = [...first, reply, ...last, "OK", 6_000];
  const seen = watched === undefined ? null : { key: "k", value: watched };
  return transactionProblem(["k"], [command], replies, seen) ?? "none";
}

Deno.test("a transaction on short-lived keys is held to what it saw first", () => {
  const keep = ["SET", "k", "new", "KEEPTTL"];
  assertEquals(problem(keep, ["old", 5_001], "OK", ["new", 5_001]), "none");
  assertEquals(problem(keep, [null, -2], "OK", ["new", -1]), "none");
  assertEquals(problem(["GETDEL", "k"], ["old", -1], "old", [null, -2]), "none");
  assertEquals(problem(["PERSIST", "k"], ["old", 5_001], 1, ["old", -1]), "none");
  assertEquals(problem(["INCRBY", "k", "2"], ["5", 5_009], 7, ["7", 5_009]), "none");
  const refused = [
    problem(keep, [null, -2], "OK", [null, -2]),
    problem(keep, [null, -2], "OK", ["new", 5_001]),
    problem(keep, ["old", 5_000], "OK", ["new", 5_000]),
    problem(["GETDEL", "k"], ["old", -1], "other", [null, -2]),
    problem(["GETSET", "k", "new"], ["old", -1], "new", ["new", -1]),
    problem(["PERSIST", "k"], [null, -2], 1, ["old", -1]),
    problem(["PEXPIRE", "k", "9"], [null, -2], 1, ["old", 5_009]),
    problem(["GET", "k"], [null, -2], null, [null, -2], "old"),
    problem(["GET", "k"], ["other", -1], "other", ["other", -1], "old"),
  ];
  assertEquals(refused.filter((text) => text === "none"), []);
  assertStringIncludes(refused[2]!, "0 ms behind its time");
  assertStringIncludes(refused[7]!, "when it was watched");
});

Deno.test("a value that is taken is taken once, and seen no more", () => {
  let now = 10;
  const history = new VolatileHistory(() => now);
  const value = history.nextValue();
  history.saw("GET k", value, 1, false);
  history.saw("GETDEL k", value, 2, true);
  history.saw("GET k", value, 9, false);
  history.judge();
  assertThrows(() => history.saw("GETSET k", value, 3, true), CheckFailure, "was taken before");
  assertThrows(() => history.saw("GET k", "999999", 3, false), CheckFailure, "nobody wrote");
  now = 20;
  history.saw("GET k", value, 11, false);
  assertThrows(() => history.judge(), CheckFailure, "was there again");
});
