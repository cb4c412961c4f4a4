/** Backups that the cluster file asks for: who writes them, what stays, what is said where they fail. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cli } from "./cli_process.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { Load } from "./load.ts";
import { eventually } from "./patience.ts";

function backupsIn(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name).filter((name) =>
      name.endsWith(".backup")
    ).sort();
  } catch {
    return [];
  }
}

/** How many this server says that it has taken, or failed to. */
async function counted(server: Server, metric: "taken" | "failed"): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${server.adminPort}/metrics`)).text();
  const line = new RegExp(`^raftkv_backup_${metric}_total (\\d+)$`, "m").exec(page);
  if (line === null) throw new Error(`no such metric: ${page.slice(0, 200)}`);
  return Number(line[1]);
}

/** The follower with the lowest id. */
function writerOf(cluster: Cluster, leader: Server): Server {
  return cluster.others(leader).filter((one) => one.isRunning)[0]!;
}

clusterTest(
  "scheduled backups: one server writes them, the last ones stay, another takes over",
  {},
  async (cluster) => {
    const path = `${cluster.directory}/backups`;
    cluster.writeConfig({ backup: { every: "1s", path, keep: 2 } });
    await cluster.startAll();
    const load = new Load(cluster, "s", 2);
    const leader = await cluster.waitForLeader();
    const writer = writerOf(cluster, leader);
    await eventually("four backups", async () => await counted(writer, "taken") >= 4, 60_000);
    for (const other of cluster.others(writer)) assertEquals(await counted(other, "taken"), 0);
    const kept = backupsIn(path);
    assert(kept.length >= 2 && kept.length <= 3, `two, and perhaps one that comes: ${kept}`);
    for (const name of kept.slice(0, 2)) {
      const { code, out } = await cli(cluster, ["verify", `${path}/${name}`]);
      // It may have gone by now, as newer ones came.
      if (backupsIn(path).includes(name)) assertEquals(code, 0, out);
    }
    await writer.kill();
    const next = cluster.others(writer).find((one) => one !== leader)!;
    await eventually(
      "the next server's backup",
      async () => await counted(next, "taken") >= 1,
      60_000,
    );
    await load.end();
    await cluster.stopServers();
    for (const name of backupsIn(path)) {
      const { code, out } = await cli(cluster, ["verify", `${path}/${name}`]);
      assertEquals(code, 0, out);
    }
  },
);

clusterTest(
  "scheduled backups: what a killed server has left of one goes, what is being written stays",
  { size: 1 },
  async (cluster) => {
    const path = `${cluster.directory}/backups`;
    cluster.writeConfig({ backup: { every: "1s", path, keep: 1 } });
    const server = cluster.server(1);
    server.start();
    await cluster.waitForLeader();
    await eventually("a backup", () => Promise.resolve(backupsIn(path).length > 0), 60_000);
    const parts = ["old", "new"].map((one) => `${path}/${backupsIn(path)[0]}.${one}.part`);
    for (const part of parts) Deno.writeTextFileSync(part, "half of one");
    const strange = `${path}/notes.part`;
    Deno.writeTextFileSync(strange, "somebody's");
    const hoursAgo = new Date(Date.now() - 2 * 3_600_000);
    for (const one of [parts[0]!, strange]) Deno.utimeSync(one, hoursAgo, hoursAgo);
    const before = await counted(server, "taken");
    await eventually("two more", async () => await counted(server, "taken") >= before + 2, 60_000);
    await server.terminate();
    const names = [...Deno.readDirSync(path)].map(({ name }) => `${path}/${name}`);
    assertEquals(
      names.filter((name) => name.endsWith(".part")).sort(),
      [strange, parts[1]!].sort(),
    );
  },
);

clusterTest(
  "scheduled backups that fail are said as errors, counted, and tried again",
  { size: 1 },
  async (cluster) => {
    const path = `${cluster.directory}/in-the-way/backups`;
    Deno.writeTextFileSync(`${cluster.directory}/in-the-way`, "a file");
    cluster.writeConfig({ backup: { every: "1s", path, keep: 1 } });
    const server = cluster.server(1);
    server.start();
    await cluster.waitForLeader();
    await eventually("two failures", async () => await counted(server, "failed") >= 2, 60_000);
    const line = server.process.logTail(50, 500).split("\n").find((one) =>
      one.includes("The scheduled backup failed")
    );
    assert(line !== undefined && line.includes('"level":"error"') && line.includes("in-the-way"));
    const check = await cli(cluster, ["check"]);
    assertEquals(check.code, 5, check.out);
    assertMatch(
      check.out,
      /FAULT +reports: server 1: The last scheduled backup failed: .*in-the-way/,
    );
    Deno.removeSync(`${cluster.directory}/in-the-way`);
    await eventually("a backup", async () => await counted(server, "taken") >= 1, 60_000);
    assertEquals(backupsIn(path).length, 1);
    assert(!(await cli(cluster, ["status"])).out.includes("scheduled backup"), "it is well again");
    const taken = server.process.logTail(50, 500).split("\n").find((one) =>
      one.includes("Backup taken and verified")
    );
    const bytes = Deno.statSync(`${path}/${backupsIn(path)[0]}`).size;
    assert(taken?.includes(`"bytes":${bytes},`), `${bytes}: ${taken}`);
    await server.terminate();
    assertEquals(
      [...Deno.readDirSync(path)].map(({ name }) => name),
      backupsIn(path),
      "no leftovers",
    );
  },
);
