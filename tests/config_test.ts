import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  ConfigError,
  configFaults,
  defaultConfig,
  findServer,
  parseConfig,
} from "../lib/config.ts";
import { filesOfServer } from "../lib/config_tls.ts";
import { doubtsAbout } from "../lib/config_checks.ts";
import { DEFAULT_LIMITS, DEFAULT_STORAGE_LIMITS, DEFAULT_TIMING } from "../lib/node/limits.ts";

const SERVERS = [
  { id: 1, hostname: "127.0.0.1", clientPort: 9000, logPort: 9001 },
  { id: 2, hostname: "127.0.0.1", clientPort: 9002, logPort: 9003 },
];

/** The refusal of a cluster file that is fine but for `change`. */
function refusal(change: Record<string, unknown>): string {
  return refusalOfText(JSON.stringify({ path: "data", servers: SERVERS, ...change }));
}

function refusalOfText(text: string): string {
  const message = assertThrows(() => parseConfig(text, "c.json"), ConfigError).message;
  assertEquals(message.includes("\n"), false, "one line");
  assertStringIncludes(message, "c.json: ");
  return message.slice("c.json: ".length);
}

function withServer(change: Record<string, unknown>): string {
  return refusal({ servers: [SERVERS[0], { ...SERVERS[1], ...change }] });
}

Deno.test("config: the example file is the default cluster", () => {
  const example = Deno.readTextFileSync(new URL("../cluster.example.json", import.meta.url));
  assertEquals(parseConfig(example, "example"), defaultConfig());
});

Deno.test("config: what is left out has the defaults, what is there replaces them", () => {
  const config = parseConfig(
    JSON.stringify({
      path: "/var/lib/raftkv",
      servers: SERVERS,
      timing: { electionTimeoutMs: 900 },
      limits: { valueBytesMax: 2048 },
      storage: { reserveBytes: 0 },
    }),
    "c.json",
  );
  assertEquals(config.path, "/var/lib/raftkv");
  assertEquals(config.servers, SERVERS);
  assertEquals(config.timing, { ...DEFAULT_TIMING, electionTimeoutMs: 900 });
  assertEquals(config.limits, { ...DEFAULT_LIMITS, valueBytesMax: 2048 });
  assertEquals(config.storage, { ...DEFAULT_STORAGE_LIMITS, reserveBytes: 0 });
});

Deno.test("config: every limit and every time can be set by its own name", () => {
  const timing = { ...DEFAULT_TIMING };
  const limits = { ...DEFAULT_LIMITS };
  const storage = { ...DEFAULT_STORAGE_LIMITS };
  const text = JSON.stringify({ path: "d", servers: SERVERS, timing, limits, storage });
  assertEquals(parseConfig(text, "c.json"), {
    path: "d",
    servers: SERVERS,
    timing,
    limits,
    storage,
  });
});

Deno.test("config: the bounds of an address, each with a default of none", () => {
  const withBounds = (perAddress: unknown) =>
    parseConfig(JSON.stringify({ path: "d", servers: SERVERS, limits: { perAddress } }), "c.json");
  assertEquals(withBounds({ commandsPerSecond: 5 }).limits, {
    ...DEFAULT_LIMITS,
    perAddress: { connectionsMax: 0, commandsPerSecond: 5, bytesPerSecond: 0 },
  });
  const faults = (limits: unknown) =>
    configFaults(JSON.stringify({ path: "d", servers: SERVERS, limits }));
  assertEquals(faults({ perAddress: { commandsPerSecond: -1 } }), [
    "limits.perAddress.commandsPerSecond: -1 is no whole number (0 to 1000000000)",
  ]);
  assertEquals(faults({ perAddress: { commandPerSecond: 1 }, perAdress: {} }).length, 2);
  const [unknown] = faults({ perAddress: { commandPerSecond: 1 } });
  assertMatch(unknown!, /^limits\.perAddress\.commandPerSecond: .*did you mean commandsPerSecond/);
  assertEquals(faults({ perAddress: [] }), [
    "limits.perAddress: [] is no set of bounds (an object with connectionsMax, " +
    "commandsPerSecond, bytesPerSecond)",
  ]);
});

