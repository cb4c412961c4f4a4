/** `raftkv backup` with real servers: under load, while servers die, slowly read, on a full disk. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DenoDisk } from "../../lib/host/deno_disk.ts";
import { openBackup } from "../../lib/storage/backups/backup_reader.ts";
import { ByteReader } from "../../lib/util/bytes.ts";
import { cli } from "./cli_process.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { Load } from "./load.ts";
import { eventually, sleep, within } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { needsRoot, run, unmet } from "./requirements.ts";
import { BARE_ENVIRONMENT, programCommand } from "./server_process.ts";

const MIB = 1_048_576;

/** All values of a backup whose values are text, by key; every checksum is right. */
function contentsOf(path: string): Map<string, string> {
  const found = new Map<string, string>();
  const decoder = new TextDecoder();
  const backup = openBackup(new DenoDisk("/"), path);
  try {
    for (let part = backup.nextSection(); part !== null; part = backup.nextSection()) {
      const reader = new ByteReader(part);
      while (reader.remaining > 0) {
        const keyLength = reader.u16();
        for (let i = 0; i < 3; i++) reader.u64();
        const valueLength = reader.u32();
        const key = decoder.decode(reader.view(keyLength));
        found.set(key, decoder.decode(reader.view(valueLength)));
      }
    }
  } finally {
    backup.close();
  }
  return found;
}

/** The server that "… from server 2, …" names. */
function sourceOf(said: string): number {
  const id = /from server (\d+)/.exec(said)?.[1];
  assert(id !== undefined, said);
  return Number(id);
}

/** Sets `count` values of a MiB each. */
async function fill(leader: Server, count: number): Promise<void> {
  using socket = await leader.connect();
  const value = "v".repeat(MIB / 2);
  for (let i = 0; i < 2 * count; i++) {
    assertEquals(await socket.ask(`set large-${i} 0 ${value.length}\r\n${value}\r\n`), "OK 1");
  }
}

/** The command, running, its standard output not read yet. */
function spawnBackup(cluster: Cluster, path: string): Deno.ChildProcess {
  const [program, ...args] = [...programCommand(undefined), "backup", path];
  return new Deno.Command(program!, {
    args,
    cwd: cluster.directory,
    env: { ...BARE_ENVIRONMENT },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** The part of the file that is there already. */
function partOf(directory: string): { name: string; size: number } | null {
  for (const { name } of Deno.readDirSync(directory)) {
    if (!name.endsWith(".part")) continue;
    try {
      return { name, size: Deno.statSync(`${directory}/${name}`).size };
    } catch {
      // It has its name by now.
    }
  }
  return null;
}

clusterTest("a backup under load holds all that was acknowledged before", {}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  const load = new Load(cluster, "b");
  await load.more(2_000);
  for (let round = 1; round <= 3; round++) {
    const before = new Map(load.acknowledged);
    const path = `${cluster.directory}/${round}.backup`;
    const { code, error, out } = await cli(cluster, ["backup", path]);
    assertEquals([code, out], [0, ""], error);
    assert(sourceOf(error) !== leader.id, "it is taken off a follower");
    const found = contentsOf(path);
    for (const [key, value] of before) assertEquals(found.get(key), value, key);
    const verified = await cli(cluster, ["verify", path]);
    assertEquals(verified.code, 0, verified.out);
    await load.more(200);
  }
  await load.end();
  const again = await cli(cluster, ["backup", `${cluster.directory}/1.backup`]);
  assertEquals(again.code, 6, "a file that is there is not overwritten");
  assertMatch(again.error, /there is such a file already/);
  assertEquals(partOf(cluster.directory), null);
});

clusterTest(
  "the leader alone gives a backup; to a pipe, it is the same file",
  { size: 1 },
  async (cluster) => {
    await cluster.startAll();
    await fill(cluster.server(1), 3);
    const piped = await cli(cluster, ["backup", "-"]);
    assertEquals(piped.code, 0, piped.error);
    const path = `${cluster.directory}/piped.backup`;
    Deno.writeFileSync(path, piped.bytes);
    assertEquals(contentsOf(path).size, 6);
    assertMatch(
      piped.error,
      /^raftkv: 6 keys up to index \d+, from server 1, 3\.\d+ MiB, in .*\n$/,
    );
  },
);

clusterTest("the leader dies while a follower gives a backup: it is whole", {}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  await fill(leader, 30);
  const child = spawnBackup(cluster, "-");
  const reader = child.stdout.getReader();
  const first = await within(30_000, "the first bytes", reader.read());
  await leader.kill();
  const parts = [first.value!];
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
  }
  const error = await new Response(child.stderr).text();
  assertEquals((await child.status).code, 0, error);
  assert(sourceOf(error) !== leader.id);
  const path = `${cluster.directory}/piped.backup`;
  Deno.writeFileSync(path, new Uint8Array(await new Blob(parts).arrayBuffer()));
  assertEquals(contentsOf(path).size, 60);
});

/** Stopped in the middle of writing `path`: the rest can't be there yet. */
async function stoppedBackup(cluster: Cluster, path: string): Promise<Deno.ChildProcess> {
  const child = spawnBackup(cluster, path);
  await eventually("a part of the file", () => {
    const part = partOf(cluster.directory);
    if (part === null || part.size < MIB) return false;
    child.kill("SIGSTOP");
    return true;
  });
  const stopped = partOf(cluster.directory);
  assert(stopped !== null && stopped.size < 90 * MIB, "it was stopped in the middle");
  return child;
}

