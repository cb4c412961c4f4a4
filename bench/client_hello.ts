const READ_BYTES = 4_096;

/** A whole ClientHello, of this runtime. */
export async function clientHello(): Promise<Uint8Array> {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connecting = Deno.connectTls({ hostname: "127.0.0.1", port: silent.addr.port })
    .then(async (tls) => {
      await tls.handshake().catch(() => {});
      tls.close();
    });
  const conn = await silent.accept();
  const into = new Uint8Array(READ_BYTES);
  const count = await conn.read(into);
  conn.close();
  silent.close();
  await connecting;
  return into.slice(0, count!);
}