Deno.test("config: ports outside 1 to 65535 are refused by their key", () => {
  assertEquals(
    withServer({ clientPort: 70000 }),
    "servers[1].clientPort: 70000 is no port (1 to 65535)",
  );
  assertEquals(withServer({ logPort: 0 }), "servers[1].logPort: 0 is no port (1 to 65535)");
  assertEquals(withServer({ logPort: "9" }), 'servers[1].logPort: "9" is no port (1 to 65535)');
  assertEquals(withServer({ logPort: 1.5 }), "servers[1].logPort: 1.5 is no port (1 to 65535)");
});

Deno.test("config: a forward port is a port like the others", () => {
  const file = (more: string) =>
    `{ "path": "d", "servers": [{ "id": 1, "hostname": "a", "clientPort": 1, "logPort": 2${more} }] }`;
  const config = parseConfig(file(', "forwardPort": 3, "forwardListen": "127.0.0.1"'), "f");
  const [server] = config.servers;
  assertEquals([server!.forwardPort, server!.forwardListen], [3, "127.0.0.1"]);
  assertEquals(parseConfig(file(""), "f").servers[0]!.forwardPort, undefined);
  for (
    const [more, part] of [
      [', "forwardPort": 0', "servers[0].forwardPort"],
      [', "forwardPort": 2', "servers[0].forwardPort: 2 on a is already servers[0].logPort"],
    ] as const
  ) {
    assertStringIncludes(configFaults(file(more)).join(), part);
  }
});

Deno.test("config: a schedule of backups, and what is wrong with one", () => {
  const withBackup = (backup: object) => refusal({ backup });
  const text = (backup: object) => JSON.stringify({ path: "d", servers: SERVERS, backup });
  assertEquals(parseConfig(text({ every: "6h", path: "b" }), "c.json").backup, {
    everyMs: 6 * 3_600_000,
    path: "b",
    keep: 7,
  });
  const every = 'is no time between backups (a text such as "90m", "6h" or "1d", from 1s to 366d)';
  assertEquals(withBackup({ every: "999ms", path: "b" }), `backup.every: "999ms" ${every}`);
  assertEquals(withBackup({ every: 3600, path: "b" }), `backup.every: 3600 ${every}`);
  assertStringIncludes(withBackup({ every: "1d" }), "backup.path: missing");
  assertStringIncludes(withBackup({ every: "1d", path: "b", keep: 0 }), "backup.keep: 0 is no ");
  assertStringIncludes(withBackup({ every: "1d", path: "b", keeps: 3 }), "backup.keeps: unknown");
  assertStringIncludes(
    withBackup({ every: "1d", path: "./data//1/x" }),
    "backup.path: ./data//1/x is in the data directory of server 1",
  );
});

Deno.test("config: an audit log, and what is wrong with one", () => {
  const withAudit = (audit: object) => refusal({ audit });
  const text = (audit: object) => JSON.stringify({ path: "d", servers: SERVERS, audit });
  assertEquals(parseConfig(text({ path: "a" }), "c.json").audit, {
    path: "a",
    fileBytesMax: 67_108_864,
    keep: 10,
    commands: ["@all"],
  });
  const commands = ["@write", "@admin", "get", "client|kill"];
  assertEquals(parseConfig(text({ path: "a", commands }), "c.json").audit?.commands, commands);
  assertStringIncludes(withAudit({}), "audit.path: missing");
  assertStringIncludes(withAudit({ path: "a", keep: 0 }), "audit.keep: 0 is no number of files");
  assertStringIncludes(withAudit({ path: "a", fileBytesMax: 1 }), "audit.fileBytesMax: 1 is no ");
  assertStringIncludes(withAudit({ path: "a", required: true }), "audit.required: unknown");
  for (const wrong of ["@writes", "nosuch", "SET", ""]) {
    const said = withAudit({ path: "a", commands: ["get", wrong] });
    assertEquals(said, `audit.commands[1]: ${JSON.stringify(wrong)} is no command and no category`);
  }
  assertStringIncludes(withAudit({ path: "a", commands: [] }), "audit.commands: ");
  assertStringIncludes(
    withAudit({ path: "./data//1/x" }),
    "audit.path: ./data//1/x is in the data directory of server 1: the audit log belongs elsewhere",
  );
  const faults = configFaults(JSON.stringify({ path: 1, servers: SERVERS, audit: { path: "" } }));
  assertEquals(faults.filter((fault) => fault.startsWith("audit.path: ")).length, 1);
});

