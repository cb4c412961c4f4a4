/** The secret between servers, with real processes: who is kept out, and how it is rolled in and exchanged. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { encodeHello, encodeMessage, NO_FEATURES } from "../../lib/wire/rpc/rpc.ts";
import { cli } from "./cli_process.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { runToEnd } from "./server_process.ts";

const WRITES = 150;
const OURS = "this-is-the-secret-of-our-own-cluster";
const THEIRS = "and-this-is-the-secret-of-another-one";

/** Writes a file of secrets, a line each; returns its path. */
function write(cluster: Cluster, name: string, ...secrets: string[]): string {
  const path = `${cluster.directory}/${name}`;
  Deno.writeTextFileSync(path, secrets.join("\n") + "\n", { mode: 0o600 });
  return path;
}

/** The servers' cluster file names the secret's file. */
function withSecret(cluster: Cluster, more: Record<string, unknown> = {}): void {
  const secretFile = write(cluster, "secret", OURS);
  cluster.writeConfig({ file: { secretFile, ...more } });
}

async function holds(server: Server, key: string): Promise<boolean> {
  try {
    using socket = await RedisSocket.connect(server.clientPort);
    assertEquals(await socket.ask("READONLY"), "OK");
    return await socket.ask("GET", key) === "there";
  } catch {
    // It does not listen yet, or serves no reads while it hears nobody.
    return false;
  }
}

async function untilHolding(server: Server, key: string): Promise<void> {
  await eventually(`server ${server.id} to hold ${key}`, () => holds(server, key), 30_000);
}

/** Says `bytes` to the log port; resolves once the server has closed the connection, with its answer. */
async function sayToLogPort(server: Server, bytes: Uint8Array): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.logPort });
  await connection.write(bytes);
  let answer = "";
  const buffer = new Uint8Array(4_096);
  for (;;) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return answer;
    answer += new TextDecoder("latin1").decode(buffer.subarray(0, count));
  }
}

