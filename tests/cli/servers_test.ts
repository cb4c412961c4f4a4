/** Which servers a command talks to: a flag before a variable, both before the file. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { parseServers, serverText } from "../../lib/cli/client_ports.ts";
import { chooseServers, type ServerFlags } from "../../lib/cli/connect/servers.ts";
import type { HostProcess } from "../../lib/host/process.ts";
import { CERTIFICATE, OTHER_KEY, OWN_KEY } from "../client/key_pairs.ts";

Deno.test("servers: HOST:PORT, IPv6 in brackets, port 9000 where it is left out, each once", () => {
  const texts = (text: string) => parseServers(text).map(serverText);
  assertEquals(texts("a:1,b"), ["a:1", "b:9000"]);
  assertEquals(texts("[::1]:9002, ::1 ,[fe80::1]"), ["[::1]:9002", "[::1]:9000", "[fe80::1]:9000"]);
  assertEquals(texts("a:1,a:1"), ["a:1"]);
  for (const wrong of ["", "a:", "a:0", "a:65536", ":1", "a b:1", "a:1,", "http://a:1", "a:+1"]) {
    assertThrows(() => parseServers(wrong), Error, "is no server: HOST:PORT");
  }
});

const FILE = '{"path":"d","servers":[{"id":7,"hostname":"h","clientPort":1,"logPort":2}]}';

Deno.test("servers: --servers, --config, RAFTKV_SERVERS, RAFTKV_CONFIG, cluster.json, defaults", async () => {
  const files: Record<string, string> = { "cluster.json": FILE, "o.json": FILE.replace("h", "o") };
  const choose = async (
    flags: Parameters<typeof chooseServers>[0],
    environment: Record<string, string> = {},
    withFiles = true,
  ) => {
    const host = {
      environment: (name: string) => environment[name],
      readTextFile: (path: string) => withFiles ? files[path] ?? null : null,
    } as HostProcess;
    const { servers, from } = await chooseServers(flags, host);
    return `${servers.map(serverText).join(",")} ${from}`;
  };
  const all = { RAFTKV_SERVERS: "e:1", RAFTKV_CONFIG: "o.json" };
  assertEquals(
    await choose({ servers: parseServers("f:1"), config: "o.json" }, all),
    "f:1 --servers",
  );
  files["o.json"] = FILE.replace('"h"', '"o"');
  assertEquals(await choose({ config: "o.json" }, all), "o:1 o.json");
  assertEquals(await choose({}, all), "e:1 RAFTKV_SERVERS");
  assertEquals(await choose({}, { RAFTKV_CONFIG: "o.json" }), "o:1 o.json");
  assertEquals(await choose({}), "h:1 cluster.json");
  assertEquals(
    await choose({}, {}, false),
    "127.0.0.1:9000,127.0.0.1:9002,127.0.0.1:9004 the defaults",
  );
});

Deno.test("servers: {id} in the file's name of a CA is that of the server whose files are here", async () => {
  const servers = [7, 8].map((id) => ({ id, hostname: "h", clientPort: id, logPort: id + 10 }));
  const tls = { cert: "c", key: "k", ca: "ca-{id}.pem" };
  const files: Record<string, string> = {
    "cluster.json": JSON.stringify({ path: "d", servers, tls }),
    "ca-8.pem": "-----BEGIN CERTIFICATE-----",
  };
  const host = {
    environment: () => undefined,
    readTextFile: (path: string) => files[path] ?? null,
  } as unknown as HostProcess;
  assertEquals((await chooseServers({}, host)).tls, { ca: files["ca-8.pem"]! });
  delete files["ca-8.pem"];
  await assertRejects(() => chooseServers({}, host), Error, "ca-7.pem: there is no such file");
});

Deno.test("servers: files that don't hold what a flag of TLS names are refused at once, by their names", async () => {
  const certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  const key = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n";
  const files: Record<string, string> = { "c.pem": certificate, "c.key": key };
  const host = {
    environment: () => undefined,
    readTextFile: (path: string) => files[path] ?? null,
  } as unknown as HostProcess;
  const refused = async (flags: ServerFlags, words: string) => {
    await assertRejects(() => chooseServers(flags, host), Error, words);
  };
  await refused({ tlsCa: "c.key" }, "c.key: it has no certificate in it");
  await refused({ tlsCert: "c.key", tlsKey: "c.key" }, "c.key: it has no certificate in it");
  await refused({ tlsCert: "c.pem", tlsKey: "c.pem" }, "c.pem: it has no private key in it");
  await refused({ tlsCa: "" }, "--tls-ca, --tls-cert and --tls-key");
  const { tls } = await chooseServers({ tlsCa: "c.pem", tlsCert: "c.pem", tlsKey: "c.key" }, host);
  assertEquals(tls, { ca: certificate, cert: certificate, key });
});

Deno.test("servers: a key that is not the certificate's is refused by the names of both files", async () => {
  const files: Record<string, string> = {
    "c.pem": CERTIFICATE,
    "own.key": OWN_KEY,
    "other.key": OTHER_KEY,
  };
  const environment: Record<string, string> = {};
  const host = {
    environment: (name: string) => environment[name],
    readTextFile: (path: string) => files[path] ?? null,
  } as unknown as HostProcess;
  const wrong = "other.key is not the key of the certificate in c.pem";
  await assertRejects(
    () => chooseServers({ tlsCert: "c.pem", tlsKey: "other.key" }, host),
    Error,
    wrong,
  );
  environment.RAFTKV_TLS_KEY = "other.key";
  await assertRejects(() => chooseServers({ tlsCert: "c.pem" }, host), Error, wrong);
  const { tls } = await chooseServers({ tlsCert: "c.pem", tlsKey: "own.key" }, host);
  assertEquals(tls, { cert: CERTIFICATE, key: OWN_KEY });
});
