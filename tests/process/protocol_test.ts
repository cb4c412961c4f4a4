import { assertEquals, assertMatch } from "@std/assert";
import { type Cluster, redirectOf, sharedClusterTest } from "./harness.ts";
import { fromBytes, RawSocket, toBytes } from "./socket.ts";

/** The connection of a test that needs the leader itself. */
async function leaderSocket(cluster: Cluster): Promise<RawSocket> {
  return await (await cluster.waitForLeader()).connect();
}

/** Lines that are refused while the connection goes on; the values they announce are swallowed. */
const REFUSED = [
  " ",
  "what",
  "get",
  "get ",
  "get a b",
  "get  a",
  "get a ",
  "getm",
  "getm a b",
  "delete",
  "delete a b",
  "delete a noreply",
  `get ${"k".repeat(251)}`,
  "get tab\tkey",
  "get del\x7fkey",
  `set ${"k".repeat(251)} 0 5\r\nget a`,
  "set key -1 5\r\nget a",
  "set key x 5\r\nget a",
  "set key 99999999999999999999 5\r\nget a",
  "set key 1.5 5\r\nget a",
  "set key 0 5 please\r\nget a",
  "set key 0 5 noreply please\r\nget a",
  "set key 0 3\r\ntoo long",
  "cas key 0 -1 5\r\nget a",
  "cas key 0 9007199254740993 5\r\nget a",
  "cas key x 1 5\r\nget a",
  "cas key 0 1 5 please\r\nget a",
  "cas key 0 1 3\r\ntoo long",
];

/** Lines whose value can't be skipped: refused, and the connection ends. */
/** What people and clients of other protocols send; the error then says how to go on. */
const WITH_HINT = ["", "hello", "PING", "quit", "GET key", "Set key 0 1", "*1", "$4"];
const REFUSED_AND_CLOSED = [
  "set key 0\r\nabc",
  "set key\r\n",
  "set key 0 -1\r\nabc",
  "set key 0 abc\r\nabc",
  "set key 0 1e3\r\nabc",
  "set key 0 1048577\r\nabc",
  "set key 0 99999999999999999999999\r\nabc",
  "cas key 0 3\r\nabc",
  "cas key 0 1 1048577\r\nabc",
  `set ${"k".repeat(5000)} 0 3\r\nabc`,
];

