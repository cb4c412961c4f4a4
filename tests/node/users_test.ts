/** Users on a whole node: what a change of theirs means for connections that are open. */
import { assert, assertEquals } from "@std/assert";
import type { UserResets } from "../../lib/host/ports.ts";
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import type { StorageLimits } from "../../lib/node/limits.ts";
import type { ClientSession } from "../../lib/node/api.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { FakeUserResets } from "./fake_user_resets.ts";
import { OneServer, replies } from "./one_server.ts";
import { SimDisk } from "../sim/sim_disk.ts";

/** One server whose cluster version lets users be made. */
function serverWithUsers(
  more: { readonly needsUsers?: boolean; readonly userResets?: UserResets } = {},
  sizes: Partial<StorageLimits> | undefined = undefined,
): OneServer {
  const server = new OneServer(new SimDisk(), 1_000_000, sizes, undefined, false, more);
  for (let i = 0; i < 200 && server.node.store!.clusterVersion < CLUSTER_VERSION_MAX; i++) {
    server.pass(100);
  }
  assertEquals(server.node.store!.clusterVersion, CLUSTER_VERSION_MAX);
  return server;
}

function open(server: OneServer, remote = "127.0.0.1:5000"): ClientSession {
  return server.node.openSession(remote)!;
}

/** What lines of words, sent in one piece, are answered with. */
function ask(server: OneServer, session: ClientSession, ...lines: string[]): string {
  server.send(session, new TextDecoder().decode(requestBytes(lines.map((one) => one.split(" ")))));
  let said = "";
  for (let i = 0; i < 20; i++) {
    server.pass(10);
    for (let batch = session.nextBatch(); batch !== null; batch = session.nextBatch()) {
      session.submit(batch);
    }
    said += replies(session);
  }
  return said;
}

Deno.test("a user that is deleted, or off, has no connection any more; others keep theirs", () => {
  const server = serverWithUsers();
  const root = open(server);
  const made = ask(
    server,
    root,
    "ACL SETUSER root on >root ~* +@all",
    "AUTH root root",
    "ACL SETUSER bob on >bob ~* +@all",
    "ACL SETUSER eve on nopass ~* +@all",
  );
  assertEquals(made, "+OK\r\n".repeat(4));
  const [bob, eve] = [open(server), open(server)];
  assertEquals(ask(server, bob, "AUTH bob bob", "SET k 1"), "+OK\r\n+OK\r\n");
  assertEquals(ask(server, eve, "AUTH eve x", "GET k"), "+OK\r\n$1\r\n1\r\n");
  const deleted = ask(server, root, "SET k 1", "SET k 1", "ACL DELUSER bob nobody");
  assertEquals(deleted, "+OK\r\n+OK\r\n:1\r\n");
  assertEquals([bob.closing, eve.closing], ["its user is gone, or off", null]);
  assertEquals(ask(server, root, "ACL SETUSER eve off", "GET k"), "+OK\r\n$1\r\n1\r\n");
  assertEquals([eve.closing, root.closing], ["its user is gone, or off", null]);
});

Deno.test("a hash that is made asks for a turn: what is due after it is due at a time of its own", () => {
  const server = serverWithUsers();
  assertEquals(ask(server, open(server), "ACL SETUSER root on >root ~* +@all"), "+OK\r\n");
  server.send(open(server), new TextDecoder().decode(requestBytes([["AUTH", "root", "wrong"]])));
  const before = server.passwords.hashes;
  for (let i = 0; i < 3; i++) server.node.turn();
  server.isTurnDue = false;
  server.disk.completeAll();
  assertEquals(server.passwords.hashes, before, "it was made, and nothing else");
  assertEquals(server.isTurnDue, true);
});

Deno.test("users need a cluster version of their own; before it nothing is done", () => {
  const server = new OneServer();
  const session = open(server);
  const said = ask(server, session, "ACL SETUSER root on >root ~* +@all", "SET k 1");
  assert(/^-ERR not before the cluster version is raised.*\r\n\+OK\r\n$/.test(said), said);
  assertEquals(server.node.store!.users.count, 0);
});

