/** Where a server listens, what it advertises, and how it tells who connected. */
import { assertEquals, assertMatch } from "@std/assert";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { needsIpv6, needsLinux, unmet } from "./requirements.ts";
import { OF_THE_MACHINE } from "./server_process.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sends `request` to an address of this machine and returns what comes back to the end. */
async function ask(hostname: string, port: number, request: string): Promise<string> {
  const conn = await Deno.connect({ hostname, port });
  try {
    await conn.write(encoder.encode(request));
    await conn.closeWrite();
    let reply = "";
    const buffer = new Uint8Array(65_536);
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      reply += decoder.decode(buffer.subarray(0, n));
    }
    return reply;
  } finally {
    conn.close();
  }
}

/** The log's "Serving". */
function servingLine(server: Server): Record<string, unknown> {
  return server.process.log.find((line) => line.message === "Serving")!;
}

const notRun = unmet(needsIpv6());

clusterTest(
  "process: localhost is listened on in both families, and clients are told by their address",
  { size: 1, servers: { hostname: "localhost" }, notRun },
  async (cluster) => {
    await cluster.startAll();
    const { clientPort } = cluster.server(1);
    for (const [hostname, text] of [["127.0.0.1", "127.0.0.1"], ["::1", "[::1]"]] as const) {
      assertEquals(await ask(hostname, clientPort, "get a\r\n"), "ERR_NOT_FOUND\r\n");
      const list = await ask(hostname, clientPort, "*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n");
      const info = await ask(hostname, clientPort, "*2\r\n$6\r\nCLIENT\r\n$4\r\nINFO\r\n");
      for (const reply of [list, info]) {
        const address = / addr=(\S+) /.exec(reply)?.[1] ?? reply;
        assertEquals(address.slice(0, address.lastIndexOf(":")), text);
        assertMatch(address, /:\d+$/);
      }
    }
    const serving = servingLine(cluster.server(1));
    assertEquals(serving.clientListen, `127.0.0.1:${clientPort} [::1]:${clientPort}`);
  },
);

clusterTest(
  "process: servers that know each other by localhost elect a leader and redirect to it",
  { servers: { hostname: "localhost" } },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    using socket = await cluster.others(leader)[0]!.connect();
    assertEquals(await socket.ask("get a\r\n"), `ERR_REDIRECT localhost ${leader.clientPort}`);
  },
);

clusterTest(
  "process: each port is opened where listen says, and the hostname is what others are told",
  {
    // All of 127.0.0.0/8 is this machine, on Linux.
    servers: { hostname: "127.0.0.2", clientListen: "0.0.0.0", logListen: "127.0.0.2" },
    file: { insecure: ["client"] },
    notRun: unmet(needsLinux()),
  },
  async (cluster: Cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const follower = cluster.others(leader)[0]!;
    const redirect = `ERR_REDIRECT 127.0.0.2 ${leader.clientPort}\r\n`;
    for (const hostname of ["127.0.0.1", "127.0.0.2", "127.9.9.9"]) {
      assertEquals(await ask(hostname, follower.clientPort, "get a\r\n"), redirect);
    }
    const moved = await ask("127.0.0.1", follower.clientPort, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    assertEquals(moved, `-MOVED 15495 127.0.0.2:${leader.clientPort}\r\n`);
    const slots = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n";
    const nodes = await ask("127.0.0.1", follower.clientPort, slots);
    assertEquals(nodes.match(/127\.0\.0\.2:\d+@\d+/g)?.length, 3, nodes);
    const refused = await Deno.connect({ hostname: "127.0.0.1", port: follower.logPort }).then(
      () => "connected",
      (error) => error.name,
    );
    assertEquals(refused, "ConnectionRefused");
    const warnings = follower.process.log.filter((line) => line.message.includes("hostname"));
    assertEquals(warnings, []);
  },
);

clusterTest(
  "process: a hostname that nobody can connect to is warned of, and serves as it did",
  { size: 1, servers: { hostname: "0.0.0.0" }, file: { insecure: true } },
  async (cluster) => {
    await cluster.startAll();
    const warnings = cluster.server(1).process.log.filter(({ level, message }) =>
      level === "warning" && !OF_THE_MACHINE.test(message)
    );
    assertEquals(warnings.length, 2);
    assertMatch(warnings[0]!.message, /^Server 1 has hostname 0\.0\.0\.0, and that is what/);
    assertMatch(warnings[1]!.message, /^insecure: these ports are open to the network/);
    assertEquals(warnings[1]!.ports, "client log");
    using socket = await cluster.server(1).connect();
    assertEquals(await socket.ask("set a 0 1\r\nx\r\n"), "OK 1");
  },
);
