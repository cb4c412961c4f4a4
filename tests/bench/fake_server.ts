/** A store of one process that speaks as much of the line protocol as the load generator uses. */
import { writeAll } from "../../bench/line_client.ts";

export interface FakeServer {
  readonly address: { readonly hostname: string; readonly port: number };
  /** Text values by key. */
  readonly store: Map<string, string>;
  /** Replaces every reply while it is set. */
  refusal: string | null;
  /** Takes requests and answers none while it is set. */
  isSilent: boolean;
  close(): Promise<void>;
}

export function startFakeServer(): FakeServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns = new Set<Deno.Conn>();
  const server: FakeServer = {
    address: { hostname: "127.0.0.1", port: listener.addr.port },
    store: new Map(),
    refusal: null,
    isSilent: false,
    close: async () => {
      listener.close();
      for (const conn of conns) tryClose(conn);
      await serving;
    },
  };
  const serving = (async () => {
    const all: Promise<void>[] = [];
    for await (const conn of listener) {
      conns.add(conn);
      all.push(serve(conn, server).catch(() => {}).finally(() => tryClose(conn)));
    }
    await Promise.all(all);
  })();
  return server;
}

async function serve(conn: Deno.Conn, server: FakeServer): Promise<void> {
  const buffer = new Uint8Array(65_536);
  const decoder = new TextDecoder("latin1");
  let text = "";
  for (let count; (count = await conn.read(buffer)) !== null;) {
    text += decoder.decode(buffer.subarray(0, count));
    const taken = takeCommands(text, server);
    text = text.slice(taken.length);
    if (taken.replies !== "" && !server.isSilent) {
      await writeAll(conn, new TextEncoder().encode(taken.replies));
    }
  }
}

/** Carries out the whole commands at the front of `text`. */
function takeCommands(text: string, server: FakeServer): { replies: string; length: number } {
  let replies = "";
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return { replies, length: at };
    const [verb, key, , bytes] = text.slice(at, lineEnd).split(" ");
    let end = lineEnd + 2;
    let reply: string;
    if (verb === "set") {
      const valueEnd = end + Number(bytes);
      if (text.length < valueEnd + 2) return { replies, length: at };
      if (server.refusal === null) server.store.set(key!, text.slice(end, valueEnd));
      end = valueEnd + 2;
      reply = "OK 1\r\n";
    } else {
      const value = server.store.get(key!);
      reply = value === undefined ? "ERR_NOT_FOUND\r\n" : `VALUE ${value.length}\r\n${value}\r\n`;
    }
    replies += server.refusal ?? reply;
    at = end;
  }
}

function tryClose(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // The other end was faster.
  }
}
