import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Connection, Listener } from "../../lib/host/ports.ts";
import { Resolver } from "../../lib/host/resolver.ts";
import { TcpTransport } from "../../lib/host/tcp.ts";
import { type AcceptFailure, type Acceptor, TcpListener } from "../../lib/host/tcp_listener.ts";
import { needsIpv6, testNamed } from "../process/requirements.ts";

function fakeConn(write: (bytes: Uint8Array) => number): Deno.Conn {
  const remoteAddr: Deno.NetAddr = { transport: "tcp", hostname: "10.0.0.9", port: 4 };
  return {
    localAddr: { transport: "tcp", hostname: "10.0.0.1", port: 9000 },
    remoteAddr,
    write: (bytes: Uint8Array) => Promise.resolve(write(bytes)),
    close() {},
  } as unknown as Deno.Conn;
}

/** The one listener on 127.0.0.1, on a port that the system chooses. */
async function listenOn(transport: TcpTransport): Promise<Listener> {
  const listeners = await transport.listen("127.0.0.1", 0);
  assertEquals(listeners.length, 1);
  return listeners[0]!;
}

/** A transport for which names have these addresses. */
function resolving(names: Record<string, readonly string[]>): TcpTransport {
  const lookUp = (name: string) => {
    const found = names[name];
    return found === undefined
      ? Promise.reject(systemError("ENOTFOUND", `getaddrinfo ENOTFOUND ${name}`))
      : Promise.resolve([...found]);
  };
  return new TcpTransport({ resolver: new Resolver(lookUp) });
}

/** An error as the runtime makes them. */
function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

