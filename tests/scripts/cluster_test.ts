import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePorts } from "../../bench/free_ports.ts";
import { eventually } from "../process/patience.ts";

const SCRIPT = new URL("../../scripts/cluster.sh", import.meta.url).pathname;

/** A directory with a cluster file on free ports, and the script run on it. */
class Workbench {
  readonly directory = Deno.makeTempDirSync({ prefix: "raftkv-cluster-" });
  readonly ports: number[];
  #hasRun = false;

  constructor(servers: number) {
    this.ports = freePorts(2 * servers);
    const list = Array.from({ length: servers }, (_, i) => ({
      id: i + 1,
      hostname: "127.0.0.1",
      clientPort: this.ports[2 * i],
      logPort: this.ports[2 * i + 1],
    }));
    const text = JSON.stringify({ path: "unused", servers: list }, null, 2);
    Deno.writeTextFileSync(`${this.directory}/c.json`, text);
  }

  async run(...args: string[]): Promise<{ code: number; out: string; error: string }> {
    this.#hasRun = true;
    const { code, stdout, stderr } = await new Deno.Command("bash", {
      args: [SCRIPT, ...args],
      cwd: this.directory,
      env: { RAFTKV_CONFIG: "c.json", RAFTKV_DATA: "state" },
    }).output();
    const text = new TextDecoder();
    return { code, out: text.decode(stdout), error: text.decode(stderr) };
  }

  pid(id: number): number {
    return Number(Deno.readTextFileSync(`${this.directory}/state/server-${id}.pid`));
  }

  /** `id role` of each server, as `status` prints them. */
  async roles(): Promise<string[]> {
    const { out } = await this.run("status");
    return out.trim().split("\n").slice(1).map((line) => line.split(/\s+/))
      .map(([id, _pid, _port, role]) => `${id} ${role}`);
  }

