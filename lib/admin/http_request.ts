/**
 * Requests of the admin port out of bytes: HTTP/1.0 and 1.1, heads alone. It is small enough to be read,
 * and everything is bounded before it is kept: a head has 8 KiB at most, and there is no body, as nothing
 * here takes one.
 */
export interface HttpRequest {
  readonly method: string;
  /** As sent, without the query: it begins with a slash. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By name in lower case; each name once. */
  readonly headers: ReadonlyMap<string, string>;
  /** The connection stays open after the answer. */
  readonly isPersistent: boolean;
}

/** What can't be answered but with an error; the connection ends after that. */
export interface HttpFault {
  readonly status: number;
  readonly reason: string;
}

export const HEAD_BYTES_MAX = 8_192;
const CR = 13;
const LF = 10;

const REQUEST_LINE = /^([A-Z]{1,16}) (\/[\x21-\x7e]*) HTTP\/1\.([01])$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const latin = new TextDecoder("latin1");

export class RequestParser {
  #bytes = new Uint8Array(0);

  /**
   * Takes more bytes, of which it keeps what no request has used yet. Only while `next()` returned null:
   * so it never holds more than a head and one read.
   */
  push(chunk: Uint8Array): void {
    const joined = new Uint8Array(this.#bytes.length + chunk.length);
    joined.set(this.#bytes);
    joined.set(chunk, this.#bytes.length);
    this.#bytes = joined;
  }

  /** The next request, or what is wrong with it; null where more bytes are needed. */
  next(): HttpRequest | HttpFault | null {
    const start = lineEndsBefore(this.#bytes);
    const end = headEnd(this.#bytes, start);
    if (end < 0) {
      const isTooLong = this.#bytes.length - start > HEAD_BYTES_MAX;
      return isTooLong
        ? { status: 431, reason: `a head has at most ${HEAD_BYTES_MAX} bytes` }
        : null;
    }
    if (end - start > HEAD_BYTES_MAX) {
      return { status: 431, reason: `a head has at most ${HEAD_BYTES_MAX} bytes` };
    }
    const head = latin.decode(this.#bytes.subarray(start, end));
    this.#bytes = this.#bytes.slice(end);
    return parseHead(head);
  }
}

/** Empty lines in front of a request don't count (RFC 9112 §2.2). */
function lineEndsBefore(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length && (bytes[at] === CR || bytes[at] === LF)) at++;
  return at;
}

/** Where the empty line ends that ends a head; -1 where it is not there yet. */
function headEnd(bytes: Uint8Array, start: number): number {
  for (let at = start; at < bytes.length; at++) {
    if (bytes[at] !== LF) continue;
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return -1;
}

function parseHead(head: string): HttpRequest | HttpFault {
  const [first, ...lines] = head.split(/\r?\n/);
  const found = REQUEST_LINE.exec(first!);
  if (found === null) {
    const isOther = / HTTP\/\d(\.\d)?$/.test(first!) && !/ HTTP\/1\.[01]$/.test(first!);
    return isOther
      ? { status: 505, reason: "HTTP/1.0 and HTTP/1.1 are spoken here" }
      : { status: 400, reason: "this is no request line: METHOD /path HTTP/1.1" };
  }
  const headers = new Map<string, string>();
  for (const line of lines) {
    if (line === "") continue;
    const header = HEADER.exec(line);
    if (header === null) return { status: 400, reason: "a header is no `Name: value`" };
    const name = header[1]!.toLowerCase();
    // Which of two would count is what attacks are made of.
    if (headers.has(name) && ONCE.has(name)) return { status: 400, reason: `${name} comes twice` };
    headers.set(name, header[2]!.trimEnd());
  }
  const isOld = found[3] === "0";
  if (!isOld && !headers.has("host")) return { status: 400, reason: "a Host header is missing" };
  const bodyBytes = headers.get("content-length") ?? "0";
  if (headers.has("transfer-encoding") || bodyBytes !== "0") {
    if (isReading(found[1]!)) return { status: 413, reason: "a request here has no body" };
  }
  const words = (headers.get("connection") ?? "").toLowerCase().split(/[\s,]+/);
  const [path, ...query] = found[2]!.split("?");
  return {
    method: found[1]!,
    path: path!,
    query: new URLSearchParams(query.join("?")),
    headers,
    isPersistent: isReading(found[1]!) &&
      (isOld ? words.includes("keep-alive") : !words.includes("close")),
  };
}

/** Headers that may come once. */
const ONCE = new Set(["host", "origin", "content-length", "transfer-encoding", "sec-fetch-site"]);

/** The methods that change nothing and have no body. */
export function isReading(method: string): boolean {
  return method === "GET" || method === "HEAD";
}
