/** `raftkv config check`: everything at once, key by key, and the difference to a formed cluster. */
import { assertEquals, assertMatch } from "@std/assert";
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
  const { code, out } = await check(file({ servers: [server(1, { hostname: "0.0.0.0" })] }));
  assertEquals(code, 0);
  assertMatch(out, /^c\.json: note: Server 1 has hostname 0\.0\.0\.0, /);
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
  const taken = "9101, which the cluster file gives to server 2";
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

Deno.test("config check: the difference to the cluster that a directory belongs to", () => {
  const formation = {
    clusterId: "ab",
    stage: "formed",
    members: [1, 2, 3].map((serverId) => ({ serverId, incarnation: "i" })),
  };
  const report = { path: "data/1", identity: { serverId: 1, incarnation: "i" }, formation };
  const differences = (ids: number[], changes: object = {}) =>
    differencesTo({ ...report, ...changes } as never, ids.map((id) => ({ id })))
      .map(({ text, isFault }) => `${isFault ? "fault" : "note"}: ${text}`);
  assertEquals(differences([1, 2, 3]), []);
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
