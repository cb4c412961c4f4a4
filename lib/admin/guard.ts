/**
 * Who may ask: people, probes and scrapers, and no page of somebody else in an operator's browser. Such a
 * page could reach this port by a name of its own that it lets point here (DNS rebinding): so the Host
 * header has to be an address, localhost, or a name that the cluster file has. Nothing here changes
 * anything; this keeps others from reading.
 */
import { isAddress } from "../util/address.ts";
import type { HttpRequest } from "./http_request.ts";
import { type HttpResponse, text } from "./http_response.ts";

/** What whoever asks has to know; it may be another one from one request to the next. */
export interface AdminToken {
  readonly text: string;
}

export class Guard {
  readonly #names: ReadonlySet<string>;
  readonly #token: AdminToken | null;

  /**
   * `names`: by which this server is called, beside localhost and its addresses. `token`: null where
   * nothing has to be known.
   */
  constructor(names: readonly string[], token: AdminToken | null = null) {
    this.#token = token;
    this.#names = new Set(["localhost", ...names.map((name) => name.toLowerCase())]);
  }

  /** The refusal of a request that comes from elsewhere; null where it may be answered. */
  refusal(request: HttpRequest): HttpResponse | null {
    const { headers } = request;
    const host = headers.get("host");
    // HTTP/1.0 has none; no browser speaks that.
    if (host !== undefined && !this.#knows(host)) {
      const names = [...this.#names].join(", ");
      return text(421, `The Host header names none of ${names}, and no address\n`);
    }
    const site = headers.get("sec-fetch-site") ?? "none";
    const isOwn = site === "none" || site === "same-origin";
    if (!isOwn && !isVisit(request)) return text(403, "Another site's page may not read this\n");
    const origin = headers.get("origin");
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
      return text(403, "Another site's page may not read this\n");
    }
    if (this.#token === null || knows(headers.get("authorization") ?? "", this.#token)) return null;
    const how = 'Basic realm="raftkv", charset="UTF-8"';
    return text(401, "The admin token is needed, as a bearer token or as a password\n", {
      "WWW-Authenticate": how,
    });
  }

  #knows(host: string): boolean {
    const bare = /^\[([0-9A-Fa-f:.]+)\](:\d{1,5})?$/.exec(host)?.[1] ??
      /^([^:]+)(:\d{1,5})?$/.exec(host)?.[1]?.toLowerCase();
    if (bare === undefined) return false;
    return isAddress(bare) || this.#names.has(bare.endsWith(".") ? bare.slice(0, -1) : bare);
  }
}

/** A person followed a link from another site to the page: that site can't read what it shows. */
function isVisit({ path, headers }: HttpRequest): boolean {
  return path === "/" && headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document";
}

/** `Bearer TOKEN`; or `Basic`, with any user and the token as the password: so browsers ask for it. */
function knows(authorization: string, { text: token }: AdminToken): boolean {
  const [, scheme = "", value = ""] = /^(\w+) +([!-~]+)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === "bearer") return isSame(value, token);
  if (scheme.toLowerCase() !== "basic" || !/^[\w+/-]*={0,2}$/.test(value)) return false;
  try {
    const pair = atob(value);
    return isSame(pair.slice(pair.indexOf(":") + 1), token);
  } catch {
    return false;
  }
}

/** How long it takes tells nothing but the lengths. */
function isSame(given: string, token: string): boolean {
  let difference = given.length ^ token.length;
  for (let at = 0; at < given.length; at++) {
    difference |= given.charCodeAt(at) ^ token.charCodeAt(at % token.length);
  }
  return difference === 0;
}
