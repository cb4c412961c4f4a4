/** Users as clients of the Redis protocol see them: who gets in, who may do what, and ACL. */
import type { BackupSource } from "../../lib/wire/backup.ts";
import { COMMANDS } from "../../lib/wire/resp/resp_table.ts";
import { assert, assertEquals } from "@std/assert";
import type { Reply } from "../process/redis_socket.ts";
import { AWAIT_LEADER } from "../../lib/node/session/session_host.ts";
import { OneClient, OneServer, requestBytes } from "./resp_driver.ts";

const NOAUTH = "NOAUTH Authentication required.";
const WRONGPASS = "WRONGPASS invalid username-password pair or user is disabled.";
const KEY = "NOPERM this user has no permissions to access one of the keys used as arguments";

function command(name: string): string {
  return `NOPERM this user has no permissions to run the '${name}' command`;
}

/** Words of a line, asked one by one; errors as their texts. */
function ask(client: OneClient, ...lines: string[]): Reply[] {
  return lines.map((line) => {
    const [reply] = client.ask(line.split(" "));
    return reply instanceof Error ? reply.message : reply!;
  });
}

function requests(...all: string[][]): Uint8Array {
  return requestBytes(all);
}

/** A server with an administrator and a connection of it. */
function withRoot(): { server: OneServer; root: OneClient } {
  const server = new OneServer();
  const root = new OneClient(server);
  assertEquals(ask(root, "ACL SETUSER root on >root ~* &* +@all", "AUTH root root"), ["OK", "OK"]);
  return { server, root };
}

function connect(server: OneServer, name?: string): OneClient {
  const client = new OneClient(server, 2);
  if (name !== undefined) assertEquals(ask(client, `AUTH ${name} ${name}`), ["OK"]);
  return client;
}

Deno.test("before a client is authenticated nothing answers but AUTH, HELLO, QUIT and RESET", () => {
  const { server } = withRoot();
  for (const { name, arity } of COMMANDS) {
    if (["auth", "hello", "quit", "reset", "raftkv.user"].includes(name)) continue;
    const words = [name, ...Array(Math.max(0, Math.abs(arity) - 1)).fill("x")];
    assertEquals(ask(connect(server), words.join(" ")), [NOAUTH], name);
  }
  assertEquals(ask(connect(server), "nosuch", "get", "x".repeat(20_000)), [NOAUTH, NOAUTH, NOAUTH]);
  const client = connect(server);
  assertEquals(ask(client, "AUTH root wrong", "PING", "RESET", "AUTH a b c"), [
    WRONGPASS,
    NOAUTH,
    "RESET",
    "ERR syntax error",
  ]);
  assertEquals(ask(client, "AUTH root root", "PING", "RESET", "PING"), [
    "OK",
    "PONG",
    "RESET",
    NOAUTH,
  ]);
});

Deno.test("HELLO with AUTH takes effect once the client is authenticated, or not at all", () => {
  const { server } = withRoot();
  const client = connect(server);
  const [refused] = ask(client, "HELLO 3");
  assert(String(refused).startsWith("NOAUTH HELLO must be called"), String(refused));
  assertEquals(ask(client, "HELLO 3 AUTH root wrong SETNAME me"), [WRONGPASS]);
  assertEquals(ask(client, "HELLO 4 AUTH root root"), ["NOPROTO unsupported protocol version"]);
  client.ask(["HELLO", "3", "AUTH", "root", "root", "SETNAME", "me"]);
  assert(client.output.startsWith("%7\r\n"), client.output);
  assertEquals(ask(client, "CLIENT GETNAME", "ACL WHOAMI"), ["me", "root"]);
});

