import { assertEquals } from "@std/assert";
import { Link, LinkProxy } from "../../bench/link_proxy.ts";
import { writeAll } from "../../bench/line_client.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { encodeHello } from "../../lib/wire/rpc/rpc_handshake.ts";
import { HELLO } from "../wire/rpc_samples.ts";

/** A server that sends back what it gets, and a proxied connection to it. */
interface Rig {
  readonly proxy: LinkProxy;
  readonly link: Link;
  readonly echoed: () => number;
  readonly connect: () => Promise<Deno.TcpConn>;
}

async function withRig(
  run: (rig: Rig) => Promise<void>,
  delayMs = 0,
  bySender: ((from: number) => Link) | null = null,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let bytes = 0;
  const serve = async (conn: Deno.Conn) => {
    const buffer = new Uint8Array(65_536);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      bytes += count;
      await writeAll(conn, buffer.subarray(0, count));
    }
    conn.close();
  };
  const serving = (async () => {
    const all: Promise<void>[] = [];
    for await (const conn of listener) all.push(serve(conn).catch(() => conn.close()));
    await Promise.all(all);
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const link = new Link(delayMs);
  const proxy = new LinkProxy({
    target: { hostname: "127.0.0.1", port },
    link: bySender ?? link,
  });
  const conns: Deno.TcpConn[] = [];
  try {
    await run({
      proxy,
      link,
      echoed: () => bytes,
      connect: async () => {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port: proxy.port });
        conns.push(conn);
        return conn;
      },
    });
  } finally {
    for (const conn of conns) {
      try {
        conn.close();
      } catch {
        // The test has closed it.
      }
    }
    proxy.close();
    listener.close();
    await serving;
  }
}

async function readText(conn: Deno.Conn, length: number): Promise<string> {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) break;
    at += count;
  }
  return new TextDecoder("latin1").decode(bytes.subarray(0, at));
}

const send = (conn: Deno.Conn, text: string) => writeAll(conn, new TextEncoder().encode(text));

/** Long enough for bytes on the loopback to arrive, were they let through. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 50));

Deno.test("a whole link passes bytes both ways, and the end of the stream", async () => {
  await withRig(async ({ connect }) => {
    const conn = await connect();
    const text = "0123456789".repeat(50_000);
    const writing = send(conn, text);
    assertEquals(await readText(conn, text.length), text);
    await writing;
    await conn.closeWrite();
    assertEquals(await conn.read(new Uint8Array(1)), null);
  });
});

Deno.test("a cut link is silent, and what was held arrives in order once it is healed", async () => {
  await withRig(async ({ link, connect, echoed }) => {
    const conn = await connect();
    await send(conn, "before");
    assertEquals(await readText(conn, 6), "before");
    link.cut();
    await send(conn, "held");
    await aWhile();
    assertEquals(echoed(), 6);
    link.heal();
    await send(conn, "after");
    assertEquals(await readText(conn, 9), "heldafter");
  });
});

Deno.test("a connection made while the link is cut works once it is healed", async () => {
  await withRig(async ({ link, connect, echoed }) => {
    link.cut();
    const conn = await connect();
    await send(conn, "hello");
    await aWhile();
    assertEquals(echoed(), 0);
    link.heal();
    assertEquals(await readText(conn, 5), "hello");
  });
});

Deno.test("cutting again before the first cut's bytes have passed holds them still", async () => {
  await withRig(async ({ link, connect, echoed }) => {
    const conn = await connect();
    link.cut();
    await send(conn, "held");
    await aWhile();
    link.heal();
    link.cut();
    await aWhile();
    assertEquals(echoed(), 0);
    link.heal();
    assertEquals(await readText(conn, 4), "held");
  });
});

Deno.test("closing the proxy ends its connections, cut or not", async () => {
  await withRig(async ({ proxy, link, connect }) => {
    const conn = await connect();
    await send(conn, "x");
    assertEquals(await readText(conn, 1), "x");
    link.cut();
    proxy.close();
    assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
  });
});

Deno.test("a slow link passes everything in its order, each way so much later", async () => {
  await withRig(async ({ connect }) => {
    const conn = await connect();
    const text = "0123456789".repeat(50_000);
    const startMs = performance.now();
    const writing = send(conn, text);
    assertEquals(await readText(conn, text.length), text);
    await writing;
    assertEquals(performance.now() - startMs >= 2 * 30, true);
    await conn.closeWrite();
    assertEquals(await conn.read(new Uint8Array(1)), null);
  }, 30);
});

/** What a server says first. */
function hello(from: number): Uint8Array {
  const out = new ByteWriter();
  encodeHello(out, { ...HELLO, from });
  return out.copy();
}

Deno.test("a link is that of the server that says hello: others go on when it is cut, new connections too", async () => {
  const links = new Map([1, 2, 0].map((id) => [id, new Link()]));
  await withRig(
    async ({ connect, echoed }) => {
      const [first, second] = [await connect(), await connect()];
      const { length } = hello(1);
      // In two pieces, and with more behind it.
      await writeAll(first, hello(1).subarray(0, 5));
      await writeAll(first, hello(1).subarray(5));
      await writeAll(second, hello(2));
      assertEquals((await readText(first, length)).length, length);
      assertEquals((await readText(second, length)).length, length);
      links.get(1)!.cut();
      await send(first, "held");
      const third = await connect();
      await writeAll(third, hello(1));
      await send(second, "through");
      assertEquals(await readText(second, 7), "through");
      await aWhile();
      assertEquals(echoed(), 2 * length + 7);
      assertEquals(links.get(1)!.passedBytes, 2 * length, "there and back");
      assertEquals(links.get(2)!.passedBytes, 2 * (length + 7));
      links.get(1)!.heal();
      assertEquals(await readText(first, 4), "held");
      assertEquals((await readText(third, length)).length, length);
      const stranger = await connect();
      await send(stranger, "GET / HTTP/1.1\r\n");
      assertEquals(await readText(stranger, 16), "GET / HTTP/1.1\r\n");
      assertEquals(links.get(0)!.passedBytes, 32);
    },
    0,
    (from) => links.get(from)!,
  );
});
