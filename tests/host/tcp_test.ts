import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { type Acceptor, TcpListener, TcpTransport } from "../../lib/host/tcp.ts";

function fakeConn(write: (bytes: Uint8Array) => number): Deno.Conn {
  const remoteAddr: Deno.NetAddr = { transport: "tcp", hostname: "10.0.0.9", port: 4 };
  return {
    remoteAddr,
    write: (bytes: Uint8Array) => Promise.resolve(write(bytes)),
    close() {},
  } as unknown as Deno.Conn;
}

Deno.test("tcp: a connection carries bytes both ways, and ends with null", async () => {
  const transport = new TcpTransport();
  const listener = transport.listen("127.0.0.1", 0);
  const near = await transport.connect("127.0.0.1", listener.port, 1_000);
  for await (const far of listener) {
    await near.write(new Uint8Array([1, 2, 3]));
    const into = new Uint8Array(8);
    assertEquals(await far.read(into), 3);
    assertEquals(into.subarray(0, 3), new Uint8Array([1, 2, 3]));
    await far.write(new Uint8Array([9]));
    assertEquals(await near.read(into), 1);
    assertStringIncludes(far.remote, "127.0.0.1:");
    far.close();
    far.close();
    assertEquals(await near.read(into), null);
    near.close();
    listener.close();
  }
});

Deno.test("tcp: closing a connection ends its pending read", async () => {
  const transport = new TcpTransport();
  const listener = transport.listen("127.0.0.1", 0);
  const connection = await transport.connect("127.0.0.1", listener.port, 1_000);
  const pending = connection.read(new Uint8Array(8));
  connection.close();
  assertEquals(await pending.catch(() => null), null, "no bytes: an end or a rejection");
  listener.close();
});

Deno.test("tcp: a connection to itself is none: nobody listens there", async () => {
  // The system goes through its ports for outgoing connections, each second one first.
  const range = Deno.readTextFileSync("/proc/sys/net/ipv4/ip_local_port_range");
  const [low, high] = range.split(/\s+/).map(Number);
  const port = low! + 2 * Math.floor(Math.random() * (high! - low!) / 2);
  const transport = new TcpTransport();
  let reason = "";
  for (let tries = 0; tries < 200_000 && !reason.includes("itself"); tries++) {
    const refused = transport.connect("127.0.0.1", port, 1_000);
    reason = (await assertRejects(() => refused, Error)).message;
  }
  assertStringIncludes(reason, `Cannot connect to 127.0.0.1 port ${port}: nobody listens there`);
});

Deno.test("tcp: a port in use is refused by port and address", () => {
  const transport = new TcpTransport();
  const listener = transport.listen("127.0.0.1", 0);
  const message = assertThrows(() => transport.listen("127.0.0.1", listener.port), Error).message;
  assertStringIncludes(message, `Port ${listener.port} on 127.0.0.1 is in use`);
  listener.close();
});

Deno.test("tcp: a refused connection says whom it tried", async () => {
  const transport = new TcpTransport();
  const listener = transport.listen("127.0.0.1", 0);
  listener.close();
  const { message } = await assertRejects(
    () => transport.connect("127.0.0.1", listener.port, 1_000),
    Error,
  );
  assertStringIncludes(message, `Cannot connect to 127.0.0.1 port ${listener.port}: `);
});

Deno.test("tcp: a listener goes on after errors, reports once, and ends when closed", async () => {
  const reports: string[] = [];
  let attempts = 0;
  const acceptor: Acceptor = {
    addr: { transport: "tcp", hostname: "127.0.0.1", port: 7 },
    accept() {
      attempts++;
      return attempts <= 2
        ? Promise.reject(new Error("Too many open files"))
        : Promise.resolve(fakeConn((bytes) => bytes.length));
    },
    close() {},
  };
  const listener = new TcpListener(acceptor, (address, error) => {
    reports.push(`${address} ${error.message}`);
  });
  for await (const connection of listener) {
    assertEquals(connection.remote, "10.0.0.9:4");
    listener.close();
  }
  assertEquals(attempts, 3);
  assertEquals(reports, ["127.0.0.1:7 Too many open files"]);
});

Deno.test("tcp: closing a listener ends its iterator, while accepting and while pausing", async () => {
  const listener = new TcpTransport().listen("127.0.0.1", 0);
  const accepting = listener[Symbol.asyncIterator]().next();
  listener.close();
  assertEquals((await accepting).done, true);

  const failing = new TcpListener({
    addr: { transport: "tcp", hostname: "127.0.0.1", port: 7 },
    accept: () => Promise.reject(new Error("Too many open files")),
    close() {},
  }, () => failing.close());
  assertEquals((await failing[Symbol.asyncIterator]().next()).done, true);
});
