import { assert, assertEquals, assertMatch } from "@std/assert";
import { Cluster, type Server } from "./harness.ts";
import { eventually, type RawSocket } from "./socket.ts";

const MIB = 1_048_576;
const VALUE = "v".repeat(32_768);

/** A small file system of its own, or the reason why there can be none. */
class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static create(sizeMib: number): SmallDisk | string {
    if (Deno.build.os !== "linux") return "tmpfs is Linux's";
    if (Deno.uid() !== 0) return "only root may mount";
    const path = Deno.makeTempDirSync({ prefix: "raftkv-disk-" });
    const refused = run("mount", "-t", "tmpfs", "-o", `size=${sizeMib}m`, "tmpfs", path);
    if (refused === null) return new SmallDisk(path);
    Deno.removeSync(path);
    return `mount: ${refused}`;
  }

  resize(sizeMib: number): void {
    assertEquals(run("mount", "-o", `remount,size=${sizeMib}m`, this.path), null);
  }

  remove(): void {
    assertEquals(run("umount", "-l", this.path), null);
    Deno.removeSync(this.path);
  }
}

/** Null where it worked, else what it said. */
function run(program: string, ...args: string[]): string | null {
  try {
    const { success, stderr } = new Deno.Command(program, { args, stderr: "piped" }).outputSync();
    return success ? null : new TextDecoder().decode(stderr).trim();
  } catch (error) {
    return (error as Error).message;
  }
}

async function withSmallDisk(
  sizeMib: number,
  size: number,
  test: (cluster: Cluster, disk: SmallDisk) => Promise<void>,
): Promise<void> {
  const disk = SmallDisk.create(sizeMib);
  if (typeof disk === "string") {
    console.log(`not run, for want of a small disk: ${disk}`);
    return;
  }
  const storage = { reserveBytes: MIB, segmentBytesMax: MIB };
  const cluster = new Cluster({ size, path: `${disk.path}/data`, storage });
  try {
    await test(cluster, disk);
  } catch (error) {
    cluster.printLogTails();
    throw error;
  } finally {
    await cluster.stop();
    disk.remove();
  }
}

/** Sets keys one by one until the disk is full; returns how many were acknowledged. */
async function fill(socket: RawSocket): Promise<number> {
  for (let n = 0; n < 5_000; n++) {
    const line = await socket.ask(`set fill${n} 0 ${VALUE.length}\r\n${VALUE}\r\n`);
    if (line === "ERR_NO_SPACE") return n;
    assertEquals(line, "OK 1", `write ${n}`);
  }
  throw new Error("The disk never became full");
}

async function assertFilled(server: Server, count: number): Promise<void> {
  using socket = await server.connect();
  for (let n = 1; n < count; n++) {
    assertEquals(await socket.ask(`get fill${n}\r\n`), `VALUE ${VALUE.length}`, `fill${n}`);
    assertEquals(await socket.readExact(VALUE.length + 2), VALUE + "\r\n");
  }
}

for (const size of [1, 3]) {
  const who = size === 1 ? "one server" : "three servers on one disk";
  Deno.test(`process: a full disk is ERR_NO_SPACE, reads and deletes go on, room mends it: ${who}`, async () => {
    await withSmallDisk(8 * size, size, async (cluster, disk) => {
      await cluster.startAll();
      const leader = await cluster.waitForLeader();
      using socket = await leader.connect();
      const count = await fill(socket);
      assert(count > 20, `${count} writes fitted`);
      assertEquals(await socket.ask("set one-more 0 1\r\nx\r\n"), "ERR_NO_SPACE");
      assertEquals(await socket.ask("cas one-more 0 0 1\r\nx\r\n"), "ERR_NO_SPACE");
      assertEquals(await socket.ask("get fill0\r\n"), `VALUE ${VALUE.length}`);
      assertEquals(await socket.readExact(VALUE.length + 2), VALUE + "\r\n");
      assertEquals(await socket.ask("delete fill0\r\n"), "DELETED");
      assertEquals(await socket.ask("get fill0\r\n"), "ERR_NOT_FOUND");
      assertEquals(await socket.ask("set one-more 0 1\r\nx\r\n"), "ERR_NO_SPACE");
      for (const server of cluster.servers) assertEquals(server.isRunning, true);

      disk.resize(32 * size);
      await eventually("sets to be taken again", async () => {
        const line = await socket.ask("set one-more 0 1\r\nx\r\n");
        assertMatch(line, /^(OK \d+|ERR_NO_SPACE)$/);
        return line.startsWith("OK ");
      });
      await assertFilled(leader, count);

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

Deno.test("process: servers that were killed on a full disk start on it again", async () => {
  await withSmallDisk(8, 1, async (cluster) => {
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
