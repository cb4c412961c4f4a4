/** What the benchmarks read out of other programs' reports. */
import { assertEquals, assertThrows } from "@std/assert";
import { parseRedisBenchmark } from "../../bench/redis_benchmark.ts";
import { PerfMap, sumPerfScript } from "../../bench/perf_profile.ts";
import { parsePerfCounts, parseStraceCounts } from "../../bench/system_calls.ts";
import { sumProfile } from "../../bench/cpu_profile.ts";

const REPORT = `
====== SET ======
  20000 requests completed in 0.16 seconds

Latency by percentile distribution:
0.000% <= 0.023 milliseconds (cumulative count 2)
50.000% <= 0.055 milliseconds (cumulative count 12333)
99.219% <= 0.191 milliseconds (cumulative count 19850)
99.805% <= 0.271 milliseconds (cumulative count 19964)
99.902% <= 0.383 milliseconds (cumulative count 19981)
100.000% <= 0.503 milliseconds (cumulative count 20000)

Cumulative distribution of latencies:
95.485% <= 0.103 milliseconds (cumulative count 19097)

Summary:
  throughput summary: 121951.22 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        0.058     0.016     0.055     0.103     0.183     0.503
`;

Deno.test("redis-benchmark's report gives throughput and percentiles, never too low ones", () => {
  assertEquals(parseRedisBenchmark(REPORT, 20_000), {
    requests: 20_000,
    perSecond: 121_951.22,
    p50Ms: 0.055,
    p99Ms: 0.183,
    p999Ms: 0.383,
    maxMs: 0.503,
  });
  assertThrows(() => parseRedisBenchmark("Error from server: ERR", 1), Error, "Error from server");
});

Deno.test("perf's counts are read by system call, and what has no name is kept as other", () => {
  const text = `# started on Mon

120,,raw_syscalls:sys_enter,1000,100.00,,
70,,syscalls:sys_enter_write,1000,100.00,,
0,,syscalls:sys_enter_read,1000,100.00,,
<not counted>,,syscalls:sys_enter_mmap,0,0.00,,
`;
  assertEquals(parsePerfCounts(text), {
    tool: "perf",
    total: 120,
    byName: { write: 70, other: 50 },
  });
});

Deno.test("strace's counts are read by system call", () => {
  const text = `syscall              calls
---------------- ---------
read                     1
close                    2
---------------- ---------
total                    3
`;
  assertEquals(parseStraceCounts(text), {
    tool: "strace",
    total: 3,
    byName: { read: 1, close: 2 },
  });
});

Deno.test("a profile is summed up by function, file and part; waiting and the collector stand apart", () => {
  const node = (id: number, functionName: string, url: string) => ({
    id,
    callFrame: { functionName, url, lineNumber: 9 },
  });
  const sums = sumProfile({
    nodes: [
      node(1, "(program)", ""),
      node(2, "(garbage collector)", ""),
      node(3, "turn", "file:///home/me/raftkv/lib/node/node.ts"),
      node(4, "op_write", ""),
      node(5, "turn", "file:///home/me/raftkv/lib/node/node.ts"),
      node(6, "read", "ext:deno_net/01_net.js"),
    ],
    samples: [1, 2, 3, 4, 5, 6],
    timeDeltas: [100, 20, 7, 5, 3, 2],
  });
  const { functions, ...rest } = sums;
  assertEquals(rest, {
    wallUs: 137,
    programUs: 100,
    collectorUs: 20,
    scriptUs: 17,
    files: { "lib/node/node.ts": 10, "(native)": 5, "ext:deno_net/01_net.js": 2 },
    parts: { node: 10, native: 5, runtime: 2 },
  });
  const turn = { name: "turn", place: "lib/node/node.ts:10", part: "node", selfUs: 10 };
  assertEquals(functions[0], turn);
});

Deno.test("perf's samples are summed up by part, native code, system call and thread", () => {
  const text = `deno  2729 
\t    7f4ad814747d JS:*'#hop file:///home/me/raftkv/lib/node_runner.ts:53:10 (/tmp/perf-2729.map)

deno  2729 
\tffffffff821e8f67 tcp_sendmsg ([kernel.kallsyms])
\tffffffff816c2b11 __x64_sys_sendto ([kernel.kallsyms])
\t    7f4b187479b8 __send (/usr/lib/libc.so.6)

V8 DefaultWorke  2733 
\tffffffff821f3046 exc_page_fault ([kernel.kallsyms])

deno  2729 
\t    7f4b187479b8 malloc (/usr/lib/libc.so.6)
`;
  assertEquals(sumPerfScript(text, 2729, new PerfMap("")), {
    samples: 4,
    kinds: {
      lib: 0.25,
      "kernel: sendto": 0.25,
      "thread V8 DefaultWorke: kernel: page faults": 0.25,
      "native: memory and C library": 0.25,
    },
    functions: { "#hop  lib/node_runner.ts:53": 0.25 },
  });
});

Deno.test("generated code has the newest name at its address: code that is gone gives its memory away", () => {
  const text = `deno  2729 
\t    7f4ad814747d JS:*'propose file:///home/me/raftkv/lib/raft/raft.ts:75:10 (/tmp/perf-2729.map)
`;
  const map = new PerfMap(
    `7f4ad8147000 1000 JS:*'propose file:///home/me/raftkv/lib/raft/raft.ts:75:10
7f4ad8147400 80 JS:*'find file:///home/me/raftkv/lib/kv/memory/contents.ts:33:11
7f4ad8148000 80 JS:*'later file:///home/me/raftkv/lib/kv/store.ts:1:1
`,
  );
  assertEquals(sumPerfScript(text, 2729, map).functions, {
    "find  lib/kv/memory/contents.ts:33": 1,
  });
});