clusterTest(
  "the server that gives a backup dies, or Ctrl-C is pressed: it is said, and no file is left",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    await fill(leader, 100);
    const path = `${cluster.directory}/cut.backup`;
    const left = () =>
      [...Deno.readDirSync(cluster.directory)].filter(({ name }) => name.startsWith("cut."));

    const interrupted = await stoppedBackup(cluster, path);
    interrupted.kill("SIGINT");
    interrupted.kill("SIGCONT");
    assertEquals((await within(60_000, "the end", interrupted.output())).code, 130);
    assertEquals(left(), []);

    const child = await stoppedBackup(cluster, path);
    for (const server of cluster.others(leader)) await server.kill();
    child.kill("SIGCONT");
    const { code, stderr } = await within(60_000, "the end", child.output());
    const error = new TextDecoder().decode(stderr);
    assertEquals(code, 3, error);
    assertMatch(error, /there is no backup, and no file is left/);
    assertEquals(left(), []);
    // Who is missing is said, not that nobody leads alone.
    await eventually("the leader to give up", async () => {
      return (await cli(cluster, ["status"])).out.includes("no leader, for");
    });
    const alone = await cli(cluster, ["backup", path, "--timeout", "1s"]);
    assertEquals(alone.code, 3, alone.error);
    for (const { id } of cluster.others(leader)) {
      assertMatch(alone.error, new RegExp(`server ${id} does not answer: .*refused`));
    }
  },
);

clusterTest(
  "a backup that Ctrl-C ends takes none of the places of the next ones",
  { size: 1 },
  async (cluster) => {
    await cluster.startAll();
    await fill(cluster.server(1), 100);
    const path = `${cluster.directory}/cut.backup`;
    for (let i = 1; i <= 2; i++) {
      const interrupted = await stoppedBackup(cluster, path);
      interrupted.kill("SIGINT");
      interrupted.kill("SIGCONT");
      assertEquals((await within(60_000, "the end", interrupted.output())).code, 130);
    }
    const { code, error } = await cli(cluster, ["backup", path]);
    assertEquals(code, 0, error);
  },
);

clusterTest(
  "a reader that stands still holds up nobody, and gets all of it",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    await fill(leader, 60);
    const child = spawnBackup(cluster, "-");
    const reader = child.stdout.getReader();
    const first = await within(30_000, "the first bytes", reader.read());
    const load = new Load(cluster, "meanwhile");
    // Longer than a backup is kept that nobody asks for.
    await sleep(20_000);
    const { length } = [...load.acknowledged];
    await load.more(200);
    await load.end();
    assert(length > 0);
    const parts = [first.value!];
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
    }
    const error = await new Response(child.stderr).text();
    assertEquals((await child.status).code, 0, error);
    const path = `${cluster.directory}/piped.backup`;
    Deno.writeFileSync(path, new Uint8Array(await new Blob(parts).arrayBuffer()));
    const found = contentsOf(path);
    assert(found.has("large-119") && !found.has("meanwhile-0-100"), "all of one moment");
  },
);

clusterTest("two are given at a time, and more are told to wait", { size: 1 }, async (cluster) => {
  await cluster.startAll();
  const { clientPort } = cluster.server(1);
  using redis = await RedisSocket.connect(clientPort);
  const first = await redis.ask("RAFTKV.BACKUP", "BEGIN", "1");
  const second = await redis.ask("RAFTKV.BACKUP", "BEGIN", "1");
  assertEquals([typeof first, typeof second], ["number", "number"]);
  const third = await redis.ask("RAFTKV.BACKUP", "BEGIN", "1");
  assert(third instanceof Error && third.message.startsWith("TRYAGAIN "), String(third));
  const path = `${cluster.directory}/busy.backup`;
  const busy = await cli(cluster, ["backup", path]);
  assertEquals(busy.code, 1, busy.error);
  assertMatch(busy.error, /as many backups as may be/);
  assertEquals(await redis.ask("RAFTKV.BACKUP", "END", `${first}`), "OK");
  const free = await cli(cluster, ["backup", path]);
  assertEquals(free.code, 0, free.error);
  const gone = await redis.ask("RAFTKV.BACKUP", "READ", `${first}`);
  assert(gone instanceof Error && /begin again/.test(gone.message));
});

const DISK = unmet(needsRoot());

clusterTest(
  "a full disk at the target is said, and nothing is left",
  { size: 1, notRun: DISK },
  async (cluster) => {
    await cluster.startAll();
    await fill(cluster.server(1), 4);
    const mount = Deno.makeTempDirSync({ prefix: "raftkv-backup-" });
    assertEquals(run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount), null);
    try {
      const { code, error } = await cli(cluster, ["backup", `${mount}/full.backup`]);
      assertEquals(code, 6, error);
      assertMatch(
        error,
        /Cannot write .*full\.backup: .*; there is no backup, and no file is left/,
      );
      assertEquals([...Deno.readDirSync(mount)], []);
    } finally {
      assertEquals(run("umount", mount), null);
      Deno.removeSync(mount);
    }
  },
);
