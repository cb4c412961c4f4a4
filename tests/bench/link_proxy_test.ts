import { assertEquals } from "@std/assert";
import { LinkProxy } from "../../bench/link_proxy.ts";
import { writeAll } from "../../bench/line_client.ts";

/** A server that sends back what it gets, and a proxied connection to it. */
interface Rig {
  readonly proxy: LinkProxy;
  readonly echoed: () => number;
  readonly connect: () => Promise<Deno.TcpConn>;
}

async function withRig(run: (rig: Rig) => Promise<void>, delayMs = 0): Promise<void> {
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
  const proxy = new LinkProxy({ target: { hostname: "127.0.0.1", port }, delayMs });
  const conns: Deno.TcpConn[] = [];
  try {
    await run({
      proxy,
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
  return new TextDecoder().decode(bytes.subarray(0, at));
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
  await withRig(async ({ proxy, connect, echoed }) => {
    const conn = await connect();
    await send(conn, "before");
    assertEquals(await readText(conn, 6), "before");
    proxy.cut();
    await send(conn, "held");
    await aWhile();
    assertEquals(echoed(), 6);
    proxy.heal();
    await send(conn, "after");
    assertEquals(await readText(conn, 9), "heldafter");
  });
});

Deno.test("a connection made while the link is cut works once it is healed", async () => {
  await withRig(async ({ proxy, connect, echoed }) => {
    proxy.cut();
    const conn = await connect();
    await send(conn, "hello");
    await aWhile();
    assertEquals(echoed(), 0);
    proxy.heal();
    assertEquals(await readText(conn, 5), "hello");
  });
});

Deno.test("cutting again before the first cut's bytes have passed holds them still", async () => {
  await withRig(async ({ proxy, connect, echoed }) => {
    const conn = await connect();
    proxy.cut();
    await send(conn, "held");
    await aWhile();
    proxy.heal();
    proxy.cut();
    await aWhile();
    assertEquals(echoed(), 0);
    proxy.heal();
    assertEquals(await readText(conn, 4), "held");
  });
});

Deno.test("closing the proxy ends its connections, cut or not", async () => {
  await withRig(async ({ proxy, connect }) => {
    const conn = await connect();
    await send(conn, "x");
    assertEquals(await readText(conn, 1), "x");
    proxy.cut();
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
