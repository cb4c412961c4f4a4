/** The audit log on real processes: what is in it, and that a disk that takes nothing stops nobody. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { clusterTest, type Server } from "./harness.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";

type Line = Readonly<Record<string, unknown>>;

function linesOf(file: string): Line[] {
  const text = Deno.readTextFileSync(file);
  return text === "" ? [] : text.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
}

async function makeRoot(server: Server): Promise<RedisSocket> {
  const socket = await RedisSocket.connect(server.clientPort);
  await eventually("the cluster version that users need", async () => {
    return await socket.ask("ACL", "SETUSER", "root", "on", ">secret-1", "~*", "+@all") === "OK";
  });
  return socket;
}

clusterTest(
  "audit log: who did what to which keys, with what outcome; written before a stop ends",
  { size: 1 },
  async (cluster) => {
    cluster.writeConfig({ file: { audit: { path: "audit", commands: ["@write"] } } });
    const server = cluster.server(1);
    server.start();
    await server.process.logged("Serving", 30_000);
    {
      using socket = await makeRoot(server);
      for (const [user, password] of [["root", "secret-2"], ["secret-3", "x"]]) {
        assertMatch(`${await socket.ask("AUTH", user!, password!)}`, /WRONGPASS/);
      }
      assertEquals(await socket.ask("AUTH", "root", "secret-1"), "OK");
      assertEquals(await socket.ask("SET", "user:1:name", "secret-4"), "OK");
      await socket.ask("GET", "user:1:name");
      assertMatch(`${await socket.ask("RAFTKV.MEMBER", "REMOVE", "7")}`, /server 7 is no member/);
      assertEquals(await socket.ask("ACL", "DELUSER", "nobody"), 0);
    }
    await server.terminate();
    const file = `${cluster.directory}/audit/audit-1.log`;
    const text = Deno.readTextFileSync(file);
    assert(!text.includes("secret"), text);
    const lines = linesOf(file);
    for (const { time, server: id, from } of lines) {
      assert(Math.abs(Date.parse(`${time}`) - Date.now()) < 120_000, `${time}`);
      assertEquals(id, 1);
      assertMatch(`${from}`, /^127\.0\.0\.1:\d+$/);
    }
    // Making the first user is refused until the cluster version allows it.
    const told = lines.filter(({ command, outcome }) =>
      command !== "acl|setuser" || outcome === "done"
    );
    assertEquals(
      told.map(({ time: _time, server: _server, from: _from, ...line }) => line),
      [
        { user: null, command: "acl|setuser", target: "root", outcome: "done" },
        { user: "root", command: "auth", outcome: "refused", error: "WRONGPASS" },
        { user: null, command: "auth", outcome: "refused", error: "WRONGPASS" },
        { user: "root", command: "auth", outcome: "done" },
        { user: "root", command: "set", keys: 1, prefixes: ["user:"], outcome: "done" },
        {
          user: "root",
          command: "raftkv.member|remove",
          target: "7",
          outcome: "refused",
          error: "ERR",
        },
        { user: "root", command: "acl|deluser", target: "nobody", outcome: "done" },
      ],
    );
  },
);

clusterTest(
  "audit log: where it can't be written clients are served, and log and metrics say so",
  { size: 1 },
  async (cluster) => {
    Deno.writeTextFileSync(`${cluster.directory}/audit`, "a file where the directory should be");
    cluster.writeConfig({ file: { audit: { path: "audit" } } });
    const server = cluster.server(1);
    server.start();
    await server.process.logged("Serving", 30_000);
    const metrics = async () => {
      return await (await fetch(`http://127.0.0.1:${server.adminPort}/metrics`)).text();
    };
    using socket = await RedisSocket.connect(server.clientPort);
    await eventually("a leader", async () => await socket.ask("SET", "k", "v") === "OK");
    await server.process.logged("The audit log can't be written", 30_000);
    assertEquals(await socket.ask("GET", "k"), "v");
    assertMatch(await metrics(), /^raftkv_audit_is_failing 1$/m);
    assertMatch(await metrics(), /^raftkv_audit_written_total 0$/m);
    Deno.removeSync(`${cluster.directory}/audit`);
    await server.process.logged("The audit log is written again", 30_000);
    await eventually("what waited to be written", async () => {
      return /^raftkv_audit_is_failing 0$/m.test(await metrics()) &&
        linesOf(`${cluster.directory}/audit/audit-1.log`).some(({ command }) => command === "get");
    });
    assertMatch(await metrics(), /^raftkv_audit_dropped_total 0$/m);
  },
);