Deno.test("what comes after AUTH in the same bytes is decided after it", () => {
  const { server } = withRoot();
  const client = connect(server);
  const all = [["SET", "k", "1"], ["AUTH", "root", "root"], ["SET", "k", "2"], ["GET", "k"]];
  const replies = client.ask(...all).map((one) => one instanceof Error ? one.message : one);
  assertEquals(replies, [NOAUTH, "OK", "OK", "2"]);
  const wrong = [["AUTH", "root", "no"], ["GET", "k"], ["AUTH", "x", "y"], ["RESET"], ["GET", "k"]];
  const denied = client.ask(...wrong).map((one) => one instanceof Error ? one.message : one);
  assertEquals(denied, [WRONGPASS, "2", WRONGPASS, "RESET", NOAUTH]);
});

Deno.test("a user does what its rules allow, and with the keys that they name", () => {
  const { server, root } = withRoot();
  assertEquals(ask(root, "ACL SETUSER bob on >bob ~app:* %R~ro:* +@read +set +del -strlen"), [
    "OK",
  ]);
  const bob = connect(server, "bob");
  assertEquals(
    ask(
      bob,
      "SET app:1 x",
      "GET app:1",
      "GET ro:1",
      "SET ro:1 x",
      "GET other",
      "MGET app:1 other",
      "DEL app:1 other",
      "STRLEN app:1",
      "INCR app:1",
      "CONFIG GET save",
      "PING",
      "ACL WHOAMI",
      "SET ro:1",
    ),
    [
      "OK",
      "x",
      null,
      KEY,
      KEY,
      KEY,
      KEY,
      command("strlen"),
      command("incr"),
      command("config|get"),
      command("ping"),
      command("acl|whoami"),
      "ERR wrong number of arguments for 'set' command",
    ],
  );
  assertEquals(
    ask(root, "GET app:1"),
    ["x"],
    "nothing of a DEL is done where one key is not its own",
  );
});

Deno.test("a transaction takes what the user may do, is spoiled by what it may not, and is judged again at its end", () => {
  const { server, root } = withRoot();
  ask(root, "ACL SETUSER bob on >bob ~app:* +@read +@write +@transaction +ping");
  const bob = connect(server, "bob");
  const discarded = "EXECABORT Transaction discarded because of previous errors.";
  assertEquals(ask(bob, "MULTI", "SET app:1 x", "SET other x", "EXEC"), [
    "OK",
    "QUEUED",
    KEY,
    discarded,
  ]);
  assertEquals(ask(bob, "MULTI", "INFO", "EXEC"), ["OK", command("info"), discarded]);
  assertEquals(ask(bob, "MULTI", "SET app:1 x", "GET app:1", "PING"), [
    "OK",
    "QUEUED",
    "QUEUED",
    "QUEUED",
  ]);
  ask(root, "ACL SETUSER bob -get");
  const [replies] = bob.ask(["EXEC"]) as [Reply[]];
  assertEquals(replies.map((one) => one instanceof Error ? one.message.split(" ")[0] : one), [
    "OK",
    "NOPERM",
    "PONG",
  ]);
  ask(root, "ACL SETUSER bob -exec");
  assertEquals(ask(bob, "MULTI", "SET app:1 y", "EXEC"), [
    "OK",
    "QUEUED",
    `EXECABORT Transaction discarded because of: ${command("exec")}`,
  ]);
  assertEquals(ask(root, "GET app:1"), ["x"]);
});

Deno.test("what is queued after the permission to EXEC is gone is not applied, whatever the leader knew", () => {
  const { server, root } = withRoot();
  ask(root, "ACL SETUSER bob on >bob ~* +@all");
  const bob = connect(server, "bob");
  // Both are in the log before either is applied: first what takes the permission.
  root.send(requests(["ACL", "SETUSER", "bob", "-set"]), undefined, false);
  server.confirmRounds();
  bob.send(requests(["SET", "k", "1"], ["GET", "k"]), undefined, false);
  server.settle();
  bob.output = "";
  bob.send(new Uint8Array(0));
  assertEquals(bob.replies().map((one) => one instanceof Error ? one.message : one), [
    command("set"),
    null,
  ]);
});