sharedClusterTest("process: clients of three servers", {
  timing: { halfCommandTimeoutMs: 1_500 },
}, {
  "every command answers as documented": async (cluster) => {
    using socket = await leaderSocket(cluster);
    const ask = (text: string) => socket.ask(text);
    assertEquals(await ask("get a\r\n"), "ERR_NOT_FOUND");
    assertEquals(await ask("getm a\r\n"), "ERR_NOT_FOUND");
    assertEquals(await ask("delete a\r\n"), "ERR_NOT_FOUND");
    assertEquals(await ask("cas a 0 5 1\r\nx\r\n"), "ERR_NOT_FOUND");
    assertEquals(await ask("set a 0 5\r\nhello\r\n"), "OK 1");
    assertEquals(await ask("get a\r\n"), "VALUE 5");
    assertEquals(await socket.readLine(), "hello");
    assertEquals(await ask("set a 0 0\r\n\r\n"), "OK 2");
    assertEquals(await ask("getm a\r\n"), "VALUE 2 0 0");
    assertEquals(await socket.readLine(), "");
    assertEquals(await ask("cas a 0 1 3\r\nold\r\n"), "ERR_VERSION");
    assertEquals(await ask("cas a 0 2 3\r\nnew\r\n"), "OK 3");
    assertEquals(await ask("cas a 0 0 3\r\nnew\r\n"), "ERR_VERSION");
    assertEquals(await ask("cas b 0 0 3\r\nnew\r\n"), "OK 1");
    assertEquals(await ask("delete a\r\n"), "DELETED");
    assertEquals(await ask("get a\r\n"), "ERR_NOT_FOUND");
    assertEquals(await ask("set a 0 1\r\nx\r\n"), "OK 4", "a version never comes twice");
    assertEquals(await ask("set lone 0 2\nhi\n"), "OK 4", "a lone line feed ends a line");
    assertEquals(await ask("get lone\n"), "VALUE 2");
    assertEquals(await socket.readLine(), "hi");
  },

  "a key lives as long as its exptime says": async (cluster) => {
    using socket = await leaderSocket(cluster);
    assertMatch(await socket.ask("set brief 1 1\r\nx\r\n"), /^OK \d+$/);
    assertMatch(await socket.ask("set long 1000 1\r\nx\r\n"), /^OK \d+$/);
    assertMatch(await socket.ask("getm long\r\n"), /^VALUE \d+ (1000|99\d) 1$/);
    assertEquals(await socket.readLine(), "x");
    for (;;) {
      const line = await socket.ask("getm brief\r\n");
      if (line === "ERR_NOT_FOUND") break;
      assertMatch(line, /^VALUE \d+ 1 1$/);
      assertEquals(await socket.readLine(), "x");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assertEquals(await socket.ask("cas brief 0 1 1\r\nx\r\n"), "ERR_NOT_FOUND");
    assertEquals(await socket.ask("get long\r\n"), "VALUE 1");
    assertEquals(await socket.readLine(), "x");
  },

  "keys and values keep every byte, up to their greatest sizes": async (cluster) => {
    using socket = await leaderSocket(cluster);
    let legal = "";
    for (let byte = 0x21; byte < 0x100; byte++) {
      if (byte !== 0x7f) legal += String.fromCharCode(byte);
    }
    const key = legal.padEnd(250, "k");
    let every = "";
    for (let byte = 0; byte < 0x100; byte++) every += String.fromCharCode(byte);
    every += "\r\nget a\r\n";
    await socket.send(toBytes(`set ${key} 0 ${every.length}\r\n${every}\r\n`));
    assertMatch(await socket.readLine(), /^OK \d+$/);
    await socket.send(toBytes(`get ${key}\r\n`));
    assertEquals(await socket.readLine(), `VALUE ${every.length}`);
    assertEquals(await socket.readExact(every.length + 2), every + "\r\n");

    const large = new Uint8Array(1_048_576);
    for (let i = 0; i < large.length; i++) large[i] = (i * 31 + (i >>> 8)) & 0xff;
    await socket.send(`set large 0 ${large.length}\r\n`);
    await socket.send(large);
    assertMatch(await socket.ask("\r\n"), /^OK \d+$/);
    assertEquals(await socket.ask("get large\r\n"), "VALUE 1048576");
    const read = await socket.readExact(large.length + 2);
    assertEquals(read === fromBytes(large) + "\r\n", true, "the large value came back whole");
    assertEquals(await socket.ask("delete large\r\n"), "DELETED");
  },

  "what is no command is ERR_CMD_ERR, and its value is never read as one": async (cluster) => {
    using socket = await leaderSocket(cluster);
    for (const line of REFUSED) {
      await socket.send(toBytes(`${line}\r\nget none\r\n`));
      const replies = [await socket.readLine(), await socket.readLine()];
      assertEquals(replies, ["ERR_CMD_ERR", "ERR_NOT_FOUND"], JSON.stringify(line.slice(0, 60)));
    }
  },

  "words of other protocols and empty lines get a hint, and help what it leads to": async (
    cluster,
  ) => {
    using socket = await leaderSocket(cluster);
    for (const line of WITH_HINT) {
      const reply = await socket.ask(`${line}\r\n`);
      assertMatch(reply, /^ERR_CMD_ERR .*type help/, JSON.stringify(line));
    }
    const follower = cluster.others(await cluster.waitForLeader())[0]!;
    using other = await follower.connect();
    for (const asked of [socket, other]) {
      await asked.send("help\r\n");
      const lines: string[] = [];
      do lines.push(await asked.readLine()); while (lines.at(-1) !== "");
      const verbs = lines.slice(0, -1).map((line) => line.split(" ")[0]);
      const sessions = ["session", "@<session>.<sequence>.<lowest>"];
      assertEquals(
        verbs,
        [
          "set",
          "get",
          "getm",
          "cas",
          "delete",
          "scan",
          ...sessions,
          "watch",
          "unwatch",
          "auth",
          "help",
        ],
      );
    }
  },

  "a person who only presses enter gets a hint, a client of Redis no reply to it": async (
    cluster,
  ) => {
    const port = cluster.servers[0]!.clientPort;
    for (const first of ["\r\n", "\n", "\n\r\n"]) {
      using person = await RawSocket.connect(port);
      await person.send(first);
      assertMatch(await person.readLine(), /^ERR_CMD_ERR .*type help/);
      using client = await RawSocket.connect(port);
      await client.send(`${first}*1\r\n$4\r\nPING\r\n\r\n\n*1\r\n$4\r\nPING\r\n`);
      assertEquals([await client.readLine(), await client.readLine()], ["+PONG", "+PONG"]);
    }
  },

  "a length that can't be read, or is too large, is ERR_CMD_ERR and the end": async (cluster) => {
    const leader = await cluster.waitForLeader();
    for (const text of REFUSED_AND_CLOSED) {
      using socket = await leader.connect();
      await socket.send(`${text}\r\nget none\r\n`);
      assertEquals(await socket.readToEnd(), "ERR_CMD_ERR\r\n", JSON.stringify(text.slice(0, 60)));
    }
  },

  "an oversized value in full does not cost the refusal": async (cluster) => {
    using socket = await leaderSocket(cluster);
    const sending = socket.send(toBytes(`set key 0 2097152\r\n${"x".repeat(2_097_152)}\r\n`));
    assertEquals(await socket.readToEnd(), "ERR_CMD_ERR\r\n");
    await sending.catch(() => {/* the server may have closed before it took all */});
  },

  "noreply silences a command, errors included, and its effect is seen behind it": async (
    cluster,
  ) => {
    using socket = await leaderSocket(cluster);
    await socket.send(
      "set quiet 0 3 noreply\r\none\r\nget quiet\r\ncas quiet 0 999 1 noreply\r\nx\r\n" +
        "set quiet x 3 noreply\r\ntwo\r\nget quiet\r\n",
    );
    assertEquals(await socket.readExact(28), "VALUE 3\r\none\r\n".repeat(2));
  },

  "every follower redirects to the leader's client address": async (cluster) => {
    const leader = await cluster.waitForLeader();
    const redirect = `ERR_REDIRECT 127.0.0.1 ${leader.clientPort}`;
    for (const follower of cluster.others(leader)) {
      assertEquals(await redirectOf(follower), redirect);
      using socket = await follower.connect();
      await socket.send(
        "get k\r\ngetm k\r\nset k 0 1\r\nx\r\nset k 0 1 noreply\r\nx\r\n" +
          "cas k 0 1 1\r\nx\r\ndelete k\r\nwhat\r\n",
      );
      for (let i = 0; i < 5; i++) assertEquals(await socket.readLine(), redirect);
      assertEquals(await socket.readLine(), "ERR_CMD_ERR");
    }
  },

  "commands split at every byte are the same commands": async (cluster) => {
    using socket = await leaderSocket(cluster);
    const commands = "set s 0 4\r\n\r\nab\r\nget s\r\ngetm s\r\ncas s 0 999999 1\r\nx\r\n" +
      "set s -1 5\r\nget s\r\nwhat\r\ndelete s\r\nget s\n";
    const replies =
      /^OK (\d+)\r\nVALUE 4\r\n\r\nab\r\nVALUE \1 0 4\r\n\r\nab\r\nERR_VERSION\r\n(ERR_CMD_ERR\r\n){2}DELETED\r\nERR_NOT_FOUND\r\n$/;
    for (let at = 1; at < commands.length; at++) {
      await socket.send(commands.slice(0, at));
      await new Promise((resolve) => setTimeout(resolve, 1));
      await socket.send(commands.slice(at));
      assertMatch(await socket.readUntil("DELETED\r\nERR_NOT_FOUND\r\n"), replies, `at ${at}`);
    }
    for (const byte of commands) await socket.send(byte);
    assertMatch(await socket.readUntil("DELETED\r\nERR_NOT_FOUND\r\n"), replies);
  },

  "1,000 commands in one write are answered in their order": async (cluster) => {
    using socket = await leaderSocket(cluster);
    let commands = "";
    let replies = "";
    for (let i = 0; i < 250; i++) {
      commands += `set pipe${i} 0 4\r\n${
        1000 + i
      }\r\nget pipe${i}\r\ndelete pipe${i}\r\nget pipe${i}\r\n`;
      replies += `OK n\r\nVALUE 4\r\n${1000 + i}\r\nDELETED\r\nERR_NOT_FOUND\r\n`;
    }
    await socket.send(commands);
    let read = "";
    for (let i = 0; i < 1_250; i++) read += await socket.readLine() + "\r\n";
    assertEquals(read.replaceAll(/OK \d+/g, "OK n"), replies);
  },

  "a client that closes its sending side still gets its replies": async (cluster) => {
    using socket = await leaderSocket(cluster);
    await socket.send("set half 0 1\r\nx\r\nget half\r\nget ha");
    await socket.closeWrite();
    assertMatch(await socket.readToEnd(), /^OK \d+\r\nVALUE 1\r\nx\r\n$/);
  },

  "half a command times out, an idle connection does not": async (cluster) => {
    using idle = await leaderSocket(cluster);
    using half = await leaderSocket(cluster);
    using halfValue = await leaderSocket(cluster);
    await half.send("get half");
    await halfValue.send("set half 0 10\r\nhal");
    assertEquals(await half.readToEnd(), "");
    assertEquals(await halfValue.readToEnd(), "");
    assertEquals(await idle.ask("get none\r\n"), "ERR_NOT_FOUND");
  },

  "an HTTP request is closed without an answer": async (cluster) => {
    const leader = await cluster.waitForLeader();
    for (const request of ["GET / HTTP/1.1", "POST /set%20a HTTP/1.0", "OPTIONS * HTTP/2.0"]) {
      using socket = await leader.connect();
      await socket.send(`${request}\r\nHost: localhost\r\n\r\nset http 0 1\r\nx\r\n`);
      assertEquals(await socket.readToEnd(), "");
    }
    using socket = await leader.connect();
    assertEquals(await socket.ask("get http\r\n"), "ERR_NOT_FOUND");
  },

  "200 connections at once are all served": async (cluster) => {
    const leader = await cluster.waitForLeader();
    const sockets = await Promise.all(Array.from({ length: 200 }, () => leader.connect()));
    try {
      const replies = await Promise.all(
        sockets.map((socket, i) => socket.ask(`set many${i} 0 3\r\n${100 + i}\r\n`)),
      );
      for (const reply of replies) assertMatch(reply, /^OK \d+$/);
      await Promise.all(sockets.map(async (socket, i) => {
        assertEquals(await socket.ask(`get many${i}\r\n`), "VALUE 3");
        assertEquals(await socket.readLine(), `${100 + i}`);
      }));
    } finally {
      for (const socket of sockets) socket.close();
    }
  },

  "a client that never reads is held back, and stops nobody": async (cluster) => {
    const leader = await cluster.waitForLeader();
    using good = await leader.connect();
    await good.send(`set big 0 1048576\r\n${"b".repeat(1_048_576)}\r\n`);
    assertMatch(await good.readLine(), /^OK \d+$/);
    const before = leader.process.residentBytes();
    const deaf = await Promise.all(Array.from({ length: 3 }, () => leader.connect()));
    try {
      // 768 MiB of replies in all.
      for (const socket of deaf) await socket.send("get big\r\n".repeat(256));
      for (let i = 0; i < 20; i++) {
        assertMatch(await good.ask("set good 0 1\r\nx\r\n"), /^OK \d+$/);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const after = leader.process.residentBytes();
      if (before !== null && after !== null) {
        const grownMib = Math.round((after - before) / 1_048_576);
        assertEquals(grownMib < 200, true, `memory grew by ${grownMib} MiB`);
      }
      // The replies were not dropped: whoever reads late gets them whole.
      const value = `VALUE 1048576\r\n${"b".repeat(1_048_576)}\r\n`;
      for (let i = 0; i < 8; i++) {
        assertEquals(await deaf[0]!.readExact(value.length) === value, true, `reply ${i}`);
      }
    } finally {
      for (const socket of deaf) socket.close();
    }
  },

  "random bytes on both ports end their connections at the most": async (cluster) => {
    const leader = await cluster.waitForLeader();
    const random = new Uint8Array(65_536);
    const servers = [leader, cluster.others(leader)[0]!];
    for (const server of servers) {
      for (const port of [server.clientPort, server.logPort]) {
        for (let round = 0; round < 20; round++) {
          crypto.getRandomValues(random);
          using socket = await RawSocket.connect(port);
          // Half of the rounds begin like something that is known, or with a huge length.
          if (round % 4 === 1) random.set(toBytes("set k 0 100\r\n"));
          if (round % 4 === 3) random.fill(0xff, 0, 16);
          const size = 1 << (round % 17);
          await socket.send(random.subarray(0, size)).catch(() => {/* refused early: fine */});
          await socket.closeWrite().catch(() => {/* closed by the server: fine */});
          await socket.readToEnd();
        }
      }
      assertEquals(server.isRunning, true, `server ${server.id} lives on`);
    }
    using socket = await leaderSocket(cluster);
    assertMatch(await socket.ask("set after 0 1\r\nx\r\n"), /^OK \d+$/);
  },

  "the log is JSON lines, each with time, level and message": (cluster) => {
    for (const server of cluster.servers) {
      const lines = server.process.error.split("\n").slice(0, -1);
      assertEquals(lines.length > 0, true);
      for (const line of lines) {
        const parsed = JSON.parse(line);
        assertMatch(parsed.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        assertMatch(parsed.level, /^(debug|info|warning|error)$/);
        assertEquals(typeof parsed.message, "string");
        assertEquals(parsed.level === "error", false, line);
      }
    }
    return Promise.resolve();
  },
});