Deno.test("tcp: a connection carries bytes both ways, and ends with null", async () => {
  const transport = new TcpTransport();
  const listener = await listenOn(transport);
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
  const listener = await listenOn(transport);
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

Deno.test("tcp: a port in use is refused by port and address", async () => {
  const transport = new TcpTransport();
  const listener = await listenOn(transport);
  const again = transport.listen("127.0.0.1", listener.port);
  const { message } = await assertRejects(() => again, Error);
  assertEquals(
    message,
    `Port ${listener.port} on 127.0.0.1 is in use: stop what listens there, or give this server ` +
      "another port in the cluster file, or by the flags beside --join",
  );
  listener.close();
});

Deno.test("tcp: a refused connection says whom it tried", async () => {
  const transport = new TcpTransport();
  const listener = await listenOn(transport);
  listener.close();
  const { message } = await assertRejects(
    () => transport.connect("127.0.0.1", listener.port, 1_000),
    Error,
  );
  assertStringIncludes(message, `Cannot connect to 127.0.0.1 port ${listener.port}: `);
});

Deno.test(
  testNamed(
    "tcp: localhost is listened on by both families, whatever the hosts file lists",
    needsIpv6(),
  ),
  async () => {
    // An address of another kind would open the port to a network, under the name of none.
    for (const found of [["127.0.0.1"], ["::1"], ["::1", "127.0.0.1"], ["0.0.0.0", "::1"]]) {
      const transport = resolving({ localhost: found, LOCALHOST: found });
      for (const name of ["localhost", "LOCALHOST"]) {
        const listeners = await transport.listen(name, 0);
        const { port } = listeners[0]!;
        const addresses = listeners.map((listener) => listener.address);
        assertEquals(addresses, [`127.0.0.1:${port}`, `[::1]:${port}`]);
        for (const [at, address] of ["127.0.0.1", "::1"].entries()) {
          const near = await transport.connect(address, port, 1_000);
          for await (const far of listeners[at]!) {
            assertStringIncludes(far.remote, address === "::1" ? "[::1]:" : "127.0.0.1:");
            far.close();
            listeners[at]!.close();
          }
          near.close();
        }
      }
    }
  },
);

Deno.test(
  testNamed("tcp: an IPv4 client of a listener on all addresses has its own address", needsIpv6()),
  async () => {
    const transport = new TcpTransport();
    const [listener] = await transport.listen("::", 0);
    const near = await transport.connect("127.0.0.1", listener!.port, 1_000);
    for await (const far of listener!) {
      assertMatch(far.remote, /^127\.0\.0\.1:\d+$/);
      far.close();
      listener!.close();
    }
    near.close();
  },
);

Deno.test("tcp: of a name's addresses those of other machines are left out, all of them are refused", async () => {
  const here = resolving({ both: ["203.0.113.9", "127.0.0.1"], none: ["203.0.113.9"] });
  const [listener, ...more] = await here.listen("both", 0);
  assertEquals([listener!.address, more], [`127.0.0.1:${listener!.port}`, []]);
  listener!.close();
  const refusal = async (name: string) =>
    (await assertRejects(() => here.listen(name, 7), Error)).message;
  assertStringIncludes(await refusal("none"), "Cannot listen on port 7 of none: this machine does");
  assertStringIncludes(await refusal("none"), "clientListen and logListen");
  assertStringIncludes(await refusal("gone"), "the name gone is unknown, to the hosts file and");
});

Deno.test(
  testNamed("tcp: a port that is in use on one of the addresses is opened on none", needsIpv6()),
  async () => {
    const transport = resolving({ localhost: ["127.0.0.1"] });
    const other = Deno.listen({ hostname: "::1", port: 0 });
    const { port } = other.addr;
    const { message } = await assertRejects(() => transport.listen("localhost", port), Error);
    assertStringIncludes(message, `Port ${port} on localhost is in use`);
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    other.close();
  },
);

Deno.test(
  testNamed("tcp: a name is connected to by the first of its addresses that answers", needsIpv6()),
  async () => {
    const transport = resolving({ two: ["::1", "127.0.0.1"] });
    const listener = await listenOn(transport);
    const near = await transport.connect("two", listener.port, 1_000);
    assertEquals(near.remote, `127.0.0.1:${listener.port}`);
    near.close();
    listener.close();
  },
);

Deno.test("tcp: a connection that nobody answers is given up in time", async () => {
  // Nobody accepts: once the queue is full, the system drops what comes.
  const deaf = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = deaf.addr as Deno.NetAddr;
  const transport = resolving({ two: ["127.0.0.1", "127.0.0.1"] });
  const queued: Connection[] = [];
  let reason = "";
  try {
    while (queued.length < 6_000 && reason === "") {
      await transport.connect("127.0.0.1", port, 200).then(
        (connection) => queued.push(connection),
        (error) => reason = error.message,
      );
    }
    assertEquals(reason, `Cannot connect to 127.0.0.1 port ${port}: no answer within 200 ms`);
    for (const name of ["127.0.0.1", "two"]) {
      const startMs = performance.now();
      await assertRejects(() => transport.connect(name, port, 500), Error, "within 500 ms");
      const tookMs = performance.now() - startMs;
      assert(tookMs > 400 && tookMs < 3_000, `${name}: ${tookMs} ms`);
    }
    const stop = new AbortController();
    const stopped = transport.connect("127.0.0.1", port, 60_000, stop.signal);
    stop.abort();
    await assertRejects(() => stopped, Error, "given up");
    await assertRejects(() => transport.connect("127.0.0.1", port, 60_000, stop.signal), Error);
  } finally {
    for (const connection of queued) connection.close();
    deaf.close();
  }
});

/** Fails with each of `errors` in turn; then a connection comes. */
function failing(errors: readonly Error[]): { acceptor: Acceptor; attempts: () => number } {
  let attempts = 0;
  const acceptor: Acceptor = {
    addr: { transport: "tcp", hostname: "127.0.0.1", port: 7 },
    accept() {
      const error = errors[attempts++];
      return error === undefined
        ? Promise.resolve(fakeConn((bytes) => bytes.length))
        : Promise.reject(error);
    },
    close() {},
  };
  return { acceptor, attempts: () => attempts };
}

/** The pauses that the listener made before the first connection, and what was reported until then. */
async function firstConnection(
  errors: readonly Error[],
): Promise<{ pausesMs: number[]; reports: AcceptFailure[] }> {
  const { acceptor, attempts } = failing(errors);
  const reports: AcceptFailure[] = [];
  const listener = new TcpListener(acceptor, (failure) => reports.push(failure));
  const pausesMs: number[] = [];
  const { setTimeout } = globalThis;
  globalThis.setTimeout = ((run: () => void, ms: number) => {
    // Without time it only lets the rest of the process run.
    if (ms > 0) pausesMs.push(ms);
    return setTimeout(run, ms);
  }) as typeof globalThis.setTimeout;
  try {
    let remote = "";
    for await (const connection of listener) {
      remote = connection.remote;
      listener.close();
    }
    assertEquals(remote, "10.0.0.9:4");
  } finally {
    globalThis.setTimeout = setTimeout;
  }
  assertEquals(attempts(), errors.length + 1);
  return { pausesMs, reports };
}

Deno.test("tcp: a listener pauses where no descriptors are left, and reports it once", async () => {
  for (const code of ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]) {
    const error = systemError(code, "Too many open files");
    const { pausesMs, reports } = await firstConnection([error, error]);
    assertEquals(pausesMs, [100, 100], code);
    assertEquals(reports, [{ address: "127.0.0.1:7", kind: "noRoom", error, count: 1 }]);
  }
});

Deno.test("tcp: a connection that ended before it was accepted holds up nobody", async () => {
  const codes = ["ENOTCONN", "ECONNABORTED", "ECONNRESET", "EPROTO", "EPERM"];
  const errors = Array.from(
    { length: 2_000 },
    (_, n) => systemError(codes[n % codes.length]!, "Transport endpoint is not connected"),
  );
  const { pausesMs, reports } = await firstConnection(errors);
  assertEquals(pausesMs, []);
  assertEquals(reports.map(({ kind }) => kind), reports.map(() => "oneConnection"));
});

Deno.test("tcp: errors of connections don't keep the rest of the process waiting", async () => {
  let timerRan = false;
  setTimeout(() => timerRan = true, 0);
  const listener = new TcpListener({
    addr: { transport: "tcp", hostname: "127.0.0.1", port: 7 },
    accept() {
      if (timerRan) listener.close();
      return Promise.reject(systemError("ENOTCONN", "Transport endpoint is not connected"));
    },
    close() {},
  });
  // Without a round of the event loop now and then this never ends.
  for await (const _connection of listener) assert(false, "there is none");
  assertEquals(timerRan, true);
});

Deno.test("tcp: an error that nobody knows is no pause, unless it stays", async () => {
  const error = new Error("an error of some other system");
  const few = await firstConnection(Array.from({ length: 10 }, () => error));
  assertEquals(few.pausesMs, []);
  assertEquals(few.reports, [{ address: "127.0.0.1:7", kind: "unknown", error, count: 1 }]);
  const many = await firstConnection(Array.from({ length: 12 }, () => error));
  assertEquals(many.pausesMs, [100, 100]);
});

Deno.test("tcp: closing a listener ends its iterator, while accepting and while pausing", async () => {
  const listener = await listenOn(new TcpTransport());
  const accepting = listener[Symbol.asyncIterator]().next();
  listener.close();
  assertEquals((await accepting).done, true);

  const pausing = new TcpListener({
    addr: { transport: "tcp", hostname: "127.0.0.1", port: 7 },
    accept: () => Promise.reject(systemError("EMFILE", "Too many open files")),
    close() {},
  }, () => pausing.close());
  assertEquals((await pausing[Symbol.asyncIterator]().next()).done, true);
});
