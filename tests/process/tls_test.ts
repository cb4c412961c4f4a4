/** TLS on all ports of real servers: who is let in, who is not, and certificates that change meanwhile. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Cluster as IoRedisCluster } from "ioredis";
import { createCluster } from "redis";
import { TestCa } from "../../bench/test_ca.ts";
import { ask, type Client, connect, NotDone, type TlsOptions } from "../../client/mod.ts";
import { redisPy } from "./clients/client.ts";
import { cli } from "./cli_process.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { eventually, Patience, sleep } from "./patience.ts";
import { needsTls } from "./needs_tls.ts";
import { needsProgram, unmet } from "./requirements.ts";

/** Files in the servers' working directory. */
const FILES = { cert: "server-{id}.pem", key: "server-{id}.key", ca: "ca.pem" };

const notRun = unmet(needsTls(), needsProgram("openssl", "version"));
/** How long certificates are exchanged under load; a minute now and then, by hand. */
const EXCHANGES = Number(Deno.env.get("RAFTKV_TLS_EXCHANGES") || 5);
const ROUNDS = 40;
const ROUND_DEADLINE_MS = 30_000;

/** Whom the clients are that follow the leader. */
const USER = { user: "app", password: "app-password" };

interface Secured {
  readonly cluster: Cluster;
  readonly ca: TestCa;
  /** For the client library. */
  readonly tls: TlsOptions;
}

function issueAll(ca: TestCa, cluster: Cluster): void {
  for (const { id } of cluster.servers) issueFor(ca, id);
}

function issueFor(ca: TestCa, id: number): void {
  ca.issue(`server-${id}`, { dns: ["localhost", `raftkv-server-${id}`] });
}

/** A cluster whose ports speak TLS as `tls` says; not started. */
function tlsTest(
  name: string,
  tls: object,
  run: (secured: Secured) => Promise<void>,
  more: { readonly leaves?: string; readonly size?: number } = {},
): void {
  clusterTest(`tls: ${name}`, { tls, notRun, ...more }, async (cluster) => {
    const ca = new TestCa(cluster.directory);
    issueAll(ca, cluster);
    await run({ cluster, ca, tls: { ca: Deno.readTextFileSync(ca.ca) } });
  });
}

async function connected(
  { cluster, tls }: Secured,
  as: Partial<typeof USER> = {},
): Promise<Client> {
  for (const server of cluster.servers) if (!server.isRunning) server.start();
  const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
  return await connect({ servers, tls, ...as, timeoutMs: ROUND_DEADLINE_MS });
}

/** Makes USER, and waits until every server knows it. */
async function makeUser({ cluster, tls }: Secured): Promise<void> {
  const rules = ["on", `>${USER.password}`, "~*", "&*", "+@all"];
  const said = async (server: Server, words: string[], as: Partial<typeof USER> = {}) =>
    textOf(
      await ask(`127.0.0.1:${server.clientPort}`, words, { tls, ...as }).catch((error) => error),
    );
  await eventually("the user to be made", async () => {
    const leader = await leaderOf(cluster, tls);
    return await said(leader, ["ACL", "SETUSER", USER.user, ...rules]) === "OK";
  }, ROUND_DEADLINE_MS);
  for (const server of cluster.servers) {
    await eventually("every server to know the user", async () => {
      return await said(server, ["PING"], USER) === "PONG" &&
        (await said(server, ["PING"])).includes("NOAUTH");
    }, ROUND_DEADLINE_MS);
  }
}

/** Whom a client's calls go to; `as`: a user, where there are some. */
async function leaderOf(
  cluster: Cluster,
  tls: TlsOptions,
  as: Partial<typeof USER> = {},
): Promise<Server> {
  let leader: Server | undefined;
  await eventually("a leader", async () => {
    for (const server of cluster.servers) {
      if (!server.isRunning) continue;
      const role = await ask(`127.0.0.1:${server.clientPort}`, ["ROLE"], { tls, ...as })
        .catch(() => null);
      if (Array.isArray(role) && String(textOf(role[0])) === "master") leader = server;
    }
    return leader !== undefined;
  }, ROUND_DEADLINE_MS);
  return leader!;
}

function textOf(reply: unknown): string {
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : String(reply);
}

