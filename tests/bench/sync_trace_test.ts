import { assertEquals, assertThrows } from "@std/assert";
import { examineWrite, parseTrace } from "../../bench/sync_trace.ts";

const CLIENT = "31<TCP:[127.0.0.1:9000->127.0.0.1:5000]>";
const LOG = "32</data/1/wal/1.log>";

/** A leader that reads `token` at 1.0, writes it at 2.0, syncs from 3.0 and answers at `replyS`. */
const leaderAnswering = (replyS: string) => `
10 1.000000 recvfrom(${CLIENT}, "set k 0 5\\r\\ntoken\\r\\n", 4096, 0, NULL, NULL) = 20 <0.000010>
10 2.000000 write(${LOG}, "...token", 8) = 8 <0.000010>
11 3.000000 fdatasync(${LOG} <unfinished ...>
10 3.100000 sendto(24<TCP:[127.0.0.1:1->127.0.0.1:2]>, "token", 5, 0, NULL, 0) = 5 <0.000010>
11 3.500000 <... fdatasync resumed>) = 0 <0.500000>
10 ${replyS} sendto(${CLIENT}, "OK 1\\r\\n", 6, 0, NULL, 0) = 6 <0.000010>
`;
const follower = (sync: string) => `
20 2.500000 write(30</data/2/wal/1.log>, "...token", 8) = 8 <0.100000>
${sync}
`;
const synced = (log: string, fromS: string, result = "0") =>
  `21 ${fromS} fdatasync(${log}) = ${result} <0.200000>`;
const OWN = "30</data/2/wal/1.log>";

function serversWith(replyS: string, sync: string) {
  const leader = { id: 1, calls: parseTrace(leaderAnswering(replyS)) };
  return [leader, { id: 2, calls: parseTrace(follower(sync)) }] as const;
}

/** The servers that had the write on their disks in time. */
function syncedOn(replyS: string, sync: string): number[] {
  const servers = serversWith(replyS, sync);
  return [...examineWrite("token", servers[0], servers).syncedBeforeReplyMs.keys()];
}

Deno.test("calls are read whole or in two halves, with their times, targets and results", () => {
  const calls = parseTrace(leaderAnswering("4.000000"));
  assertEquals(calls.map(({ name }) => name), [
    "recvfrom",
    "write",
    "sendto",
    "fdatasync",
    "sendto",
  ]);
  const { startS, endS, target, result } = calls[3]!;
  assertEquals({ startS, endS, target, result }, {
    startS: 3,
    endS: 3.5,
    target: "/data/1/wal/1.log",
    result: 0,
  });
});

Deno.test("a server counts where a sync of the log ended before the reply left", () => {
  assertEquals(syncedOn("4.000000", synced(OWN, "2.700000")), [1, 2]);
});

Deno.test("a sync that ended behind the reply does not count", () => {
  assertEquals(syncedOn("4.000000", synced(OWN, "3.900000")), [1]);
  assertEquals(syncedOn("3.400000", synced(OWN, "2.700000")), [2]);
});

Deno.test("a sync that had begun before the write was through does not count", () => {
  assertEquals(syncedOn("4.000000", synced(OWN, "2.400000")), [1]);
  assertEquals(syncedOn("4.000000", synced(OWN, "2.550000")), [1]);
});

Deno.test("a sync of another file, or one that failed, does not count", () => {
  assertEquals(syncedOn("4.000000", synced("33</data/2/hard_state>", "2.700000")), [1]);
  assertEquals(syncedOn("4.000000", synced(OWN, "2.700000", "-1 EIO (Input/output error)")), [1]);
});

Deno.test("a write that the leader's trace does not show is an error, not a proof", () => {
  const servers = serversWith("4.000000", "");
  assertThrows(() => examineWrite("other", servers[0], servers), Error, "no request");
});
