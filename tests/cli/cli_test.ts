import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { runCommandLine } from "../../lib/cli/app.ts";
import { logSettings, type ServeFlags, serveSettings } from "../../lib/cli/settings.ts";
import { PORT_NAMES } from "../../lib/port_names.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import { ConfigError, defaultConfig } from "../../lib/config.ts";
import type { HostProcess } from "../../lib/host/process.ts";

interface FakeProcess extends HostProcess {
  out: string;
  error: string;
}

function fakeProcess(
  args: string[],
  environment: Record<string, string> = {},
  files: Record<string, string> = {},
): FakeProcess {
  return {
    args,
    out: "",
    error: "",
    environment: (name) => environment[name] || undefined,
    writeOut(text) {
      this.out += text;
      return true;
    },
    writeError(text) {
      this.error += text;
    },
    errorIsTerminal: false,
    readTextFile(path) {
      if (files[path] === "unreadable") throw new Error("Permission denied");
      return files[path] ?? null;
    },
    onSignal() {},
    onUncaughtError() {},
    exit(code) {
      throw new Error(`exit ${code}`);
    },
  };
}

/** Exit code and standard error of a command line that is refused. */
async function refused(
  args: string[],
  environment: Record<string, string> = {},
  files: Record<string, string> = {},
) {
  const process = fakeProcess(args, environment, files);
  const code = await runCommandLine(process);
  assertEquals(process.out, "");
  assertEquals(/\n\s+at /.test(process.error), false, "no stack trace");
  return { code, message: process.error.trim().split("\n").at(-1)! };
}

const ONE = '{"path":"here","servers":[{"id":7,"hostname":"h","clientPort":1,"logPort":2}],' +
  '"insecure":true}';
const INSECURE = PORT_NAMES;

Deno.test("cli: --version and --help answer on standard output", async () => {
  const version = fakeProcess(["--version"]);
  assertEquals(await runCommandLine(version), 0);
  assertMatch(version.out, /^\d+\.\d+\.\d+\n$/);
  const help = fakeProcess(["--help"]);
  assertEquals(await runCommandLine(help), 0);
  assertStringIncludes(help.out, "raftkv --id 1");
  const serve = fakeProcess(["serve", "--help"]);
  assertEquals(await runCommandLine(serve), 0);
  for (const word of ["--id", "--config", "--data", "RAFTKV_ID", "RAFTKV_LOG_LEVEL"]) {
    assertStringIncludes(serve.out, word);
  }
});

Deno.test("cli: a wrong command line has exit code 2 and says what was meant", async () => {
  for (const args of [["--id", "0"], ["--id", "x"], ["serve", "--id", "1.5"], ["--id", "-1"]]) {
    const { code, message } = await refused(args);
    assertEquals(code, 2);
    assertStringIncludes(message, "is no server id: a positive whole number");
  }
  const flag = await refused(["--id", "1", "--confg", "x"]);
  assertEquals(flag.code, 2);
  assertStringIncludes(flag.message, "--config");
  const command = await refused(["frobnicate"]);
  assertEquals(command, {
    code: 2,
    message: "raftkv: unknown command frobnicate: try raftkv --help",
  });
  const nobody = await refused([]);
  assertEquals(nobody.code, 2);
  assertStringIncludes(nobody.message, "Which server is this? Give its id: raftkv --id 1");
  const variable = await refused([], { RAFTKV_ID: "one" });
  assertEquals(variable.code, 2);
  assertStringIncludes(variable.message, "RAFTKV_ID: ");
  const log = await refused(["--id", "1"], { RAFTKV_LOG: "xml" });
  assertEquals(log, { code: 2, message: 'raftkv: RAFTKV_LOG: "xml" is none of text, json' });
});

Deno.test("cli: a cluster file that can't be used has exit code 1 and one sentence", async () => {
  assertEquals(await refused(["--id", "1", "--config", "c.json"]), {
    code: 1,
    message: "raftkv: Cannot read the cluster file c.json: there is no such file",
  });
  assertEquals(await refused(["--id", "1"], {}, { "cluster.json": "unreadable" }), {
    code: 1,
    message: "raftkv: Cannot read the cluster file cluster.json: Permission denied",
  });
  assertEquals(await refused(["--id", "1"], {}, { "cluster.json": ONE }), {
    code: 1,
    message: "raftkv: There is no server 1 in the cluster file: it lists 7",
  });
  const wrong = await refused(["--id", "1"], { RAFTKV_CONFIG: "c.json" }, { "c.json": "{}" });
  assertEquals(wrong.code, 1);
  assertStringIncludes(wrong.message, "raftkv: c.json: path: missing");
});