Deno.test("what waits for a leader is not done where its user is gone by then", () => {
  const { server, root } = withRoot();
  ask(root, "ACL SETUSER bob on >bob ~* +@all");
  const bob = connect(server, "bob");
  server.refusedWith = AWAIT_LEADER;
  bob.output = "";
  bob.send(
    requests(["SET", "k", "1"], ["GET", "k"], ["MULTI"], ["SET", "k", "2"], ["EXEC"]),
    undefined,
    false,
  );
  assertEquals([bob.output, bob.session.heldCommands > 0], ["", true]);
  // This server leads again, and what it has by then takes the user away; bob's are told of it after that.
  server.refusedWith = 0;
  assertEquals(ask(root, "ACL DELUSER bob"), [1]);
  bob.session.resumeHeld(-Infinity);
  server.settle();
  bob.session.advance();
  bob.send(new Uint8Array(0));
  const said = bob.replies().map((one) => one instanceof Error ? one.message.slice(0, 6) : one);
  assertEquals([said[0], said[1], said.at(-1)], ["NOPERM", "NOPERM", "NOPERM"]);
  assertEquals(ask(root, "EXISTS k"), [0]);
});

Deno.test("a watch of a key that the user may not see fails its transaction", () => {
  const { server, root } = withRoot();
  ask(root, "ACL SETUSER bob on >bob ~app:* +@all");
  const bob = connect(server, "bob");
  assertEquals(ask(bob, "WATCH other", "MULTI", "SET app:1 x", "EXEC"), [
    KEY,
    "OK",
    "QUEUED",
    "EXECABORT Transaction discarded because of previous errors.",
  ]);
});

Deno.test("KEYS, SCAN and RANDOMKEY show what the user may read; DBSIZE and FLUSHALL need all keys", () => {
  const { server, root } = withRoot();
  ask(root, "MSET app:1 x other x", "ACL SETUSER bob on >bob %R~app:* +@all");
  const bob = connect(server, "bob");
  assertEquals(ask(bob, "KEYS *", "RANDOMKEY", "SCAN 0", "DBSIZE", "FLUSHALL"), [
    ["app:1"],
    "app:1",
    ["0", ["app:1"]],
    KEY,
    KEY,
  ]);
});

Deno.test("the first user is made over a loopback connection, and gets in", () => {
  const server = new OneServer();
  const far = new OneClient(server, 1, 1_000_000_000, false);
  const [refused] = ask(far, "ACL SETUSER root on >root ~* +@all");
  assert(String(refused).startsWith("ERR the first user is made on the machine"), String(refused));
  const near = new OneClient(server);
  const lone =
    "ERR nobody would be left who can authenticate and run ACL SETUSER: nothing was done";
  assertEquals(
    ask(near, "ACL SETUSER root on ~* +@all", "ACL SETUSER root >root ~* +@all", "SET k 1"),
    [lone, lone, "OK"],
  );
  assertEquals(ask(near, "ACL SETUSER root on >root ~* +@all", "GET k"), ["OK", NOAUTH]);
  assertEquals(ask(near, "ACL SETUSER eve on >eve ~* +@all"), [NOAUTH]);
  assertEquals(ask(far, "AUTH root root", "GET k"), ["OK", "1"]);
});

Deno.test("of two first users that come at once one is made", () => {
  const server = new OneServer();
  const clients = ["a", "b"].map((name) => {
    const client = new OneClient(server);
    client.send(requests(["ACL", "SETUSER", name, "on", "nopass", "+@all"]), undefined, false);
    return client;
  });
  server.settle();
  const said = clients.map((client) => {
    client.send(new Uint8Array(0));
    return client.replies()[0];
  });
  assertEquals(said[0], "OK");
  assert(said[1] instanceof Error);
  assertEquals(server.store.users.list().map(({ name }) => name), ["a"]);
});

