import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { RespMode, writeRespResult } from "../../lib/wire/resp/resp_replies.ts";
import type { Reply } from "../process/redis_socket.ts";
import { bothProtocols as both, words } from "./resp_driver.ts";

Deno.test("resp versions: what RAFTKV.SET and CAS store, lines see, and the other way round", () => {
  const { resp, lines } = both();
  assertEquals(resp.ask(["RAFTKV.SET", "k", "one"], ["RAFTKV.GET", "k"]), [1, [1, -1, "one"]]);
  assertEquals(lines("getm k\r\n"), "VALUE 1 0 3\r\none\r\n");
  assertEquals(lines("cas k 60 1 3\r\ntwo\r\n"), "OK 2\r\n");
  assertEquals(resp.ask(["raftkv.get", "k"]), [[2, 60_000, "two"]]);
  assertEquals(resp.ask(["RAFTKV.CAS", "k", "three", "2", "PX", "1500"]), [3]);
  assertEquals(lines("getm k\r\n"), "VALUE 3 2 5\r\nthree\r\n");
  assertEquals(resp.ask(["RAFTKV.GET", "k"], ["PTTL", "k"]), [[3, 1500, "three"], 1500]);
});

Deno.test("resp versions: a cas comes to what the line comes to, for every state of the key", () => {
  for (const state of ["absent", "there", "deleted", "due"]) {
    for (const version of [0, 1, 2, Number.MAX_SAFE_INTEGER]) {
      const outcomes = ["lines", "resp"].map((protocol) => {
        const { server, resp, lines } = both();
        if (state !== "absent") resp.ask(["RAFTKV.SET", "k", "v", "PX", "100"]);
        if (state === "deleted") resp.ask(["DEL", "k"]);
        if (state === "due") server.nowMs += 100;
        return protocol === "resp"
          ? resp.ask(["RAFTKV.CAS", "k", "w", `${version}`])[0]
          : lines(`cas k 0 ${version} 1\r\nw\r\n`);
      });
      const line = outcomes[0] as string;
      const wanted = line === "ERR_VERSION\r\n"
        ? 0
        : line === "ERR_NOT_FOUND\r\n"
        ? null
        : Number(/^OK (\d+)\r\n$/.exec(line)![1]);
      assertEquals(outcomes[1], wanted, `${state}, version ${version}`);
    }
  }
});

Deno.test("resp versions: the time to live of a key that is still there can be given back", () => {
  const result = new Result();
  result.status = Status.found;
  result.version = 7;
  result.deadlineMs = 1_000;
  // The log's time may have come to the deadline since it was decided that the key is there.
  for (const [nowMs, leftMs] of [[900, 100], [999, 1], [1_000, 1], [1_050, 1]] as const) {
    const out = new ByteWriter();
    writeRespResult(out, RespMode.versioned, result, {
      nowMs: () => nowMs,
      aheadOfWallMs: () => 0,
    });
    assertEquals(
      new TextDecoder().decode(out.bytes.subarray(0, out.length)),
      `*3\r\n:7\r\n:${leftMs}\r\n$0\r\n\r\n`,
    );
  }
});

Deno.test("resp versions: versions grow over deletes, and a key that is not there is nil", () => {
  const { resp } = both();
  assertEquals(
    resp.ask(
      ["RAFTKV.GET", "k"],
      ["RAFTKV.SET", "k", ""],
      ["RAFTKV.GET", "k"],
      ["DEL", "k"],
      ["RAFTKV.GET", "k"],
      ["RAFTKV.SET", "k", "v"],
      ["INCR", "n"],
      ["RAFTKV.GET", "n"],
    ),
    [null, 1, [1, -1, ""], 1, null, 2, 1, [2, -1, "1"]],
  );
});

Deno.test("resp versions: nil is _ in version 3 of the protocol, $-1 in version 2", () => {
  for (const [version, nil] of [["2", "$-1\r\n"], ["3", "_\r\n"]] as const) {
    const { resp } = both();
    resp.ask(["HELLO", version]);
    resp.ask(["RAFTKV.GET", "k"], ["RAFTKV.CAS", "k", "v", "7"]);
    assertEquals(resp.output, `${nil}${nil}`);
    resp.ask(["RAFTKV.CAS", "k", "v", "0"], ["RAFTKV.CAS", "k", "v", "9"], ["RAFTKV.GET", "k"]);
    assertEquals(resp.output, ":1\r\n:0\r\n*3\r\n:1\r\n:-1\r\n$1\r\nv\r\n");
  }
});

Deno.test("resp versions: within a transaction each has its reply, in order", () => {
  const { resp } = both();
  const replies = resp.ask(
    ["MULTI"],
    ["RAFTKV.SET", "a", "1"],
    ["RAFTKV.GET", "a"],
    ["RAFTKV.CAS", "a", "2", "5"],
    ["RAFTKV.CAS", "a", "3", "1"],
    ["RAFTKV.CAS", "b", "3", "1"],
    ["RAFTKV.GET", "a"],
    ["EXEC"],
  );
  assertEquals(replies.at(-1), [1, [1, -1, "1"], 0, 2, null, [2, -1, "3"]]);
});

