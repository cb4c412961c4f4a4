/**
 * What asks, what changes users and what only writes, in one pipeline of the Redis protocol: replies are one
 * to one and in order, and every command runs as who was authenticated at its place.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { AWAIT_LEADER } from "../../lib/node/session/session_host.ts";
import { checkSession } from "../../lib/node/session/session_invariants.ts";
import { Random } from "../../lib/util/random.ts";
import { ClientError } from "../../lib/wire/command_batch.ts";
import { parseReply, type Reply, replyLength } from "../process/redis_socket.ts";
import { fromBytes, toBytes } from "../process/socket.ts";
import { OneClient, OneServer, requestBytes } from "./resp_driver.ts";

const KEY = "NOPERM this user has no permissions to access one of the keys used as arguments";
const OTHER = { hostname: "127.0.0.1", port: 9002 };

/** The connection of a client that sends whether or not it is answered; nothing moves by itself. */
class Pipeline {
  readonly client: OneClient;
  readonly #server: OneServer;
  #unsent: Uint8Array = new Uint8Array(0);
  #output = "";

  constructor(server: OneServer) {
    this.#server = server;
    this.client = new OneClient(server, 7);
  }

  send(...lines: string[]): void {
    this.sendBytes(requestBytes(lines.map((line) => line.split(" "))));
  }