Deno.test("SETUSER says what is wrong with a rule, and does nothing then", () => {
  const { root } = withRoot();
  const modifier = (rule: string, why: string) =>
    `ERR Error in ACL SETUSER modifier '${rule}': ${why}`;
  assertEquals(
    ask(
      root,
      "ACL SETUSER x on foo",
      "ACL SETUSER x on <nopw",
      "ACL SETUSER x on clearselectors ~* ~a",
      "ACL SETUSER x on +nosuch",
      "ACL SETUSER x on +@nosuch",
      "ACL SETUSER ünnamed on",
      "ACL SETUSER root off",
      "ACL SETUSER root resetpass",
      "ACL SETUSER root -acl",
      "ACL DELUSER root",
      "SET k 1",
      "ACL DELUSER x y",
      "ACL GETUSER x",
    ).map((one) => typeof one === "string" ? one.replace(/ \(.*/, "") : one),
    [
      modifier("foo", "Syntax error"),
      modifier("<...", "The password you are trying to remove from the user does not exist"),
      modifier(
        "~a",
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not " +
          "have any effect. Try 'resetkeys' to start with an empty list of patterns",
      ).replace(/ \(.*/, ""),
      modifier("+nosuch", "Unknown command or category name in ACL"),
      modifier("+@nosuch", "Unknown command or category name in ACL"),
      "ERR a user's name has 1 to 64 bytes, printable ones of ASCII",
      ...Array(4).fill(
        "ERR nobody would be left who can authenticate and run ACL SETUSER: nothing was done",
      ),
      "OK",
      0,
      null,
    ],
  );
});

Deno.test("several passwords are good at a time, until each is taken; no hash is ever shown", () => {
  const { server, root } = withRoot();
  assertEquals(ask(root, "ACL SETUSER bob on >one >two ~* +@all", "ACL SETUSER bob >three <one"), [
    "OK",
    "OK",
  ]);
  assertEquals(ask(connect(server), "AUTH bob two"), ["OK"]);
  assertEquals(ask(connect(server), "AUTH bob three"), ["OK"]);
  assertEquals(ask(connect(server), "AUTH bob one"), [WRONGPASS]);
  assertEquals(ask(root, "ACL LIST", "ACL GETUSER bob"), [
    [
      "user bob on #scrypt #scrypt ~* resetchannels +@all",
      "user root on #scrypt ~* &* +@all",
    ],
    [
      ...["flags", ["on"], "passwords", ["#scrypt", "#scrypt"], "commands", "+@all"],
      ...["keys", "~*", "channels", "", "selectors", []],
    ],
  ]);
  assertEquals(server.store.users.byName("bob")!.passwords.map(({ salt }) => `${salt}`).length, 2);
  const salts = new Set(server.store.users.byName("bob")!.passwords.map(({ salt }) => `${salt}`));
  assertEquals(salts.size, 1, "one hash tells whether a password is any of a user's");
});

Deno.test("DRYRUN says what would become of a command", () => {
  const { root } = withRoot();
  ask(root, "ACL SETUSER bob on ~app:* %R~ro:* +@read +set");
  assertEquals(
    ask(
      root,
      "ACL DRYRUN nobody GET a",
      "ACL DRYRUN bob nosuch",
      "ACL DRYRUN bob get",
      "ACL DRYRUN bob GET app:1",
      "ACL DRYRUN bob SET ro:1 x",
      "ACL DRYRUN bob SET app:1 x GET",
      "ACL DRYRUN bob MGET app:1 other",
      "ACL DRYRUN bob INCR app:1",
      "ACL DRYRUN bob DBSIZE",
    ),
    [
      "ERR User 'nobody' not found",
      "ERR Command 'nosuch' not found",
      "ERR wrong number of arguments for 'get' command",
      "OK",
      "This user has no permissions to access the 'ro:1' key",
      "OK",
      "This user has no permissions to access the 'other' key",
      "This user has no permissions to run the 'incr' command",
      "This user has no permissions to access all keys",
    ],
  );
});

Deno.test("lines: auth, and what is not permitted", () => {
  const { server, root } = withRoot();
  ask(root, "ACL SETUSER bob on >secret ~app:* +get +set", "SET app:1 x");
  const client = new OneClient(server, 3);
  const say = (text: string): string => {
    client.output = "";
    client.send(new TextEncoder().encode(text));
    return client.output;
  };
  assertEquals(
    say("get app:1\r\nhelp\r\nset app:1 0 1\r\nx\r\nnosuch\r\n"),
    "ERR_AUTH\r\n".repeat(4),
  );
  assertEquals(say("auth bob 3\r\nabc\r\n"), "ERR_AUTH\r\n");
  assertEquals(
    say(
      "auth bob 6\r\nsecret\r\nget app:1\r\nset app:2 0 1\r\ny\r\nget other\r\ndelete app:1\r\ngetm app:1\r\n",
    ),
    "OK\r\nVALUE 1\r\nx\r\nOK 1\r\nERR_PERMISSION\r\nERR_PERMISSION\r\nERR_PERMISSION\r\n",
  );
});

/** A backup that is ready and has no end. */
const BACKUP: BackupSource = {
  facts: () => ({
    clusterId: "c",
    serverId: 1,
    appliedIndex: 1,
    version: "1.0.0",
    hashSeed: 1,
    keys: 1,
  }),
  begin: () => 1,
  state: () => ({ isReady: true, index: 1, term: 1, takenMs: 1, bytes: 1, madeBytes: 1 }),
  next: () => new Uint8Array([0x61]),
  end: () => {},
};

Deno.test("a backup needs leave to read all keys: of what it holds, not of how far it is", () => {
  const { server, root } = withRoot();
  server.backupSource = BACKUP;
  ask(root, "ACL SETUSER bob on >bob ~app:* %W~* +@all");
  const lines = ["BEGIN 1", "STATE 1", "READ 1", "INDEX", "END 1"].map((one) =>
    `RAFTKV.BACKUP ${one}`
  );
  const bob = connect(server, "bob");
  assertEquals(ask(bob, ...lines.slice(0, 3)), [KEY, KEY, KEY]);
  assert(ask(bob, ...lines.slice(3)).every((one) => !String(one).startsWith("NOPERM")));
  const dry = (line: string) => ask(root, `ACL DRYRUN bob ${line}`)[0];
  const denied = "This user has no permissions to access all keys";
  assertEquals(lines.map(dry), [denied, denied, denied, "OK", "OK"]);
  ask(root, "ACL SETUSER bob %R~*");
  assertEquals(ask(bob, lines[0]!, lines[2]!), [1, "a"]);
  assertEquals(lines.map(dry), ["OK", "OK", "OK", "OK", "OK"]);
});

Deno.test("DRYRUN judges a script by its keys, and a session's write as the command that it is", () => {
  const { root } = withRoot();
  ask(root, "ACL SETUSER bob on ~app:* %R~ro:* +@scripting +raftkv.session +incr");
  const denied = (key: string) => `This user has no permissions to access the '${key}' key`;
  const expected: Readonly<Record<string, string>> = {
    "EVAL x 1 app:1": "OK",
    "EVAL x 1 b": denied("b"),
    "EVAL x 1 ro:1": denied("ro:1"),
    "EVAL x 2 app:1 b b": denied("b"),
    "EVAL x 1 app:1 b": "OK",
    "EVAL x 9 b": "OK",
    "EVAL x none b": "OK",
    "EVALSHA x 1 b": denied("b"),
    "EVAL_RO x 1 ro:1": "OK",
    "EVALSHA_RO x 1 b": denied("b"),
    "RAFTKV.SESSION OPEN": "OK",
    "RAFTKV.SESSION RUN 1 1 1 INCR app:1": "OK",
    "RAFTKV.SESSION RUN 1 1 1 INCR b": denied("b"),
    "RAFTKV.SESSION RUN 1 1 1 BIND INCR ro:1": denied("ro:1"),
    "RAFTKV.SESSION RUN 1 1 1 SET app:1 x": "This user has no permissions to run the 'set' command",
    "RAFTKV.SESSION RUN 1 1 1 EXEC": "This user has no permissions to run the 'exec' command",
    "RAFTKV.SESSION RUN 1": "OK",
  };
  for (const [line, reply] of Object.entries(expected)) {
    assertEquals(ask(root, `ACL DRYRUN bob ${line}`), [reply], line);
  }
});

Deno.test("what waits for its turn is answered by what the user may do then", () => {
  const changes = ["SETUSER bob -@all +set +acl|whoami", "SETUSER bob off", "DELUSER bob"];
  for (const change of changes) {
    const { server, root } = withRoot();
    server.backupSource = BACKUP;
    ask(root, "ACL SETUSER bob on >bob ~* &* +@all");
    const bob = connect(server, "bob");
    bob.output = "";
    const killed: unknown[] = [];
    server.killClients = () => killed.push(0);
    const local = ["INFO", "RAFTKV.STATUS", "RAFTKV.BACKUP READ 1", "CLIENT LIST", "ACL GENPASS"];
    const lines = ["SET k v", ...local, "CLUSTER SLOTS", "CLIENT KILL ID 1", "HELLO", "PING"];
    const all = requests(...lines.map((line) => line.split(" ")));
    bob.send(all, all.length, false);
    const changed = requests(["ACL", ...change.split(" ")]);
    root.send(changed, changed.length, false);
    // By now both are to be applied in one entry, one after the other.
    server.confirmRounds();
    bob.send(requests());
    const said = bob.replies().map((one) => one instanceof Error ? one.message : one);
    const names = [
      "info",
      "raftkv.status",
      "raftkv.backup",
      "client|list",
      "acl|genpass",
      "cluster|slots",
      "client|kill",
    ];
    assertEquals([said[0], ...said.slice(1, 8)], ["OK", ...names.map(command)], change);
    assert(Array.isArray(said[8]), "everybody may say HELLO");
    assertEquals([said[9], killed], ["PONG", []]);
  }
});

Deno.test("a password is as long as one may be, or it is refused and nobody hashes it", () => {
  const { server, root } = withRoot();
  const longest = "x".repeat(1_024);
  assertEquals(ask(root, `ACL SETUSER bob on >${longest} ~* +@all`), ["OK"]);
  const client = connect(server);
  const { hashes } = server.passwords;
  const why = "ERR a password has at most 1024 bytes";
  const lines = [`AUTH bob ${longest}x`, `AUTH ${longest}x`, `HELLO 3 AUTH bob ${longest}x`];
  assertEquals(ask(client, ...lines), [why, why, why]);
  assertEquals(server.passwords.hashes, hashes);
  assertEquals(ask(client, `AUTH bob ${longest}`, "ACL WHOAMI"), ["OK", "bob"]);
});

Deno.test("a transaction that was begun before there were users keeps nobody from authenticating", () => {
  for (const entry of ["AUTH root root", "HELLO 2 AUTH root root"]) {
    const server = new OneServer();
    const [early, late] = [new OneClient(server), new OneClient(server, 2)];
    assertEquals(ask(late, "WATCH k", "MULTI", "SET k 1"), ["OK", "OK", "QUEUED"]);
    assertEquals(ask(early, "ACL SETUSER root on >root ~* +@all"), ["OK"]);
    assertEquals(ask(late, "EXEC", "DISCARD", "SET k 2"), [NOAUTH, NOAUTH, NOAUTH]);
    assert(!String(ask(late, entry)[0]).startsWith("ERR"), entry);
    assertEquals(ask(late, "EXEC", "GET k"), ["ERR EXEC without MULTI", null]);
    assertEquals(ask(late, "MULTI", "AUTH root root"), [
      "OK",
      "ERR this command is not supported within a transaction",
    ]);
  }
});

Deno.test("RAFTKV.USER RESET: what is wrong with the request uses no secret up, and is hashed for nobody", () => {
  const { server } = withRoot();
  const client = connect(server);
  server.userResets.secret = "secret";
  const { hashes } = server.passwords;
  const said = ask(
    client,
    "RAFTKV.USER",
    "RAFTKV.USER nosuch x",
    "RAFTKV.USER RESET secret root",
    "RAFTKV.USER RESET wrong root on >new",
    "RAFTKV.USER RESET secret a\0b on >new",
    "RAFTKV.USER RESET secret root on >new +nosuch",
    "RAFTKV.USER RESET secret root on #0123",
  );
  assertEquals(said[0], "ERR wrong number of arguments for 'raftkv.user' command");
  assertEquals(said[1], "ERR unknown subcommand 'nosuch'. Try RAFTKV.USER HELP.");
  assertEquals(said[2], "ERR wrong number of arguments for 'raftkv.user|reset' command");
  assertEquals(said[3], "ERR nothing was done: it is not the one that was left");
  assertEquals(said[4], "ERR Usernames can't contain spaces or null characters");
  for (const one of said.slice(5)) {
    assert(/^ERR Error in ACL SETUSER modifier/.test(`${one}`), `${one}`);
  }
  assertEquals([server.userResets.secret, server.passwords.hashes], ["secret", hashes]);
  assertEquals(ask(client, "RAFTKV.USER RESET secret eve on >eve ~* +@all"), ["OK"]);
  assertEquals([server.userResets.secret, server.passwords.hashes], [null, hashes + 1]);
  assertEquals(ask(connect(server, "eve"), "ACL WHOAMI"), ["eve"]);
});

Deno.test("RAFTKV.USER RESET: the secret is used up before the change is proposed, done or not", () => {
  const { server } = withRoot();
  server.userResets.secret = "secret";
  // Refused where it is applied: nobody would be left.
  assertEquals(ask(connect(server), "RAFTKV.USER RESET secret root off"), [
    "ERR nobody would be left who can authenticate and run ACL SETUSER: nothing was done",
  ]);
  assertEquals(server.userResets.secret, null);
});

Deno.test("RAFTKV.USER RESET: two at once with one secret are one change", () => {
  const { server } = withRoot();
  server.userResets.secret = "secret";
  const [one, other] = [connect(server), connect(server)];
  const request = (name: string) => requests(["RAFTKV.USER", "RESET", "secret", name, "on", ">x"]);
  // Both are found good, and both are hashed, before either is proposed.
  one.send(request("ann"), 1_000, false);
  other.send(request("bob"), 1_000, false);
  server.settle();
  server.settle();
  const names = server.store.users.list().map(({ name }) => name);
  assertEquals(names, ["ann", "root"]);
  assertEquals(server.userResets.secret, null);
});

Deno.test("RAFTKV.USER: authenticated it is a command like others; without users it has nothing to do", () => {
  const { server, root } = withRoot();
  assertEquals(ask(root, "ACL SETUSER bob on >bob ~* +@all -@dangerous"), ["OK"]);
  server.userResets.secret = "secret";
  const reset = "RAFTKV.USER RESET secret bob +@all";
  assertEquals(ask(connect(server, "bob"), reset), [command("raftkv.user")]);
  assertEquals(ask(root, "MULTI", reset, "DISCARD"), [
    "OK",
    "ERR this command is not supported within a transaction",
    "OK",
  ]);
  assertEquals(server.userResets.secret, "secret");
  const empty = new OneServer();
  empty.userResets.secret = "secret";
  assertEquals(ask(new OneClient(empty), "RAFTKV.USER RESET secret root on >x +@all"), [
    "ERR nothing was done: there are no users: make the first one, raftkv user add",
  ]);
  const elsewhere = new OneClient(empty, 2, 1_000_000_000, false);
  const [said] = ask(elsewhere, "RAFTKV.USER RESET secret root on >x +@all");
  assert(`${said}`.startsWith("ERR a user is reset on the machine"), `${said}`);
});

Deno.test("secrets that are refused are logged, paced, and never with what was typed", () => {
  const { server } = withRoot();
  const client = connect(server);
  for (let i = 0; i < 100; i++) ask(client, `RAFTKV.USER RESET typed-${i} root on >new`);
  const lines = server.logged.filter(({ message }) => /secret .* refused/.test(message));
  assert(lines.length >= 1 && lines.length < 20, `${lines.length}`);
  assert(!JSON.stringify(server.logged).includes("typed"));
});