tlsTest(
  "the command line does all it does, by the cluster file and by flags",
  FILES,
  async (one) => {
    const { cluster, ca } = one;
    const client = await connected(one);
    client.close();
    const ok = async (...args: string[]) => {
      const { code, out, error } = await cli(cluster, args, { environment: {} });
      assertEquals(code, 0, `${args.join(" ")}: ${error}`);
      return out;
    };
    await ok("set", "key", "value");
    assertEquals(await ok("get", "key"), "value");
    assertMatch(await ok("status"), /no problems/);
    // Of a machine that is full, or slow, it may warn.
    assertMatch((await cli(cluster, ["check"])).error, /0 faults|^$/);
    assertMatch(await ok("member", "list"), /voter/);
    await ok("backup", "kept.backup");
    await ok("verify", "kept.backup");
    const servers = cluster.clientPorts();
    const elsewhere = `${cluster.directory}/elsewhere`;
    Deno.mkdirSync(elsewhere);
    const there = (args: readonly string[], environment: Record<string, string> = {}) => {
      return cli(cluster, [...args, "--servers", servers, "--timeout", "3s"], {
        directory: elsewhere,
        environment,
      });
    };
    assertEquals((await there(["get", "key", "--tls-ca", ca.ca])).out, "value");
    assertEquals((await there(["get", "key"], { RAFTKV_TLS_CA: ca.ca })).out, "value");
    const named = ["--tls-ca", ca.ca, "--tls-server-name"];
    assertEquals((await there(["get", "key", ...named, "localhost"])).out, "value");
    const failed = async (words: RegExp, code: number, ...args: string[]) => {
      const ended = await there(["get", "key", ...args]);
      assertMatch(ended.error, words);
      assertEquals(ended.code, code, ended.error);
    };
    await failed(/its certificate is for other names/, 3, ...named, "elsewhere.example");
    await failed(/it speaks TLS there/, 3);
    await failed(/its certificate is of no CA that is trusted here/, 3, "--tls-ca", "system");
    await failed(/none\.pem: there is no such file/, 6, "--tls-ca", "none.pem");
    await failed(/--tls-key is missing/, 2, "--tls-cert", ca.ca);
  },
);

tlsTest("the admin port speaks it, and shows when the certificates expire", FILES, async (one) => {
  const client = await connected(one);
  client.close();
  const http = Deno.createHttpClient({ caCerts: [one.tls.ca!] });
  const { adminPort } = one.cluster.servers[0]!;
  const page = await fetch(`https://127.0.0.1:${adminPort}/metrics`, { client: http });
  const text = await page.text();
  for (const port of ["client", "log", "admin"]) {
    const line = new RegExp(
      `^raftkv_tls_certificate_expiry_seconds\\{port="${port}"\\} ([\\d.]+)$`,
      "m",
    );
    const seconds = Number(line.exec(text)?.[1]);
    assert(seconds > 80_000 && seconds < 86_400, `${port}: ${seconds}`);
  }
  http.close();
  assertStringIncludes(one.cluster.servers[0]!.process.error, "A TLS certificate expires soon");
}, { size: 1 });

tlsTest("a client port that asks for certificates serves those alone who show one of the CA", {
  client: { ...FILES, requestCert: true },
}, async ({ cluster, ca, tls }) => {
  const [server] = cluster.servers as [Server];
  server.start();
  await server.process.logged("Serving");
  const own = ca.issue("own");
  const other = new TestCa(cluster.directory, "other").issue("foreign");
  const address = `127.0.0.1:${server.clientPort}`;
  const say = (files: { cert: string; key: string }) => {
    const [cert, key] = [files.cert, files.key].map((file) => Deno.readTextFileSync(file));
    return ask(address, ["PING"], { tls: { ...tls, cert, key } as TlsOptions });
  };
  assertEquals(textOf(await say(own)), "PONG");
  for (const refused of [() => ask(address, ["PING"], { tls }), () => say(other)]) {
    const error = await refused().then(() => null, (error) => error);
    assert(error instanceof Error, "it is not served");
  }
  await server.process.logged("it showed no certificate");
  await server.process.logged("its certificate is of no CA trusted here");
  const flags = ["--tls-cert", own.cert, "--tls-key", own.key];
  assertEquals((await cli(cluster, ["set", "a", "b", ...flags])).code, 0);
  assertMatch(
    (await cli(cluster, ["get", "a", "--timeout", "3s"])).error,
    /asks? for a client's certificate/,
  );
}, { size: 1 });

