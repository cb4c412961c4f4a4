/** Answers of the admin port, as bytes. */
export interface HttpResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** Beside what every answer has, or in its place. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer has no end: what follows comes from `EventStreams`. */
  readonly isStream?: boolean;
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

/**
 * What browsers are told: nothing is loaded from elsewhere, nobody frames or embeds it, nothing is kept.
 */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cache-Control": "no-store",
};

const encoder = new TextEncoder();

export function text(status: number, body: string, headers?: Record<string, string>): HttpResponse {
  const contentType = "text/plain; charset=utf-8";
  return { status, contentType, body, ...(headers !== undefined && { headers }) };
}

export function json(body: string, status = 200): HttpResponse {
  return { status, contentType: "application/json", body };
}

/** `wallMs`: now. `hasBody`: false where HEAD was asked. */
export function encodeResponse(
  response: HttpResponse,
  wallMs: number,
  isPersistent: boolean,
  hasBody: boolean,
): Uint8Array {
  const body = typeof response.body === "string" ? encoder.encode(response.body) : response.body;
  const headers: Record<string, string> = {
    Date: new Date(wallMs).toUTCString(),
    "Content-Type": response.contentType,
    ...(response.isStream ? {} : { "Content-Length": `${body.length}` }),
    Connection: isPersistent && !response.isStream ? "keep-alive" : "close",
    ...SECURITY_HEADERS,
    ...response.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const { status } = response;
  const head = encoder.encode(`HTTP/1.1 ${status} ${REASONS[status] ?? "Error"}\r\n${lines}\r\n`);
  if (!hasBody) return head;
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}
