import { match, strictEqual } from "node:assert/strict";
import { BadValue, connect, NotDone, RaftkvError, Unknown } from "../../client/mod.ts";
import { hello, withServers } from "./fake_server.ts";
import { errorOf, test, until } from "./runtime.ts";

/** What no server should answer to a GET, nor to anything. */
const WRONG = [
  "HTTP/1.1 400 Bad Request\r\n\r\n",
  "$900000000\r\nabc",
  "$9007199254740993\r\n",
  "*2147483647\r\n",
  "*1\r\n".repeat(64),
  "+".repeat(100_000),
  ":1\r\n",
  "*1\r\n$1\r\nx\r\n",
  "%1\r\n:1\r\n:1\r\n",
  "$3\r\nabcd\r\n",
  ">3\r\n+message\r\n+a\r\n+b\r\n",
];

test("client: a server that answers what is no reply is left, and what was sent stays unknown", async () => {
  for (const wrong of WRONG) {
    await withServers(1, async (server) => {
      await using client = await connect({ servers: [server!.address], timeoutMs: 500 });
      const shown = JSON.stringify(wrong.slice(0, 30));
      let hasAnswered = false;
      server!.answer = ([name]) => {
        if (name !== "GET" || hasAnswered) return undefined;
        hasAnswered = true;
        return wrong;
      };
      const read = client.get("k").catch((error: unknown) => error);
      const write = client.set("k", "v").catch((error: unknown) => error);
      const [answer, outcome] = await Promise.all([read, write]);
      // The read is read again where the reply was no reply, and fails where it was none of a GET.
      const isFailure = answer instanceof RaftkvError;
      strictEqual(answer === null || isFailure || answer instanceof Uint8Array, true, shown);
      strictEqual(outcome instanceof Unknown || outcome === 1, true, `${shown}: ${outcome}`);
      strictEqual(server!.count("RAFTKV.SET"), 1, shown);
      // And it goes on with a server that behaves.
      strictEqual(await client.set("other", "v"), 1, shown);
    });
  }
});

test("client: a reply that nobody asked for ends the connection", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const [peer] = server!.peers;
    peer!.write("+surprise\r\n");
    await until("the connection to end", () => client.server === null);
    strictEqual(await client.set("k", "v"), 1);
  });
});

test("client: a server that says hello wrongly is no server, and is named", async () => {
  const hellos = [
    "-NOPROTO unsupported protocol version\r\n",
    "+OK\r\n",
    "%0\r\n",
    "%1\r\n$4\r\nrole\r\n:1\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
  ];
  for (const wrong of hellos) {
    await withServers(1, async (server) => {
      server!.answer = ([name]) => name === "HELLO" ? wrong : undefined;
      const options = { servers: [server!.address], timeoutMs: 250 };
      const error = await errorOf(NotDone, connect(options));
      match(error.message, new RegExp(server!.address), JSON.stringify(wrong));
    });
  }
});

test("client: layouts and redirects that name no address lead nowhere", async () => {
  const layouts = [
    ":1\r\n",
    "*0\r\n",
    "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$4\r\na b:\r\n:1\r\n",
    "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:70000\r\n",
    "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$0\r\n\r\n:1\r\n",
    "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na:/\r\n:1\r\n",
  ];
  for (const wrong of layouts) {
    await withServers(1, async (server) => {
      server!.answer = ([name]) => {
        return name === "CLUSTER" ? wrong : name === "HELLO" ? hello("replica") : undefined;
      };
      await errorOf(NotDone, connect({ servers: [server!.address], timeoutMs: 200 }));
    });
  }
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    for (const moved of ["-MOVED\r\n", "-MOVED 0\r\n", "-MOVED 0 nowhere\r\n", "-MOVED 0 :1\r\n"]) {
      let times = 0;
      server!.answer = ([name]) => name === "INCRBY" && times++ === 0 ? moved : undefined;
      await client.incr("n");
    }
    strictEqual(server!.store.get("n"), "4");
  });
});

test("client: a layout of very many servers is not taken in whole", async () => {
  await withServers(1, async (server) => {
    const others = Array.from({ length: 5_000 }, (_, i) => `10.0.0.1:${i + 1}`);
    server!.layout = [server!.address, ...others];
    await using client = await connect({ servers: [server!.address] });
    strictEqual(client.servers.length <= 64, true);
  });
});

test("client: a longer reply than it may be is not taken", async () => {
  await withServers(1, async (server) => {
    const options = { servers: [server!.address], replyBytesMax: 10_000, timeoutMs: 300 };
    await using client = await connect(options);
    server!.store.set("short", "x".repeat(9_000));
    server!.store.set("long", "x".repeat(11_000));
    strictEqual((await client.get("short"))!.length, 9_000);
    const before = server!.count("GET");
    const error = await errorOf(NotDone, client.get("long"));
    strictEqual(error.code, "protocol");
    match(error.message, /more than 10000 bytes \(replyBytesMax\)/);
    // Asking again would break the next connection, and the calls of others with it.
    strictEqual(server!.count("GET"), before + 1);
    strictEqual((await client.get("short"))!.length, 9_000);
  });
});

test("client: values that are no UTF-8 or JSON are told apart from lost ones", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    server!.answer = ([name]) => name === "GET" ? null : undefined;
    const reads = [
      errorOf(BadValue, client.text.get("k")),
      client.get("k"),
      errorOf(BadValue, client.json<number>().get("k")),
    ];
    await until("the reads to arrive", () => server!.count("GET") === 3);
    const [peer] = server!.peers;
    peer!.socket.write(Uint8Array.of(0x24, 0x31, 0x0d, 0x0a, 0xff, 0x0d, 0x0a));
    peer!.write("$1\r\nx\r\n$1\r\nx\r\n");
    const [text, bytes, json] = await Promise.all(reads);
    match(String(text), /is no UTF-8/);
    strictEqual((bytes as Uint8Array)[0], 0x78);
    match(String(json), /is no JSON/);
  });
});

test("client: a server that ends the connection at each read is not asked in a hurry", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    server!.answer = ([name], peer) => {
      if (name !== "GET") return undefined;
      peer.socket.destroy();
      return null;
    };
    const before = server!.accepted;
    await errorOf(NotDone, client.get("k", { timeoutMs: 600 }));
    const times = server!.accepted - before;
    strictEqual(times >= 2 && times < 40, true, `${times} connections in 600 ms`);
  });
});
