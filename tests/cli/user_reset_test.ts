/** `raftkv user reset` beside servers that answer what they are told to: whom it asks, and what it says. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { command } from "./fakes.ts";

/** A port that answers HELLO as a server with users does, and each other request with the next reply. */
class Answering {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly requests: string[] = [];
  readonly #replies: string[];

  constructor(...replies: string[]) {
    this.#replies = replies;
    this.#serve();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#listener) this.#answer(connection).catch(() => {});
  }

  async #answer(connection: Deno.TcpConn): Promise<void> {
    const bytes = new Uint8Array(65_536);
    let text = "";
    for (;;) {
      const count = await connection.read(bytes);
      if (count === null) return connection.close();
      text += new TextDecoder().decode(bytes.subarray(0, count));
      // The greeting comes alone.
      let reply = "-NOAUTH HELLO must …";
      if (!text.includes("HELLO")) {
        this.requests.push(text);
        reply = this.#replies.length > 1 ? this.#replies.shift()! : this.#replies[0]!;
      }
      await connection.write(new TextEncoder().encode(`${reply}\r\n`));
      text = "";
    }
  }
}

/** Runs it with a data directory that is one, and a password; `name` null: without one. */
async function reset(servers: string, ...more: string[]) {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-reset-" });
  try {
    const args = ["user", "reset", directory, "admin", "--servers", servers, ...more];
    const said = await command(args, {
      files: { [`${directory}/identity`]: "RAFTKVID" },
      input: new TextEncoder().encode("pass word\n"),
      environment: { RAFTKV_USER: "admin" },
    });
    const left = [...Deno.readDirSync(directory)].map(({ name }) => name);
    return { ...said, error: said.error.replaceAll(directory, "DIR"), left };
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("user reset: one request, over loopback whatever the server's name, with the password from standard input", async () => {
  using server = new Answering("+OK");
  // The name of another machine is never asked: its port is, on this one.
  const { code, out, error } = await reset(`db1.invalid:${server.port}`);
  assertEquals([code, out], [0, ""], error);
  assertMatch(error, /admin has another password, is on, and may do everything/);
  assertEquals(server.requests.length, 1);
  const words = server.requests[0]!.split("\r\n").filter((line) => !/^[$*]/.test(line));
  assertEquals(words.slice(0, 2), ["RAFTKV.USER", "RESET"]);
  assertMatch(words[2]!, /^[0-9a-f]{64}$/);
  assertEquals(words.slice(3, -1), ["admin", "on", "resetpass", ">pass word", "~*", "&*", "+@all"]);
});

Deno.test("user reset: --generate draws a password, which is all that is printed", async () => {
  using server = new Answering("+OK");
  const { code, out } = await reset(`127.0.0.1:${server.port}`, "--generate");
  assertEquals(code, 0);
  assertMatch(out, /^[0-9a-f]{64}\n$/);
  assert(server.requests[0]!.includes(`>${out.trim()}`));
});

Deno.test("user reset: a leader on another machine is named, and sent nothing; nothing is left", async () => {
  using server = new Answering("-MOVED 0 db2.invalid:9000");
  const { code, error, left } = await reset(`127.0.0.1:${server.port}`);
  assertEquals([code, left], [1, []]);
  assertEquals(
    error,
    `raftkv: db2.invalid:9000 leads, as 127.0.0.1:${server.port} says: run this on its machine, ` +
      "with its data directory; nothing was done\n",
  );
});

Deno.test("user reset: a leader on this machine is followed, one that is not elected yet is waited for", async () => {
  using leader = new Answering("+OK");
  using follower = new Answering("-CLUSTERDOWN x", `-MOVED 0 127.0.0.1:${leader.port}`);
  const { code, error } = await reset(`127.0.0.1:${follower.port}`);
  assertEquals(code, 0, error);
  assertEquals([follower.requests.length, leader.requests.length], [2, 1]);
});

Deno.test("user reset: what the server says is said, with whose directory it takes; nothing is left", async () => {
  using server = new Answering("-ERR nothing was done: none was left", "-NOAUTH Authentication …");
  const refused = await reset(`127.0.0.1:${server.port}`);
  assertEquals([refused.code, refused.out, refused.left], [1, "", []]);
  assertEquals(
    refused.error,
    `raftkv: 127.0.0.1:${server.port} leads: nothing was done: none was left ` +
      "(DIR has to be its data directory)\n",
  );
  const earlier = await reset(`127.0.0.1:${server.port}`);
  assertMatch(earlier.error, /runs an earlier build, which knows no reset: nothing was done/);
});

Deno.test("user reset: no server on this machine: exit code 3 in time, and nothing is left", async () => {
  let port: number;
  {
    using none = new Answering("");
    port = none.port;
  }
  const { code, error, left } = await reset(`127.0.0.1:${port}`, "--timeout", "500ms");
  assertEquals([code, left], [3, []]);
  assertMatch(error, /gave up while connecting/);
});

Deno.test("user reset: what is no data directory, and --generate for nobody, are said before anything", async () => {
  const none = await command(["user", "reset", "/nonexistent/1", "admin"]);
  assertEquals(none.code, 6);
  assertMatch(none.error, /\/nonexistent\/1 is no data directory of a server/);
  const nobody = await command(["user", "reset", "/nonexistent/1", "--generate"]);
  assertEquals(nobody.code, 2);
});