  sendBytes(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#unsent.length + bytes.length);
    all.set(this.#unsent);
    all.set(bytes, this.#unsent.length);
    this.#unsent = all;
  }

  /** Hands on at most so many bytes, and all that can be parsed of what came; takes what is answered. */
  pump(bytesMax = Infinity): void {
    const { session } = this.client;
    for (let left = bytesMax; session.closing === null;) {
      const batch = session.nextBatch();
      if (batch !== null) {
        session.submit(batch);
        continue;
      }
      if (!session.wantsInput || left <= 0 || this.#unsent.length === 0) break;
      const space = session.inputSpace();
      const count = Math.min(space.length, left, this.#unsent.length);
      space.set(this.#unsent.subarray(0, count));
      this.#unsent = this.#unsent.slice(count);
      session.received(count);
      left -= count;
    }
    for (let bytes = session.takeOutput(); bytes !== null; bytes = session.takeOutput()) {
      this.#output += fromBytes(bytes);
      session.outputWritten();
    }
    checkSession(session.inspect());
  }

  /** Everything is answered: the replies to it. */
  finish(): string[] {
    this.settle();
    return this.replies();
  }

  settle(): void {
    for (let i = 0; i < 1_000; i++) {
      this.pump();
      this.#server.settle();
      this.pump();
      if (this.#unsent.length === 0 && !this.client.session.hasPending) break;
    }
    assertEquals([this.#unsent.length, this.client.session.hasPending], [0, false]);
  }

  takeText(): string {
    const text = this.#output;
    this.#output = "";
    return text;
  }

  replies(): string[] {
    const bytes = toBytes(this.#output);
    const found: string[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = replyLength(bytes, at, bytes.length);
      assert(length > 0, `Half a reply: ${JSON.stringify(this.#output.slice(at))}`);
      found.push(textOf(parseReply(this.#output.slice(at, at + length))));
      at += length;
    }
    this.#output = "";
    return found;
  }
}

function textOf(reply: Reply): string {
  if (reply instanceof Error) return reply.message;
  if (Array.isArray(reply)) return `[${reply.map(textOf).join(" ")}]`;
  return String(reply);
}

/** A server with an administrator, root, and a user, bob, whose keys begin with "bob:". */
function withUsers(): { server: OneServer; pipeline: Pipeline } {
  const server = new OneServer();
  const pipeline = new Pipeline(server);
  pipeline.send(
    "ACL SETUSER root on >root ~* &* +@all",
    "AUTH root root",
    "ACL SETUSER bob on >bob ~bob:* &* +@all",
  );
  assertEquals(pipeline.finish(), ["OK", "OK", "OK"]);
  return { server, pipeline };
}

Deno.test("pipelines: what asks after ACL DELUSER keeps what follows it waiting", () => {
  const asking: [string, string][] = [
    ["ACL SETUSER y >pw", "OK"],
    ["AUTH root root", "OK"],
    ["RAFTKV.MEMBER REMOVE 3", "OK"],
  ];
  for (const [line, answer] of asking) {
    const { server, pipeline } = withUsers();
    server.answer = null;
    pipeline.send("ACL DELUSER x", line, "SET k v");
    pipeline.pump();
    // DELUSER is applied, and what was asked after it is not answered yet.
    for (let i = 0; i < 3; i++) {
      server.applyWaiting();
      server.confirmRounds();
      pipeline.pump();
    }
    assertEquals(pipeline.finish(), ["0", answer, "OK"], line);
  }
});

Deno.test("pipelines: after DELUSER and AUTH a command runs as who was authenticated", () => {
  const { server, pipeline } = withUsers();
  pipeline.send("ACL DELUSER x", "AUTH bob bob", "SET k v", "SET bob:k v");
  pipeline.pump();
  server.applyWaiting();
  pipeline.pump();
  assertEquals(pipeline.finish(), ["0", "OK", KEY, "OK"]);
});

Deno.test("pipelines: each ACL has the reply that it would have by itself", () => {
  const { pipeline } = withUsers();
  pipeline.send("ACL SETUSER a", "ACL SETUSER b", "ACL DELUSER a", "ACL DELUSER b");
  assertEquals(pipeline.finish(), ["OK", "OK", "1", "1"]);
  pipeline.send("ACL SETUSER a", "ACL DELUSER a", "ACL USERS");
  assertEquals(pipeline.finish(), ["OK", "1", "[bob root]"]);
  pipeline.send(
    "ACL DELUSER bob",
    "ACL GETUSER nobody",
    "ACL DELUSER root",
    "ACL DRYRUN bob get k",
  );
  const said = pipeline.finish();
  assertStringIncludes(said[2]!, "nobody would be left");
  assertEquals(said.toSpliced(2, 1), ["1", "null", "ERR User 'bob' not found"]);
});

Deno.test("pipelines: a DELUSER that is refused takes nothing of the HELLO after it", () => {
  const { server, pipeline } = withUsers();
  pipeline.send("ACL DELUSER x", "HELLO 2 AUTH bob bob SETNAME me", "CLIENT GETNAME", "ACL WHOAMI");
  pipeline.pump();
  server.giveBack(ClientError.busy);
  const said = pipeline.finish();
  assertStringIncludes(said[0]!, "TRYAGAIN");
  assertStringIncludes(said[1]!, "[server ");
  assertEquals(said.slice(2), ["me", "bob"]);
});

Deno.test("pipelines: what was refused before counts once, also where leadership is lost after it", () => {
  const { server, pipeline } = withUsers();
  // The read's round is not confirmed, so the refusal after it is kept, and composed again.
  pipeline.send("GET a", "SET b 1", "AUTH bob wrong", "AUTH bob bob", "SET k v", "ACL WHOAMI");
  pipeline.pump();
  server.applyWaiting();
  server.answerAsked();
  pipeline.pump();
  server.loseLeadership([pipeline.client.session], OTHER);
  pipeline.pump();
  server.lead();
  const said = pipeline.finish();
  assert(said[0]!.startsWith("MOVED"), said[0]);
  assertEquals(said.slice(1, 2), ["OK"]);
  assertStringIncludes(said[2]!, "WRONGPASS");
  assertEquals(said.slice(3), ["OK", KEY, "bob"]);
});

Deno.test("pipelines: in the protocol of lines, an auth that was refused before counts once", () => {
  const { server } = withUsers();
  const pipeline = new Pipeline(server);
  pipeline.sendBytes(toBytes("auth root 4\r\nroot\r\n"));
  pipeline.settle();
  const auths = "auth bob 5\r\nwrong\r\nauth bob 3\r\nbob\r\n";
  pipeline.sendBytes(toBytes(`get a\r\nset b 0 1\r\n1\r\n${auths}set k 0 1\r\nv\r\n`));
  pipeline.pump();
  server.applyWaiting();
  server.answerAsked();
  pipeline.pump();
  server.loseLeadership([pipeline.client.session], OTHER);
  pipeline.pump();
  server.lead();
  pipeline.settle();
  assertEquals(
    pipeline.takeText(),
    "OK\r\nERR_REDIRECT 127.0.0.1 9002\r\nOK 1\r\nERR_AUTH\r\nOK\r\nERR_PERMISSION\r\n",
  );
});

Deno.test("pipelines: RESET changes who the client is for what comes after it, and only that", () => {
  const { pipeline } = withUsers();
  pipeline.send("SET k v", "CLIENT INFO", "RESET", "PING", "AUTH bob bob", "ACL WHOAMI");
  const said = pipeline.finish();
  assertStringIncludes(said[1]!, "user=root");
  assertEquals([said[0], ...said.slice(2)], [
    "OK",
    "RESET",
    "NOAUTH Authentication required.",
    "OK",
    "bob",
  ]);
});

/** The user and the name that the replies so far come to, and which users there are. */
class Model {
  user = "root";
  name = "null";
  readonly users = new Set(["root", "bob"]);
  /** Leadership was lost at some time: what is refused, or of unknown outcome, is no surprise. */
  isExact = true;

  check(line: string, reply: string): void {
    const [command = "", ...words] = line.split(" ");
    const isRefused = /^(MOVED|TRYAGAIN|CLUSTERDOWN|ERR outcome unknown)/.test(reply);
    if (isRefused) return assert(!this.isExact, `${line}: ${reply}`);
    const about = `${line} as ${this.user}`;
    switch (command) {
      case "AUTH":
        this.#entered(words[0]!, words[1]!, reply === "OK", reply);
        return;
      case "HELLO":
        if (this.#entered(words[2]!, words[3]!, reply.startsWith("[server "), reply)) {
          this.name = words[5]!;
        }
        return;
      case "RESET":
        [this.user, this.name] = ["", "null"];
        return assertEquals(reply, "RESET");
    }
    if (this.user === "") return assertEquals(reply, "NOAUTH Authentication required.", about);
    switch (line) {
      case "SET k v":
        return assertEquals(reply, this.user === "root" ? "OK" : KEY, about);
      case "PING":
        return assertEquals(reply, "PONG");
      case "GET bob:k":
        return assertEquals(reply, "null");
      case "ACL WHOAMI":
        return assertEquals(reply, this.user, about);
      case "CLIENT INFO":
        return assertStringIncludes(reply, `user=${this.user}`, about);
      case "CLIENT GETNAME":
        return assertEquals(reply === "" ? "null" : reply, this.name, about);
      case "RAFTKV.MEMBER REMOVE 3":
        return assertEquals(reply, "OK");
      case "ACL USERS":
        if (this.isExact) assertEquals(reply, `[${[...this.users].sort().join(" ")}]`, about);
        return assert(/\bbob\b.*\broot\b/.test(reply), `${about}: ${reply}`);
    }
    if (words[0] === "SETUSER") {
      this.users.add(words[1]!);
      return assertEquals(reply, "OK", about);
    }
    assertEquals(words[0], "DELUSER");
    const deleted = words.slice(1).filter((name) => this.users.delete(name)).length;
    assert(this.isExact ? reply === `${deleted}` : /^\d$/.test(reply), `${about}: ${reply}`);
  }

  #entered(user: string, password: string, isIn: boolean, reply: string): boolean {
    assertEquals(isIn, user === password, `${user} ${password}: ${reply}`);
    if (isIn) this.user = user;
    else assertStringIncludes(reply, "WRONGPASS");
    return isIn;
  }
}

const LINES = [
  "ACL DELUSER a",
  "ACL DELUSER b c",
  "ACL SETUSER a on >a",
  "ACL SETUSER b",
  "ACL SETUSER c",
  "ACL USERS",
  "ACL WHOAMI",
  "AUTH root root",
  "AUTH root root",
  "AUTH bob bob",
  "AUTH bob wrong",
  "HELLO 2 AUTH root root SETNAME one",
  "HELLO 2 AUTH bob bob SETNAME two",
  "HELLO 2 AUTH bob wrong SETNAME three",
  "RAFTKV.MEMBER REMOVE 3",
  "RESET",
  "CLIENT INFO",
  "CLIENT GETNAME",
  "GET bob:k",
  "SET k v",
  "SET k v",
  "PING",
];

function walk(seed: number): void {
  const random = new Random(seed);
  const { server, pipeline } = withUsers();
  const model = new Model();
  const lines = Array.from({ length: 30 }, () => random.pick(LINES));
  const losesLeadership = random.chance(0.5);
  pipeline.send(...lines);
  for (let step = 0; step < 60; step++) {
    server.answer = random.chance(0.5) ? null : { kind: "done" };
    const what = random.between(0, losesLeadership ? 6 : 4);
    if (what < 2) pipeline.pump(random.between(1, 200));
    else if (what === 2) server.applyWaiting();
    else if (what === 3) server.confirmRounds();
    else if (what === 4) server.answerAsked();
    else if (server.refusedWith !== 0) server.lead();
    else {
      model.isExact = false;
      server.loseLeadership([pipeline.client.session], OTHER);
      if (what === 6) server.refusedWith = AWAIT_LEADER;
    }
    pipeline.pump(0);
  }
  server.lead();
  const said = pipeline.finish();
  assertEquals(said.length, lines.length, `seed ${seed}`);
  for (const [i, line] of lines.entries()) {
    try {
      model.check(line, said[i]!);
    } catch (error) {
      throw new Error(`seed ${seed}, command ${i}: ${lines.join("; ")}`, { cause: error });
    }
  }
}

Deno.test("pipelines: drawn ones, in pieces, with leadership lost between, against a model", () => {
  for (let seed = 1; seed <= 400; seed++) walk(seed);
});
