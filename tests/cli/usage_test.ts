/** A wrong command line: one sentence that says what was meant, and exit code 2; help for every command. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ENVIRONMENT } from "../../lib/host/process.ts";
import { command } from "./fakes.ts";

const COMMANDS = [
  "serve",
  "get",
  "set",
  "cas",
  "delete",
  "getm",
  "incr",
  "keys",
  "watch",
  "lock",
  "load",
  "dump",
  "status",
  "top",
  "check",
  "bench",
  "clients list",
  "clients kill",
  "member list",
  "member add",
  "member remove",
  "member replace",
  "member promote",
  "member demote",
  "leader move",
  "user list",
  "user add",
  "user passwd",
  "user grant",
  "user revoke",
  "user remove",
  "user reset",
  "config check",
  "inspect",
  "verify",
  "recover",
  "restore",
  "completion",
];

Deno.test("usage: raftkv --help lists every command, and each has help of its own", async () => {
  const all = await command(["--help"]);
  assertEquals([all.code, all.error], [0, ""]);
  for (const name of COMMANDS) {
    assertStringIncludes(all.out, `raftkv ${name.split(" ")[0]}`);
    const { code, out, error } = await command([...name.split(" "), "--help"]);
    assertEquals([code, error], [0, ""]);
    assertStringIncludes(out, `raftkv ${name}`);
    for (const line of out.split("\n")) assert(line.length <= 130, line);
  }
});

Deno.test("usage: what is wrong is said in one sentence, with what was meant; exit code 2", async () => {
  const cases: Record<string, string> = {
    "gett a": "unknown command gett: did you mean get? try raftkv --help",
    "statsu": "unknown command statsu: did you mean status? try raftkv --help",
    "range": "unknown command range: did you mean scan? try raftkv --help",
    "put a b": "unknown command put: did you mean set? try raftkv --help",
    "toString": "unknown command toString: try raftkv --help",
    "frobnicate": "unknown command frobnicate: try raftkv --help",
    "member lsit": "unknown command lsit: did you mean list? try raftkv member --help",
    "members": "unknown command members: did you mean member list? try raftkv --help",
    "promote 3": "unknown command promote: did you mean member promote? try raftkv --help",
    "member remove": "N is missing. Try raftkv member remove --help",
    "member remove x":
      'N: "x" is no server id: a positive whole number. Try raftkv member remove --help',
    "member remove 3 4":
      'member remove: "4" is one argument too many. Try raftkv member remove --help',
    "leader move 3": 'leader move: "3" is one argument too many. Try raftkv leader move --help',
    "config chekc": "unknown command chekc: did you mean check? try raftkv config --help",
    "get": "KEY is missing. Try raftkv get --help",
    "get a b": 'get: "b" is one argument too many. Try raftkv get --help',
    "cas a": "VERSION is missing. Try raftkv cas --help",
    "cas a x v":
      'VERSION: "x" is no whole number from 0 to 9007199254740991. Try raftkv cas --help',
    "get a --severs h": "there is no flag --severs: did you mean --servers? Try raftkv get --help",
    "get a -x": "there is no flag -x. Try raftkv get --help",
    "get a --foo": "there is no flag --foo. Try raftkv get --help",
    "get a --out": "there is no flag --out: did you mean --output? Try raftkv get --help",
    "get a --px 5": "there is no flag --px. Try raftkv get --help",
    "config lint": "unknown command lint: try raftkv config --help",
    "gte a": "unknown command gte: did you mean get? try raftkv --help",
    "get a --bogus": "there is no flag --bogus. Try raftkv get --help",
    "get a --servers": "--servers needs a value. Try raftkv get --help",
    "restore b.bak --data d": "--id is missing. Try raftkv restore --help",
    "restore b.bak": "--data is missing. Try raftkv restore --help",
    "get a --output xml": '--output: "xml" is none of table, json, raw. Try raftkv get --help',
    "get a --servers h:0":
      '--servers: "h:0" is no server: HOST:PORT, such as 127.0.0.1:9000. Try raftkv get --help',
    "get a --timeout soon":
      '--timeout: "soon" is no duration, such as 500ms, 5s, 2m, 1h or 7d. Try raftkv get --help',
    "get a --timeout 0":
      '--timeout: "0" is no time at all: give at least 1ms. Try raftkv get --help',
    "set a b --file c": "give a value or --file, not both",
    "completion tcsh": 'SHELL: "tcsh" is none of bash, zsh, fish. Try raftkv completion --help',
    "bench --clients 0":
      '--clients: "0" is no whole number from 1 to 1000. Try raftkv bench --help',
  };
  for (const [line, sentence] of Object.entries(cases)) {
    const { code, out, error } = await command(line.split(" "));
    assertEquals({ line, code, out, error }, {
      line,
      code: 2,
      out: "",
      error: `raftkv: ${sentence}\n`,
    });
  }
});

Deno.test("usage: a wrong variable is refused by its name", async () => {
  const cases: Record<string, string> = {
    RAFTKV_SERVERS: 'RAFTKV_SERVERS: "h:x" is no server: HOST:PORT, such as 127.0.0.1:9000',
    RAFTKV_TIMEOUT: 'RAFTKV_TIMEOUT: "h:x" is no duration, such as 500ms, 5s, 2m, 1h or 7d',
    RAFTKV_OUTPUT: 'RAFTKV_OUTPUT: "h:x" is none of table, json, raw',
  };
  for (const [name, sentence] of Object.entries(cases)) {
    const { code, error } = await command(["get", "a"], { environment: { [name]: "h:x" } });
    assertEquals([code, error], [2, `raftkv: ${sentence}\n`]);
  }
});

Deno.test("usage: a missing value is asked for on a terminal, not waited for", async () => {
  const { code, error } = await command(["set", "a"], { isTerminal: true });
  assertEquals(code, 2);
  assertMatch(error, /^raftkv: the value is missing: give it after the key, or - to type it/);
});

Deno.test("usage: the flags that commands share name their variables, and all are permitted", async () => {
  const { out } = await command(["get", "--help"]);
  for (const name of ["SERVERS", "CONFIG", "TIMEOUT", "OUTPUT"]) {
    assertStringIncludes(out, `[RAFTKV_${name}]`);
  }
  const permitted = await Deno.readTextFile(
    new URL("../../scripts/permissions.sh", import.meta.url),
  );
  for (const name of ENVIRONMENT) assertMatch(permitted, new RegExp(`\\b${name}\\b`));
});

Deno.test("usage: a cluster file is named where it can't be read (6; a server's start: 1) or is wrong (1)", async () => {
  const gone = "raftkv: Cannot read the cluster file nowhere.json: there is no such file\n";
  const cases: [string, number][] = [
    ["get a", 6],
    ["status", 6],
    ["check --servers 127.0.0.1:1", 6],
    ["serve --id 1", 1],
  ];
  for (const [line, wanted] of cases) {
    const { code, error } = await command([...line.split(" "), "--config", "nowhere.json"]);
    assertEquals([line, code, error], [line, wanted, gone]);
  }
  const files = { "cluster.json": "{" };
  const wrong = await command(["get", "a"], { files });
  assertEquals(wrong.code, 1);
  assertMatch(wrong.error, /^raftkv: cluster\.json: /);
});

Deno.test("usage: times that no timer and no key can have are refused, by flag and by variable", async () => {
  const nothing = (text: string) => `"${text}" is no time at all: give at least 1ms`;
  const cases: [string[], string][] = [
    [["set", "k", "v", "--ttl", "0.4ms"], `--ttl: ${nothing("0.4ms")}`],
    [["set", "k", "v", "--ttl", "0"], `--ttl: ${nothing("0")}`],
    [["cas", "k", "0", "v", "--ttl", "0"], `--ttl: ${nothing("0")}`],
    [["get", "k", "--timeout", "30d"], '--timeout: "30d" is too long: at most 24d'],
    [["top", "--interval", "25d"], '--interval: "25d" is too long: at most 24d'],
    [["bench", "--duration", "600h"], '--duration: "600h" is too long: at most 24d'],
  ];
  for (const [args, sentence] of cases) {
    const { code, error } = await command(args);
    assertEquals([code, error], [2, `raftkv: ${sentence}. Try raftkv ${args[0]} --help\n`]);
  }
  const { code, error } = await command(["get", "k"], { environment: { RAFTKV_TIMEOUT: "30d" } });
  assertEquals([code, error], [2, 'raftkv: RAFTKV_TIMEOUT: "30d" is too long: at most 24d\n']);
});

Deno.test("usage: output that can't be written is exit code 6 and a sentence", async () => {
  const servers = [{ id: 1, hostname: "127.0.0.1", clientPort: 9_000, logPort: 9_001 }];
  const files = { "cluster.json": JSON.stringify({ path: "data", servers }) };
  for (
    const args of [["--help"], ["get", "--help"], ["--version"], ["completion", "bash"], [
      "config",
      "check",
    ]]
  ) {
    const said = await command(args, { isOutFull: true, files });
    assertEquals(
      [args[0], said.code, said.error],
      [args[0], 6, "raftkv: Cannot write to standard output: No space left on device\n"],
    );
  }
});

Deno.test("usage: help and version as words do what the flags do", async () => {
  assertEquals(await command(["help"]), await command(["--help"]));
  assertEquals(await command(["help", "set"]), await command(["set", "--help"]));
  assertEquals(
    await command(["help", "config", "check"]),
    await command(["config", "check", "--help"]),
  );
  const version = await command(["version"]);
  assertEquals(version, await command(["--version"]));
  assertEquals(version.code, 0);
});

Deno.test("usage: a file's name with controls in it is text in sentences", async () => {
  const { code, error } = await command(["load", "a\x1b[2J\nb"]);
  assertEquals([code, error], [6, "raftkv: Cannot read a\\x1b[2J\\nb: there is no such file\n"]);
});

Deno.test("usage: help and completion, too, end with 141 where nobody reads them any more", async () => {
  for (const args of [["--help"], ["get", "--help"], ["--version"], ["completion", "bash"]]) {
    const { code, error } = await command(args, { isOutClosed: true });
    assertEquals([code, error], [141, ""], args.join(" "));
  }
});

Deno.test("usage: completion names files after flags without a value, and not after others", async () => {
  const proposed = async (line: string) => (await command(["__complete", ...line.split(" ")])).out;
  const files = [
    "recover --yes ",
    "recover --compare ",
    "recover --accept-loss ",
    "inspect --json ",
    "inspect --records da",
    "config check --data ",
    "load ",
    "load --servers h ",
  ];
  for (const line of files) assertEquals(await proposed(line), ":files\n", line);
  for (const line of ["recover --as ", "recover --gap ", "load --from ", "recover --nothing "]) {
    assertEquals(await proposed(line), "", line);
  }
});

Deno.test("usage: what is secret is no argument, and what should name a file is not shown", async () => {
  for (const verb of ["add", "grant"]) {
    const { code, error } = await command(["user", verb, "bob", ">hunter2"]);
    assertEquals([code, /a password is no argument/.test(error)], [2, true], error);
    assertEquals(/hunter2/.test(error), false, error);
  }
  const pem = "-----BEGIN PRIVATE KEY-----\nMIGH\n";
  const certificate = "-----BEGIN CERTIFICATE-----\n";
  const variables = {
    RAFTKV_TLS_CA: { RAFTKV_TLS_CA: pem },
    RAFTKV_TLS_KEY: { RAFTKV_TLS_CERT: "c", RAFTKV_TLS_KEY: pem },
    RAFTKV_PASSWORD_FILE: { RAFTKV_USER: "bob", RAFTKV_PASSWORD_FILE: "hunter2\n" },
  };
  for (const [name, environment] of Object.entries(variables)) {
    const { code, error } = await command(["get", "k"], { environment, files: { c: certificate } });
    assertEquals([code, /names? (a file|files)/.test(error)], [2, true], `${name}: ${error}`);
    assertEquals(/MIGH|hunter2/.test(error), false, error);
  }
});
