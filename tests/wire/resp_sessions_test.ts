/** RAFTKV.SESSION: from requests to what the store does, and the replies to it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { OneClient, OneServer } from "./resp_driver.ts";

const NO_SESSION = /^SESSION this session is unknown or over/;

function error(reply: unknown): string {
  return reply instanceof Error ? reply.message : `no error: ${JSON.stringify(reply)}`;
}

/** A client with a session of 60 s, whose number is returned as text. */
function opened(): { server: OneServer; client: OneClient; id: string } {
  const server = new OneServer();
  const client = new OneClient(server);
  const [id] = client.ask(["RAFTKV.SESSION", "OPEN"]);
  return { server, client, id: String(id) };
}

Deno.test("RAFTKV.SESSION: a write that is sent again gets its reply, from any connection", () => {
  const { server, client, id } = opened();
  const run = (sequence: string, lowest: string, ...command: string[]) => {
    return ["raftkv.session", "run", id, sequence, lowest, ...command];
  };
  const replies = client.ask(
    run("1", "1", "INCR", "n"),
    run("2", "1", "SET", "k", "v"),
    run("3", "1", "SET", "k", "w", "GET"),
    run("4", "1", "MSET", "a", "1", "b", "2"),
  );
  assertEquals(replies, [1, "OK", "v", "OK"]);
  const other = new OneClient(server, 2);
  assertEquals(
    other.ask(run("1", "1", "INCR", "n"), run("3", "1", "SET", "k", "w", "GET"), ["GET", "n"]),
    [1, "v", "1"],
  );
  assertEquals(other.ask(run("5", "5", "INCRBY", "n", "4")), [5]);
  assertMatch(error(other.ask(run("2", "2", "SET", "k", "x"))[0]), NO_SESSION);
  assertEquals(client.ask(["GET", "k"]), ["w"]);
});

Deno.test("RAFTKV.SESSION: OPEN, PING, CLOSE", () => {
  const { server, client, id } = opened();
  const [ping] = client.ask(["RAFTKV.SESSION", "PING", id]);
  assertEquals(ping, 60_000);
  server.nowMs += 59_000;
  assertEquals(client.ask(["SET", "x", "1"], ["RAFTKV.SESSION", "PING", id]), ["OK", 1_000]);
  server.nowMs += 1_000;
  // Its time has come on this leader, and is not in the log yet: that is waited for.
  assertMatch(error(client.ask(["RAFTKV.SESSION", "PING", id])[0]), NO_SESSION);
  const [next] = client.ask(["RAFTKV.SESSION", "OPEN", "5000"]);
  assertEquals(
    client.ask(["RAFTKV.SESSION", "CLOSE", `${next}`], ["RAFTKV.SESSION", "CLOSE", `${next}`]),
    [1, 0],
  );
  for (const ttl of ["0", "2999", "86400001", "-1", "x"]) {
    assertMatch(
      error(client.ask(["RAFTKV.SESSION", "OPEN", ttl])[0]),
      /^ERR a session lives for 3000/,
    );
  }
  for (const words of [["PING", "0"], ["CLOSE", "x"], ["NONE"], ["PING"], ["OPEN", "5000", "1"]]) {
    assertMatch(error(client.ask(["RAFTKV.SESSION", ...words])[0]), /^ERR /);
  }
  assert((client.ask(["RAFTKV.SESSION", "HELP"])[0] as unknown[]).length > 5);
});

Deno.test("RAFTKV.SESSION RUN: EXEC is one write with all that was queued, RESP3 as RESP2", () => {
  const { server, client, id } = opened();
  const exec = ["RAFTKV.SESSION", "RUN", id, "1", "1", "EXEC"];
  const queue = [["MULTI"], ["INCR", "n"], ["GET", "none"], exec];
  assertEquals(client.ask(...queue).at(-1), [1, null]);
  const other = new OneClient(server, 2);
  other.ask(["HELLO", "3"]);
  other.ask(...queue);
  assert(other.output.endsWith("*2\r\n:1\r\n_\r\n"), JSON.stringify(other.output));
  assertEquals(client.ask(["GET", "n"]), ["1"]);
  // A watch that was lost is kept as well: nothing was done, and nothing is.
  const aborted = ["RAFTKV.SESSION", "RUN", id, "2", "2", "EXEC"];
  client.ask(["WATCH", "n"]);
  other.ask(["INCR", "n"]);
  assertEquals(client.ask(["MULTI"], ["INCR", "n"], aborted).at(-1), null);
  assertEquals(client.ask(["MULTI"], ["INCR", "n"], aborted).at(-1), null);
  assertEquals(client.ask(["GET", "n"]), ["2"]);
});