/** Increments a counter, kills the leader half way, and has as many more acknowledged. */
async function overKill(
  { cluster, tls }: Secured,
  increment: () => Promise<unknown>,
): Promise<number> {
  let acknowledged = 0;
  {
    // A client that was made before the last kill may learn of it only now.
    using patience = new Patience(ROUND_DEADLINE_MS);
    while (acknowledged < ROUNDS) {
      assert(!patience.isSpent, "The client does not find the leader");
      await increment().then(() => acknowledged++, () => sleep(50));
    }
  }
  const leader = await leaderOf(cluster, tls, USER);
  const killing = leader.kill();
  using patience = new Patience(ROUND_DEADLINE_MS);
  while (acknowledged < 2 * ROUNDS) {
    assert(!patience.isSpent, "The client does not find the new leader");
    await increment().then(() => acknowledged++, () => sleep(50));
  }
  await killing;
  leader.start();
  return acknowledged;
}

tlsTest("Redis's clients, as users, follow the leader over a kill", FILES, async (one) => {
  const { cluster, ca, tls } = one;
  for (const server of cluster.servers) server.start();
  await makeUser(one);
  const client = await connected(one, USER);
  const login = { username: USER.user, password: USER.password };
  const ports = cluster.servers.map(({ clientPort }) => clientPort);
  const secure = { ca: tls.ca! };
  const ioredis = new IoRedisCluster(ports.map((port) => ({ host: "127.0.0.1", port })), {
    redisOptions: { tls: secure, ...login },
    clusterRetryStrategy: () => 100,
  });
  ioredis.on("error", () => {});
  const nodeRedis = createCluster({
    rootNodes: ports.map((port) => ({ url: `rediss://127.0.0.1:${port}` })),
    defaults: { socket: { tls: true, ...secure }, ...login },
  });
  nodeRedis.on("error", () => {});
  nodeRedis.on("node-error", () => {});
  await nodeRedis.connect();
  const cliOf = (port: number, ...args: string[]) => {
    const options = ["-p", `${port}`, "-c", "--tls", "--cacert", ca.ca, "--user", USER.user];
    const env = { REDISCLI_AUTH: USER.password };
    return new Deno.Command("redis-cli", { args: [...options, ...args], env }).output();
  };
  const redisCli = async () => {
    for (const { clientPort } of cluster.servers.filter(({ isRunning }) => isRunning)) {
      const { stdout } = await cliOf(clientPort, "INCR", "redis-cli");
      if (/^\d+\n$/.test(new TextDecoder().decode(stdout))) return;
    }
    throw new Error("No server took it");
  };
  const libraries: Record<string, () => Promise<unknown>> = {
    ioredis: () => ioredis.incr("ioredis"),
    "node-redis": () => nodeRedis.incr("node-redis"),
  };
  if (needsProgram("redis-cli", "--version") === null) libraries["redis-cli"] = redisCli;
  const python = redisPy(true, { ssl: true, ssl_ca_certs: ca.ca, ...login }, true);
  const py = python.notRun === null ? await python.connect(ports) : null;
  if (py !== null) {
    libraries["redis-py"] = async () => {
      const answer = await py.incr("redis-py");
      if ("error" in answer) throw new Error(answer.error);
    };
  }
  for (const [name, increment] of Object.entries(libraries)) {
    const acknowledged = await overKill(one, increment);
    const value = Number(await client.text.get(name));
    assert(value >= acknowledged, `${name}: ${value} of ${acknowledged}`);
  }
  ioredis.disconnect();
  nodeRedis.destroy();
  await py?.close();
  client.close();
}, { leaves: "ioredis leaves its timers" });

