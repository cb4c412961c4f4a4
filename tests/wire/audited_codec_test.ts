/** What the audit log is told of each command, by both protocols: who, what, which keys, what came of it. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ClientError } from "../../lib/wire/command_batch.ts";
import type { AuditEntry, AuditTrail } from "../../lib/wire/audit.ts";
import { COMMAND_NUMBERS } from "../../lib/kv/users/command_numbers.ts";
import { toBytes } from "../process/socket.ts";
import { OneClient, OneServer, requestBytes } from "./resp_driver.ts";

class Trail implements AuditTrail {
  readonly entries: AuditEntry[] = [];
  readonly #names: readonly string[] | null;

  /** Null: all. */
  constructor(names: readonly string[] | null = null) {
    this.#names = names;
  }

  wants(command: number): boolean {
    const name = COMMAND_NUMBERS.find(({ number }) => number === command)?.name ?? "invalid";
    return this.#names === null || this.#names.includes(name);
  }

  note(entry: AuditEntry): void {
    this.entries.push(entry);
  }

  /** A line each: user, command, target, prefixes, outcome, error; what was there is forgotten. */
  take(): string[] {
    return this.entries.splice(0).map((one) => {
      assertEquals(one.remote, "test");
      const about = one.keys === 0 ? [] : [`${one.keys}=${one.prefixes.join(",")}`];
      const words = [one.user ?? "-", one.isQueued ? `exec/${one.command}` : one.command];
      const target = one.target === undefined ? [] : [`<${one.target}>`];
      const error = one.error === undefined ? [] : [one.error];
      return [...words, ...target, ...about, one.outcome, ...error].join(" ");
    });
  }
}

function connect(trail: Trail, server = new OneServer()): { server: OneServer; client: OneClient } {
  return { server, client: new OneClient(server, 1, 1_000_000_000, true, trail) };
}

function ask(client: OneClient, ...lines: string[]): void {
  for (const line of lines) client.ask(line.split(" "));
}

Deno.test("audit: the command, how its keys begin, and what came of it; never a value", () => {
  const trail = new Trail();
  const { client } = connect(trail);
  ask(
    client,
    "SET user:1:name top-secret",
    "GET user:1:name",
    "MSET a:1 top-secret a:2 top-secret b:1 top-secret",
    "DEL a:1 other",
    "SET 0123456789abcdefTOO-LONG top-secret",
    "INCR user:1:name",
    "KEYS top-secret*",
    "SET k",
    "top-secret x",
    "PING",
    "CONFIG GET save",
  );
  assertEquals(trail.take(), [
    "- set 1=user: done",
    "- get 1=user: done",
    "- mset 3=a:,b: done",
    "- del 2=a:,other done",
    "- set 1=0123456789abcdef done",
    "- incr 1=user: refused ERR",
    "- keys done",
    "- set refused ERR",
    "- invalid refused ERR",
    "- ping done",
    "- config|get done",
  ]);
});

Deno.test("audit: users, who got in and who did not, and changes of users with whom they are about", () => {
  const trail = new Trail();
  const { server, client } = connect(trail);
  ask(client, "ACL SETUSER root on >secret-1 ~* +@all", "GET k", "AUTH root secret-2");
  ask(client, "AUTH secret-3 root", "AUTH root secret-1", "GET k");
  ask(client, "ACL SETUSER bob on >secret-4 ~app:* +get", "ACL SETUSER bob >secret-5 +nosuch");
  ask(client, "ACL LIST", "ACL DELUSER bob nobody", "RESET", "HELLO 3 AUTH root secret-1");
  server.userResets.secret = "secret-6";
  ask(new OneClient(server, 2, 1_000_000_000, true, trail), "RAFTKV.USER RESET secret-6 eve on");
  assertEquals(JSON.stringify(trail.entries).includes("secret"), false);
  assertEquals(trail.take(), [
    "- acl|setuser <root> done",
    "- get refused NOAUTH",
    "root auth refused WRONGPASS",
    "- auth refused WRONGPASS",
    "root auth done",
    "root get 1=k done",
    "root acl|setuser <bob> done",
    "root acl|setuser <bob> refused ERR",
    "root acl|list done",
    "root acl|deluser <bob nobody> done",
    "root reset done",
    "root hello done",
    "- raftkv.user <eve> done",
  ]);
});

Deno.test("audit: what a user may not do is refused, with its user", () => {
  const trail = new Trail();
  const { client } = connect(trail);
  ask(client, "ACL SETUSER root on >r ~* +@all", "AUTH root r");
  ask(client, "ACL SETUSER bob on >b ~app:* +get +set", "AUTH bob b");
  trail.take();
  ask(client, "GET app:1", "GET other:1", "DEL app:1", "CONFIG GET save");
  assertEquals(trail.take(), [
    "bob get 1=app: done",
    "bob get 1=other: refused NOPERM",
    "bob del 1=app: refused NOPERM",
    "bob config|get refused NOPERM",
  ]);
});

Deno.test("audit: RESET is its user's, and what comes after it in the same bytes nobody's", () => {
  const trail = new Trail();
  const { client } = connect(trail);
  ask(client, "ACL SETUSER root on >r ~* +@all", "AUTH root r");
  trail.take();
  client.ask(["GET", "a"], ["RESET", "x"], ["GET", "b"], ["RESET"], ["GET", "c"]);
  assertEquals(trail.take(), [
    "root get 1=a done",
    "root reset refused ERR",
    "root get 1=b done",
    "root reset done",
    "- get refused NOAUTH",
  ]);
});

