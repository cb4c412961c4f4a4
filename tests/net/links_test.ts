import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Connection, Transport } from "../../lib/host/ports.ts";
import { acceptRpc } from "../../lib/net/accept_rpc.ts";
import { connectToServers } from "../../lib/net/connect_to_servers.ts";
import { ConnectionWatch } from "../../lib/net/connection_watch.ts";
import { AssertionError } from "../../lib/util/assert.ts";
import { Random } from "../../lib/util/random.ts";
import { FakeClock, FakeConnection, FakeLink, FakeListener, logInto, settle } from "./fakes.ts";

const LIMITS = { idleTimeoutMs: 0, writeTimeoutMs: 1_000 };

/** Hands out connections as the test gives them; without one, connecting fails. */
class FakeTransport implements Transport {
  readonly next: FakeConnection[] = [];
  attempts = 0;
  readonly tried: string[] = [];
  /** While set, connecting takes until it is given up. */
  isDeaf = false;
  #onAttempt = () => {};

  listen(): never {
    throw new Error("not wanted");
  }

  connect(
    hostname: string,
    port: number,
    _timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Connection> {
    this.attempts++;
    this.tried.push(`${hostname}:${port}`);
    this.#onAttempt();
    if (this.isDeaf) {
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new Error("given up")));
      });
    }
    const connection = this.next.shift();
    return connection === undefined
      ? Promise.reject(new Error(`Cannot connect to ${hostname} port ${port}: refused`))
      : Promise.resolve(connection);
  }

  async attempted(count: number): Promise<void> {
    while (this.attempts < count) {
      await new Promise<void>((resolve) => this.#onAttempt = resolve);
    }
    await settle();
  }
}

/** How long each pause of this process was meant to be, as long as this lives. */
class RecordedPauses {
  readonly ms: number[] = [];
  readonly #original = globalThis.setTimeout;

  constructor() {
    const set = (run: () => void, ms = 0) => {
      if (ms > 0) this.ms.push(ms);
      return this.#original.call(globalThis, run, ms);
    };
    globalThis.setTimeout = set as typeof setTimeout;
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#original;
  }
}

function setUp(link = new FakeLink()) {
  const transport = new FakeTransport();
  const lines: string[] = [];
  const clock = new FakeClock();
  const watch = new ConnectionWatch(clock, LIMITS);
  const rng = new Random(1);
  const start = () =>
    connectToServers(
      [link],
      { transport, rng, watch, host: { log: logInto(lines) } },
    );
  return { transport, lines, link, clock, start };
}

Deno.test("connectToServers: a stop does not wait for a server that does not answer", async () => {
  const { transport, lines, start } = setUp();
  transport.isDeaf = true;
  const links = start();
  await transport.attempted(1);
  await links.stop();
  assertEquals([transport.attempts, lines], [1, []]);
});

Deno.test("connectToServers: connects, writes what the link has, feeds what comes back", async () => {
  const { transport, link, lines, start } = setUp();
  const connection = new FakeConnection();
  transport.next.push(connection);
  const links = start();
  await settle();
  link.send(" frame");
  connection.arrive("welcome");
  await settle();
  assertEquals(connection.written, "hello frame");
  assertEquals(link.received, "welcome");
  assertEquals(lines, ['debug Connected to a server {"server":2,"address":"10.0.0.2:9"}']);
  await links.stop();
  assertEquals(connection.isClosed, true);
  assertEquals(link.history, ["connected", "disconnected: closed"]);
});

Deno.test("connectToServers: reconnects after failures, logging each change once", async () => {
  const { transport, link, lines, start } = setUp();
  const links = start();
  await transport.attempted(3);
  assertEquals(lines.length, 1, "one line for many refused attempts");
  const first = new FakeConnection();
  transport.next.push(first);
  await transport.attempted(4);
  first.arrive("welcome");
  await settle();
  first.arrive(null);
  await settle();
  assertEquals(link.history, [
    "connected",
    "disconnected: the other end closed the connection",
  ]);
  assertEquals(lines.map((line) => line.split(" ")[0]), ["info", "debug", "info"]);
  const second = new FakeConnection();
  transport.next.push(second);
  await transport.attempted(5);
  assertEquals(second.written, "hello");
  await links.stop();
});

