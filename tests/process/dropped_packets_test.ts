/** A network that drops packets without a word: no connection ends, and none carries anything. */
import { RedisSocket } from "./redis_socket.ts";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { clusterTest, redirectOf, type Server } from "./harness.ts";
import { needsLinux, needsProgram, needsRoot, run, unmet } from "./requirements.ts";
import { eventually, Patience, sleep } from "./patience.ts";

const ELECTION_TIMEOUT_MS = 600;
/** By then TCP itself tries again only after some ten more seconds: its pauses double from 0.2 s. */
const OUTAGE_MS = 14_000;
/** Less than that; links that are made anew take some two seconds. */
const LINKED_MS = 9_000;
/**
 * A restart has to be over while the others still hold on to what they had with the earlier process: for
 * three election timeouts.
 */
const SLOW_ELECTION_TIMEOUT_MS = 4_000;
const CATCH_UP_DEADLINE_MS = 60_000;

/**
 * Takes rules away when its standard input ends: with the outage, or with a test that is killed in the
 * middle of it, its process group included. A rule that stays makes whoever has that port later wait for two minutes, in vain.
 */
const GUARD = `
  while read -r rule; do rules="$rules
$rule"; done
  failed=0
  while read -r rule; do
    if [ -n "$rule" ]; then iptables -w -D $rule || failed=1; fi
  done <<END
$rules
END
  exit $failed
`;

/** Drops whatever goes to or from these ports on the loopback device, until it is disposed of. */
class Outage {
  readonly #guard = new Deno.Command("setsid", {
    args: ["--wait", "sh", "-c", GUARD],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  readonly #toGuard = this.#guard.stdin.getWriter();

  static of(servers: readonly Server[]): Promise<Outage> {
    return Outage.ofPorts(servers.map(({ logPort }) => logPort));
  }

  static async ofPorts(ports: readonly number[]): Promise<Outage> {
    await using building = new AsyncDisposableStack();
    const outage = building.use(new Outage());
    for (const port of ports) {
      for (const side of ["--dport", "--sport"]) await outage.#drop(side, `${port}`);
    }
    building.move();
    return outage;
  }