Deno.test("who is not on this machine makes no first user", () => {
  const server = serverWithUsers();
  const said = ask(server, open(server, "10.0.0.1:5000"), "ACL SETUSER root on >root ~* +@all");
  assert(said.startsWith("-ERR the first user is made on the machine"), said);
  assertEquals(
    ask(server, open(server, "[::1]:5000"), "ACL SETUSER root on >r ~* +@all"),
    "+OK\r\n",
  );
});

Deno.test("where a port is open to the network, whoever is elsewhere waits until there is a user, in words", () => {
  const server = serverWithUsers({ needsUsers: true });
  assertEquals(server.node.openSession("10.0.0.1:5000"), null);
  assert(server.node.turnedAwayWith.startsWith("-DENIED no user exists here yet"));
  assert(server.node.turnedAwayBecause.startsWith("no user exists yet"));
  const here = ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"].map((one) => open(server, one));
  assert(here.every((session) => session !== null));
  ask(server, here[0]!, "ACL SETUSER root on >root ~* +@all");
  const there = open(server, "10.0.0.1:5000");
  assertEquals(ask(server, there, "GET k"), "-NOAUTH Authentication required.\r\n");
  // Where it was not asked for, everybody is answered, as ever.
  assert(serverWithUsers().node.openSession("10.0.0.1:5000") !== null);
});

Deno.test("a server that restarts lets nobody in by what it knew before: it knows its users first", () => {
  const server = serverWithUsers();
  const root = open(server);
  ask(server, root, "ACL SETUSER root on >root ~* +@all", "AUTH root root", "SET k 1");
  server.disk.kill();
  const again = new OneServer(server.disk, 1_000_000, undefined, undefined, false);
  const client = open(again);
  assertEquals(
    ask(again, client, "GET k", "AUTH root root", "GET k"),
    [
      "-NOAUTH Authentication required.",
      "+OK",
      "$1",
      "1",
      "",
    ].join("\r\n"),
  );
});

Deno.test("passwords that are added at once have one salt, so that a wrong one takes one hash", () => {
  const server = serverWithUsers();
  const root = open(server);
  ask(server, root, "ACL SETUSER root on >root ~* +@all", "AUTH root root", "ACL SETUSER bob on");
  const other = open(server);
  ask(server, other, "AUTH root root");
  const bytes = ["a", "b"].map((one) => requestBytes([["ACL", "SETUSER", "bob", `>${one}`]]));
  server.send(root, new TextDecoder().decode(bytes[0]));
  server.send(other, new TextDecoder().decode(bytes[1]));
  assertEquals(
    ask(server, root, "PING") + ask(server, other, "PING"),
    "+OK\r\n+PONG\r\n".repeat(2),
  );
  const { passwords } = server.node.store!.users.byName("bob")!;
  assertEquals(passwords.length, 2);
  assertEquals(passwords[0]!.salt, passwords[1]!.salt);
});

Deno.test("a full store takes what keeps somebody out: a short change of a user, not a long one", () => {
  const server = serverWithUsers({}, { dataBytesMax: 400_000 });
  const root = open(server);
  ask(
    server,
    root,
    "ACL SETUSER root on >root ~* +@all",
    "AUTH root root",
    "ACL SETUSER eve on >eve ~* +@all",
  );
  let said = "";
  for (let i = 0; i < 100 && !said.startsWith("-MISCONF"); i++) {
    said = ask(server, root, `SET k${i} ${"x".repeat(20_000)}`);
  }
  assert(said.startsWith("-MISCONF"), said);
  const eve = open(server);
  assertEquals(ask(server, eve, "AUTH eve eve"), "+OK\r\n");
  const long = ask(server, root, `ACL SETUSER eve ~${"x".repeat(2_000)}`);
  assert(long.startsWith("-MISCONF"), long);
  assertEquals(ask(server, root, "ACL SETUSER eve off"), "+OK\r\n");
  assertEquals(eve.closing, "its user is gone, or off");
});