Deno.test("config: server ids are positive safe integers, and unique", () => {
  for (const id of [0, -1, 1.5, 2 ** 53, "1", null]) {
    assertStringIncludes(withServer({ id }), "servers[1].id: ");
    assertStringIncludes(withServer({ id }), "is no server id: a positive whole number");
  }
  assertEquals(withServer({ id: 1 }), "servers[1].id: 1 is already the id of servers[0]");
});

Deno.test("config: no address is given twice, localhost being 127.0.0.1", () => {
  assertEquals(
    withServer({ clientPort: 9001 }),
    "servers[1].clientPort: 9001 on 127.0.0.1 is already servers[0].logPort",
  );
  assertEquals(
    withServer({ hostname: "LOCALHOST", logPort: 9000 }),
    "servers[1].logPort: 9000 on LOCALHOST is already servers[0].clientPort",
  );
  assertStringIncludes(withServer({ logPort: 9002 }), "is already servers[1].clientPort");
  const spread = [{ ...SERVERS[0] }, { ...SERVERS[0], id: 2, hostname: "10.0.0.2" }];
  parseConfig(JSON.stringify({ path: "d", servers: spread }), "c.json");
});

Deno.test("config: hostnames that could break a reply line are refused", () => {
  for (
    const hostname of [
      "",
      "a b",
      "a\r\nb",
      "ü",
      "[::1]",
      "db1:9000",
      "1.2.3.4:9",
      "x".repeat(254),
      7,
    ]
  ) {
    assertStringIncludes(withServer({ hostname }), "servers[1].hostname: ");
  }
  const servers = [{ ...SERVERS[0], hostname: "::1" }];
  parseConfig(JSON.stringify({ path: "d", servers }), "c.json");
});

Deno.test("config: unknown and missing keys are named with those that are known", () => {
  assertEquals(
    refusal({ colour: 1 }),
    "colour: unknown key; known here: path, servers, timing, limits, storage, holdClusterVersion, " +
      "secretFile, secretOptional, adminTokenFile, " +
      "insecure, backup, audit, tls",
  );
  assertEquals(
    withServer({ port: 1 }),
    "servers[1].port: unknown key; known here: id, hostname, clientPort, logPort, clientListen, " +
      "logListen, adminPort, adminListen, probePort, probeListen, forwardPort, " +
      "forwardListen",
  );
  assertStringIncludes(
    refusal({ timing: { beatMs: 5 } }),
    "timing.beatMs: unknown key; known here: heartbeatIntervalMs,",
  );
  assertEquals(
    refusal({ servers: [{ id: 1, hostname: "h", clientPort: 1 }] }),
    "servers[0].logPort: missing; known here: id, hostname, clientPort, logPort, clientListen, " +
      "logListen, adminPort, adminListen, probePort, probeListen, forwardPort, " +
      "forwardListen",
  );
  assertStringIncludes(refusalOfText("{}"), "path: missing");
  assertStringIncludes(
    refusalOfText(`{"__proto__":{},"path":"d","servers":${JSON.stringify(SERVERS)}}`),
    "__proto__: unknown key",
  );
  assertStringIncludes(refusal({ "a\nb": 1 }), '"a\\nb": unknown key');
});

Deno.test("config: a key that is misspelled is named with the one that was likely meant", () => {
  const misspelled = (wrong: string, right: string) => {
    const server: Record<string, unknown> = { ...SERVERS[0], [wrong]: 1 };
    delete server[right];
    return refusal({ servers: [server] });
  };
  for (
    const [wrong, right] of [
      ["clientport", "clientPort"],
      ["client_port", "clientPort"],
      ["logport", "logPort"],
      ["logPrt", "logPort"],
      ["hostName", "hostname"],
      ["host", "hostname"],
      ["ID", "id"],
    ] as const
  ) {
    assertStringIncludes(
      misspelled(wrong, right),
      `servers[0].${wrong}: unknown key (did you mean ${right}?); known here: id, hostname,`,
    );
  }
  const optional = [
    [{ Timing: {} }, "Timing: unknown key (did you mean timing?)"],
    [{ timing: { electiontimeoutms: 1 } }, "timing.electiontimeoutms: unknown key (did you mean"],
    [{ electionTimeoutMs: 900 }, "electionTimeoutMs: unknown key (it belongs into timing)"],
    [
      { timing: { servers: 1 } },
      "timing.servers: unknown key (it belongs to the file's top level)",
    ],
    [{ storage: { ["x".repeat(200)]: 1 } }, "unknown key; known here: segmentBytesMax"],
  ] as const;
  for (const [change, text] of optional) assertStringIncludes(refusal(change), text);
  assertStringIncludes(
    refusalOfText(JSON.stringify({ path: "d", Servers: SERVERS })),
    "Servers: unknown key (did you mean servers?)",
  );
});

