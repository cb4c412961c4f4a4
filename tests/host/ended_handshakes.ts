/**
 * `ended_handshakes.ts DIRECTORY COUNT`, by an engine with `--expose-gc`: how many bytes of the heap are left of
 * each of so many handshakes that were begun, not continued and ended by the server, a moment later.
 */
import { TestCa } from "../../bench/test_ca.ts";
import { TcpTransport } from "../../lib/host/tcp.ts";
import { readCredentials } from "../../lib/host/tls/credentials.ts";
import { TlsTransport } from "../../lib/host/tls/tls_transport.ts";
import { clientHello } from "../../bench/client_hello.ts";

/** From so many on each that comes ends another. */
const WARM = 300;
const HELD = 256;
const AT_ONCE = 50;
const READ_BYTES = 2_048;

const { gc } = globalThis as unknown as { gc: () => void };
const [directory = "", count = ""] = Deno.args;
const ca = new TestCa(directory);
const credentials = readCredentials({ ...ca.issue("one"), ca: ca.ca, requestCert: false });
const transport = new TlsTransport({
  credentials,
  margin: new TcpTransport().margin,
  resolver: new TcpTransport().resolver,
  onHandshakeFailure: () => {},
});
const [listener] = await transport.listen("127.0.0.1", 0);

const open = new Set<Promise<void>>();

/** Each is answered by the server's half of the handshake, and left at that. */
async function begin(many: number, first: Uint8Array): Promise<void> {
  for (let begun = 0; begun < many; begun += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener!.port });
      await conn.write(first);
      const into = new Uint8Array(READ_BYTES);
      await conn.read(into).catch(() => null);
      const ending = (async () => {
        while (await conn.read(into).catch(() => null) !== null);
        conn.close();
      })();
      open.add(ending);
      void ending.then(() => open.delete(ending));
    }));
  }
  while (open.size > HELD) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    gc();
  }
  return Deno.memoryUsage().heapUsed;
}

const first = await clientHello();
await begin(WARM, first);
const before = await heapBytes();
await begin(Number(count), first);
console.log(Math.round((await heapBytes() - before) / Number(count)));
Deno.exit(0);
