import { assertEquals, assertMatch } from "@std/assert";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { sleep } from "./patience.ts";
import { needsLinux, needsProgram, unmet } from "./requirements.ts";

/** Ends in order, within the promised 2 seconds. */
async function assertEndsInOrder(server: Server): Promise<void> {
  const ended = await server.terminate("SIGTERM", 2_000);
  assertEquals({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.error);
}

/** One client that reads nothing, one in the middle of a command, one idle. */
async function connectStubborn(server: Server) {
  const [deaf, half, idle] = await Promise.all([0, 1, 2].map(() => server.connect()));
  const value = "b".repeat(1_048_576);
  assertMatch(await deaf!.ask(`set big 0 ${value.length}\r\n${value}\r\n`), /^OK \d+$/);
  await deaf!.send("get big\r\n".repeat(100));
  await half!.send("set half 0 100\r\nnot all of it");
  assertEquals(await idle!.ask("get none\r\n"), "ERR_NOT_FOUND");
  return [deaf!, half!, idle!];
}

clusterTest(
  "process: clients that read nothing or stop half way don't hold up a stop",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const sockets = await connectStubborn(leader);
    try {
      await assertEndsInOrder(leader);
      assertEquals(await sockets[2]!.readToEnd(), "");
    } finally {
      for (const socket of sockets) socket.close();
    }
  },
);

clusterTest("process: a stop in order needs no majority", {}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  const [first, second] = cluster.others(leader) as [Server, Server];
  using socket = await leader.connect();
  assertEquals(await socket.ask("get open\r\n"), "ERR_NOT_FOUND");
  first.freeze();
  second.freeze();
  await socket.send("set open 0 1\r\nx\r\nget open\r\n");
  await assertEndsInOrder(leader);
  assertMatch(await socket.readLine(), /^ERR_(TIMEOUT|NO_LEADER)$/);
  assertEquals(await socket.readLine(), "ERR_NO_LEADER");
  assertEquals(await socket.readToEnd(), "");
});

clusterTest(
  "process: a server that still waits for its cluster stops in order",
  {},
  async (cluster) => {
    cluster.server(1).start();
    using socket = await cluster.server(1).connectEventually();
    assertEquals(await socket.ask("get a\r\n"), "ERR_NO_LEADER");
    await assertEndsInOrder(cluster.server(1));
  },
);

clusterTest(
  "process: all three stop in order at once, and start again with everything",
  {},
  async (cluster: Cluster) => {
    await cluster.startAll();
    using client = cluster.client();
    assertEquals(await client.set("kept", "value"), "OK 1");
    await Promise.all(cluster.servers.map(assertEndsInOrder));
    await cluster.startAll();
    assertEquals(await client.get("kept"), "value");
    // A log that was closed in order ends in a marker: nothing is cut off, nobody is suspect.
    for (const server of cluster.servers) {
      // Two of them may lead and follow before the third has read its log.
      await server.process.logged("Log recovered");
      const recovered = server.process.log.find((line) => line.message.startsWith("Log recovered"));
      assertEquals(recovered?.cutBytes, 0, `server ${server.id}`);
      assertEquals(recovered?.level, "info");
    }
  },
);

clusterTest(
  "process: a signal that comes three times at once stops a server in order, as one does",
  { size: 1 },
  async (cluster) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      await cluster.startAll();
      const { process } = cluster.server(1);
      // A task runner passes on what the terminal has sent already.
      for (let i = 0; i < 3; i++) {
        process.signal(signal);
        await sleep(i);
      }
      const ended = await process.ended();
      assertEquals({ code: ended.code, signal: ended.signal }, { code: 0, signal: null });
      assertEquals(process.log.at(-1)?.message, "Stopped");
    }
  },
);

clusterTest("process: SIGHUP and SIGUSR2 end nothing", { size: 1 }, async (cluster) => {
  await cluster.startAll();
  const { process } = cluster.server(1);
  for (const signal of ["SIGHUP", "SIGUSR2"] as const) {
    process.signal(signal);
    await process.logged(`"message":"${signal}`);
  }
  using socket = await cluster.server(1).connect();
  assertEquals(await socket.ask("set a 0 1\r\nx\r\n"), "OK 1");
  await assertEndsInOrder(cluster.server(1));
});

/**
 * Makes itself into a server at a terminal of its own, whose other end a child holds until the file
 * "hang-up" is there.
 */
const AT_A_TERMINAL = `
import fcntl, os, pty, sys, termios, time
near, far = pty.openpty()
if os.fork() == 0:
    os.close(far)
    os.dup2(os.open("/dev/null", os.O_RDWR), 1)
    os.dup2(1, 2)
    os.set_blocking(near, False)
    while not os.path.exists("hang-up"):
        try:
            os.read(near, 65536)
        except BlockingIOError:
            time.sleep(0.02)
    os._exit(0)
os.close(near)
os.setsid()
fcntl.ioctl(far, termios.TIOCSCTTY, 0)
os.dup2(far, 2)
os.execvp(sys.argv[1], sys.argv[1:])
`;

clusterTest("process: a terminal that goes away ends nothing", {
  size: 1,
  notRun: unmet(needsLinux(), needsProgram("python3", "-c", "import fcntl, pty, termios")),
}, async (cluster) => {
  const server = cluster.server(1);
  server.start({}, ["python3", "-c", AT_A_TERMINAL]);
  await cluster.waitForLeader();
  Deno.writeTextFileSync(`${cluster.directory}/hang-up`, "");
  // The system sends SIGHUP, and refuses the line that tells of it (EIO). So it does with these.
  for (let i = 0; i < 10; i++) {
    await sleep(100);
    server.process.signal("SIGHUP");
  }
  using socket = await server.connect();
  assertEquals(await socket.ask("set a 0 1\r\nx\r\n"), "OK 1");
  await assertEndsInOrder(server);
});
