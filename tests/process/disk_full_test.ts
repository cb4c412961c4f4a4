import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Cluster, type Server, withCluster } from "./harness.ts";
import { needsRoot, run, testNamed, unmet } from "./requirements.ts";
import { eventually } from "./patience.ts";
import type { RawSocket } from "./socket.ts";

const MIB = 1_048_576;
const VALUE = "v".repeat(32_768);

/**
 * A small file system for each server: on a common one they would live off each other's reserves.
 * Server n's is at `<path>/data/<n>`.
 */
class SmallDisks {
  readonly path: string;
  readonly #mounts: string[] = [];

  constructor(sizeMib: number, servers: number) {
    this.path = Deno.makeTempDirSync({ prefix: "raftkv-disk-" });
    for (let id = 1; id <= servers; id++) {
      const mount = `${this.path}/data/${id}`;
      Deno.mkdirSync(mount, { recursive: true, mode: 0o700 });
      const size = `size=${sizeMib}m,mode=0700`;
      assertEquals(run("mount", "-t", "tmpfs", "-o", size, "tmpfs", mount), null);
      this.#mounts.push(mount);
    }
  }

  resize(sizeMib: number): void {
    for (const mount of this.#mounts) {
      assertEquals(run("mount", "-o", `remount,size=${sizeMib}m`, mount), null);
    }
  }

  remove(): void {
    for (const mount of this.#mounts) assertEquals(run("umount", "-l", mount), null);
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Why there can be no small file system here; null where one was just made and removed again. */
function needsSmallDisks(): string | null {
  const path = Deno.makeTempDirSync({ prefix: "raftkv-disk-" });
  try {
    const refused = run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path);
    return refused === null ? run("umount", "-l", path) : `mount: ${refused}`;
  } finally {
    Deno.removeSync(path);
  }
}

const REASON = unmet(needsRoot(), needsSmallDisks());

async function withSmallDisks(
  sizeMib: number,
  size: number,
  test: (cluster: Cluster, disks: SmallDisks) => Promise<void>,
): Promise<void> {
  const disks = new SmallDisks(sizeMib, size);
  const storage = { reserveBytes: MIB, segmentBytesMax: MIB };
  try {
    const options = { size, path: `${disks.path}/data`, storage };
    await withCluster(options, (cluster) => test(cluster, disks));
  } finally {
    disks.remove();
  }
}

/** Sets keys one by one until the disk is full; returns how many were acknowledged. */
async function fill(socket: RawSocket): Promise<number> {
  for (let n = 0; n < 5_000; n++) {
    const line = await socket.ask(`set fill${n} 0 ${VALUE.length}\r\n${VALUE}\r\n`);
    // A leader whose disk is full before the others' hands over, what is in its log then is unknown.
    if (/^(ERR_NO_SPACE|ERR_NO_LEADER|ERR_TIMEOUT|ERR_REDIRECT .*)$/.test(line)) return n;
    assertEquals(line, "OK 1", `write ${n}`);
  }
  throw new Error("The disk never became full");
}

/**
 * The first answer to `command` of whoever leads. Without room a leader hands over where another server
 * has some, also after it has refused a set because only a minority had: then the next one answers.
 */
async function askWhoLeads(cluster: Cluster, command: string): Promise<string> {
  let answer = "";
  await eventually(`whoever leads to answer ${command.split("\r\n", 1)[0]}`, async () => {
    using socket = await (await cluster.waitForLeader()).connect();
    answer = await socket.ask(command);
    if (answer.startsWith("VALUE ")) answer += ` ${await socket.readLine()}`;
    return !/^ERR_(NO_LEADER|REDIRECT .*)$/.test(answer);
  });
  return answer;
}

/** Fills on at whoever leads, since a leader whose disk is the first to be full hands over, until sets are refused. */
async function fillWhoLeads(cluster: Cluster): Promise<void> {
  for (let n = 0; n < 500; n++) {
    const command = `set more${n} 0 ${VALUE.length}\r\n${VALUE}\r\n`;
    const answer = await askWhoLeads(cluster, command);
    if (answer === "ERR_NO_SPACE") return;
    assertMatch(answer, /^(OK 1|ERR_TIMEOUT)$/);
  }
  throw new Error("No leader's disk ever became full");
}

async function assertFilled(server: Server, count: number): Promise<void> {
  using socket = await server.connect();
  for (let n = 1; n < count; n++) {
    assertEquals(await socket.ask(`get fill${n}\r\n`), `VALUE ${VALUE.length}`, `fill${n}`);
    assertEquals(await socket.readExact(VALUE.length + 2), VALUE + "\r\n");
  }
}

for (const size of [1, 3]) {
  const who = size === 1 ? "one server" : "three servers";
  const name =
    `process: a full disk is ERR_NO_SPACE, reads and deletes continue, room mends it: ${who}`;
  Deno.test(testNamed(name, REASON), async () => {
    await withSmallDisks(8, size, async (cluster, disks) => {
      await cluster.startAll();
      using first = await (await cluster.waitForLeader()).connect();
      const count = await fill(first);
      assert(count > 20, `${count} writes fitted`);
      await fillWhoLeads(cluster);
      const ask = (command: string) => askWhoLeads(cluster, command);
      assertEquals(await ask("set one-more 0 1\r\nx\r\n"), "ERR_NO_SPACE");
      assertEquals(await ask("cas one-more 0 0 1\r\nx\r\n"), "ERR_NO_SPACE");
      assertEquals(await ask("get fill0\r\n"), `VALUE ${VALUE.length} ${VALUE}`);
      assertEquals(await ask("delete fill0\r\n"), "DELETED");
      assertEquals(await ask("get fill0\r\n"), "ERR_NOT_FOUND");
      assertEquals(await ask("set one-more 0 1\r\nx\r\n"), "ERR_NO_SPACE");
      for (const server of cluster.servers) assertEquals(server.isRunning, true);

      disks.resize(32);
      // Whose disk has room first may be handed the leadership.
      await eventually("sets to be taken again", async () => {
        using current = await (await cluster.waitForLeader()).connect();
        const line = await current.ask("set one-more 0 1\r\nx\r\n");
        assertMatch(line, /^(OK \d+|ERR_NO_SPACE|ERR_NO_LEADER|ERR_TIMEOUT|ERR_REDIRECT .*)$/);
        return line.startsWith("OK ");
      });
      await assertFilled(await cluster.waitForLeader(), count);

      // All that was acknowledged is there after a crash, too.
      for (const server of cluster.servers) await server.kill();
      await cluster.startAll();
      const next = await cluster.waitForLeader();
      await assertFilled(next, count);
      using again = await next.connect();
      assertEquals(await again.ask("get fill0\r\n"), "ERR_NOT_FOUND");
      assertEquals(await again.ask("get one-more\r\n"), "VALUE 1");
    });
  });
}

const RESTART_NAME = "process: servers that were killed on a full disk start on it again";
Deno.test(testNamed(RESTART_NAME, REASON), async () => {
  await withSmallDisks(8, 1, async (cluster) => {
    await cluster.startAll();
    const server = cluster.server(1);
    using socket = await server.connect();
    const count = await fill(socket);
    assertEquals(await socket.ask("delete fill0\r\n"), "DELETED");
    await server.restart();
    await cluster.waitForLeader();
    await assertFilled(server, count);
    using again = await server.connect();
    assertEquals(await again.ask("set one-more 0 1\r\nx\r\n"), "ERR_NO_SPACE");
    assertEquals(await again.ask("delete fill1\r\n"), "DELETED");
  });
});