Deno.test("connectToServers: a refusal is logged once, however often it comes", async () => {
  const { transport, lines, start } = setUp();
  const refusing = () => {
    const connection = new FakeConnection();
    connection.arrive("refused");
    return connection;
  };
  transport.next.push(refusing(), refusing(), refusing());
  const links = start();
  await transport.attempted(3);
  assertEquals(lines, [
    "info Not connected to a server " +
    '{"server":2,"address":"10.0.0.2:9","reason":"refused: another cluster"}',
  ]);
  await links.stop();
});

Deno.test("connectToServers: an older build is connected to again at once, once, and without a word", async () => {
  using pauses = new RecordedPauses();
  const { transport, lines, link, start } = setUp();
  const older = new FakeConnection();
  older.arrive("older");
  const next = new FakeConnection();
  transport.next.push(older, next);
  const links = start();
  await transport.attempted(2);
  assertEquals([pauses.ms, lines], [[], []]);
  assertEquals(link.history, ["connected", "disconnected: refused: an older build", "connected"]);
  await links.stop();
});

Deno.test("connectToServers: where nobody listens any more after that, pauses are kept", async () => {
  using pauses = new RecordedPauses();
  const { transport, start } = setUp();
  const older = new FakeConnection();
  older.arrive("older");
  transport.next.push(older);
  const links = start();
  await transport.attempted(5);
  // From the second try to the third, and from each to the next: none after the first.
  assertEquals(pauses.ms.length, 4);
  assert(pauses.ms.every((ms) => ms >= 20), `${pauses.ms}`);
  await links.stop();
});

Deno.test("connectToServers: a server that came back is tried again without the rest of the pause", async () => {
  const { transport, start } = setUp();
  const links = start();
  await transport.attempted(4);
  // The pause under way is at least 160 ms long: these come in its first moments.
  links.retryNow();
  await settle();
  assertEquals(transport.attempts, 5);
  links.retryNow();
  await settle();
  assertEquals(transport.attempts, 5, "the shortest pause is kept");
  await links.stop();
});

Deno.test("connectToServers: a server that refuses is not called back at once", async () => {
  const { transport, start } = setUp();
  for (let i = 0; i < 4; i++) {
    const connection = new FakeConnection();
    connection.arrive("refused");
    transport.next.push(connection);
  }
  const links = start();
  await transport.attempted(4);
  links.retryNow();
  await settle();
  assertEquals(transport.attempts, 4);
  await links.stop();
});

Deno.test("connectToServers: a lost link is closed in the middle of a write", async () => {
  const { transport, link, start } = setUp();
  const connection = new FakeConnection();
  connection.isBlocked = true;
  transport.next.push(connection);
  const links = start();
  await settle();
  link.lose("nothing came back");
  await settle();
  assertEquals(connection.isClosed, true);
  assertEquals(link.history, ["connected", "disconnected: nothing came back"]);
  await links.stop();
});

Deno.test("connectToServers: a write that outlives its connection touches its link no more", async () => {
  const { transport, link, start } = setUp();
  const first = new FakeConnection();
  first.isBlocked = first.writesOutliveClosing = true;
  const second = new FakeConnection();
  second.isBlocked = true;
  transport.next.push(first, second);
  const links = start();
  await settle();
  link.lose("nothing came back");
  link.isLost = false;
  await transport.attempted(2);
  await settle();
  assertEquals(link.history, ["connected", "disconnected: nothing came back", "connected"]);
  first.unblock();
  await settle();
  assertEquals(link.writes, 0, "the write under way is the second connection's");
  second.unblock();
  await settle();
  assertEquals(link.writes, 1);
  await links.stop();
});