Deno.test("resp versions: what is wrong is refused, and nothing is done", () => {
  const { resp } = both();
  const syntax = "ERR syntax error";
  const version = "ERR version is not an integer or out of range";
  const time = (name: string) => `ERR invalid expire time in '${name}' command`;
  const cases: [string[], string][] = [
    [["RAFTKV.SET", "k", "v", "PX"], syntax],
    [["RAFTKV.SET", "k", "v", "EX", "5"], syntax],
    [["RAFTKV.SET", "k", "v", "PX", "5", "NX"], syntax],
    [["RAFTKV.SET", "k", "v", "PX", "0"], time("raftkv.set")],
    [["RAFTKV.SET", "k", "v", "PX", "-1"], time("raftkv.set")],
    [["RAFTKV.SET", "k", "v", "PX", "9007199254740991"], time("raftkv.set")],
    [["RAFTKV.SET", "k", "v", "PX", "x"], "ERR value is not an integer or out of range"],
    [["RAFTKV.SET", "", "v"], "ERR an empty key is not allowed here"],
    [
      ["RAFTKV.SET", "k", "v".repeat(1001)],
      "ERR a value has more than 1000 bytes (limits.valueBytesMax)",
    ],
    [["RAFTKV.CAS", "k", "v", "-1"], version],
    [["RAFTKV.CAS", "k", "v", "9007199254740992"], version],
    [["RAFTKV.CAS", "k", "v", "1.0"], version],
    [["RAFTKV.CAS", "k", "v", "0", "PX"], syntax],
    [["RAFTKV.CAS", "k", "v", "0", "PX", "0"], time("raftkv.cas")],
    [["RAFTKV.CAS", "k", "v"], "ERR wrong number of arguments for 'raftkv.cas' command"],
    [["RAFTKV.GET", "k", "l"], "ERR wrong number of arguments for 'raftkv.get' command"],
  ];
  for (const [request, message] of cases) {
    assertEquals(words(resp.ask(request, ["DBSIZE"])), [message, 0], request.join(" "));
  }
});

/** One step of a history; each kind looks at what it needs. */
interface Step {
  readonly kind: "set" | "cas" | "get" | "delete" | "wait";
  readonly key: string;
  readonly value: string;
  readonly seconds: number;
  /** -1 stands for the one that the key has. */
  readonly version: number;
  readonly waitMs: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("set", "set", "cas", "cas", "cas", "get", "delete", "wait"),
  key: fc.constantFrom("a", "b", "c"),
  value: fc.constantFrom("", "x", "value"),
  seconds: fc.constantFrom(0, 0, 1, 3),
  version: fc.constantFrom(0, 1, 2, 3, -1, -1, -1),
  waitMs: fc.constantFrom(1, 999, 1000, 2500),
});

/** What a line answered, as the Redis protocol would say it. */
function fromLine(line: string): Reply {
  const [word, ...rest] = line.split("\r\n")[0]!.split(" ");
  if (word === "OK") return Number(rest[0]);
  if (word === "DELETED") return 1;
  if (word === "ERR_VERSION") return 0;
  if (word === "ERR_NOT_FOUND") return null;
  assertEquals(word, "VALUE", line);
  return [Number(rest[0]), Number(rest[1]), line.split("\r\n")[1]!];
}

/** Times in seconds, as lines have them. */
function inSeconds(reply: Reply): Reply {
  if (!Array.isArray(reply)) return reply;
  const [version, ms, value] = reply as [number, number, string];
  return [version, ms < 0 ? 0 : Math.max(1, Math.ceil(ms / 1000)), value];
}

Deno.test("resp versions: a history in lines and one in the Redis protocol come to the same", () => {
  const outcomes = new Map<string, number>();
  const runs = fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
    const one = both();
    const other = both();
    for (const { kind, key: name, value, seconds, version, waitMs } of steps) {
      if (kind === "wait") {
        one.server.nowMs += waitMs;
        other.server.nowMs += waitMs;
        continue;
      }
      const seen = fromLine(one.lines(`getm ${name}\r\n`));
      assertEquals(inSeconds(other.resp.ask(["RAFTKV.GET", name])[0]!), seen);
      if (kind === "get") continue;
      if (kind === "delete") {
        const deleted = other.resp.ask(["DEL", name])[0]!;
        assertEquals(deleted === 0 ? null : deleted, fromLine(one.lines(`delete ${name}\r\n`)));
        continue;
      }
      const wanted = version >= 0 ? version : Array.isArray(seen) ? seen[0] as number : 0;
      const px = seconds === 0 ? [] : ["PX", `${1000 * seconds}`];
      const middle = kind === "cas" ? ` ${wanted}` : "";
      const line = `${kind} ${name} ${seconds}${middle} ${value.length}\r\n${value}\r\n`;
      const request = kind === "cas"
        ? ["RAFTKV.CAS", name, value, `${wanted}`, ...px]
        : ["RAFTKV.SET", name, value, ...px];
      const reply = other.resp.ask(request)[0]!;
      assertEquals(reply, fromLine(one.lines(line)), request.join(" "));
      const outcome = `${kind} ${reply === null ? "none" : reply === 0 ? "differs" : "stored"}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    assertEquals(one.server.store.digest(), other.server.store.digest());
  });
  fc.assert(runs, { numRuns: 1_000 });
  for (const outcome of ["set stored", "cas stored", "cas differs", "cas none"]) {
    assert(outcomes.get(outcome)! > 100, `${outcome}: ${outcomes.get(outcome)} times`);
  }
});