  async end(): Promise<void> {
    if (this.#hasRun) await this.run("clean");
    Deno.removeSync(this.directory, { recursive: true });
  }
}

function workbenchTest(name: string, servers: number, run: (bench: Workbench) => Promise<void>) {
  Deno.test(name, async () => {
    const bench = new Workbench(servers);
    try {
      await run(bench);
    } finally {
      await bench.end();
    }
  });
}

workbenchTest(
  "cluster.sh: once there are users it finds the leader all the same",
  3,
  async (bench) => {
    const started = await bench.run("start");
    assertEquals(started.code, 0, started.error);
    const [, hostname, port] = /clients go to (\S+) port (\d+)/.exec(started.out)!;
    using socket = await Deno.connect({ hostname: hostname!, port: Number(port) });
    const words = ["ACL", "SETUSER", "root", "on", ">password", "~*", "&*", "+@all"];
    const request = words.map((word) => `$${word.length}\r\n${word}\r\n`).join("");
    // Not before all have said that they know of users.
    await eventually("the first user to be made", async () => {
      await socket.write(new TextEncoder().encode(`*${words.length}\r\n${request}`));
      const answer = new Uint8Array(256);
      const count = await socket.read(answer);
      return new TextDecoder().decode(answer.subarray(0, count ?? 0)) === "+OK\r\n";
    });

    assertEquals(await bench.run("leader"), { code: 0, out: `${hostname} ${port}\n`, error: "" });
    assertEquals((await bench.roles()).map((role) => role.slice(2)).sort(), [
      "follows",
      "follows",
      "leads",
    ]);
    assertEquals((await bench.run("stop")).code, 0);
    const again = await bench.run("start");
    assertEquals(again.code, 0, again.error);
    assertMatch(again.out, /^Server [123] leads: clients go to 127\.0\.0\.1 port \d+/);
  },
);

workbenchTest("cluster.sh: start, status, kill, restart, stop and clean", 3, async (bench) => {
  const started = await bench.run("start");
  assertEquals(started.code, 0, started.error);
  assertMatch(started.out, /^Server [123] leads: clients go to 127\.0\.0\.1 port \d+/);
  const [, host, port] = /clients go to (\S+) port (\d+)/.exec(started.out)!;
  assertEquals(await bench.run("leader"), { code: 0, out: `${host} ${port}\n`, error: "" });
  const roles = await bench.roles();
  assertEquals(roles.filter((role) => role.endsWith("leads")).length, 1, roles.join());

  const pid = bench.pid(2);
  const killed = await bench.run("kill", "2");
  assertEquals(killed.out, `Server 2 (pid ${pid}) was killed\n`);
  assert((await bench.roles()).includes("2 down"));
  const again = await bench.run("kill", "2");
  assertEquals([again.code, again.error], [1, "cluster: server 2 does not run\n"]);

  Deno.kill(bench.pid(3), "SIGSTOP");
  assert((await bench.roles()).includes("3 frozen"));
  Deno.kill(bench.pid(3), "SIGCONT");

  const restarted = await bench.run("restart", "2");
  assertEquals(restarted.code, 0, restarted.error);
  assertMatch(restarted.out, /^Server 2 runs \(pid \d+\)/);

  assertEquals((await bench.run("stop")).code, 0);
  assertEquals(await bench.roles(), ["1 down", "2 down", "3 down"]);
  assertEquals((await bench.run("clean")).code, 0);
  assertEquals([...Deno.readDirSync(bench.directory)].map((entry) => entry.name), ["c.json"]);
});

workbenchTest("cluster.sh: the printed /dev/tcp line talks to the leader", 1, async (bench) => {
  const { out } = await bench.run("start");
  const line = out.split("\n").find((text) => text.includes("/dev/tcp/"))!.trim();
  const { stdout } = await new Deno.Command("bash", { args: ["-c", line] }).output();
  assertEquals(new TextDecoder().decode(stdout), "OK 1\r\nVALUE 5\r\nhello\r\n");
});

workbenchTest("cluster.sh: a port in use is named before anything is started", 3, async (bench) => {
  const port = bench.ports[3]!;
  using _taken = Deno.listen({ hostname: "127.0.0.1", port });
  const { code, error } = await bench.run("start");
  assertEquals(code, 1);
  assertStringIncludes(error, `port ${port} on 127.0.0.1 is in use: server 2 needs it`);
  assertEquals(await bench.roles(), ["1 down", "2 down", "3 down"]);
});

workbenchTest(
  "cluster.sh: a pid file of somebody else's process is not believed",
  1,
  async (bench) => {
    const stranger = new Deno.Command("sleep", { args: ["60"] }).spawn();
    try {
      Deno.mkdirSync(`${bench.directory}/state`);
      Deno.writeTextFileSync(`${bench.directory}/state/server-1.pid`, `${stranger.pid}\n`);
      assertEquals(await bench.roles(), ["1 down"]);
      assertEquals((await bench.run("kill", "1")).code, 1);
      assertEquals((await bench.run("stop")).code, 0);
      const alive = await Promise.race([stranger.status.then(() => false), Promise.resolve(true)]);
      assertEquals(alive, true);
    } finally {
      stranger.kill("SIGKILL");
      await stranger.status;
    }
  },
);

workbenchTest("cluster.sh: wrong arguments are refused with what was meant", 1, async (bench) => {
  for (const args of [[], ["frobnicate"], ["kill"], ["start", "1", "2"]]) {
    const { code, error } = await bench.run(...args);
    assertEquals(code, 2);
    assertStringIncludes(error, "cluster.sh restart ID");
  }
  const other = await bench.run("kill", "9");
  assertEquals([other.code, other.error], [
    1,
    "cluster: there is no server 9: the cluster has 1\n",
  ]);
  const size = await bench.run("start", "x");
  assertStringIncludes(size.error, "x is no number of servers");
  const fixed = await bench.run("start", "5");
  assertStringIncludes(fixed.error, "RAFTKV_CONFIG=c.json lists 1 servers, not 5");
});
