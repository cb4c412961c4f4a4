/**
 * The live page: one file, made of page/ by `deno task build:page`. It is loaded when somebody asks for it
 * first, so that servers which nobody looks at don't hold it in memory.
 */
import type { HttpResponse } from "../http_response.ts";

let response: HttpResponse | null = null;

/** What is answered at `/`: at once where it was asked for before. */
export function pageResponse(): HttpResponse | Promise<HttpResponse> {
  return response ?? load();
}

async function load(): Promise<HttpResponse> {
  const { default: page } = await import("./page.json", { with: { type: "json" } });
  response = {
    status: 200,
    contentType: "text/html; charset=utf-8",
    body: page.html,
    headers: { "Content-Security-Policy": page.contentSecurityPolicy },
  };
  return response;
}
