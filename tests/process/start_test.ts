import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertStringIncludes,
} from "@std/assert";
import { Cluster, clusterTest } from "./harness.ts";
import { needsLinux, needsProgram, needsRoot, testNamed, unmet } from "./requirements.ts";
import { type Ended, programCommand, runToEnd, ServerProcess } from "./server_process.ts";
import { freePorts } from "../../bench/free_ports.ts";
import { eventually, sleep } from "./patience.ts";

const VERSION = JSON.parse(
  Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)),
).version;

/** Runs in an empty directory and returns what is left. */
async function run(
  args: readonly string[],
  setUp: (directory: string) => void = () => {},
  environment: Record<string, string> = {},
): Promise<Ended> {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-test-" });
  try {
    setUp(directory);
    return await runToEnd({ args, directory, environment });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** A refusal at start: this exit code, nothing on standard output, one sentence with these words. */
function assertRefused(ended: Ended, code: number, ...words: string[]): void {
  assertEquals({ code: ended.code, out: ended.out }, { code, out: "" }, ended.error);
  const sentences = ended.error.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  assertEquals(sentences.length, 1, `one sentence: ${ended.error}`);
  assertMatch(sentences[0]!, /^raftkv: /);
  // The number of an error, or the name of a system call, is no sentence.
  assertNotMatch(sentences[0]!, /os error|lstat|mkdir|readfile/);
  for (const word of words) assertStringIncludes(sentences[0]!, word);
}

function clusterFile(change: Record<string, unknown> = {}): (directory: string) => void {
  const [clientPort, logPort] = freePorts(2);
  const servers = [{ id: 1, hostname: "127.0.0.1", clientPort, logPort }];
  return (directory) =>
    Deno.writeTextFileSync(
      `${directory}/cluster.json`,
      JSON.stringify({ path: "data", servers, ...change }),
    );
}

Deno.test("process: --help says how to start, --version says which", async () => {
  for (const args of [["--help"], ["serve", "--help"], ["-h"]]) {
    const help = await run(args);
    assertEquals(help.code, 0, help.error);
    assertStringIncludes(help.out, "raftkv");
    assertEquals(help.error, "");
  }
  assertStringIncludes((await run(["serve", "--help"])).out, "--config");
  const version = await run(["--version"]);
  assertEquals({ code: version.code, out: version.out.trim() }, { code: 0, out: VERSION });
});

Deno.test({
  ...testNamed(
    "process: a start opens nothing in the directory of temporary files, where others may write",
    needsProgram("strace", "--version"),
  ),
  fn() {
    const temporary = Deno.makeTempDirSync({ prefix: "raftkv-test-" });
    try {
      const log = `${temporary}/opened`;
      const { code, stdout } = new Deno.Command("strace", {
        args: [
          "-f",
          "-e",
          "trace=open,openat",
          "-o",
          log,
          ...programCommand(undefined),
          "--version",
        ],
        env: { TMPDIR: `${temporary}/tmp` },
      }).outputSync();
      assertEquals([code, new TextDecoder().decode(stdout)], [0, `${VERSION}\n`]);
      const opened = Deno.readTextFileSync(log).split("\n").filter((line) => line.includes("open"));
      assert(opened.length > 10, "strace has seen files being opened");
      assertEquals(opened.filter((line) => line.includes(`${temporary}/tmp`)), []);
    } finally {
      Deno.removeSync(temporary, { recursive: true });
    }
  },
});

Deno.test("process: a wrong command line ends with exit code 2 and names what is wrong", async () => {
  assertRefused(await run(["--id", "1", "--verbose"]), 2, "--verbose");
  assertRefused(await run(["--id", "one"]), 2, "id", "one");
  assertRefused(await run(["--id", "0"]), 2, "id", "0");
  assertRefused(await run(["--id"]), 2, "--id");
  assertRefused(await run([]), 2, "--id");
  assertRefused(await run(["launch"]), 2, "launch");
  assertRefused(await run([], undefined, { RAFTKV_ID: "x" }), 2, "RAFTKV_ID");
  assertRefused(await run(["--id", "1"], undefined, { RAFTKV_LOG: "xml" }), 2, "RAFTKV_LOG");
});

Deno.test("process: a wrong cluster file ends with exit code 1 and names the key", async () => {
  const refusal = (change: Record<string, unknown>) => run(["--id", "1"], clusterFile(change));
  assertRefused(await refusal({ tming: {} }), 1, "cluster.json", "tming");
  assertRefused(await refusal({ servers: [] }), 1, "cluster.json", "servers");
  assertRefused(await refusal({ path: "" }), 1, "path");
  assertRefused(
    await refusal({ timing: { heartbeatIntervalMs: 300, electionTimeoutMs: 300 } }),
    1,
    "timing.heartbeatIntervalMs",
  );
  assertRefused(await refusal({ limits: { valueBytesMax: "1" } }), 1, "limits.valueBytesMax");
  assertRefused(await run(["--id", "2"], clusterFile()), 1, "server 2");
  const broken = (directory: string) =>
    Deno.writeTextFileSync(`${directory}/cluster.json`, '{ "path": ');
  assertRefused(await run(["--id", "1"], broken), 1, "cluster.json", "JSON");
  assertRefused(await run(["--id", "1", "--config", "no.json"]), 1, "no.json");
  assertRefused(await run(["--id", "1", "--config", "."]), 1, "file .: it is a directory");
  const below = run(["--id", "1", "--config", "cluster.json/x"], clusterFile());
  assertRefused(await below, 1, "cluster.json/x: cluster.json is a file");
  const empty = (directory: string) => Deno.writeTextFileSync(`${directory}/cluster.json`, "");
  assertRefused(await run(["--id", "1"], empty), 1, "cluster.json: the file is empty");
  const misspelled = { id: 1, hostname: "127.0.0.1", clientport: 1, logPort: 2 };
  assertRefused(await refusal({ servers: [misspelled] }), 1, "clientport", "mean clientPort?");
});

Deno.test("process: without a cluster file the three default servers are used, and it says so", async () => {
  // This test must not touch ports 9000 to 9005: it ends before it listens, for want of a directory.
  const inTheWay = (directory: string) => Deno.writeTextFileSync(`${directory}/file`, "");
  const ended = await run(["--id", "3", "--data", "file"], inTheWay);
  assertRefused(ended, 1, "file");
  const said = ended.error.split("\n").filter((line) => line.startsWith("{"));
  const [line] = said.map((text) => JSON.parse(text)).filter(({ message }) =>
    message.startsWith("No --config and no cluster.json here: using the three default servers")
  );
  assert(line !== undefined, ended.error);
  assertStringIncludes(JSON.stringify(line), "127.0.0.1:9000 127.0.0.1:9002 127.0.0.1:9004");
  // An id that they do not have.
  assertRefused(await run(["--id", "99"]), 1, "server 99", "1, 2, 3");
  // And nothing of the kind where there is a file.
  const named = await run(["--id", "2"], clusterFile());
  assert(!named.error.includes("default servers"), named.error);
});

clusterTest("process: a port in use is named, with exit code 1", { size: 1 }, async (cluster) => {
  const server = cluster.server(1);
  for (const port of [server.clientPort, server.logPort]) {
    const other = Deno.listen({ hostname: "127.0.0.1", port });
    try {
      server.start();
      const ended = await server.process.ended();
      assertRefused(ended, 1, `${port}`, "in use", "127.0.0.1");
    } finally {
      other.close();
    }
  }
  await cluster.startAll();
});

clusterTest("process: a data directory that can't be made is named, with exit code 1", {
  size: 1,
}, async (cluster) => {
  Deno.writeTextFileSync(cluster.dataPath, "a file is in the way");
  cluster.server(1).start();
  const ended = await cluster.server(1).process.ended();
  assertRefused(ended, 1, `Could not make ${cluster.dataPath}: it is a file`);
  Deno.removeSync(cluster.dataPath);
  Deno.mkdirSync(cluster.dataPath);
  Deno.symlinkSync("nowhere", cluster.server(1).dataDirectory);
  cluster.server(1).start();
  const lost = await cluster.server(1).process.ended();
  assertRefused(lost, 1, `${cluster.server(1).dataDirectory}: it is a symbolic link that leads to`);
});

// Root may write everywhere; without these two rights it is held to a file's mode like anybody.
const likeAnybody = Deno.build.os !== "windows" && Deno.uid() === 0
  ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
  : [];

clusterTest("process: a data directory without write permission is named, with exit code 1", {
  size: 1,
  notRun: unmet(
    Deno.build.os === "windows" ? "a directory's mode does not bind there" : null,
    likeAnybody.length === 0 ? null : needsProgram(...likeAnybody, "true"),
  ),
}, async (cluster) => {
  Deno.mkdirSync(cluster.dataPath, { mode: 0o500 });
  cluster.server(1).start({}, likeAnybody);
  const owner = Deno.uid() === 0 ? "root" : `user ${Deno.uid()}`;
  assertRefused(
    await cluster.server(1).process.ended(),
    1,
    `permission denied: ${cluster.dataPath} belongs to ${owner}, with mode 0500`,
  );
  // What a start as root leaves for the one that comes after it.
  Deno.chmodSync(cluster.dataPath, 0o700);
  const lock = `${cluster.server(1).dataDirectory}/lock`;
  Deno.mkdirSync(cluster.server(1).dataDirectory);
  Deno.writeTextFileSync(lock, "");
  Deno.chmodSync(lock, 0o400);
  cluster.server(1).start({}, likeAnybody);
  assertRefused(
    await cluster.server(1).process.ended(),
    1,
    `Could not open ${lock}: permission denied: it belongs to ${owner}, with mode 0400`,
  );
});

function needsPrivilegedPorts(): string | null {
  try {
    const first = Deno.readTextFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    return Number(first) > 1 ? null : "anybody may open any port here";
  } catch (error) {
    return (error as Error).message;
  }
}

clusterTest("process: a port that only root may open is named, with exit code 1", {
  size: 1,
  servers: { clientPort: 1 },
  notRun: unmet(
    needsLinux(),
    needsRoot(),
    needsProgram("setpriv", "--bounding-set=-net_bind_service", "true"),
    needsPrivilegedPorts(),
  ),
}, async (cluster) => {
  cluster.server(1).start({}, ["setpriv", "--bounding-set=-net_bind_service"]);
  assertRefused(
    await cluster.server(1).process.ended(),
    1,
    "Cannot listen on port 1 of 127.0.0.1: ports below 1024 are for root",
  );
});

clusterTest("process: a hostname that nobody knows, or of another machine, is named", {
  size: 1,
}, async (cluster) => {
  const refused = async (hostname: string, ...words: string[]) => {
    cluster.writeConfig({ servers: { hostname }, file: { insecure: true } });
    cluster.server(1).start();
    assertRefused(await cluster.server(1).process.ended(), 1, `of ${hostname}: `, ...words);
  };
  await refused("nobody.invalid", "the name nobody.invalid ");
  await refused("203.0.113.7", "this machine does not have that address", "clientListen");
});

clusterTest(
  "process: a port that would be open to the network is named, and nothing is opened or made",
  {
    size: 1,
    servers: { hostname: "0.0.0.0" },
  },
  async (cluster) => {
    cluster.server(1).start();
    const ended = await cluster.server(1).process.ended();
    assertRefused(ended, 1, "servers[0].hostname: server 1 would open its client port on 0.0.0.0");
    assertEquals([...Deno.readDirSync(cluster.directory)].map(({ name }) => name), [
      "cluster.json",
    ]);
  },
);

clusterTest("process: two servers never share a data directory", { size: 1 }, async (cluster) => {
  await cluster.startAll();
  const second = new Cluster({ size: 1, path: cluster.dataPath });
  try {
    second.server(1).start();
    assertRefused(await second.server(1).process.ended(), 1, cluster.dataPath, "in use");
    using socket = await cluster.server(1).connect();
    assertMatch(await socket.ask("set a 0 1\r\nx\r\n"), /^OK 1$/);
    // A crash gives the directory free.
    await cluster.server(1).kill();
    second.server(1).start();
    const leader = await second.waitForLeader();
    using again = await leader.connect();
    assertEquals(await again.ask("get a\r\n"), "VALUE 1");
  } finally {
    await second.stop();
  }
});

clusterTest("process: the data directory of another server id is refused", {
  size: 1,
}, async (cluster) => {
  await cluster.startAll();
  await cluster.server(1).terminate();
  const other = new Cluster({ size: 2, path: cluster.dataPath });
  try {
    Deno.renameSync(`${cluster.dataPath}/1`, `${cluster.dataPath}/2`);
    other.server(2).start();
    assertRefused(await other.server(2).process.ended(), 1, "belongs to server 1", "server 2");
  } finally {
    await other.stop();
  }
});

clusterTest("process: files of another cluster are refused", { size: 1 }, async (cluster) => {
  const other = new Cluster({ size: 1 });
  try {
    await cluster.startAll();
    await other.startAll();
    await cluster.server(1).terminate();
    await other.server(1).terminate();
    Deno.removeSync(`${cluster.dataPath}/1/wal`, { recursive: true });
    Deno.renameSync(`${other.dataPath}/1/wal`, `${cluster.dataPath}/1/wal`);
    cluster.server(1).start();
    assertRefused(await cluster.server(1).process.ended(), 1, "belongs to cluster");
  } finally {
    await other.stop();
  }
});

clusterTest(
  "process: a server with another cluster's directory is refused by the others",
  {},
  async (cluster) => {
    const other = new Cluster({ size: 3 });
    try {
      await cluster.startAll();
      await other.startAll();
      await other.stopServers();
      await cluster.server(3).terminate();
      Deno.removeSync(`${cluster.dataPath}/3`, { recursive: true });
      Deno.renameSync(`${other.dataPath}/3`, `${cluster.dataPath}/3`);
      cluster.server(3).start();
      await cluster.server(3).process.logged("belongs to cluster");
      const leader = await cluster.waitForLeader([cluster.server(1), cluster.server(2)]);
      await leader.process.logged("belongs to cluster");
      using socket = await cluster.server(3).connect();
      assertEquals(await socket.ask("get a\r\n"), "ERR_NO_LEADER");
    } finally {
      await other.stop();
    }
  },
);

clusterTest(
  "process: a wiped server is refused with the reason, and the others go on",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const wiped = cluster.others(leader)[0]!;
    using client = cluster.client();
    assertEquals(await client.set("kept", "value"), "OK 1");
    await wiped.kill();
    Deno.removeSync(wiped.dataDirectory, { recursive: true });
    wiped.start();
    const sentence = "comes with another data directory than it joined with";
    await wiped.process.logged(sentence);
    await leader.process.logged(sentence);
    // It must not help to elect anybody, or to found a new cluster: A and B wrote, B is wiped.
    const third = cluster.others(leader).find((server) => server !== wiped)!;
    assertEquals(await client.set("kept", "more"), "OK 2");
    await leader.kill();
    await eventually("the third server to give up on the leader", async () => {
      using socket = await third.connect();
      return await socket.ask("get kept\r\n") === "ERR_NO_LEADER";
    });
    await sleep(3_000);
    for (const server of [third, wiped]) {
      using socket = await server.connect();
      assertEquals(await socket.ask("get kept\r\n"), "ERR_NO_LEADER", "no majority without it");
    }
    // How often it is refused must not fill the disk with log lines.
    const refusals = third.process.log.filter((line) => JSON.stringify(line).includes(sentence));
    assert(refusals.length <= 6, `${refusals.length} log lines about one refused server`);
    leader.start();
    assertEquals(await client.get("kept"), "more");
  },
);

clusterTest("process: flags go before the environment, the environment before the cluster file", {
  size: 1,
}, async (cluster) => {
  const server = new ServerProcess({
    args: ["--data", `${cluster.directory}/flag`],
    directory: cluster.directory,
    environment: {
      RAFTKV_ID: "1",
      RAFTKV_CONFIG: cluster.configFile,
      RAFTKV_DATA: `${cluster.directory}/environment`,
      RAFTKV_LOG: "text",
      RAFTKV_LOG_LEVEL: "debug",
    },
  });
  try {
    await server.logged("Serving");
    assertMatch(server.error, /^\d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO ) /);
    server.signal("SIGTERM");
    assertEquals((await server.ended()).code, 0);
    const made = [...Deno.readDirSync(cluster.directory)].map((entry) => entry.name).sort();
    assertEquals(made, ["cluster.json", "flag"]);
  } finally {
    await server.kill();
  }
});

clusterTest(
  "process: a damaged directory is named by a path that works, with advice for its cluster's size",
  { size: 1 },
  async (cluster) => {
    await cluster.startAll();
    const server = cluster.server(1);
    await server.terminate();
    const segment = `${server.dataDirectory}/wal/0000000000000001.log`;
    const bytes = Deno.readFileSync(segment);
    bytes[50]! ^= 1;
    Deno.writeFileSync(segment, bytes);
    server.start();
    const ended = await server.process.ended();
    assertRefused(ended, 1, `raftkv: ${segment} is damaged`, "This server is its whole cluster");
    assert(!ended.error.includes("other servers"), ended.error);
  },
);