tlsTest("certificates that are exchanged each second fail no command", FILES, async (one) => {
  const { cluster, ca, tls } = one;
  const client = await connected(one);
  const addresses = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
  let isOver = false;
  let done = 0;
  const steady = async () => {
    for (; !isOver; done++) await client.set("steady", `${done}`);
  };
  // Each on a connection of its own.
  const fresh = async () => {
    for (let at = 0; !isOver; at++, done++) {
      await ask(addresses[at % addresses.length]!, ["PING"], { tls });
    }
  };
  const load = Promise.all([steady(), steady(), fresh(), fresh()]);
  for (let round = 0; round < EXCHANGES; round++) {
    issueAll(ca, cluster);
    await sleep(1_000);
  }
  isOver = true;
  await load;
  client.close();
  assert(done > 100, `${done} commands`);
  for (const { process } of cluster.servers) {
    const exchanged = process.log.filter(({ message }) => message === "TLS certificate exchanged");
    assert(exchanged.length >= EXCHANGES, `${exchanged.length} exchanges on three ports`);
    assertEquals(process.log.filter(({ level }) => level === "error"), []);
  }
});

tlsTest(
  "a certificate that can't be used leaves the one before it, and says so",
  FILES,
  async (one) => {
    const { cluster, ca, tls } = one;
    const client = await connected(one);
    const [server] = cluster.servers as [Server];
    const said = "The new TLS certificate can't be used: the one before it stays in use";
    const count = () => server.process.log.filter(({ message }) => message === said).length;
    Deno.copyFileSync(`${cluster.directory}/ca.key`, `${cluster.directory}/server-1.key`);
    await eventually("it to be said for each port", () => count() === 3);
    assertMatch(
      server.process.error,
      /server-1\.key is not the key of the certificate in server-1/,
    );
    server.process.signal("SIGHUP");
    await eventually("it to be said again", () => count() === 6);
    await ask(`127.0.0.1:${server.clientPort}`, ["PING"], { tls });
    ca.issue("server-1", { dns: ["raftkv-server-1"], days: -1 });
    await server.process.logged("it expired on");
    await ask(`127.0.0.1:${server.clientPort}`, ["PING"], { tls });
    issueFor(ca, 1);
    await server.process.logged("TLS certificate exchanged");
    await client.set("a", "b");
    client.close();
  },
  { size: 1 },
);

tlsTest("a server with another's certificate is refused, and both sides say why", {
  log: FILES,
}, async ({ cluster, ca }) => {
  await cluster.startAll();
  const third = cluster.server(3);
  await third.kill();
  for (const ending of ["pem", "key"]) {
    const file = (id: number) => `${cluster.directory}/server-${id}.${ending}`;
    Deno.copyFileSync(file(2), file(3));
  }
  third.start();
  const words = "server 3 shows a certificate for localhost, raftkv-server-2, and not for " +
    "raftkv-server-3";
  await third.process.logged("The certificate of the log port lacks this server's name");
  await third.process.logged(words);
  for (const id of [1, 2]) await cluster.server(id).process.logged(words);
  // The others are a majority, and go on without it.
  await cluster.waitForLeader([cluster.server(1), cluster.server(2)]);
  assert(!third.process.error.includes("Peer up"), "nobody talks to it");
  issueFor(ca, 3);
  await third.process.logged("Peer up");
});

tlsTest("a server joins a cluster over TLS", FILES, async (one) => {
  const { cluster, ca } = one;
  const client = await connected(one);
  const fourth = cluster.newcomer(4);
  issueFor(ca, 4);
  fourth.flags = [...fourth.flags, "--tls-ca", ca.ca];
  fourth.start();
  await eventually("server 4 to ask", async () => {
    return (await client.members()).waiting.some(({ id }) => id === 4);
  }, ROUND_DEADLINE_MS);
  const { code, error } = await cli(cluster, ["member", "add", "4"]);
  assertEquals(code, 0, error);
  client.close();
});

tlsTest("what is plain is not understood on a TLS port, nor TLS on a plain one", {
  client: FILES,
}, async ({ cluster, tls }) => {
  const [server] = cluster.servers as [Server];
  server.start();
  await server.process.logged("Serving");
  const plain = await ask(`127.0.0.1:${server.clientPort}`, ["PING"]).catch((error) => error);
  assert(plain instanceof Error);
  assertMatch(plain.message, /it speaks TLS there/);
  for (const port of [server.logPort, server.adminPort]) {
    const error = await ask(`127.0.0.1:${port}`, ["PING"], { tls, timeoutMs: 2_000 })
      .catch((error) => error);
    assert(error instanceof NotDone || error instanceof Error, "it is no TLS port");
    assertMatch(error.message, /speaks no TLS|closed|lost|reset|handshake|answer/);
  }
}, { size: 1 });
