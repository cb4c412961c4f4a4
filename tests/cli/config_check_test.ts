/** `raftkv config check`: everything at once, key by key, and the difference to a formed cluster. */
import { assertEquals, assertMatch } from "@std/assert";
import { encodeAddresses } from "../../lib/node/members/addresses.ts";
import type { Configuration } from "../../lib/raft/types.ts";
import { differencesTo } from "../../lib/cli/run/config_check.ts";
import { configFaults, defaultConfig, parseConfig } from "../../lib/config.ts";
import { command } from "./fakes.ts";

const server = (id: number, changes: object = {}) => (
  { id, hostname: "127.0.0.1", clientPort: 9_000 + id, logPort: 9_500 + id, ...changes }
);
const file = (changes: object = {}) =>
  JSON.stringify({ path: "data", servers: [server(1), server(2), server(3)], ...changes });

async function check(text: string, ...flags: string[]) {
  return await command(["config", "check", "c.json", ...flags], { files: { "c.json": text } });
}

Deno.test("config check: a good file is told to be one", async () => {
  assertEquals(await check(file()), {
    code: 0,
    out: "c.json: 3 servers, no faults\n",
    error: "",
  });
  assertEquals(configFaults(JSON.stringify(defaultConfig())), []);
});

Deno.test("config check: all findings at once, each with its key", async () => {
  const { code, out, error } = await check(file({
    foo: 1,
    bar: 2,
    servers: [server(1), server(1, { clientPort: 90_000 }), server(3, { hostnme: "x", zz: 1 })],
    timing: { heartbeatIntervalMs: 400, electionTimeoutMs: 300, electionTimoutMs: 1, q: 2 },
    limits: { valueBytesMax: "a", x: 1, y: 2 },
  }));
  assertEquals(code, 1);
  const keys = out.trimEnd().split("\n").map((line) => /^c\.json: ([\w.[\]]+): /.exec(line)?.[1]);
  for (
    const key of [
      "foo",
      "bar",
      "servers[1].clientPort",
      "servers[2].zz",
      "timing.electionTimoutMs",
      "timing.q",
      "timing.heartbeatIntervalMs",
      "limits.valueBytesMax",
      "limits.x",
      "limits.y",
    ]
  ) {
    assertEquals(keys.filter((one) => one === key), [key], `${key} once in ${out}`);
  }
  assertEquals(error, `raftkv: c.json: ${keys.length} faults found\n`);
});

Deno.test("config check: ids and addresses that are given twice are all named", () => {
  const faults = configFaults(file({
    servers: [server(1), server(1, { clientPort: 9_001, logPort: 9_501 })],
    timing: {
      heartbeatIntervalMs: 500,
      electionTimeoutMs: 600,
      commandTimeoutMs: 10,
    },
  }));
  assertEquals(faults.map((one) => one.slice(0, one.indexOf(":"))), [
    "servers[1].id",
    "servers[1].clientPort",
    "servers[1].logPort",
    "timing.heartbeatIntervalMs",
    "timing.commandTimeoutMs",
  ]);
});

Deno.test("config check: it finds a fault exactly where a server refuses the file", () => {
  const texts = ["", "{", "[]", "1", "{}", file(), file({ servers: [] }), file({ path: "" })];
  for (const text of [...texts, file({ timing: [] }), file({ storage: { reserveBytes: -1 } })]) {
    let refused = false;
    try {
      parseConfig(text, "f");
    } catch {
      refused = true;
    }
    assertEquals(configFaults(text).length > 0, refused, text);
  }
});

Deno.test("config check: what is allowed and probably not meant is a note", async () => {
  const servers = [server(1, { hostname: "0.0.0.0" })];
  const { code, out } = await check(file({ servers, insecure: true }));
  assertEquals(code, 0);
  assertMatch(out, /^c\.json: note: Server 1 has hostname 0\.0\.0\.0, /);
});

Deno.test("config check: a port that is open to the network is a fault, unless the file says that it is meant", async () => {
  const servers = [server(1), server(2, { hostname: "db2", clientListen: "127.0.0.1" })];
  const { code, out } = await check(file({ servers }));
  assertEquals(code, 1);
  assertMatch(
    out,
    /^c\.json: servers\[1\]\.hostname: server 2 would open its log port on db2, where/,
  );
  assertEquals(out.trimEnd().split("\n").filter((line) => /would open/.test(line)).length, 1);
  assertEquals((await check(file({ servers, insecure: ["log"] }))).code, 0);
  assertEquals((await check(file({ servers, secretFile: "s" }))).code, 0);
  assertEquals((await check(file({ servers, secretFile: "s", secretOptional: true }))).code, 1);
});

Deno.test("config check: the admin port's token may be in the environment", async () => {
  const servers = [server(1, { adminListen: "0.0.0.0" })];
  const files = { "c.json": file({ servers, tls: { cert: "c", key: "k", ca: "ca" } }) };
  const checked = (environment: Record<string, string>) =>
    command(["config", "check", "c.json"], { files, environment });
  const { code, out } = await checked({});
  assertEquals(code, 1);
  assertMatch(out, /give it TLS \(tls\.admin\) and a token \(adminTokenFile, RAFTKV_ADMIN_TOKEN\)/);
  assertEquals((await checked({ RAFTKV_ADMIN_TOKEN: "a-token-for-watchers" })).code, 0);
});

