/** What the admin port has: who asks for what gets what. */
import type { NodeView } from "../node/facts/node_view.ts";
import type { EventStreams } from "./event_streams.ts";
import type { Guard } from "./guard.ts";
import type { HttpRequest } from "./http_request.ts";
import { type HttpResponse, json, text } from "./http_response.ts";
import { METRICS_CONTENT_TYPE, metricsText } from "./metrics.ts";
import { pageResponse } from "./page/page.ts";
import { PROBE_PATHS, probeAnswer } from "./probes.ts";

/** A page is made no more often than this, however often it is asked for. */
const PAGE_AGE_MAX_MS = 50;

const PATHS = ["/", ...PROBE_PATHS, "/status", "/metrics", "/events"];

export class Routes {
  readonly #view: NodeView;
  readonly #guard: Guard;
  readonly #streams: EventStreams;
  readonly #nowMs: () => number;
  readonly #status: RecentPage;
  readonly #metrics: RecentPage;

  /** `nowMs`: the monotonic clock. */
  constructor(view: NodeView, guard: Guard, streams: EventStreams, nowMs: () => number) {
    this.#view = view;
    this.#guard = guard;
    this.#streams = streams;
    this.#nowMs = nowMs;
    this.#status = new RecentPage(() => `${JSON.stringify(view.status())}\n`);
    this.#metrics = new RecentPage(() => metricsText(view.counts(), streams.count));
  }

  /** A promise where what is asked for has to be loaded first. */
  answer(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    return this.#guard.refusal(request) ?? this.#find(request) ??
      text(404, `There is ${PATHS.join(", ")}\n`);
  }

  #find(request: HttpRequest): HttpResponse | Promise<HttpResponse> | null {
    switch (request.path) {
      case "/":
        return pageResponse();
      case "/status":
        return json(this.#status.at(this.#nowMs()));
      case "/metrics":
        return {
          ...text(200, this.#metrics.at(this.#nowMs())),
          contentType: METRICS_CONTENT_TYPE,
        };
      case "/events":
        return this.#eventStream();
    }
    return probeAnswer(request, this.#view.health);
  }

  #eventStream(): HttpResponse {
    if (this.#streams.isFull) {
      return text(503, "Too many streams are open here\n", { "Retry-After": "5" });
    }
    return { status: 200, contentType: "text/event-stream", body: "", isStream: true };
  }
}

class RecentPage {
  readonly #make: () => string;
  #text = "";
  #madeMs = -Infinity;

  constructor(make: () => string) {
    this.#make = make;
  }

  at(nowMs: number): string {
    if (nowMs - this.#madeMs >= PAGE_AGE_MAX_MS) {
      this.#text = this.#make();
      this.#madeMs = nowMs;
    }
    return this.#text;
  }
}
