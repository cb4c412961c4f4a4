import { assertEquals } from "@std/assert";
import type { AdminParts } from "../../lib/admin/admin_session.ts";
import { AdminSession } from "../../lib/admin/admin_session.ts";
import { text } from "../../lib/admin/http_response.ts";
import { acceptAdmin } from "../../lib/net/accept_admin.ts";
import { ConnectionWatch } from "../../lib/net/connection_watch.ts";
import { FakeClock, FakeConnection, FakeListener, settle } from "./fakes.ts";

const CONNECTIONS_MAX = 128;
const REQUEST = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** The accept loop, on a port where `token` in a request is what may ask. */
function bench(keepsAnswered: boolean) {
  const listener = new FakeListener();
  const limits = { idleTimeoutMs: 120_000, writeTimeoutMs: 10_000 };
  const watch = new ConnectionWatch(new FakeClock(), limits);
  const routes: AdminParts["routes"] = {
    answer: ({ headers }) =>
      headers.get("authorization") === "Bearer right" ? text(200, "well\n") : text(401, "who?\n"),
  };
  const parts = { routes, wallMs: () => 0, keepsAnswered } as unknown as AdminParts;
  const open = () => {
    const session = new AdminSession(parts);
    // There are no streams here to be taken out of.
    session.disconnected = () => {};
    return session;
  };
  const serving = acceptAdmin(listener, open, watch, () => {});
  const arrive = async (request = "") => {
    const connection = new FakeConnection();
    listener.arrive(connection);
    if (request !== "") connection.arrive(request);
    await settle();
    return connection;
  };
  const end = async () => {
    listener.close();
    watch.closeAll("the end");
    await serving;
    await settle();
  };
  return { listener, arrive, end };
}

const KNOWN = REQUEST.replace("\r\n\r\n", "\r\nAuthorization: Bearer right\r\n\r\n");

Deno.test("admin port: those that showed no token give way, the oldest first, and no others", async () => {
  const { arrive, end } = bench(true);
  const known = await arrive(KNOWN);
  const refused = await arrive(REQUEST);
  const idle: FakeConnection[] = [];
  for (let i = 2; i < CONNECTIONS_MAX; i++) idle.push(await arrive());
  const next = await arrive(KNOWN);
  assertEquals([known, refused, idle[0]!, next].map((one) => one.isClosed), [
    false,
    true,
    false,
    false,
  ]);
  assertEquals(next.written.split("\r\n")[0], "HTTP/1.1 200 OK");
  const more = await arrive(KNOWN);
  assertEquals([idle[0]!, idle[1]!, more].map((one) => one.isClosed), [true, false, false]);
  // Where all have shown it, the next one has to wait.
  for (const one of idle.slice(1)) one.arrive(KNOWN);
  await settle();
  assertEquals([(await arrive(KNOWN)).isClosed, idle[1]!.isClosed], [true, false]);
  await end();
});

Deno.test("probe port: connections that stay open keep no probe out", async () => {
  const { arrive, end } = bench(false);
  const first = await arrive(KNOWN);
  for (let i = 1; i < CONNECTIONS_MAX; i++) await arrive(KNOWN);
  const probe = await arrive(KNOWN);
  assertEquals([first.isClosed, probe.isClosed], [true, false]);
  assertEquals(probe.written.split("\r\n")[0], "HTTP/1.1 200 OK");
  await end();
});

Deno.test("admin port: without descriptors to spare one gives way, and the new one is not kept", async () => {
  const { listener, arrive, end } = bench(true);
  const idle = await arrive();
  listener.room = false;
  const next = await arrive(KNOWN);
  assertEquals([idle.isClosed, next.isClosed, next.written], [true, true, ""]);
  await end();
});
