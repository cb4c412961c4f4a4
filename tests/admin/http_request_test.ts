/** Requests of the admin port out of bytes. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { HEAD_BYTES_MAX, type HttpRequest, RequestParser } from "../../lib/admin/http_request.ts";

const encoder = new TextEncoder();

function parsed(text: string) {
  const parser = new RequestParser();
  parser.push(encoder.encode(text));
  return parser.next();
}

function requestOf(text: string): HttpRequest {
  const found = parsed(text);
  if (found === null || "reason" in found) throw new Error(`No request: ${JSON.stringify(found)}`);
  return found;
}

function statusOf(text: string): number {
  const found = parsed(text);
  if (found === null || !("reason" in found)) throw new Error(`Taken: ${text}`);
  return found.status;
}

Deno.test("http: path, query and headers", () => {
  const request = requestOf(
    "GET /readyz?verbose&exclude=leader&exclude=disk HTTP/1.1\r\nHost: a:1\r\nX-Y:  z \r\n\r\n",
  );
  assertEquals([request.method, request.path, request.isPersistent], ["GET", "/readyz", true]);
  assertEquals(request.query.getAll("exclude"), ["leader", "disk"]);
  assert(request.query.has("verbose"));
  assertEquals([...request.headers], [["host", "a:1"], ["x-y", "z"]]);
});

Deno.test("http: what says whether the connection stays open", () => {
  const persistent = (version: string, connection: string) =>
    requestOf(`GET / HTTP/${version}\r\nHost: a\r\n${connection}\r\n`).isPersistent;
  assertEquals(persistent("1.1", ""), true);
  assertEquals(persistent("1.1", "Connection: close\r\n"), false);
  assertEquals(persistent("1.0", ""), false);
  assertEquals(persistent("1.0", "Connection: Keep-Alive\r\n"), true);
  assertEquals(requestOf("GET / HTTP/1.0\r\n\r\n").headers.has("host"), false);
  // Whatever follows it may be its body.
  assertEquals(
    requestOf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").isPersistent,
    false,
  );
});

Deno.test("http: requests come in any pieces, several in a row, with line ends of any kind", () => {
  const text =
    "\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b HTTP/1.1\nHost: y\n\nGET /c HTTP/1.0\r\n\r\n";
  for (let size = 1; size <= text.length; size++) {
    const parser = new RequestParser();
    const paths: string[] = [];
    for (let at = 0; at < text.length; at += size) {
      parser.push(encoder.encode(text.slice(at, at + size)));
      for (let one = parser.next(); one !== null; one = parser.next()) {
        paths.push("reason" in one ? one.reason : one.path);
      }
    }
    assertEquals(paths, ["/a", "/b", "/c"], `in pieces of ${size}`);
  }
});

Deno.test("http: what is no such request is refused", () => {
  for (
    const line of [
      "GET http://a/ HTTP/1.1",
      "GET  / HTTP/1.1",
      "get / HTTP/1.1",
      "GET / HTTP/1.1 ",
      "GET /\u0001 HTTP/1.1",
      "GET /",
      "*1",
      "set a 0 1",
    ]
  ) assertEquals(statusOf(`${line}\r\nHost: a\r\n\r\n`), 400, line);
  assertEquals(statusOf("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  assertEquals(statusOf("GET / HTTP/1.1\r\n\r\n"), 400, "no Host");
  assertEquals(statusOf("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  assertEquals(statusOf("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400);
  assertEquals(statusOf("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
  assertEquals(statusOf("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"), 413);
  assertEquals(statusOf("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 413);
});

Deno.test("http: a head is bounded, whole or not", () => {
  const head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  assertEquals(statusOf(head + "x".repeat(HEAD_BYTES_MAX)), 431);
  assertEquals(statusOf(`${head}${"x".repeat(HEAD_BYTES_MAX)}\r\n\r\n`), 431);
  assertEquals(
    requestOf(`${head}${"x".repeat(HEAD_BYTES_MAX - head.length - 4)}\r\n\r\n`).path,
    "/",
  );
});

Deno.test("http: any bytes end in a request, an error or a wait for more", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const parser = new RequestParser();
    parser.push(bytes);
    for (let i = 0; i < 400; i++) {
      const one = parser.next();
      if (one === null || "reason" in one) return;
    }
    throw new Error("It goes on without end");
  }));
});