Deno.test("connectToServers: only a connection that lasted ends the growth of the pauses", async () => {
  const { transport, clock, start } = setUp();
  using pauses = new RecordedPauses();
  let next = new FakeConnection();
  transport.next.push(next);
  const links = start();
  /** The connection under way is welcomed and ends; the next one is made after a pause. */
  const live = async (lastsMs: number) => {
    await settle();
    next.arrive("welcome");
    await settle();
    clock.nowMs += lastsMs;
    const attempts = transport.attempts;
    next.arrive(null);
    next = new FakeConnection();
    transport.next.push(next);
    await transport.attempted(attempts + 1);
  };
  for (const lastsMs of [0, 0, 0, 1_000]) await live(lastsMs);
  await links.stop();
  const [first, second, third, steady] = pauses.ms;
  assert(first! >= 20 && first! <= 40, `${first}`);
  assert(second! >= 40 && second! <= 80, `${second}`);
  assert(third! >= 80 && third! <= 160, `${third}`);
  assertEquals(steady, 20, "the pause counts from the beginning of the try");
});

Deno.test("connectToServers: links come and go; one that is over says its last words", async () => {
  const { transport, link, start } = setUp();
  const [first, second] = [new FakeConnection(), new FakeConnection()];
  transport.next.push(first, second);
  const links = start();
  await settle();
  const other = new FakeLink(3);
  links.keep([link, other]);
  await settle();
  assertEquals([first.written, second.written, transport.attempts], ["hello", "hello", 2]);
  link.isOver = true;
  link.send(" goodbye");
  link.closing = "it is no member any more";
  links.keep([other]);
  link.onActivity?.();
  await settle();
  assertEquals([first.written, first.isClosed, second.isClosed], ["hello goodbye", true, false]);
  assertEquals(link.history, ["connected", "disconnected: it is no member any more"]);
  await links.stop();
  assertEquals(transport.attempts, 2);
});

Deno.test("connectToServers: a link that is over is not waited for, whatever it was doing", async () => {
  const { transport, link, start } = setUp();
  const links = start();
  await transport.attempted(4);
  link.isOver = true;
  links.keep([]);
  await settle();
  transport.isDeaf = true;
  const deaf = new FakeLink(3);
  links.keep([deaf]);
  await transport.attempted(5);
  deaf.isOver = true;
  links.keep([]);
  await links.stop();
  assertEquals(transport.attempts, 5);
});

Deno.test("connectToServers: a server that moved is looked for there at once, then where it may be besides", async () => {
  const { transport, link, start } = setUp();
  const links = start();
  await transport.attempted(4);
  link.addresses = [{ hostname: "new", port: 1 }, { hostname: "old", port: 2 }];
  links.keep([link]);
  await transport.attempted(5);
  await transport.attempted(8);
  assertEquals(transport.tried.slice(4, 8), ["new:1", "old:2", "new:1", "old:2"]);
  const refusing = new FakeConnection();
  refusing.arrive("refused");
  const taking = new FakeConnection();
  taking.arrive("welcome");
  transport.next.push(refusing, taking);
  await transport.attempted(10);
  taking.arrive(null);
  await transport.attempted(11);
  assertEquals(transport.tried.slice(8), ["new:1", "old:2", "old:2"]);
  await links.stop();
});

Deno.test("connectToServers: what the link throws is passed on", async () => {
  class BrokenLink extends FakeLink {
    override receive(): void {
      throw new AssertionError("broken");
    }
  }
  const { transport, start } = setUp(new BrokenLink());
  const connection = new FakeConnection();
  connection.arrive("x");
  transport.next.push(connection);
  await assertRejects(() => start().ended, AssertionError, "broken");
  assertEquals(connection.isClosed, true);
});

