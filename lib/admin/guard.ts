/**
 * Who may ask: people, probes and scrapers, and no page of somebody else in an operator's browser. Such a
 * page could reach this port by a name of its own that it lets point here (DNS rebinding): so the Host
 * header has to be an address, localhost, or a name that the cluster file has. Nothing here changes
 * anything; this keeps others from reading.
 */
import { isAddress } from "../util/address.ts";
import type { HttpRequest } from "./http_request.ts";
import { type HttpResponse, text } from "./http_response.ts";

export class Guard {
  readonly #names: ReadonlySet<string>;

  /** `names`: by which this server is called, beside localhost and its addresses. */
  constructor(names: readonly string[]) {
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
    return null;
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
