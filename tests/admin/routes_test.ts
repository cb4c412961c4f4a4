/** What the admin port answers, for a node whose health the test says. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { makeAdminPort, makeProbePort } from "../../lib/admin/admin_port.ts";
import { AdminSession } from "../../lib/admin/admin_session.ts";
import { EventStreams } from "../../lib/admin/event_streams.ts";
import { Guard } from "../../lib/admin/guard.ts";
import type { HttpResponse } from "../../lib/admin/http_response.ts";
import { pageResponse } from "../../lib/admin/page/page.ts";
import { CHECK_NAMES } from "../../lib/admin/probes.ts";
import { Routes } from "../../lib/admin/routes.ts";
import type { NodeHealth } from "../../lib/node/facts/node_view.ts";
import { OneServer } from "../node/one_server.ts";

const WELL: NodeHealth = {
  isStopping: false,
  isFormed: true,
  isRemoved: false,
  leads: false,
  keepsLeading: false,
  hasLeader: true,
  leaderId: 2,
  leaderMissingMs: 0,
  isLoading: false,
  isRepairing: false,
  canWrite: true,
  syncingMs: 0,
  electionTimeoutMs: 300,
};

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function makeRoutes(health: Partial<NodeHealth> = {}) {
  const { node } = new OneServer();
  const view = { ...node.view, health: () => ({ ...WELL, ...health }) };
  const streams = new EventStreams(view.status, () => 2);
  let nowMs = 0;
  const routes = new Routes(view, new Guard(["db1.example"]), streams, () => nowMs += 1_000);
  return { routes, streams };
}

/** A connection to the admin port of a server in this health. */
function connect(health: Partial<NodeHealth> = {}) {
  const { routes, streams } = makeRoutes(health);
  const session = new AdminSession({ routes, streams, wallMs: () => 0, keepsAnswered: true });
  return { session, streams };
}

function outputOf(session: AdminSession): string {
  let text = "";
  for (let bytes = session.takeOutput(); bytes !== null; bytes = session.takeOutput()) {
    text += decoder.decode(bytes);
    session.outputWritten();
  }
  return text;
}

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

function ask(
  health: Partial<NodeHealth>,
  path: string,
  headers = "Host: 127.0.0.1:9100\r\n",
  method = "GET",
): Answer {
  const { session } = connect(health);
  session.receive(encoder.encode(`${method} ${path} HTTP/1.1\r\n${headers}\r\n`));
  const text = outputOf(session);
  session.disconnected();
  const end = text.indexOf("\r\n\r\n");
  const head = text.slice(0, end);
  return { status: Number(head.split(" ")[1]), head, body: text.slice(end + 4) };
}

Deno.test("admin: probes in etcd's form of lines", () => {
  assertEquals(ask({}, "/livez").body, "ok\n");
  assertEquals(ask({}, "/livez?verbose").body, "[+]process ok\nlivez check passed\n");
  assertEquals(ask({}, "/readyz").body, "ok\n");
  const all = CHECK_NAMES.readyz.map((name) => `[+]${name} ok\n`).join("");
  assertEquals(ask({}, "/readyz?verbose").body, `${all}readyz check passed\n`);
  const { status, body } = ask({ hasLeader: false, leaderMissingMs: 1_234.5 }, "/readyz");
  assertEquals(status, 503);
  assertMatch(
    body,
    /^\[\+\]running ok\n[^]*\n\[-\]leader failed: no leader has been known for 1235 ms\n/,
  );
  assert(body.endsWith("\nreadyz check failed\n"));
});

Deno.test("admin: a check can be excluded, or asked for alone", () => {
  const ill = { hasLeader: false, isLoading: true };
  assertEquals(ask(ill, "/readyz?exclude=leader").status, 503);
  assertEquals(ask(ill, "/readyz?exclude=leader&exclude=data").status, 200);
  assertEquals(ask({ hasLeader: false }, "/readyz?noleader").status, 200);
  assertEquals(ask(ill, "/readyz?noleader").status, 503);
  assertStringIncludes(ask(ill, "/readyz?noleader").body, "[+]leader excluded: ok\n");
  assertStringIncludes(
    ask({}, "/readyz?verbose&exclude=x").body,
    "warn: no such checks to exclude: x\n",
  );
  assertEquals(ask(ill, "/readyz/disk").body, "ok\n");
  assertEquals(ask(ill, "/readyz/leader").status, 503);
  assertEquals(ask(ill, "/readyz/none").status, 404);
  assertEquals(ask(ill, "/readyz/disk/x").status, 404);
});

Deno.test("admin: each check fails for its own reason, and only /readyz does", () => {
  const cases: [string, Partial<NodeHealth>][] = [
    ["running", { isStopping: true }],
    ["formed", { isFormed: false, canWrite: false }],
    ["member", { isRemoved: true }],
    ["log", { isRepairing: true }],
    ["data", { isLoading: true }],
    ["disk", { canWrite: false }],
    ["disk", { syncingMs: 3_000 }],
    ["leader", { hasLeader: false }],
  ];
  for (const [name, health] of cases) {
    const { status, body } = ask(health, "/readyz");
    const failed = body.match(/^\[-\]\w+/gm);
    assertEquals([status, failed], [503, [`[-]${name}`]]);
    assertEquals(ask(health, "/livez").status, 200);
  }
});