Deno.test("acceptRpc: frames come in, the last words of a closing link go out", async () => {
  const listener = new FakeListener();
  const watch = new ConnectionWatch(new FakeClock(), LIMITS);
  const links: FakeLink[] = [];
  const lines: string[] = [];
  const node = {
    openInboundLink() {
      const link = new FakeLink();
      links.push(link);
      return link;
    },
  };
  const done = acceptRpc(listener, node, watch, logInto(lines));
  const connection = new FakeConnection();
  listener.arrive(connection);
  connection.arrive("frames");
  await settle();
  const link = links[0]!;
  assertEquals(link.received, "frames");
  link.send("no: ");
  connection.arrive("refused");
  await settle();
  assertEquals(connection.written, "no: ");
  assertEquals(connection.isClosed, true);
  assertEquals(link.history, ["disconnected: over"]);

  const broken = new FakeConnection();
  listener.arrive(broken);
  await settle();
  links[1]!.receive = () => {
    throw new Error("a malformed frame");
  };
  broken.arrive("x");
  await settle();
  assertEquals(broken.isClosed, true);
  assertEquals(lines.length, 2);
  listener.close();
  await done;
  assertEquals(watch.size, 0);
});

Deno.test("acceptRpc: strangers give way to who comes, the oldest first; servers never do", async () => {
  const listener = new FakeListener();
  const watch = new ConnectionWatch(new FakeClock(), LIMITS);
  const links: FakeLink[] = [];
  const connections: FakeConnection[] = [];
  const node = {
    openInboundLink() {
      const link = new FakeLink();
      links.push(link);
      return link;
    },
  };
  const done = acceptRpc(listener, node, watch, () => {});
  const arrive = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const connection = new FakeConnection();
      connections.push(connection);
      listener.arrive(connection);
    }
    await settle();
  };
  const closed = () => connections.flatMap((one, at) => one.isClosed ? [at] : []);
  await arrive(128);
  links[0]!.isKnown = true;
  links[2]!.isKnown = true;
  assertEquals([closed(), watch.size], [[], 128]);
  await arrive(2);
  assertEquals([closed(), watch.size], [[1, 3], 128]);
  assertEquals(links[1]!.history, ["disconnected: over"]);
  listener.room = false;
  await arrive(1);
  assertEquals([closed(), watch.size], [[1, 3, 4, 130], 127], "where descriptors run out, both go");
  listener.room = true;
  await arrive(1);
  assertEquals([closed(), watch.size], [[1, 3, 4, 130], 128]);
  for (const link of links) link.isKnown = true;
  await arrive(1);
  assertEquals([closed(), links.length], [[1, 3, 4, 130, 132], 131], "nobody could give way");
  connections[5]!.arrive(null);
  await settle();
  await arrive(1);
  assertEquals([closed(), links.length], [[1, 3, 4, 5, 130, 132], 132]);
  listener.close();
  await done;
  // Who accepts leaves what it has accepted to whoever stops the server.
  watch.closeAll("the server stops");
  assertEquals(watch.size, 0);
});

Deno.test("acceptRpc: strangers on one address keep nobody out on another one of the port", async () => {
  const listeners = [new FakeListener(), new FakeListener()] as const;
  const watch = new ConnectionWatch(new FakeClock(), LIMITS);
  const node = { openInboundLink: () => new FakeLink() };
  const done = listeners.map((listener) => acceptRpc(listener, node, watch, () => {}));
  const strangers = Array.from({ length: 128 }, () => new FakeConnection());
  for (const one of strangers) listeners[0].arrive(one);
  await settle();
  const server = new FakeConnection();
  listeners[1].arrive(server);
  await settle();
  assertEquals([server, ...strangers.slice(0, 2)].map((one) => one.isClosed), [false, true, false]);
  assertEquals(watch.size, 128);
  for (const listener of listeners) listener.close();
  await Promise.all(done);
  watch.closeAll("the server stops");
  await settle();
});