clusterTest(
  "secret: a stranger, another cluster's secret and none are refused, in words on both sides",
  {},
  async (cluster) => {
    withSecret(cluster);
    await cluster.startAll();
    const [first, second, third] = cluster.servers as [Server, Server, Server];
    const load = new Load(cluster, "load");
    await load.more(WRITES);
    const other = write(cluster, "typo", THEIRS);
    const lacking: Record<string, string>[] = [{ RAFTKV_CLUSTER_SECRET_FILE: other }, {}];
    for (const [at, environment] of lacking.entries()) {
      await third.kill();
      // Without one: its own file has no secret.
      if (at === 1) cluster.writeConfig({});
      third.start(environment);
      const complaint = at === 0 ? "has another one than this server" : "secret: it has another";
      await third.process.logged(complaint, 30_000);
      const reason = at === 0 ? "has another one than this server" : "does not name the cluster's";
      const others = [first, second];
      await eventually(
        "the others to say so of it",
        () =>
          others.every(({ process }) =>
            process.log.some((line) => line.peer === 3 && `${line.reason}`.includes(reason))
          ),
        30_000,
      );
      using client = cluster.client([first, second]);
      const key = `while-out-${at}`;
      assertMatch(await client.set(key, "there"), /^OK/);
      await untilHolding(await cluster.waitForLeader([first, second]), key);
      await load.more(WRITES);
      assertEquals(await holds(third, key), false, "an append has come through");
    }
    // Somebody who knows everything of server 3 but the secret.
    const stranger = new ByteWriter();
    const about = { clusterId: "0".repeat(32), from: 3, to: 1, incarnation: "0".repeat(16) };
    encodeHello(stranger, { protocolVersion: 2, features: NO_FEATURES, ...about });
    encodeMessage(stranger, {
      kind: "heartbeat",
      from: 3,
      to: 1,
      term: 1_000_000,
      commitIndex: 0,
      readRound: 0,
    });
    assertMatch(await sayToLogPort(first, stranger.copy()), /does not name the cluster's secret/);
    await third.kill();
    withSecret(cluster);
    third.start();
    await untilHolding(third, "while-out-1");
    await load.end();
    await assertHolds(await cluster.waitForLeader(), load.acknowledged);
    for (const { process } of cluster.servers) {
      assert(!process.error.includes(OURS) && !process.error.includes(THEIRS), "it is in a log");
    }
  },
);

/** Restarts all servers, one after the other, each once it takes part again. */
async function restartAll(cluster: Cluster, load: Load, name: string): Promise<void> {
  for (const server of cluster.servers) {
    assertEquals((await server.terminate()).code, 0, server.process.error);
    server.start();
    await load.more(WRITES);
    using client = cluster.client();
    const key = `${name}-${server.id}`;
    assertMatch(await client.set(key, "there"), /^OK/);
    for (const one of cluster.servers) await untilHolding(one, key);
  }
}

clusterTest(
  "secret: it is rolled in a server at a time, under load",
  { deadlineMs: 900_000 },
  async (cluster) => {
    await cluster.startAll();
    const load = new Load(cluster, "load");
    await load.more(WRITES);
    withSecret(cluster, { secretOptional: true });
    await restartAll(cluster, load, "optional");
    for (const { process } of cluster.servers) {
      assert(process.error.includes("secretOptional: servers that know nothing"), process.error);
    }
    withSecret(cluster);
    await restartAll(cluster, load, "required");
    await load.end();
    await assertHolds(await cluster.waitForLeader(), load.acknowledged);
    // From now on whoever lacks it is out.
    const [, , third] = cluster.servers as [Server, Server, Server];
    await third.kill();
    cluster.writeConfig({});
    third.start();
    await third.process.logged("it has another one, or none", 30_000);
  },
);

clusterTest("secret: it is exchanged under load, without a restart", {}, async (cluster) => {
  withSecret(cluster);
  await cluster.startAll();
  const load = new Load(cluster, "load");
  await load.more(WRITES);
  for (const secrets of [[OURS, THEIRS], [THEIRS, OURS], [THEIRS]]) {
    write(cluster, "secret", ...secrets);
    for (const server of cluster.servers) {
      const before = server.process.log.filter(isRead).length;
      server.process.signal("SIGHUP");
      await eventually("the secret to be read again", () => {
        return server.process.log.filter(isRead).length > before;
      });
    }
    await load.more(WRITES);
    using client = cluster.client();
    const key = `after-${secrets.length}-${secrets[0]}`;
    assertMatch(await client.set(key, "there"), /^OK/);
    for (const server of cluster.servers) await untilHolding(server, key);
  }
  const doubts = cluster.servers.flatMap(({ process }) => process.log).filter((line) =>
    /does not (prove|name)|finds that this/.test(`${line.reason}`)
  );
  assertEquals(doubts, []);
  // One that can't be read changes nothing.
  const [first] = cluster.servers as [Server];
  write(cluster, "secret", "short");
  first.process.signal("SIGHUP");
  await first.process.logged("stays as it was");
  await load.more(WRITES);
  await load.end();
  await assertHolds(await cluster.waitForLeader(), load.acknowledged);
});

function isRead({ message }: { readonly message?: unknown }): boolean {
  return message === "The servers prove the cluster's secret";
}

clusterTest("secret: who joins needs it, and is told so", {}, async (cluster) => {
  withSecret(cluster);
  await cluster.startAll();
  for (const { process } of cluster.servers) await process.logged("The cluster version is raised:");
  const fourth = cluster.newcomer(4);
  // What the others have read; it has none.
  cluster.writeConfig({});
  fourth.start();
  await fourth.process.logged("raftkv member add 4", 30_000);
  const servers = cluster.clientPorts(cluster.servers.slice(0, 3));
  const adding = cli(cluster, ["member", "add", "4", "--servers", servers, "--timeout", "60s"]);
  await fourth.process.logged("finds that this server does not prove the cluster's secret", 30_000);
  await fourth.kill();
  fourth.start({ RAFTKV_CLUSTER_SECRET: OURS });
  await fourth.process.logged("This server is a member of the cluster now", 30_000);
  assertEquals((await adding).code, 0);
});

clusterTest("secret: whoever waits to be taken in reads it again", {}, async (cluster) => {
  withSecret(cluster);
  await cluster.startAll();
  const fourth = cluster.newcomer(4);
  fourth.start();
  await fourth.process.logged("raftkv member add 4", 30_000);
  assertEquals(fourth.process.log.filter(isRead).length, 1);
  fourth.process.signal("SIGHUP");
  await eventually("the secret to be read again", () => {
    return fourth.process.log.filter(isRead).length === 2;
  });
});

clusterTest(
  "secret: one that can't be used is refused at the start",
  { size: 1 },
  async (cluster) => {
    const file = write(cluster, "open", OURS);
    Deno.chmodSync(file, 0o640);
    const absent = `${cluster.directory}/absent`;
    const cases: [Record<string, string>, RegExp][] = [
      [
        { RAFTKV_CLUSTER_SECRET_FILE: file },
        /others than its owner may use it \(mode 0640\): chmod 600/,
      ],
      [{ RAFTKV_CLUSTER_SECRET_FILE: absent }, /Cannot use the secret in .*absent: there is no/],
      [{ RAFTKV_CLUSTER_SECRET_FILE: cluster.directory }, /it is no file/],
      [{ RAFTKV_CLUSTER_SECRET: "short" }, /RAFTKV_CLUSTER_SECRET: line 1 is no secret/],
      [{ RAFTKV_CLUSTER_SECRET: `${OURS}\n${OURS}\n${OURS}` }, /has 3 lines with a secret/],
      [{ RAFTKV_CLUSTER_SECRET: OURS, RAFTKV_CLUSTER_SECRET_FILE: file }, /are both set/],
    ];
    for (const [environment, expected] of cases) {
      const args = ["--id", "1", "--config", cluster.configFile];
      const ended = await runToEnd({ args, directory: cluster.directory, environment });
      assert(ended.code !== 0, ended.error);
      assertMatch(ended.error, expected);
      assert(!ended.error.includes(OURS));
    }
    cluster.writeConfig({ file: { secretOptional: true } });
    const args = ["--id", "1", "--config", cluster.configFile];
    const ended = await runToEnd({ args, directory: cluster.directory });
    assertMatch(ended.error, /secretOptional without a secret/);
  },
);