Deno.test("config check: where the first user can't be made it is a note", async () => {
  const tls = { cert: "c", key: "k", ca: "ca" };
  const servers = [server(1), server(2, { hostname: "db2", adminPort: 0 })];
  const { code, out } = await check(file({ servers, tls }));
  assertEquals(code, 0, out);
  assertMatch(out, /^c\.json: note: Server 2 serves other machines once there is a user/m);
  assertEquals(out.match(/once there is a user/g)?.length, 1);
});

Deno.test("config check: a server that would be without its admin port is told", async () => {
  const notes = async (servers: object[]) => {
    const { code, out } = await check(file({ servers }));
    assertEquals(code, 0, out);
    return out.trimEnd().split("\n").slice(0, -1);
  };
  const note = (id: number, port: string) =>
    `c.json: note: Server ${id}: There is no admin port: its default, clientPort + 100, would be ` +
    `${port}; give it an adminPort, or 0 if it is to have none`;
  const taken = "9101, which is taken by server 2";
  assertEquals(await notes([server(1), server(2, { logPort: 9_101 })]), [note(1, taken)]);
  const tooHigh = "65600, and ports end at 65535";
  assertEquals(await notes([server(1, { clientPort: 65_500 })]), [note(1, tooHigh)]);
  const given = [server(1, { adminPort: 9_999 }), server(2, { logPort: 9_101 })];
  assertEquals(await notes(given), []);
  assertEquals(await notes([server(1, { adminPort: 0 }), server(2, { logPort: 9_101 })]), []);
});

Deno.test("config check: timing.tickMs of earlier builds is no fault, and a note says that it can go", async () => {
  const { code, out } = await check(file({ timing: { tickMs: 20 } }));
  assertEquals(code, 0);
  assertMatch(out, /^c\.json: note: timing\.tickMs has no effect any more/m);
  assertEquals(configFaults(file({ timing: { tickMs: 0 } })).length, 1);
});

Deno.test("config check: no file is exit code 6", async () => {
  const { code, error } = await command(["config", "check", "nowhere.json"]);
  assertEquals([code, error], [6, "raftkv: there is no file nowhere.json\n"]);
});

/** Voters on this machine, each where `server` has it, in the life "i". */
function configurationOf(voters: readonly number[]): Configuration {
  const members = voters.map((id) => {
    return { id, incarnation: "i", staysLearner: false, addresses: encodeAddresses(server(id)) };
  });
  return { voters, votersOutgoing: [], learners: [], learnersNext: [], members };
}

Deno.test("config check: this server's own entry against where the log has it", () => {
  const notes = (moved: object, incarnation = "i") =>
    differencesTo({
      path: "data/1",
      identity: { serverId: 1, incarnation },
      formation: { clusterId: "ab", stage: "formed", members: [], joined: true },
      snapshots: [{ problem: null, configuration: configurationOf([1, 2]) }],
    } as never, [server(2, { logPort: 7 }), server(1, moved)]);
  assertEquals(notes({}), []);
  assertEquals(notes({ hostname: "h1", logPort: 21_030 }), [
    {
      text: "servers[1].hostname: h1, and 127.0.0.1 in the log: server 1 moves there with its " +
        "next start, and tells the others",
      isFault: false,
    },
    {
      text: "servers[1].logPort: 21030, and 9501 in the log: server 1 moves there with its next " +
        "start, and tells the others",
      isFault: false,
    },
  ]);
  assertEquals(notes({ logPort: 21_030 }, "an earlier life"), []);
});

Deno.test("config check: the difference to the cluster that a directory belongs to", () => {
  const formation = {
    clusterId: "ab",
    stage: "formed",
    members: [1, 2, 3].map((serverId) => ({ serverId, incarnation: "i" })),
  };
  const report = { path: "data/1", identity: { serverId: 1, incarnation: "i" }, formation };
  const differences = (ids: number[], changes: object = {}) =>
    differencesTo({ ...report, ...changes } as never, ids.map((id) => server(id)))
      .map(({ text, isFault }) => `${isFault ? "fault" : "note"}: ${text}`);
  assertEquals(differences([1, 2, 3]), []);
  const entries = (firstIndex: number, members: number[]) => (
    {
      kind: "entries",
      firstIndex,
      configuration: { index: firstIndex + 1, configuration: configurationOf(members) },
    }
  );
  // The second was cut off: later records begin before it.
  const records = [entries(5, [1, 2, 4]), entries(9, [7]), { kind: "entries", firstIndex: 8 }];
  const log = "the cluster ab, whose log says 1, 2, 4";
  assertEquals(
    differences([2, 4], { records, formation: { ...formation, joined: true } })[0],
    "note: servers: data/1 belongs to server 1, which the file does not list",
  );
  assertEquals(differences([1, 2, 3], { records }), [
    `note: servers: server 3 is no member of ${log}: it can be left out`,
    `note: servers: server 4 is not in the file, and a member of ${log}`,
  ]);
  const cluster = "the cluster ab, formed with 1, 2, 3";
  assertEquals(differences([1, 2, 4]), [
    `fault: servers: server 4 is no member of ${cluster}: the members don't connect to it`,
    `fault: servers: server 3 is missing, a member of ${cluster}: servers with this file can't connect to it`,
  ]);
  assertEquals(
    differences([2, 3])[0],
    "fault: servers: data/1 belongs to server 1, which the file does not list",
  );
  assertMatch(differences([1], { formation: null })[0]!, /^note: data\/1 knows no cluster yet/);
});