Deno.test("config: a file that is no JSON is refused with the habit that made it so", () => {
  const refusals = [
    ["", "the file is empty"],
    [" \n", "the file is empty"],
    ['{ "path": "d", }', "(JSON has no comma before a closing bracket)"],
    ['{ "servers": [1,] }', "(JSON has no comma before a closing bracket)"],
    ['{ "path": "a,}" // where\n}', "(JSON has no comments)"],
    ["{ 'path': 'd' }", '(JSON has " for quotes)'],
    ['{ path: "d" }', '(JSON has its keys in "quotes")'],
    ["{\0", "no UTF-8 text: save it as UTF-8"],
    ["\ufffd\ufffd{", "no UTF-8 text: save it as UTF-8"],
  ] as const;
  for (const [text, why] of refusals) assertStringIncludes(refusalOfText(text), why);
  assertStringIncludes(refusalOfText('{ "path": "d"'), "no valid JSON: ");
  // The mark that some editors write at the front is none of the contents.
  parseConfig("\ufeff" + JSON.stringify({ path: "d", servers: SERVERS }), "c.json");
});

Deno.test("config: a key that stands twice is refused, wherever it is", () => {
  const servers = JSON.stringify(SERVERS);
  const timing = '"timing": {\n "heartbeatIntervalMs": 100,\n "heartbeatIntervalMs": 50 }';
  const refusals = [
    [
      `{ "path": "a",\n"servers": ${servers}, ${timing} }`,
      "timing.heartbeatIntervalMs: this key stands twice, in lines 3 and 4: leave one of them out",
    ],
    [
      `{ "path": "a", "path": "a", "servers": ${servers} }`,
      "path: this key stands twice, in line 1: leave one of them out",
    ],
    // The same key, written otherwise.
    [
      `{ "path": "a",\n "p\\u0061th": "b" }`,
      "path: this key stands twice, in lines 1 and 2: leave one of them out",
    ],
    [
      `{ "servers": [${JSON.stringify(SERVERS[0])}, { "id": 2, "hostname": "a,]\\"}", "id": 3 }] }`,
      "servers[1].id: this key stands twice, in line 1: leave one of them out",
    ],
  ] as const;
  for (const [text, why] of refusals) {
    assertStringIncludes(refusalOfText(text), why);
    assertEquals(configFaults(text), [why]);
  }
});

Deno.test("config: each port may be opened elsewhere than where others reach it", () => {
  const server = { ...SERVERS[0], clientListen: "0.0.0.0", logListen: "10.0.0.5" };
  const { servers } = parseConfig(JSON.stringify({ path: "d", servers: [server] }), "c.json");
  assertEquals(servers, [server]);
  assertEquals(doubtsAbout(servers), []);
  assertStringIncludes(withServer({ clientListen: "a b" }), "servers[1].clientListen: ");
  assertStringIncludes(withServer({ logListen: 9 }), "servers[1].logListen: ");
  assertStringIncludes(withServer({ adminPort: 70_000 }), "is no port, or 0 for none (0 to 65535)");
});

Deno.test("config: a hostname that nobody can connect to is doubted, and nothing else is", () => {
  const doubts = (hostname: string) => doubtsAbout([{ ...SERVERS[0]!, hostname }]);
  for (const hostname of ["0.0.0.0", "::", "0"]) {
    assertEquals(doubts(hostname).length, 1);
    assertStringIncludes(doubts(hostname)[0]!, `Server 1 has hostname ${hostname}`);
    assertStringIncludes(doubts(hostname)[0]!, `"clientListen": "${hostname}"`);
  }
  for (const hostname of ["127.0.0.1", "::1", "10.0.0.0", "localhost", "db0"]) {
    assertEquals(doubts(hostname), []);
  }
});