  async #drop(side: string, port: string): Promise<void> {
    const rule = ["INPUT", "-i", "lo", "-p", "tcp", side, port, "-j", "DROP"];
    await this.#toGuard.write(new TextEncoder().encode(`${rule.join(" ")}\n`));
    assertEquals(run("iptables", "-w", "-I", ...rule), null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#toGuard.close();
    assertEquals((await this.#guard.status).code, 0, "the rules are taken away");
  }
}

const reason = unmet(
  needsLinux(),
  needsRoot(),
  needsProgram("iptables", "-w", "-n", "-L", "INPUT"),
  needsProgram("setsid", "--wait", "true"),
);

clusterTest(
  "process: servers follow again soon after a network that dropped everything is mended",
  { timing: { heartbeatIntervalMs: 100, electionTimeoutMs: ELECTION_TIMEOUT_MS }, notRun: reason },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    using client = cluster.client();
    assertEquals(await client.set("a", "1"), "OK 1");
    {
      await using _outage = await Outage.of(cluster.servers);
      await eventually("the leader to step down", async () => {
        using socket = await leader.connect();
        return await socket.ask("get a\r\n") === "ERR_NO_LEADER";
      });
      await sleep(OUTAGE_MS);
    }
    using patience = new Patience(LINKED_MS);
    const next = await cluster.waitForLeader();
    assertMatch(await client.set("a", "2"), /^OK \d+$/);
    for (const server of cluster.others(next)) {
      await eventually(`server ${server.id} to follow`, async () => {
        using socket = await server.connect();
        return (await socket.ask("get a\r\n")).startsWith("ERR_REDIRECT ");
      });
    }
    if (patience.isSpent) throw patience.error("all to follow again");
    for (const server of cluster.servers) {
      const lost = server.process.log.filter((line) => /nothing came back/.test(`${line.reason}`));
      assert(lost.length > 0, `server ${server.id} gave no connection up`);
    }
  },
);

/** The ports that their makers gave the open connections to or from a server's log port. */
function makersPorts(server: Server, others: readonly Server[]): number[] {
  const [header, ...lines] = Deno.readTextFileSync("/proc/net/tcp").trim().split("\n");
  assertMatch(header!, /local_address rem_address +st/);
  const established = lines.map((line) => line.trim().split(/ +/)).filter((words) =>
    words[3] === "01"
  );
  const port = (address: string) => parseInt(address.split(":")[1]!, 16);
  const ends = established.map((words) => [port(words[1]!), port(words[2]!)] as const);
  const ofServer = socketPorts(server.process.pid);
  return ends.filter(([maker, listener]) =>
    listener === server.logPort ||
    (ofServer.has(maker) && others.some(({ logPort }) => logPort === listener))
  ).map(([maker]) => maker);
}

/** The local ports of a process's connections. */
function socketPorts(pid: number): Set<number> {
  const inodes = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const target = Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  const lines = Deno.readTextFileSync("/proc/net/tcp").trim().split("\n").slice(1);
  const own = lines.map((line) => line.trim().split(/ +/)).filter((words) => inodes.has(words[9]!));
  return new Set(own.map((words) => parseInt(words[1]!.split(":")[1]!, 16)));
}

clusterTest(
  "process: a server restarted behind rules that drop what its old connections carry is let in",
  {
    timing: { heartbeatIntervalMs: 100, electionTimeoutMs: SLOW_ELECTION_TIMEOUT_MS },
    notRun: reason,
  },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [server] = cluster.others(leader);
    const others = cluster.others(server!);
    using client = cluster.client(others);
    assertEquals(await client.set("a", "1"), "OK 1");
    await redirectOf(server!);
    const ports = makersPorts(server!, others);
    assertEquals(ports.length, 4, "one connection to and one from each of the others");
    await using _outage = await Outage.ofPorts(ports);
    const before = server!.process;
    await before.kill();
    server!.start();
    await redirectOf(server!);
    assertMatch(await client.set("a", "2"), /^OK 2$/);
    for (const other of others) {
      // It had to be asked, and did not answer: the end of its connections never came here.
      const { log } = other.process;
      await eventually(`server ${other.id} to give the old connections up`, () => {
        return other.process.log.some((line) => /this one does not answer/.test(`${line.reason}`));
      });
      assertEquals(log.filter(({ level }) => level === "error"), []);
    }
    const refusals = server!.process.log.filter(({ message }) => /refuses/.test(message));
    assertEquals(refusals, []);
  },
);

clusterTest(
  "process: one server that was cut off in the middle of a flood of writes catches up soon",
  {
    timing: { heartbeatIntervalMs: 100, electionTimeoutMs: ELECTION_TIMEOUT_MS },
    notRun: reason,
  },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [cutOff, third] = cluster.others(leader);
    using client = cluster.client([leader, third!]);
    const value = "v".repeat(262_144);
    {
      await using _outage = await Outage.of([cutOff!]);
      const untilMs = performance.now() + OUTAGE_MS;
      for (let n = 0; performance.now() < untilMs; n++) {
        assertMatch(await client.set(`key${n % 100}`, value), /^OK \d+$/);
        await sleep(20);
      }
    }
    await eventually("the server to follow again", async () => {
      using socket = await cutOff!.connect();
      return (await socket.ask("get a\r\n")).startsWith("ERR_REDIRECT ");
    }, LINKED_MS);
    // What it missed is more than the others keep in memory: it gets a snapshot, which takes its time.
    assertMatch(await client.set("marker", "x"), /^OK 1$/);
    await eventually("the server to hold what it missed", async () => {
      using socket = await RedisSocket.connect(cutOff!.clientPort);
      assertEquals(await socket.ask("READONLY"), "OK");
      return await socket.ask("GET", "marker") === "x";
    }, CATCH_UP_DEADLINE_MS);
    await third!.kill();
    using last = cluster.client([leader, cutOff!]);
    assertMatch(await last.set("after", "x"), /^OK 1$/);
  },
);
