/** A cluster whose only administrator has lost the password: let in again by who has the data directory. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cli, type CliOptions } from "./cli_process.ts";
import { clusterTest } from "./harness.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { leaderAs } from "./user_tools.ts";

const PATIENT = ["--timeout", "60s"];
/** A password is hashed before its command goes into the log: on a busy machine that alone takes seconds. */
const TIMING = { commandTimeoutMs: 60_000 };

clusterTest(
  "an administrator's lost password: the leader's data directory lets one in again, while it runs",
  { timing: TIMING },
  async (cluster) => {
    await cluster.startAll();
    const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(",");
    const raftkv = async (args: readonly string[], options: CliOptions = {}) => {
      const environment = { RAFTKV_SERVERS: servers, ...options.environment };
      return await cli(cluster, args, { ...options, environment });
    };
    await eventually("the cluster version that users need", async () => {
      const input = "forgotten\n";
      return (await raftkv(["user", "add", "admin", "--admin", ...PATIENT], { input })).code === 0;
    });
    const leader = await leaderAs(cluster, { user: "admin", password: "forgotten" });
    const follower = cluster.servers.find(({ id }) => id !== leader.id)!;
    // What the operator has set is of no use any more, and in nobody's way.
    const operator = { environment: { RAFTKV_USER: "admin", RAFTKV_PASSWORD: "guessed" } };
    assertMatch((await raftkv(["user", "list"], operator)).error, /WRONGPASS/);

    const nowhere = await raftkv(["user", "reset", cluster.directory, "admin"], operator);
    assertEquals(nowhere.code, 6);
    assertMatch(nowhere.error, /is no data directory of a server/);

    const reset = (directory: string, input = "new-password\n") =>
      raftkv(["user", "reset", directory, "admin", ...PATIENT], { ...operator, input });
    const wrong = await reset(follower.dataDirectory);
    assertEquals([wrong.code, wrong.out], [1, ""], wrong.error);
    assertMatch(
      wrong.error,
      new RegExp(`127.0.0.1:${leader.clientPort} leads: nothing was done: `),
    );
    assertMatch(wrong.error, /has to be its data directory/);
    assertEquals(names(follower.dataDirectory).includes("user-reset"), false);

    const done = await reset(leader.dataDirectory);
    assertEquals([done.code, done.out], [0, ""], done.error);
    assertMatch(done.error, /admin has another password, is on, and may do everything/);
    assertEquals(names(leader.dataDirectory).includes("user-reset"), false);
    const asAdmin = { environment: { RAFTKV_USER: "admin", RAFTKV_PASSWORD: "new-password" } };
    await eventually("every server to know the password", async () => {
      return (await raftkv(["set", "k", "v", ...PATIENT], asAdmin)).code === 0;
    });
    const list = await raftkv(["user", "list"], asAdmin);
    assertMatch(list.out, /^admin +yes +1 +~\* &\* \+@all$/m);

    // By hand, with a program of Redis's protocol.
    const left = await raftkv(["user", "reset", leader.dataDirectory]);
    assertEquals(left.code, 0, left.error);
    const secret = left.out.trim();
    assertMatch(secret, /^[0-9a-f]{64}$/);
    const words = ["RAFTKV.USER", "RESET", secret, "second", "on", ">second", "~*", "+@all"];
    using socket = await RedisSocket.connect(leader.clientPort);
    const file = `${leader.dataDirectory}/user-reset`;
    Deno.chmodSync(file, 0o644);
    assertMatch(`${await socket.ask(...words)}`, /others than its owner may use it \(mode 0644\)/);
    Deno.chmodSync(file, 0o600);
    assertEquals(await socket.ask(...words), "OK");
    assertMatch(
      `${await socket.ask(...words)}`,
      /none was left in its data directory, or it was used/,
    );
    assertEquals(await socket.ask("AUTH", "second", "second"), "OK");

    // A server that restarts with one in its directory is as well as before; nothing of it is logged.
    const unused = (await raftkv(["user", "reset", follower.dataDirectory])).out.trim();
    await follower.kill();
    follower.start();
    await follower.process.logged("Serving", 30_000);
    for (const { process } of cluster.servers) {
      for (const typed of [secret, unused, "new-password", "forgotten", "guessed"]) {
        assert(!process.error.includes(typed), `a log has ${typed}`);
      }
    }
    assertMatch(leader.process.error, /A user is changed by a secret from the data directory/);
  },
);

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}