Deno.test("config: hostnames that others can't reach, and ports that two servers share, are doubted", () => {
  const servers = (...changes: object[]) =>
    changes.map((change, at) => ({
      id: at + 1,
      hostname: `db${at + 1}`,
      clientPort: 9_000,
      logPort: 9_001,
      ...change,
    }));
  const doubts = (...changes: object[]) =>
    doubtsAbout(servers(...changes)).map((text) => text.replace(/[:,] (give|leave|on one) .*/, ""));
  assertEquals(doubts({}, {}, {}), []);
  assertEquals(doubts({ hostname: "localhost" }, {}), [
    "Server 1 has hostname localhost, which only its own machine can reach, and server 2 has db2",
  ]);
  assertEquals(doubts({ clientListen: "127.0.0.1", logListen: "::1" }), [
    "Server 1 has clientListen 127.0.0.1, which only its own machine can reach, and clients are told " +
    "to connect to db1",
    "Server 1 has logListen ::1, which only its own machine can reach, and the other servers are told " +
    "to connect to db1",
  ]);
  // Each on its own machine, or on addresses of their own.
  const local = (n: number) => ({ hostname: `127.0.0.${n}` });
  const every = { clientListen: "0.0.0.0", logListen: "0.0.0.0" };
  assertEquals(doubts(every, every, { ...every, adminPort: 9_100, adminListen: "0.0.0.0" }), []);
  assertEquals(doubts({ adminPort: 9_100 }, { adminPort: 9_100 }), []);
  assertEquals(doubts(local(1), local(2), local(3)), []);
  assertEquals(doubts(local(1), { ...local(2), clientListen: "0.0.0.0" }), [
    "Server 2 has clientPort 9000 on 0.0.0.0, and server 1 has clientPort 9000 on 127.0.0.1",
  ]);
  assertEquals(doubts({ logListen: "10.0.0.5" }, { logListen: "10.0.0.5" }), [
    "Server 2 has logPort 9001 on 10.0.0.5, and server 1 has logPort 9001 on 10.0.0.5",
  ]);
  assertEquals(doubts({ hostname: "10.0.0.5" }, { clientListen: "10.0.0.5" }), [
    "Server 2 has clientPort 9000 on 10.0.0.5, and server 1 has clientPort 9000 on 10.0.0.5",
  ]);
  assertEquals(
    doubts(
      { ...local(1), adminPort: 9_000, adminListen: "127.0.0.2" },
      { ...local(2), logPort: 9_002 },
    ).length,
    1,
  );
});

Deno.test("config: sections and lists of the wrong shape are refused", () => {
  assertStringIncludes(refusalOfText("[]"), "[] is no cluster file (an object with path");
  assertStringIncludes(refusalOfText("null"), "null is no cluster file");
  assertStringIncludes(refusal({ timing: [] }), "timing: [] is no timing");
  assertStringIncludes(refusal({ limits: null }), "limits: null is no set of limits");
  assertEquals(refusal({ servers: [] }), "servers: [] is no list of 1 to 15 servers");
  assertStringIncludes(refusal({ servers: {} }), "servers: {} is no list of 1 to 15 servers");
  assertStringIncludes(refusal({ servers: ["a"] }), 'servers[0]: "a" is no server');
  assertStringIncludes(refusal({ path: "" }), 'path: "" is no directory');
  assertStringIncludes(refusal({ path: "a\0b" }), "is no directory");
  assertStringIncludes(refusalOfText("{"), "no valid JSON");
  assertStringIncludes(refusalOfText("a\n\x1b[31mb"), "no valid JSON");
});

