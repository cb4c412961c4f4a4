import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { runCommandLine } from "../../lib/cli/app.ts";
import { logSettings, serveSettings } from "../../lib/cli/settings.ts";
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

const ONE = '{"path":"here","servers":[{"id":7,"hostname":"h","clientPort":1,"logPort":2}]}';

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
  assertEquals(settings, { serverId: 3, config: defaultConfig(), configFile: null });
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
