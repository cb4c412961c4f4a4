/** A server that runs with --join: what it asks, what it makes of the answers, and what it logs. */
import { assertEquals, assertMatch } from "@std/assert";
import { askToJoin } from "../../lib/cli/join/ask_to_join.ts";
import { DEFAULT_TIMING } from "../../lib/node/limits.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import { type Answer, bulk, FakeServer } from "../client/fake_server.ts";
import { until } from "../client/runtime.ts";

const CLUSTER = "c".repeat(32);
const REQUEST = {
  serverId: 4,
  incarnation: "0123456789abcdef",
  hostname: "127.0.0.1",
  clientPort: 9_010,
  logPort: 9_011,
};

function waits(standing: string, electionTimeoutMs = DEFAULT_TIMING.electionTimeoutMs): string {
  const { heartbeatIntervalMs } = DEFAULT_TIMING;
  return `%4\r\n${bulk("standing")}${bulk(standing)}${bulk("clusterId")}${bulk(CLUSTER)}` +
    `${bulk("electionTimeoutMs")}:${electionTimeoutMs}\r\n` +
    `${bulk("heartbeatIntervalMs")}:${heartbeatIntervalMs}\r\n`;
}

interface Asked {
  readonly log: LogEvent[];
  readonly clusters: string[];
  readonly seen: string[];
}

/** Asks beside a leader that gives these answers, the last one for ever, until `isOver`. */
async function asking(replies: string[], isOver: (asked: Asked) => boolean): Promise<Asked> {
  const server = await FakeServer.start();
  let count = 0;
  const answer: Answer = ([name]) =>
    name === "RAFTKV.MEMBER" ? replies[Math.min(count++, replies.length - 1)] : undefined;
  server.answer = answer;
  try {
    const asked = await askingAt(server.port, isOver);
    asked.seen.push(...server.seen.map((one) => one.join(" ")));
    return asked;
  } finally {
    await server.stop();
  }
}

/** The same at a port where anything may listen. */
async function askingAt(port: number, isOver: (asked: Asked) => boolean): Promise<Asked> {
  const asked: Asked = { log: [], clusters: [], seen: [] };
  const end = new AbortController();
  const running = askToJoin({
    credentials: {},
    servers: [{ hostname: "127.0.0.1", port }],
    timing: DEFAULT_TIMING,
    request: REQUEST,
    events: {
      log: (event) => asked.log.push(event),
      answered: (clusterId) => asked.clusters.push(clusterId),
      isMember: () => false,
      signal: end.signal,
    },
  });
  try {
    await until("what is waited for", () => isOver(asked));
  } finally {
    end.abort();
    await running;
  }
  return asked;
}

/** What is logged of a port whose listener answers everything with `reply`, and closes. */
async function reasonAt(reply: string): Promise<string> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(100)).catch(() => {});
      await connection.write(new TextEncoder().encode(reply)).catch(() => {});
      connection.close();
    }
  })();
  try {
    const { log } = await askingAt(listener.addr.port, ({ log }) => log.length > 0);
    return String(log[0]!.fields.reason);
  } finally {
    listener.close();
    await serving;
  }
}

Deno.test("join: a log port and an admin port are said to be none for clients", async () => {
  assertMatch(
    await reasonAt(""),
    /--join names client ports, and a log port closes the connection/,
  );
  assertMatch(
    await reasonAt("HTTP/1.1 400 Bad Request\r\n\r\n"),
    /it answers in HTTP: an admin port, where a client port belongs/,
  );
});

Deno.test("join: asks the leader again and again, and says once which command is waited for", async () => {
  const { log, clusters, seen } = await asking(
    [waits("new")],
    ({ clusters }) => clusters.length > 1,
  );
  assertEquals(clusters, [CLUSTER, CLUSTER]);
  assertEquals(seen[0], "RAFTKV.MEMBER JOIN 4 0123456789abcdef 127.0.0.1 9010 9011");
  assertEquals(log, [{
    level: "info",
    message:
      "Waiting to be taken into the cluster, by this command on any machine: raftkv member add 4",
    fields: { server: 4, clusterId: CLUSTER },
  }]);
});

Deno.test("join: a member's id needs a replacement; timing that differs is said, once", async () => {
  const { log } = await asking(
    [waits("replaces", 1_000), waits("member", 1_000)],
    ({ log }) => log.length > 2,
  );
  assertEquals(log.map(({ level }) => level), ["warning", "info", "info"]);
  assertEquals(log[0]!.fields, { "timing.electionTimeoutMs": "300, and the cluster has 1000" });
  assertMatch(log[1]!.message, /: raftkv member replace 4$/);
  assertMatch(log[2]!.message, /^Taken into the cluster: waiting for its leader/);
});

Deno.test("join: what is refused, and what is no answer, is a reason in the log, and asked again", async () => {
  const { log, clusters } = await asking(
    [
      "-ERR server 4 is gone\r\n",
      "+nothing\r\n",
      "-ERR unknown command 'RAFTKV.MEMBER'\r\n",
      waits("new"),
    ],
    ({ clusters }) => clusters.length > 0,
  );
  const reasons = log.map(({ fields }) => `${fields.reason ?? ""}`);
  assertEquals(reasons[0], "server 4 is gone");
  assertMatch(reasons[1]!, /^the answer to RAFTKV\.MEMBER JOIN is not understood: it is no map$/);
  assertMatch(reasons[2]!, /does not know RAFTKV\.MEMBER, so it runs an earlier build/);
  assertEquals([reasons.length, clusters], [4, [CLUSTER]]);
});

Deno.test("join: where no server answers that is said, and an end comes at once", async () => {
  const server = await FakeServer.start();
  await server.stop();
  const log: LogEvent[] = [];
  const end = new AbortController();
  const running = askToJoin({
    credentials: {},
    servers: [{ hostname: "127.0.0.1", port: server.port }],
    timing: DEFAULT_TIMING,
    request: REQUEST,
    events: {
      log: (event) => log.push(event),
      answered: () => {},
      isMember: () => false,
      signal: end.signal,
    },
  });
  await until("a line", () => log.length > 0);
  end.abort();
  await running;
  assertEquals([log.length, log[0]!.level], [1, "warning"]);
  assertMatch(`${log[0]!.fields.reason}`, /no server could be reached .* connection refused/);
});