Deno.test("config: timings under which a cluster could not keep a leader are refused", () => {
  assertStringIncludes(
    refusal({ timing: { heartbeatIntervalMs: 101 } }),
    "timing.heartbeatIntervalMs: 101 is more than a third of timing.electionTimeoutMs (300)",
  );
  parseConfig(
    JSON.stringify({ path: "d", servers: SERVERS, timing: { heartbeatIntervalMs: 100 } }),
    "c.json",
  );
  assertStringIncludes(refusal({ timing: { commandTimeoutMs: 200 } }), "timing.commandTimeoutMs");
  assertStringIncludes(
    refusal({ timing: { tickMs: 0 } }),
    "timing.tickMs: 0 is no whole number of milliseconds (1 to 1000)",
  );
});

Deno.test("config: timing.tickMs of earlier builds is accepted, named, and nothing else", () => {
  const text = (timing: object) => JSON.stringify({ path: "d", servers: SERVERS, timing });
  const config = parseConfig(text({ tickMs: 20, electionTimeoutMs: 600 }), "c.json");
  assertEquals(config.withoutEffect, ["timing.tickMs"]);
  assertEquals(config.timing, { ...DEFAULT_TIMING, electionTimeoutMs: 600 });
  assertEquals(parseConfig(text({}), "c.json").withoutEffect, undefined);
});

Deno.test("config: sizes out of range, or that contradict each other, are refused", () => {
  assertStringIncludes(
    refusal({ limits: { valueBytesMax: 2 ** 40 } }),
    "limits.valueBytesMax: 1099511627776 is no whole number of bytes",
  );
  assertStringIncludes(
    refusal({ storage: { segmentBytesMax: -1 } }),
    "storage.segmentBytesMax: -1",
  );
  assertStringIncludes(
    refusal({ limits: { uncommittedBytesMax: 65536 } }),
    "limits.uncommittedBytesMax: 65536 has no room for one command",
  );
  assertStringIncludes(
    refusal({ limits: { appendBytesInFlightMax: 1024 } }),
    "limits.appendBytesInFlightMax: 1024 is less than limits.appendBytesMax (1048576)",
  );
});

Deno.test("config: findServer names the ids that are there", () => {
  assertEquals(findServer(defaultConfig(), 2).clientPort, 9002);
  const message = assertThrows(() => findServer(defaultConfig(), 7), ConfigError).message;
  assertEquals(message, "There is no server 7 in the cluster file: it lists 1, 2, 3");
});

Deno.test("config: any JSON is either a config or refused with one short line", () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom("path", "servers", "timing", "limits"), (json, key) => {
      for (const text of [json, `{"path":"d","servers":${json}}`, `{"${key}":${json}}`]) {
        try {
          parseConfig(text, "c.json");
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
          assertEquals(error.message.length < 1_000, true);
        }
      }
    }),
  );
});

Deno.test("a file that gives a short election timeout alone gets the heartbeats that this needs", () => {
  const timingOf = (timing: object) =>
    parseConfig(JSON.stringify({ path: "d", servers: SERVERS, timing }), "cluster.json").timing;
  const heartbeats = (electionTimeoutMs: number) =>
    timingOf({ electionTimeoutMs }).heartbeatIntervalMs;
  assertEquals([150, 200, 299, 300, 301, 3_000].map(heartbeats), [50, 66, 99, 100, 100, 100]);
  assertEquals(timingOf({}).heartbeatIntervalMs, 100);
  // What the file gives is judged as it stands.
  assertThrows(() => timingOf({ electionTimeoutMs: 200, heartbeatIntervalMs: 100 }), ConfigError);
});

Deno.test("config: a key or a secret in the place of its file's name is refused, and not shown", () => {
  const pem = "-----BEGIN PRIVATE KEY-----MIGHAgEA";
  for (const inner of [pem, `${pem}\nmore\n`, "first secret\nsecond secret\n"]) {
    for (
      const [path, given] of Object.entries({
        secretFile: { secretFile: inner },
        adminTokenFile: { adminTokenFile: inner },
        "tls.key": { tls: { cert: "c", key: inner } },
        "tls.log.ca": { tls: { cert: "c", key: "k", log: { ca: inner } } },
      })
    ) {
      const said = refusal(given);
      assertStringIncludes(said, `${path}: a text of several lines, or in PEM, is no file`);
      assertEquals(/BEGIN|MIGH|first|more/.test(said), false, said);
    }
  }
});

