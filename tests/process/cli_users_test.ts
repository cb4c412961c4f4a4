/** `raftkv user` and what users mean for the command line, on real processes over a kill of the leader. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cli, type CliOptions } from "./cli_process.ts";
import { clusterTest } from "./harness.ts";
import { eventually } from "./patience.ts";
import { leaderAs } from "./user_tools.ts";

const PATIENT = ["--timeout", "20s"];

clusterTest(
  "the command line makes users, is one, and is told what it may not",
  {},
  async (cluster) => {
    await cluster.startAll();
    const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(",");
    const raftkv = async (args: readonly string[], options: CliOptions = {}) => {
      const environment = { RAFTKV_SERVERS: servers, ...options.environment };
      return await cli(cluster, args, { ...options, environment });
    };
    let admin = "";
    await eventually("the cluster version that users need", async () => {
      const made = await raftkv(["user", "add", "admin", "--admin", "--generate", ...PATIENT]);
      admin = made.out.trim();
      return made.code === 0;
    });
    assertMatch(admin, /^[0-9a-f]{64}$/);
    const file = `${cluster.directory}/admin.password`;
    Deno.writeTextFileSync(file, `${admin}\n`);
    const asAdmin = { environment: { RAFTKV_USER: "admin", RAFTKV_PASSWORD_FILE: file } };

    const nobody = await raftkv(["set", "k", "v"]);
    assertEquals(nobody.code, 1);
    const sayWho =
      /^raftkv: refused by \S+ \(NOAUTH\): the cluster has users, so say who asks: --user/;
    assertMatch(nobody.error, sayWho);
    assertMatch((await raftkv(["lock", "k"])).error, sayWho);
    const added = await raftkv(["user", "add", "shop", "~cart:*", "+@read", "+@write"], {
      ...asAdmin,
      input: "shop-password\n",
    });
    assertEquals([added.code, added.out], [0, ""], added.error);
    const asShop = { environment: { RAFTKV_USER: "shop", RAFTKV_PASSWORD: "shop-password" } };
    await eventually("every server to know the user", async () => {
      return (await raftkv(["set", "cart:1", "x", ...PATIENT], asShop)).code === 0;
    });
    const denied = await raftkv(["get", "other"], asShop);
    assertEquals(denied.code, 1);
    assertMatch(denied.error, /NOPERM/);
    await (await leaderAs(cluster, { user: "admin", password: admin })).kill();
    const after = await raftkv(["get", "cart:1", ...PATIENT], asShop);
    assertEquals([after.code, after.out], [0, "x"], after.error);
    assertEquals((await raftkv(["user", "revoke", "shop", "@write"], asAdmin)).code, 0);
    assertMatch((await raftkv(["set", "cart:1", "y"], asShop)).error, /NOPERM/);
    assertEquals((await raftkv(["user", "grant", "shop", "+set", "+raftkv.set"], asAdmin)).code, 0);
    assertEquals((await raftkv(["set", "cart:1", "y"], asShop)).code, 0);

    const list = await raftkv(["user", "list"], asAdmin);
    assertMatch(list.out, /^admin +yes +1 +~\* &\* \+@all$/m);
    assertMatch(list.out, /^shop +yes +1 +~cart:\* resetchannels -@all \+@read -@write/m);
    const status = await raftkv(["status"], asAdmin);
    assert(/leader/.test(status.out), status.out + status.error);
    const backup = await raftkv(["backup", "all.rkb"], asAdmin);
    assertEquals(backup.code, 0, backup.error);

    const changed = await raftkv(["user", "passwd", "shop"], { ...asAdmin, input: "next\n" });
    assertEquals(changed.code, 0, changed.error);
    assertMatch((await raftkv(["get", "cart:1"], asShop)).error, /WRONGPASS/);
    assertEquals((await raftkv(["user", "remove", "shop"], asAdmin)).code, 0);
    const last = await raftkv(["user", "remove", "admin"], asAdmin);
    assertEquals(last.code, 1);
    assertMatch(last.error, /nobody would be left/);
    const inArguments = await raftkv(["user", "grant", "admin", ">secret"], asAdmin);
    assertEquals(inArguments.code, 2);
    assertMatch(inArguments.error, /a password is no argument/);
  },
);