Deno.test("settings: without any file the three default servers are used", () => {
  const settings = serveSettings({ id: 3 }, fakeProcess([]));
  assertEquals(settings, {
    serverId: 3,
    config: defaultConfig(),
    configFile: null,
    join: null,
    secret: null,
    adminToken: null,
  });
});

Deno.test("settings: a secret comes from the file, or from a variable, which goes before it", () => {
  const files = { "cluster.json": ONE.replace("{", '{"secretFile": "in-file", ') };
  const source = (environment: Record<string, string>) =>
    serveSettings({ id: 7 }, fakeProcess([], environment, files)).secret;
  const [text, file] = ["RAFTKV_CLUSTER_SECRET", "RAFTKV_CLUSTER_SECRET_FILE"];
  assertEquals(source({}), { file: "in-file" });
  assertEquals(source({ [file!]: "named" }), { file: "named" });
  assertEquals(source({ [text!]: "it" }), { text: "it", variable: text! });
  assertThrows(() => source({ [text!]: "it", [file!]: "named" }), UsageError, "both set");
});

Deno.test("settings: the admin token comes from the file, or from a variable, which goes before it", () => {
  const files = { "cluster.json": ONE.replace("{", '{"adminTokenFile": "in-file", ') };
  const source = (environment: Record<string, string>) =>
    serveSettings({ id: 7 }, fakeProcess([], environment, files)).adminToken;
  const variable = "RAFTKV_ADMIN_TOKEN";
  assertEquals(source({}), { file: "in-file" });
  assertEquals(source({ [variable]: "it" }), { text: "it", variable });
});

Deno.test("settings: a flag overrides the environment, and both override the file", () => {
  const files = { "cluster.json": ONE, "other.json": ONE.replace("here", "there") };
  const environment = { RAFTKV_ID: "7", RAFTKV_CONFIG: "other.json", RAFTKV_DATA: "from-env" };
  const path = (flags: { data?: string; config?: string }, env: Record<string, string>) => {
    const settings = serveSettings({ id: 7, ...flags }, fakeProcess([], env, files));
    return [settings.configFile, settings.config.path];
  };
  assertEquals(path({}, {}), ["cluster.json", "here"]);
  assertEquals(path({}, environment), ["other.json", "from-env"]);
  assertEquals(path({ config: "cluster.json", data: "flag" }, environment), [
    "cluster.json",
    "flag",
  ]);
  assertEquals(serveSettings({}, fakeProcess([], environment, files)).serverId, 7);
  const missing = fakeProcess([], { RAFTKV_CONFIG: "nowhere" }, files);
  assertThrows(() => serveSettings({ id: 7 }, missing), ConfigError, "nowhere");
});

Deno.test("settings: logs are text on a terminal and JSON elsewhere, unless set otherwise", () => {
  const settings = (errorIsTerminal: boolean, env: Record<string, string> = {}) =>
    logSettings({ ...fakeProcess([], env), errorIsTerminal });
  assertEquals(settings(true), { format: "text", level: "info" });
  assertEquals(settings(false), { format: "json", level: "info" });
  assertEquals(settings(true, { RAFTKV_LOG: "json", RAFTKV_LOG_LEVEL: "debug" }), {
    format: "json",
    level: "debug",
  });
  assertThrows(() => settings(true, { RAFTKV_LOG_LEVEL: "loud" }), UsageError, "RAFTKV_LOG_LEVEL");
});

Deno.test("settings: with --join a server needs no file, and says by itself where it is", () => {
  const join = [{ hostname: "10.0.0.1", port: 9_000 }];
  const settings = (flags: ServeFlags, env: Record<string, string> = {}, files = {}) =>
    serveSettings({ id: 4, join, ...flags }, fakeProcess([], env, files));
  const entry = { id: 4, hostname: "127.0.0.1", clientPort: 9_000, logPort: 9_001 };
  // A cluster.json that happens to be here is not looked at.
  const alone = settings({}, {}, { "cluster.json": ONE });
  assertEquals([alone.config.servers, alone.configFile, alone.join], [[entry], null, join]);
  assertEquals(alone.config.path, "data");
  assertEquals(settings({ clientPort: 9_010, hostname: "h", insecure: INSECURE }).config.servers, [
    { ...entry, hostname: "h", clientPort: 9_010, logPort: 9_011 },
  ]);
  const variables = {
    RAFTKV_HOSTNAME: "h4",
    RAFTKV_CLIENT_PORT: "7000",
    RAFTKV_LOG_PORT: "7005",
    RAFTKV_ADMIN_PORT: "0",
    RAFTKV_FORWARD_PORT: "7007",
    RAFTKV_CLIENT_LISTEN: "0.0.0.0",
    RAFTKV_LOG_LISTEN: "::",
    RAFTKV_INSECURE: "client,log",
  };
  const ports = { clientPort: 7_000, logPort: 7_005, adminPort: 0, forwardPort: 7_007 };
  const listen = { clientListen: "0.0.0.0", logListen: "::" };
  assertEquals(settings({ hostname: "flag" }, variables).config.servers, [
    { id: 4, hostname: "flag", ...ports, ...listen },
  ]);
  // Of a file that is named, this server's entry counts, timing and path, and nobody else's entry.
  const files = { "c.json": ONE };
  const listed = settings({ id: 7, config: "c.json", logPort: 5 }, {}, files);
  assertEquals(listed.config.servers, [{ id: 7, hostname: "h", clientPort: 1, logPort: 5 }]);
  assertEquals([listed.config.path, listed.configFile], ["here", "c.json"]);
  assertEquals(settings({ config: "c.json" }, {}, files).config.servers, [entry]);
});