Deno.test("config: the secret's file, and whether servers without it are let in", () => {
  const given = { path: "d", servers: SERVERS, secretFile: "s", secretOptional: true };
  const config = parseConfig(JSON.stringify(given), "cluster.json");
  assertEquals([config.secretFile, config.secretOptional], ["s", true]);
  assertStringIncludes(refusal({ secretFile: "" }), 'secretFile: "" is no file');
  assertStringIncludes(
    refusal({ secretOptional: 1 }),
    "secretOptional: 1 is neither true nor false",
  );
});

Deno.test("config: tls is for all ports, for some, or for some in another way", () => {
  const all = { cert: "c.pem", key: "k.pem" };
  const of = (tls: object) => {
    return parseConfig(JSON.stringify({ path: "d", servers: SERVERS, tls }), "c.json").tls;
  };
  const own = { cert: "c.pem", key: "k.pem", ca: "a.pem" };
  assertEquals(of({ ...all, ca: "a.pem" }), {
    client: { ...own, requestCert: false },
    log: { ...own, requestCert: true },
    admin: { ...own, requestCert: false },
  });
  assertEquals(of({ client: all }), { client: { ...all, requestCert: false } });
  const log = { cert: "l.pem", key: "l.key" };
  assertEquals(of({ ...all, ca: "a.pem", requestCert: true, log, admin: { requestCert: false } }), {
    client: { ...own, requestCert: true },
    log: { ...log, ca: "a.pem", requestCert: true },
    admin: { ...own, requestCert: false },
  });
  assertEquals(parseConfig(JSON.stringify({ path: "d", servers: SERVERS }), "c").tls, undefined);
  assertEquals(of({ ...own, client: { requestCert: true }, log: { optional: true } })?.log, {
    ...own,
    requestCert: true,
    optional: true,
  });
  const port = { cert: "s-{id}.pem", key: "{id}/{id}.key", requestCert: false };
  assertEquals(filesOfServer(port, 12), { ...port, cert: "s-12.pem", key: "12/12.key" });
});

Deno.test("config: what is missing or wrong in tls is named by its key", () => {
  const own = { cert: "c.pem", key: "k.pem" };
  const refused = (tls: unknown) => refusal({ tls });
  assertStringIncludes(refused({}), "tls: no port speaks TLS by it");
  assertStringIncludes(refused({ ca: "a.pem" }), "tls: no port speaks TLS by it");
  assertStringIncludes(refused({ client: { cert: "c" } }), "tls.client.key: missing");
  assertStringIncludes(refused({ client: {} }), "tls.client.cert: missing");
  assertStringIncludes(refused({ key: "c" }), "tls.cert: missing");
  assertStringIncludes(refused(own), "tls.ca: missing, the CA that the certificates of the other");
  assertStringIncludes(refused({ log: own }), "tls.log.ca: missing");
  assertStringIncludes(
    refused({ admin: { ...own, requestCert: true } }),
    "tls.admin.ca: missing, the CA that the certificates of whoever connects to the admin port",
  );
  assertStringIncludes(
    refused({ log: { ...own, ca: "a", requestCert: false } }),
    "tls.log.requestCert: false, but servers always show each other their certificates",
  );
  assertStringIncludes(refused({ client: { ...own, cert: "" } }), 'tls.client.cert: "" is no file');
  assertStringIncludes(
    refused({ client: { ...own, requestCert: 1 } }),
    "tls.client.requestCert: 1 is neither true nor false",
  );
  assertStringIncludes(
    refused({ client: { ...own, certificate: "c" } }),
    "tls.client.certificate: unknown key",
  );
  assertStringIncludes(
    refused({ log: { ...own, ca: "a", optional: 1 } }),
    "tls.log.optional: 1 is neither true nor false",
  );
  // Clients choose by themselves; for the servers there is nothing to choose.
  assertStringIncludes(
    refused({ client: { ...own, optional: true } }),
    "tls.client.optional: unknown key",
  );
  assertStringIncludes(refused({ ...own, optional: true }), "tls.optional: unknown key");
  assertStringIncludes(
    refused({ clients: own }),
    "tls.clients: unknown key (did you mean client?); known here: cert, key, ca, requestCert, client",
  );
  const text = JSON.stringify({
    path: "d",
    servers: SERVERS,
    tls: { log: own, admin: { key: 1 } },
  });
  assertEquals(configFaults(text).length, 1);
});