Deno.test("admin: /leader and /replica, for load balancers", () => {
  const statuses = (health: Partial<NodeHealth>) =>
    ["/leader", "/replica"].map((path) => ask(health, path).status);
  assertEquals(statuses({ leads: true, keepsLeading: true }), [200, 503]);
  // It hands over, or stops.
  assertEquals(statuses({ leads: true, keepsLeading: false }), [503, 503]);
  assertEquals(statuses({}), [503, 200]);
  assertEquals(statuses({ hasLeader: false }), [503, 503]);
  assertEquals(statuses({ isLoading: true }), [503, 503]);
  assertEquals(statuses({ isStopping: true }), [503, 503]);
});

Deno.test("admin: HEAD tells what GET would, others are refused with what is allowed", () => {
  const { head, body } = ask({}, "/readyz", undefined, "HEAD");
  assertStringIncludes(head, "\r\nContent-Length: 3\r\n");
  assertEquals(body, "");
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const refused = ask({}, "/status", undefined, method);
    assertEquals(refused.status, 405);
    assertStringIncludes(refused.head, "\r\nAllow: GET, HEAD");
    assertStringIncludes(refused.head, "\r\nConnection: close");
  }
});

Deno.test("admin: who calls this server by another name, or comes from another site, reads nothing", async () => {
  await pageResponse();
  const status = (headers: string, path = "/status") => ask({}, path, headers).status;
  for (
    const host of ["127.0.0.1", "10.1.2.3:9100", "[::1]:9100", "localhost", "DB1.example:9100"]
  ) {
    assertEquals(status(`Host: ${host}\r\n`), 200, host);
  }
  for (
    const host of ["evil.example", "db1.example.evil.example", "1.2.3.4.evil.example", "", "[x]"]
  ) {
    assertEquals(status(`Host: ${host}\r\n`), 421, host);
  }
  const own = "Host: localhost:9100\r\n";
  assertEquals(status(`${own}Sec-Fetch-Site: same-origin\r\n`), 200);
  assertEquals(status(`${own}Sec-Fetch-Site: none\r\n`), 200);
  assertEquals(status(`${own}Sec-Fetch-Site: cross-site\r\n`), 403);
  assertEquals(status(`${own}Sec-Fetch-Site: same-site\r\n`), 403);
  assertEquals(status(`${own}Origin: http://localhost:9100\r\n`), 200);
  assertEquals(status(`${own}Origin: http://localhost:3000\r\n`), 403);
  assertEquals(status(`${own}Origin: null\r\n`), 403);
  // A link that a person follows to the page.
  const visit =
    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
  assertEquals(status(`${own}${visit}`, "/"), 200);
  assertEquals(status(`${own}${visit}`, "/status"), 403);
});

Deno.test("admin: every answer tells browsers to load nothing, frame nothing and keep nothing", () => {
  for (const path of ["/status", "/none", "/events", "/metrics"]) {
    const { head } = ask({}, path);
    assertStringIncludes(
      head,
      "\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'",
    );
    assertStringIncludes(head, "\r\nX-Content-Type-Options: nosniff");
    assertStringIncludes(head, "\r\nCache-Control: no-store");
  }
});

Deno.test("admin: requests in a row are answered in their order, and an error ends the connection", () => {
  const { session } = connect();
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  session.receive(
    encoder.encode(`${get("/livez")}${get("/none")}${get("/readyz")}nonsense\r\n\r\n`),
  );
  const text = outputOf(session);
  assertEquals(text.match(/HTTP\/1.1 \d+/g), [
    "HTTP/1.1 200",
    "HTTP/1.1 404",
    "HTTP/1.1 200",
    "HTTP/1.1 400",
  ]);
  assert(session.closing !== null);
  session.receive(encoder.encode(get("/livez")));
  assertEquals(outputOf(session), "");
});