Deno.test("audit: of a transaction each command, once it is decided; nothing of one that is discarded", () => {
  const trail = new Trail();
  const { server, client } = connect(trail);
  ask(client, "WATCH w:1", "MULTI", "SET a:1 x", "GET b:1", "PING", "EXEC");
  assertEquals(trail.take(), [
    "- watch 1=w: done",
    "- multi done",
    "- exec done",
    "- exec/set 1=a: done",
    "- exec/get 1=b: done",
    "- exec/ping done",
  ]);
  ask(client, "MULTI", "SET a:1 x", "DISCARD", "MULTI", "DEL c:1", "SET k", "EXEC");
  assertEquals(trail.take(), [
    "- multi done",
    "- discard done",
    "- multi done",
    "- set refused ERR",
    "- exec refused EXECABORT",
  ]);
  ask(client, "WATCH w:1");
  ask(new OneClient(server, 2), "SET w:1 other");
  ask(client, "MULTI", "SET a:1 x", "EXEC");
  assertEquals(trail.take().slice(-2), ["- exec done", "- exec/set 1=a: refused WATCH"]);
});

Deno.test("audit: what nobody asked for is not told, also within transactions", () => {
  const trail = new Trail(["set"]);
  const { client } = connect(trail);
  ask(client, "GET a:1", "SET a:1 x", "MULTI", "GET a:1", "SET b:1 x", "EXEC", "PING");
  assertEquals(trail.take(), ["- set 1=a: done", "- exec/set 1=b: done"]);
});

Deno.test("audit: lines are told by the same names", () => {
  const trail = new Trail();
  const { client } = connect(trail);
  client.send(
    toBytes("set a:1 0 1\r\nx\r\nget a:1\r\ncas a:1 0 9 1\r\ny\r\ndelete a:1\r\nnosuch\r\n"),
  );
  client.send(toBytes("set n:1 0 1 noreply\r\nx\r\ngetm n:1\r\n"));
  assertEquals(trail.take(), [
    "- set 1=a: done",
    "- get 1=a: done",
    "- raftkv.cas 1=a: refused ERR_VERSION",
    "- del 1=a: done",
    "- invalid refused ERR_CMD_ERR",
    "- set 1=n: done",
    "- raftkv.get 1=n: done",
  ]);
});

Deno.test("audit: what is no client of ours is refused, and told at once", () => {
  const trail = new Trail();
  const { client } = connect(trail);
  client.send(toBytes("GET / HTTP/1.1\r\n"));
  assertEquals(trail.take(), ["- invalid refused"]);
  client.session.disconnected();
  assertEquals(trail.take(), []);
});

Deno.test("audit: a command whose client has left, or was given up, has an unknown outcome", () => {
  const trail = new Trail();
  const { server, client } = connect(trail);
  client.send(requestBytes([["SET", "a:1", "x"], ["GET", "b:1"]]), 1_000, false);
  assertEquals(trail.take(), []);
  client.session.disconnected();
  assertEquals(trail.take(), ["- set 1=a: unknown", "- get 1=b: unknown"]);
  const other = new OneClient(server, 2, 1_000_000_000, true, trail);
  other.send(requestBytes([["SET", "c:1", "x"]]), 1_000, false);
  other.session.giveUp({
    cutoffMs: Infinity,
    readError: ClientError.noLeader,
    confirmedToo: true,
    askedToo: true,
    forwardedToo: true,
  });
  assertEquals(trail.take(), ["- set 1=c: unknown ERR"]);
});

Deno.test("audit: a read whose reply is taken back is told once, and nothing of what comes after it is mixed up", () => {
  const trail = new Trail();
  const { server, client } = connect(trail);
  // The read is evaluated before the write after it, and its round is never confirmed.
  client.send(requestBytes([["GET", "a:1"], ["SET", "a:1", "x"]]), 1_000, false);
  server.applyWaiting();
  client.send(requestBytes([["GET", "c:1"], ["SET", "d:1", "x"]]), 1_000, false);
  server.loseLeadership([client.session], { hostname: "b", port: 1 });
  ask(client, "PING");
  assertEquals(trail.take(), [
    "- get 1=a: done",
    "- set 1=a: done",
    "- get 1=c: refused MOVED",
    "- set 1=d: unknown ERR",
    "- ping done",
  ]);
});

Deno.test("audit: whatever comes, the replies are those without it, and each is told of once", () => {
  const word = fc.constantFrom(
    ...["get", "set", "mset", "del", "incr", "watch", "multi", "exec", "discard", "auth", "hello"],
    ...["reset", "ping", "acl", "setuser", "deluser", "list", "raftkv.member", "remove", "dbsize"],
    ...[
      "a:1",
      "b",
      "",
      "1",
      "3",
      "root",
      "secret",
      "on",
      ">secret",
      "~*",
      "+@all",
      "nosuch",
      "scan",
    ],
  );
  const request = fc.array(word, { minLength: 1, maxLength: 6 });
  const run = (all: string[][], trail?: Trail) => {
    const server = new OneServer();
    const client = new OneClient(server, 1, 1_000_000_000, true, trail);
    client.send(requestBytes(all));
    const { output } = client;
    return { output, replies: client.replies() };
  };
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 20 }), (all) => {
      const trail = new Trail();
      const [plain, audited] = [run(all), run(all, trail)];
      assertEquals(audited.output, plain.output);
      const queued = audited.replies.filter((reply) => reply === "QUEUED").length;
      const told = trail.entries.filter(({ isQueued }) => !isQueued).length;
      assertEquals(told, audited.replies.length - queued, trail.take().join("\n"));
    }),
    { numRuns: 300 },
  );
});
