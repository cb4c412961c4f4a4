/** A server whose ports are open to the network and protected: who is answered there, and who is not. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { freePorts } from "../../bench/free_ports.ts";
import { TestCa } from "../../bench/test_ca.ts";
import { ask, type Reply, type TlsOptions } from "../../client/mod.ts";
import { cli } from "./cli_process.ts";
import { clusterTest } from "./harness.ts";
import { eventually } from "./patience.ts";
import { needsTls } from "./needs_tls.ts";
import { needsProgram, unmet } from "./requirements.ts";

/** By which another machine reaches this one. */
const own = Deno.networkInterfaces().find(({ address, family }) =>
  family === "IPv4" && !address.startsWith("127.")
)?.address;
const TOKEN = "a-token-for-whoever-watches";

/** What a server says to whoever connects and asks for nothing. */
async function greeting(hostname: string, port: number, ca: string): Promise<string> {
  using connection = await Deno.connectTls({ hostname, port, caCerts: [ca] });
  let text = "";
  const buffer = new Uint8Array(1_024);
  for (;;) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return text;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

/** Status and body of a plain request from elsewhere. */
async function probed(port: number, path: string): Promise<[number, string]> {
  const response = await fetch(`http://${own}:${port}${path}`);
  return [response.status, await response.text()];
}

clusterTest(
  "open network: by TLS, and then by users and a token, whoever else is elsewhere is refused",
  {
    size: 1,
    servers: { clientListen: "0.0.0.0", adminListen: "0.0.0.0" },
    notRun: unmet(
      needsTls(),
      needsProgram("openssl", "version"),
      own === undefined ? "this machine has no address but loopback" : null,
    ),
  },
  async (cluster) => {
    const ca = new TestCa(cluster.directory);
    ca.issue("server-1", { dns: ["localhost", "raftkv-server-1"], addresses: ["127.0.0.1", own!] });
    const files = { cert: "server-1.pem", key: "server-1.key", ca: "ca.pem" };
    Deno.writeTextFileSync(`${cluster.directory}/token`, `${TOKEN}\n`, { mode: 0o600 });
    const server = cluster.server(1);
    const probePort = freePorts(1)[0]!;
    cluster.writeConfig({
      servers: {
        clientListen: "0.0.0.0",
        adminListen: "0.0.0.0",
        adminPort: server.adminPort,
        probePort,
      },
      file: { tls: files, adminTokenFile: "token" },
    });
    server.start();
    const tls: TlsOptions = { ca: Deno.readTextFileSync(ca.ca) };
    const say = (host: string, command: string, auth = {}): Promise<Reply | string> =>
      ask(`${host}:${server.clientPort}`, command.split(" "), { tls, ...auth }).catch(String);
    await server.process.logged("The cluster version is raised:", 30_000);
    const answer = await greeting(own!, server.clientPort, tls.ca!);
    assertMatch(answer, /^-DENIED no user exists here yet, and until one does [^\r\n]*\r\n$/);
    assertEquals(`${await say("127.0.0.1", "SET k 1")}`, "OK");
    const makeRoot = "ACL SETUSER root on >root ~* +@all";
    await eventually("users to be allowed", async () => {
      return `${await say("127.0.0.1", makeRoot)}` === "OK";
    }, 30_000);
    assertMatch(`${await say(own!, "SET k 2")}`, /NOAUTH/);
    assertMatch(`${await say("127.0.0.1", "SET k 2")}`, /NOAUTH/);
    // A lost administrator gets in by the directory: over loopback, with TLS as the cluster file has it.
    const reset = ["user", "reset", server.dataDirectory, "root"];
    const done = await cli(cluster, reset, { input: "another\n" });
    assertEquals([done.code, done.out], [0, ""], done.error);
    const asRoot = { user: "root", password: "another" };
    assertEquals(`${await say(own!, "SET k 2", asRoot)}`, "OK");
    // The admin port, likewise.
    const http = Deno.createHttpClient({ caCerts: [tls.ca as string] });
    try {
      const get = async (headers: Record<string, string>) => {
        const url = `https://${own}:${server.adminPort}/metrics`;
        const response = await fetch(url, { headers, client: http });
        await response.body?.cancel();
        return response.status;
      };
      assertEquals(await get({}), 401);
      assertEquals(await get({ Authorization: `Bearer ${TOKEN}x` }), 401);
      assertEquals(await get({ Authorization: `Bearer ${TOKEN}` }), 200);
      Deno.writeTextFileSync(`${cluster.directory}/token`, `${TOKEN}-2\n`);
      server.process.signal("SIGHUP");
      await eventually("the token to be read again", async () => {
        return await get({ Authorization: `Bearer ${TOKEN}-2` }) === 200;
      });
      assertEquals(await get({ Authorization: `Bearer ${TOKEN}` }), 401);
      assert(!server.process.error.includes(TOKEN), "it is in the log");
      // By a variable, which goes before the file.
      await server.kill();
      server.start({ RAFTKV_ADMIN_TOKEN: `${TOKEN}-3` });
      await server.process.logged("Serving", 30_000);
      assertEquals(await get({ Authorization: `Bearer ${TOKEN}-2` }), 401);
      assertEquals(await get({ Authorization: `Bearer ${TOKEN}-3` }), 200);
      // Beside it the probe port: plain, without the token, and it shows nothing else.
      assertEquals(await probed(probePort, "/livez"), [200, "ok\n"]);
      assertEquals(await probed(probePort, "/readyz"), [200, "ok\n"]);
      for (const path of ["/", "/metrics", "/status", "/events", "/config"]) {
        assertEquals((await probed(probePort, path))[0], 404, path);
      }
    } finally {
      http.close();
    }
    assert(!server.process.error.includes("insecure:"), "nothing is");
    assert(!server.process.error.includes(TOKEN), "it is in the log");
  },
);