Deno.test("more keys than can be compared with a user's patterns are refused, in a write and in a read", () => {
  const server = serverWithUsers();
  const root = open(server);
  const wide = Array.from({ length: 900 }, (_, i) => `~*${i}:x`).join(" ");
  const made = ask(
    server,
    root,
    "ACL SETUSER root on >root ~* +@all",
    "AUTH root root",
    `ACL SETUSER wide on nopass +@all ${wide}`,
    "ACL SETUSER narrow on nopass +@all ~app:* ~*:public ~a?c",
  );
  assertEquals(made, "+OK\r\n".repeat(4));
  const keys = (count: number) => Array.from({ length: count }, (_, i) => `app:${i}:0:x`).join(" ");
  const { lastIndex } = server;
  const client = open(server);
  ask(server, client, "AUTH wide x");
  const refused = /^-ERR too many keys to be compared with all patterns of this user/;
  for (const command of ["DEL", "UNLINK"]) {
    const said = ask(server, client, `${command} ${keys(20_000)}`);
    assert(refused.test(said), said);
  }
  const read = ask(server, client, `MGET ${keys(20_000)}`);
  assert(read.startsWith("-ERR there is more than one reply may carry"), read.slice(0, 100));
  const inside = ask(server, client, "MULTI", `DEL ${keys(20_000)}`, "EXEC");
  assert(/-ERR too many keys|-EXECABORT/.test(inside), inside);
  assertEquals(server.lastIndex, lastIndex, "nothing of it is in the log");
  assertEquals(ask(server, client, `DEL ${keys(100)}`, "SET 7:x 1"), ":0\r\n+OK\r\n");
  const narrow = open(server);
  ask(server, narrow, "AUTH narrow x");
  assertEquals(ask(server, narrow, `DEL ${keys(20_000)}`), ":0\r\n");
  assert(ask(server, narrow, `MGET ${keys(20_000)}`).startsWith("*20000"));
});

Deno.test("what judging a read takes counts as work on reads, whether the read is permitted or not", () => {
  const server = serverWithUsers();
  const root = open(server);
  const wide = Array.from({ length: 500 }, (_, i) => `~*${i}:x`).join(" ");
  ask(server, root, "ACL SETUSER root on >root ~* +@all", "AUTH root root");
  assertEquals(ask(server, root, `ACL SETUSER wide on nopass +@all ${wide}`), "+OK\r\n");
  const client = open(server);
  ask(server, client, "AUTH wide x");
  const beforeAll = server.node.store!.readWork;
  ask(server, client, "GET none");
  assert(server.node.store!.readWork - beforeAll >= 500 * 4, "each pattern counts");
  for (const key of ["499:x", "none"]) {
    const before = server.node.store!.readWork;
    ask(server, client, `MGET ${Array.from({ length: 50 }, () => key).join(" ")}`);
    assert(server.node.store!.readWork - before >= 50 * 500 * 4, key);
  }
});

Deno.test("more names or rules at once than may be are refused, and nothing goes into the log", () => {
  const server = serverWithUsers();
  const session = open(server);
  const { lastIndex } = server;
  const names = Array.from({ length: 70_000 }, () => "a").join(" ");
  assertEquals(
    ask(server, session, `ACL DELUSER ${names}`),
    "-ERR more than 1000 names at once\r\n",
  );
  const rules = Array.from({ length: 70_000 }, (_, i) => `~${i}`).join(" ");
  const said = ask(server, session, `ACL SETUSER root ${rules}`);
  assertEquals(said, "-ERR more than 2000 rules at once\r\n");
  assertEquals(server.lastIndex, lastIndex);
});