Deno.test("RAFTKV.SESSION RUN: what it can't run is refused in words, and spoils a transaction", () => {
  const { client, id } = opened();
  const refused = (...words: string[]) => error(client.ask(["RAFTKV.SESSION", "RUN", ...words])[0]);
  assertMatch(refused(id, "1", "1"), /^ERR RAFTKV.SESSION RUN takes a session/);
  assertMatch(refused(id, "1", "2", "INCR", "n"), /^ERR RAFTKV.SESSION RUN takes a session/);
  assertMatch(refused(id, "x", "1", "INCR", "n"), /^ERR RAFTKV.SESSION RUN takes a session/);
  assertMatch(refused(id, "1", "1", "BIND"), /^ERR RAFTKV.SESSION RUN takes a session/);
  assertMatch(refused(id, "1", "1", "GET", "n"), /^ERR a session runs commands that write/);
  assertMatch(refused(id, "1", "1", "RAFTKV.SESSION", "OPEN"), /^ERR a session runs commands/);
  assertMatch(refused(id, "1", "1", "NOSUCH"), /^ERR unknown command 'NOSUCH'/);
  assertMatch(refused(id, "1", "1", "SET", "k"), /^ERR wrong number of arguments for 'set'/);
  assertMatch(refused(id, "1", "1", "EXEC"), /^ERR EXEC without MULTI/);
  assertMatch(refused(id, "1", "1", "BIND", "MSET", "a", "1", "b", "2"), /^ERR BIND takes/);
  assertMatch(refused(id, "1", "1", "BIND", "DEL", "a", "b"), /^ERR BIND takes/);
  for (
    const inside of [["RAFTKV.SESSION", "OPEN"], [
      "RAFTKV.SESSION",
      "RUN",
      id,
      "1",
      "1",
      "INCR",
      "n",
    ]]
  ) {
    const replies = client.ask(["MULTI"], inside, ["EXEC"]);
    assertMatch(error(replies[1]), /^ERR /);
    assertMatch(error(replies[2]), /^EXECABORT/);
  }
  assertEquals(client.ask(["GET", "n"]), [null]);
  // A command that turns out to read is no write of the session.
  assertEquals(
    client.ask(["SET", "r", "1"], ["RAFTKV.SESSION", "RUN", id, "1", "1", "GETEX", "r"]),
    ["OK", "1"],
  );
  assertEquals(client.ask(["RAFTKV.SESSION", "RUN", id, "1", "1", "INCR", "n"]), [1]);
});

Deno.test("RAFTKV.SESSION RUN BIND: more than a thousand keys are refused, by a name that says so", () => {
  const { client, id } = opened();
  const bind = (n: number) => {
    return client.ask(["RAFTKV.SESSION", "RUN", id, `${n}`, `${n}`, "BIND", "SET", `k${n}`, "v"]);
  };
  for (let n = 1; n <= 1_000; n++) assertEquals(bind(n), ["OK"]);
  assertMatch(error(bind(1_001)[0]), /^TRYAGAIN .* or bound keys: nothing was done/);
  const write = (n: number, ...words: string[]) => {
    return client.ask(["RAFTKV.SESSION", "RUN", id, `${n}`, `${n}`, ...words]);
  };
  // They keep it from binding more, and from nothing else.
  assertEquals(write(1_002, "SET", "other", "v"), ["OK"]);
  assertEquals(write(1_003, "DEL", "k1"), [1]);
  assertEquals(client.ask(["EXISTS", "k1000", "k1001", "other"]), [2]);
});

Deno.test("RAFTKV.SESSION RUN BIND: the key goes with its session", () => {
  const { client, id } = opened();
  client.ask(["RAFTKV.SESSION", "RUN", id, "1", "1", "BIND", "SET", "here", "host 1"]);
  assertEquals(client.ask(["GET", "here"]), ["host 1"]);
  assertEquals(client.ask(["RAFTKV.SESSION", "CLOSE", id], ["GET", "here"]), [1, null]);
});
