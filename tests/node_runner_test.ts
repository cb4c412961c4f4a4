import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Config, defaultConfig } from "../lib/config.ts";
import type { Connection, Transport } from "../lib/host/ports.ts";
import { NodeRunner } from "../lib/node_runner.ts";
import type { ServerNode } from "../lib/node/api.ts";
import { Random } from "../lib/util/random.ts";
import {
  FakeClock,
  FakeConnection,
  FakeLink,
  FakeListener,
  FakeSession,
  logInto,
  settle,
} from "./net/fakes.ts";

class FakeTransport implements Transport {
  readonly listeners = new Map<string, FakeListener>();
  readonly dialled: string[] = [];
  refusePort = 0;

  listen(hostname: string, port: number): Promise<FakeListener[]> {
    if (port === this.refusePort) {
      return Promise.reject(new Error(`Port ${port} on ${hostname} is in use`));
    }
    const listener = new FakeListener();
    this.listeners.set(`${hostname}:${port}`, listener);
    return Promise.resolve([listener]);
  }

  connect(hostname: string, port: number): Promise<Connection> {
    this.dialled.push(`${hostname}:${port}`);
    return Promise.resolve(new FakeConnection());
  }
}

class FakeNode implements ServerNode {
  readonly sessions: FakeSession[] = [];
  readonly inbound: FakeLink[] = [];
  outboundLinks = [1, 3].map((id) =>
    new FakeLink(id, [{ hostname: "127.0.0.1", port: 8_999 + 2 * id }])
  );
  turns = 0;
  wakings = 0;
  onTurn = () => {};

  wake(): void {
    this.wakings++;
  }

  turn(): void {
    this.turns++;
    this.onTurn();
  }

  readonly turnedAwayWith = "";
  readonly turnedAwayBecause = "";

  openSession(): FakeSession {
    const session = new FakeSession();
    this.sessions.push(session);
    return session;
  }

  openInboundLink(): FakeLink {
    const link = new FakeLink();
    this.inbound.push(link);
    return link;
  }

  shutdown(done: () => void): void {
    for (const session of this.sessions) session.reply("last words", "shutting down");
    done();
  }
}

function setUp(config: Config = defaultConfig()) {
  const transport = new FakeTransport();
  const node = new FakeNode();
  const fatal: string[] = [];
  const lines: string[] = [];
  const runner = new NodeRunner({
    config,
    serverId: 2,
    transport,
    clock: new FakeClock(),
    rng: new Random(1),
    log: logInto(lines),
    onFatal: (error) => fatal.push(error.message),
  });
  return { transport, node, fatal, lines, runner };
}

Deno.test("runner: listens on this server's two ports and dials the others' log ports", async () => {
  const { transport, node, fatal, runner } = setUp();
  await runner.start(node);
  await settle();
  assertEquals([...transport.listeners.keys()], ["127.0.0.1:9002", "127.0.0.1:9003"]);
  assertEquals(transport.dialled, ["127.0.0.1:9001", "127.0.0.1:9005"]);
  assertEquals(node.outboundLinks.map((link) => link.history), [["connected"], ["connected"]]);
  const peer = new FakeConnection();
  transport.listeners.get("127.0.0.1:9003")!.arrive(peer);
  peer.arrive("frame");
  await settle();
  assertEquals(node.inbound[0]!.received, "frame");
  await runner.stop();
  assertEquals(peer.isClosed, true);
  assertEquals(fatal, []);
});

Deno.test("runner: listens where the file says, and dials what the others advertise", async () => {
  const config = defaultConfig();
  const listen = { clientListen: "0.0.0.0", logListen: "10.0.0.5" };
  const servers = config.servers.map((server) => ({ ...server, ...listen }));
  const { transport, node, runner } = setUp({ ...config, servers });
  await runner.start(node);
  assertEquals([...transport.listeners.keys()], ["0.0.0.0:9002", "10.0.0.5:9003"]);
  assertEquals(transport.dialled, ["127.0.0.1:9001", "127.0.0.1:9005"]);
  await runner.stop();
});

Deno.test("runner: many calls for a turn make one turn", async () => {
  const { node, runner } = setUp();
  await runner.start(node);
  await settle();
  await settle();
  const before = node.turns;
  for (let i = 0; i < 5; i++) runner.scheduleTurn();
  assertEquals(node.turns, before, "not from within the call");
  await settle();
  await settle();
  assertEquals(node.turns, before + 1);
  await runner.stop();
});

Deno.test("runner: stopping lets the last replies out, then closes everything", async () => {
  const { transport, node, runner } = setUp();
  await runner.start(node);
  const client = new FakeConnection();
  transport.listeners.get("127.0.0.1:9002")!.arrive(client);
  await settle();
  client.arrive(null);
  node.sessions[0]!.reply("");
  await runner.stop();
  assertStringIncludes(client.written, "last words");
  assertEquals(client.isClosed, true);
  assertEquals(runner.stop(), runner.stop());
});

Deno.test("runner: a node that does not come to an end is not waited for", async () => {
  const { node, runner, lines } = setUp();
  node.shutdown = () => {};
  await runner.start(node);
  await settle();
  const startMs = performance.now();
  await runner.stop();
  const tookMs = performance.now() - startMs;
  assert(tookMs >= 1_600 && tookMs < 5_000, `${tookMs} ms`);
  assertStringIncludes(lines.join(), "Shutting down took too long");
});

Deno.test("runner: what a turn throws is fatal", async () => {
  const { node, fatal, runner } = setUp();
  node.onTurn = () => {
    throw new Error("a broken invariant");
  };
  await runner.start(node);
  await settle();
  await settle();
  assertEquals(fatal, ["a broken invariant"]);
  node.onTurn = () => {};
  await runner.stop();
});

Deno.test("runner: a port in use leaves nothing open", async () => {
  const { transport, node, runner } = setUp();
  transport.refusePort = 9003;
  runner.scheduleTurn();
  const message = (await assertRejects(() => runner.start(node), Error)).message;
  assertEquals(message, "Port 9003 on 127.0.0.1 is in use");
  await settle();
  assertEquals(node.turns, 0);
  const iterator = transport.listeners.get("127.0.0.1:9002")![Symbol.asyncIterator]();
  assertEquals((await iterator.next()).done, true, "the other port is given back");
});
