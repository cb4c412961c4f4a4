/** A whole server whose TLS port is flooded with handshakes that nobody continues. */
import { assert, assertEquals } from "@std/assert";
import { memoryOf } from "../../bench/process_memory.ts";
import { TestCa } from "../../bench/test_ca.ts";
import { type Client, connect, type TlsOptions } from "../../client/mod.ts";
import { clientHello } from "../../bench/client_hello.ts";
import { clusterTest, type Server } from "./harness.ts";
import { needsTls } from "./needs_tls.ts";
import { needsProgram, unmet } from "./requirements.ts";

/** The head of a ClientHello of 512 bytes, and nothing of it: TLS has nothing to do with it yet. */
const HELLO_HEAD = new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
const AT_ONCE = 32;
/**
 * What a handshake leaves behind, 10 KB once TLS had it, is there until the runtime collects it: how much that
 * comes to hangs on how fast they come. It is no more after a while, however many follow: were each kept, so many
 * would take 90 MB more.
 */
const FLOOD = 9_000;
const ROUNDS_MAX = 10;
const GROWTH_BYTES_MAX = 45 * 1_048_576;
const WAIT_MS = 30_000;

/** Begins `count` handshakes with these bytes, of which each stays until the server ends it. */
async function flood(port: number, count: number, first: Uint8Array): Promise<void> {
  let begun = 0;
  const one = async () => {
    while (begun++ < count) {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port });
      void conn.write(first)
        .then(() => untilEnd(conn))
        .catch(() => null)
        .finally(() => conn.close());
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

async function untilEnd(conn: Deno.Conn): Promise<void> {
  const into = new Uint8Array(4_096);
  while (await conn.read(into) !== null);
}

clusterTest(
  "tls: floods of half-open handshakes take bounded memory, and all are served meanwhile",
  {
    size: 1,
    tls: { client: { cert: "server-{id}.pem", key: "server-{id}.key", ca: "ca.pem" } },
    notRun: unmet(needsTls(), needsProgram("openssl", "version")),
  },
  async (cluster) => {
    const ca = new TestCa(cluster.directory);
    ca.issue("server-1", { dns: ["localhost"] });
    const [server] = cluster.servers as [Server];
    server.start();
    const tls: TlsOptions = { ca: Deno.readTextFileSync(ca.ca) };
    const address = `127.0.0.1:${server.clientPort}`;
    const open = () => connect({ servers: [address], tls, timeoutMs: WAIT_MS });
    await using client: Client = await open();
    let isOver = false;
    let served = 0;
    const steady = (async () => {
      for (; !isOver; served++) await client.set("steady", `${served}`);
    })();
    cluster.beforeStop.push(() => {
      isOver = true;
      return steady;
    });
    const resident = () => memoryOf(server.process.pid).residentBytes;
    const levelsOff = async (first: Uint8Array) => {
      const sizes: number[] = [];
      const hasLevelled = () => sizes.at(-1)! - sizes.at(-2)! <= GROWTH_BYTES_MAX;
      do {
        const before = served;
        await flood(server.clientPort, FLOOD, first);
        assert(served - before > 100, `${served - before} sets during it`);
        sizes.push(resident());
      } while (!hasLevelled() && sizes.length < ROUNDS_MAX);
      assert(hasLevelled(), `after each ${FLOOD} handshakes it had ${sizes.join(", ")} bytes`);
    };
    await levelsOff(HELLO_HEAD);
    await levelsOff(await clientHello());
    // And whoever comes new.
    {
      await using fresh = await open();
      await fresh.set("fresh", "there");
      assertEquals(await fresh.text.get("fresh"), "there");
    }
    isOver = true;
    await steady;
  },
);