Deno.test("whose user is off gets nothing more that was asked for before, however slowly it reads", () => {
  for (const change of ["SETUSER bob off", "DELUSER bob", "SETUSER bob -info"]) {
    const server = serverWithUsers();
    const [root, bob] = [open(server), open(server)];
    ask(server, root, "ACL SETUSER root on >root ~* +@all", "AUTH root root");
    ask(server, root, "ACL SETUSER bob on nopass ~* +@all");
    assertEquals(ask(server, bob, "AUTH bob x"), "+OK\r\n");
    server.send(bob, "*1\r\n$4\r\nINFO\r\n".repeat(4_000));
    server.pass(100);
    assert(ask(server, root, `ACL ${change}`).length > 0);
    let said = "";
    for (let more = replies(bob); more !== ""; more = replies(bob)) {
      said += more;
      server.pass(10);
    }
    const shown = said.split("# Server").length - 1;
    const denied = said.split("-NOPERM this user has no permissions to run the 'info'").length - 1;
    // What was composed before fills the output, once.
    assert(shown < 700 && denied > 300, `${shown} shown, ${denied} denied after ACL ${change}`);
    assertEquals(bob.closing, change.endsWith("-info") ? null : "its user is gone, or off");
  }
});

Deno.test("whose user is off is closed though it never reads", () => {
  const server = serverWithUsers();
  const [root, bob] = [open(server), open(server)];
  ask(server, root, "ACL SETUSER root on >root ~* +@all", "AUTH root root");
  ask(server, root, "ACL SETUSER bob on nopass ~* +@all");
  ask(server, bob, "AUTH bob x");
  server.send(bob, "*1\r\n$4\r\nINFO\r\n".repeat(1_000));
  server.pass(100);
  ask(server, root, "ACL SETUSER bob off");
  assertEquals(bob.closing, "its user is gone, or off");
});

Deno.test("who has the leader's data directory changes one user, over loopback, and it counts at once", () => {
  const userResets = new FakeUserResets();
  const server = serverWithUsers({ userResets });
  const root = open(server);
  ask(server, root, "ACL SETUSER root on >forgotten ~* +@all", "AUTH root forgotten");
  userResets.secret = "s3cret";
  const reset = "RAFTKV.USER RESET s3cret root on resetpass >new";
  const elsewhere = open(server, "10.0.0.1:5000");
  assertEquals(ask(server, elsewhere, reset), "-NOAUTH Authentication required.\r\n");
  assertEquals([userResets.secret, userResets.asked], ["s3cret", 0]);
  const here = open(server, "[::1]:5000");
  const { lastIndex } = server;
  assertEquals(ask(server, here, reset), "+OK\r\n");
  assertEquals([userResets.secret, server.lastIndex], [null, lastIndex + 1]);
  // Nobody was authenticated by it, and it was good once.
  const again = ask(server, here, "GET k", reset);
  assert(/^-NOAUTH [^\r]*\r\n-ERR nothing was done: it is not the one/.test(again), again);
  assertEquals(server.lastIndex, lastIndex + 1);
  assertEquals(ask(server, open(server), "AUTH root new", "SET k 1"), "+OK\r\n+OK\r\n");
  assert(ask(server, open(server), "AUTH root forgotten").startsWith("-WRONGPASS"));
  const said = server.events.filter(({ message }) => message.includes("data directory"));
  assertEquals(said.map(({ level, fields }) => [level, fields.user, fields.remote]), [
    ["warning", "root", "[::1]:5000"],
  ]);
  for (const event of server.events) assert(!JSON.stringify(event).includes("s3cret"));
});

Deno.test("a server that is given no place for secrets takes none", () => {
  const server = serverWithUsers();
  ask(server, open(server), "ACL SETUSER root on >root ~* +@all");
  const said = ask(server, open(server), "RAFTKV.USER RESET x root on >new");
  assertEquals(said, "-ERR nothing was done: this server takes no secrets\r\n");
});