Deno.test("admin: the page is loaded for who asks first, and answers keep their order", async () => {
  const { session } = connect();
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  session.receive(encoder.encode(get("/livez") + get("/") + get("/none")));
  session.receive(encoder.encode(get("/readyz")));
  await pageResponse();
  await new Promise((resolve) => setTimeout(resolve, 0));
  const text = outputOf(session);
  assertEquals(text.match(/^HTTP\/1.1 \d+/gm), [
    "HTTP/1.1 200",
    "HTTP/1.1 200",
    "HTTP/1.1 404",
    "HTTP/1.1 200",
  ]);
  const page = text.slice(text.indexOf("text/html"), text.indexOf("HTTP/1.1 404"));
  assertStringIncludes(page, "<title>raftkv</title>");
  const policies = [...page.matchAll(/^Content-Security-Policy: (.*)\r$/gm)].map(([, one]) => one!);
  assertEquals(policies.length, 1);
  assertMatch(policies[0]!, /default-src 'none'; script-src 'sha256-/);
  for (const word of ["unsafe", "http:", "https:", " data: "]) assert(!policies[0]!.includes(word));
  for (const header of ["X-Content-Type-Options: nosniff", "X-Frame-Options: DENY"]) {
    assertStringIncludes(page, header);
  }
});

Deno.test("admin: a page that can't be loaded is said so; who has gone meanwhile gets nothing", async () => {
  const { routes, streams } = makeRoutes();
  routes.answer = () => Promise.reject(new Error("it is not there"));
  const ask = async (leaves: boolean) => {
    const session = new AdminSession({ routes, streams, wallMs: () => 0, keepsAnswered: true });
    session.receive(encoder.encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    if (leaves) session.disconnected();
    await new Promise((resolve) => setTimeout(resolve, 0));
    return outputOf(session);
  };
  const text = await ask(false);
  assertMatch(text, /^HTTP\/1.1 503 [^]*\r\n\r\nThe page can't be loaded: it is not there\n$/);
  assertEquals(await ask(true), "");
});

Deno.test("admin: who asks on while the page is loaded is dropped", async () => {
  const { routes, streams } = makeRoutes();
  const later = { status: 200, contentType: "text/plain", body: "late" };
  let give = (_response: HttpResponse) => {};
  routes.answer = () => new Promise((resolve) => give = resolve);
  const session = new AdminSession({ routes, streams, wallMs: () => 0, keepsAnswered: true });
  const request = encoder.encode(
    `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(4_000)}\r\n\r\n`,
  );
  for (let i = 0; i < 100 && !session.isLost; i++) session.receive(request);
  assert(session.isLost);
  give(later);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(outputOf(session), "");
});

Deno.test("admin: who asks on without taking the answers is dropped", () => {
  const { session } = connect();
  const request = encoder.encode("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (let i = 0; i < 1_000 && !session.isLost; i++) session.receive(request);
  assert(session.isLost && session.pendingBytes < 2_000_000);
});

Deno.test("admin: /status has the facts, /metrics the counters", () => {
  const status = JSON.parse(ask({}, "/status").body);
  assertEquals(status.servers[0].facts.role, "leader");
  const { head, body } = ask({}, "/metrics");
  assertStringIncludes(head, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
  assertStringIncludes(body, "\nraftkv_raft_is_leader 1\n");
});

Deno.test("admin: the probe port answers probes alone, by whatever name it is asked", () => {
  const { node } = new OneServer();
  const view = { ...node.view, health: () => WELL };
  const clock = { monotonicMs: () => 0, wallMs: () => 0 };
  const port = makeProbePort({ view, clock });
  const ask = (path: string) => {
    const session = port.openConnection() as AdminSession;
    session.receive(encoder.encode(`GET ${path} HTTP/1.1\r\nHost: any.example\r\n\r\n`));
    return outputOf(session);
  };
  for (const path of ["/livez", "/readyz", "/readyz?verbose", "/readyz/leader", "/leader"]) {
    assertMatch(ask(path), /^HTTP\/1\.1 (200|503) /, path);
  }
  for (const path of ["/", "/status", "/metrics", "/events", "/livezz", "/livez/../status"]) {
    assertMatch(
      ask(path),
      /^HTTP\/1\.1 404 [^]*There is \/livez, \/readyz, \/leader, \/replica\n$/,
      path,
    );
  }
});

Deno.test("admin: where there is a token, whoever lacks it is told so, and nothing else", () => {
  const { node } = new OneServer();
  const token = { text: "a-token-of-some-length" };
  const clock = { monotonicMs: () => 0, wallMs: () => 0 };
  const port = makeAdminPort({ view: node.view, clock, names: [], token });
  const ask = (authorization: string, path = "/status") => {
    const session = port.openConnection() as AdminSession;
    const head = authorization === "" ? "" : `Authorization: ${authorization}\r\n`;
    session.receive(encoder.encode(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${head}\r\n`));
    return outputOf(session);
  };
  const basic = (text: string) => `Basic ${btoa(text)}`;
  const good = [`Bearer ${token.text}`, `bearer  ${token.text}`, basic(`anybody:${token.text}`)];
  for (const one of good) assertMatch(ask(one), /^HTTP\/1\.1 200 /, one);
  const wrong = [
    "",
    "Bearer",
    `Bearer ${token.text}x`,
    `Bearer ${token.text.slice(1)}`,
    token.text,
  ];
  wrong.push(
    `Bearer ${token.text}${token.text}`,
    basic(token.text.slice(1)),
    "Basic ====",
    "Basic @",
  );
  for (const one of wrong) {
    for (const path of ["/", "/status", "/metrics", "/events", "/livez", "/nothing"]) {
      assertMatch(
        ask(one, path),
        /^HTTP\/1\.1 401 [^]*WWW-Authenticate: Basic realm="raftkv"/,
        one,
      );
    }
  }
  // It is exchanged while the server runs.
  token.text = "another-token-of-a-length";
  assertMatch(ask(good[0]!), /^HTTP\/1\.1 401 /);
  assertMatch(ask(`Bearer ${token.text}`), /^HTTP\/1\.1 200 /);
});
