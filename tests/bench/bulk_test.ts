import { assertEquals, assertRejects } from "@std/assert";
import { sendBulk } from "../../bench/bulk.ts";

/** A server that answers each line, and gathers what came. */
async function withServer(
  answer: (line: number) => string,
  run: (conn: Deno.TcpConn) => Promise<void>,
): Promise<string> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let received = "";
  const serve = async () => {
    const conn = await listener.accept();
    const into = new Uint8Array(65_536);
    let lines = 0;
    for (let count = await conn.read(into); count !== null; count = await conn.read(into)) {
      const text = new TextDecoder().decode(into.subarray(0, count));
      received += text;
      let reply = "";
      for (let left = text.split("\n").length - 1; left > 0; left--) reply += answer(lines++);
      await conn.write(new TextEncoder().encode(reply)).catch(() => {});
    }
    conn.close();
  };
  const serving = serve().catch(() => {});
  const { port } = listener.addr as Deno.NetAddr;
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    await run(conn);
  } finally {
    conn.close();
    listener.close();
    await serving;
  }
  return received;
}

/** `count` numbered lines. */
function lines(count: number): (into: Uint8Array, at: number) => number {
  let next = 0;
  return (into, at) => {
    if (next === count) return -1;
    return at + new TextEncoder().encodeInto(`${next++}\n`, into.subarray(at)).written;
  };
}

Deno.test("bulk: more requests than may be in flight all arrive, in order, and are answered", async () => {
  const count = 10_000;
  const received = await withServer(() => "+OK\r\n", async (conn) => {
    assertEquals(await sendBulk(conn, lines(count), 16), count);
  });
  assertEquals(received, Array.from({ length: count }, (_, i) => `${i}\n`).join(""));
});

Deno.test("bulk: the first error ends it, with its line", async () => {
  for (const error of ["ERR_NO_SPACE", "-OOM command not allowed"]) {
    await withServer((line) => line === 7 ? `${error}\r\n` : "OK 1\r\n", async (conn) => {
      const sending = sendBulk(conn, lines(100), 16);
      await assertRejects(() => sending, Error, `Write 8 was answered ${error}`);
    });
  }
});