Deno.test("settings: a port that leaves loopback unprotected has to be named, in file, flag or variable", () => {
  const open = ONE.replace('"insecure":true', '"insecure":["log"]');
  const insecure = (text: string, flags: ServeFlags = {}, env: Record<string, string> = {}) =>
    serveSettings({ id: 7, ...flags }, fakeProcess([], env, { "cluster.json": text })).config
      .insecure;
  assertThrows(
    () => insecure(open),
    ConfigError,
    "cluster.json: servers[0].hostname: server 7 would open its client port on h, where whoever",
  );
  // All of them at once.
  assertThrows(
    () => insecure(ONE.replace('"insecure":true', '"insecure":[]')),
    ConfigError,
    "(docs/security.md); servers[0].hostname: server 7 would open its log port on h, where",
  );
  assertEquals(insecure(ONE), INSECURE);
  assertEquals(insecure(open, { insecure: ["client", "log"] }), ["client", "log"]);
  assertEquals(insecure(open, {}, { RAFTKV_INSECURE: "all" }), INSECURE);
  assertThrows(
    () => insecure(open, {}, { RAFTKV_INSECURE: "clint" }),
    UsageError,
    'RAFTKV_INSECURE: "clint" is none of client, log, admin; or all',
  );
  // Without a file it is this server's own settings.
  const join = { join: [{ hostname: "10.0.0.1", port: 9_000 }], hostname: "h" };
  assertThrows(() => insecure(open, join), ConfigError, "the settings: hostname: server 7 would");
});

Deno.test("cli: where a server is that joins is refused in one sentence where it is wrong", async () => {
  const join = ["--id", "4", "--join", "10.0.0.1:9000"];
  const cases: [string[], number, string][] = [
    [["--id", "4", "--join", "h:0"], 2, '--join: "h:0" is no server: HOST:PORT, such as'],
    [[...join, "--hostname", "a b"], 2, '--hostname: "a b" is no hostname or address'],
    [[...join, "--hostname", "127.0.0.1:9"], 2, '--hostname: "127.0.0.1:9" is no hostname or'],
    [[...join, "--client-listen", "h:9"], 2, '--client-listen: "h:9" is no hostname or address'],
    [[...join, "--client-port", "0"], 2, '--client-port: "0" is no port (1 to 65535)'],
    [[...join, "--log-port", "70000"], 2, '--log-port: "70000" is no port (1 to 65535)'],
    [[...join, "--admin-port", "x"], 2, '--admin-port: "x" is no port, or 0 for none'],
    [[...join, "--forward-port", "0"], 2, '--forward-port: "0" is no port (1 to 65535)'],
    [
      [...join, "--forward-port", "9000"],
      1,
      "Where server 4 is: forwardPort: 9000 on 127.0.0.1 is already clientPort",
    ],
    [
      [...join, "--log-port", "9000"],
      1,
      "Where server 4 is: logPort: 9000 on 127.0.0.1 is already clientPort",
    ],
    [
      ["--id", "1", "--hostname", "h", "--log-port", "7"],
      2,
      "--hostname, --log-port without --join",
    ],
  ];
  for (const [args, wanted, sentence] of cases) {
    const { code, message } = await refused(args);
    assertEquals([args, code], [args, wanted]);
    assertStringIncludes(message, `raftkv: ${sentence}`);
  }
  const variable = await refused(join, { RAFTKV_CLIENT_PORT: "99999" });
  assertEquals(variable.code, 2);
  assertStringIncludes(variable.message, 'RAFTKV_CLIENT_PORT: "99999" is no port');
  const list = await refused(["--id", "4"], { RAFTKV_JOIN: "h:x" });
  assertStringIncludes(list.message, 'RAFTKV_JOIN: "h:x" is no server');
});
