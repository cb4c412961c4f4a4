/** The time line: a lane for each server, with its roles and events, and the events as a list. */
import type { EventFacts } from "../lib/wire/status.ts";
import { byId, colourOf, element, setHidden, setText } from "./dom.ts";
import { ROLE_WORDS, type ShownServer } from "./model.ts";
import { KIND_WORDS, kindOf, LANE_MS, placeInTime, type Timeline } from "./timeline.ts";
import { timeOfDay } from "./words.ts";

/** In the list. */
const ROWS_MAX = 60;

export class TimelineView {
  readonly #timeline: Timeline;
  readonly #lanes = byId("lanes");
  readonly #list = byId("events");
  readonly #empty = byId("noevents");
  readonly #filter = byId("grave") as HTMLInputElement;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
    this.#filter.addEventListener("change", () => this.showList());
  }

  /** Each second: the lanes move. */
  showLanes(servers: readonly ShownServer[], nowMs: number): void {
    const lanes = servers.map(({ id, place }) => {
      const spans = this.#timeline.spansOf(id).map(({ role, fromMs, toMs }) => {
        const span = element("span", { class: "span", "data-role": role });
        setSpan(span, placeInTime(fromMs, nowMs), placeInTime(toMs, nowMs));
        span.title = `Server ${id}: ${ROLE_WORDS[role]} from ${timeOfDay(fromMs)}`;
        return span;
      });
      const marks = this.#timeline.events
        .filter(({ serverId, atMs }) => serverId === id && nowMs - atMs < LANE_MS)
        .map((event) => {
          const attributes = { class: `mark ${event.level}`, "data-kind": kindOf(event) };
          const mark = element("span", attributes);
          mark.style.left = `${100 * placeInTime(event.atMs, nowMs)}%`;
          mark.title = `${timeOfDay(event.atMs)} ${textOf(event)}`;
          return mark;
        });
      const name = element("span", { class: "lanename" }, chip(place), `Server ${id}`);
      return element("div", { class: "lane" }, name, element("div", {}, ...spans, ...marks));
    });
    this.#lanes.replaceChildren(...lanes);
  }

  /** When events came. */
  showList(): void {
    const isShown = ({ level }: EventFacts) => !this.#filter.checked || level !== "info";
    const shown = this.#timeline.events.filter(isShown).slice(-ROWS_MAX)
      .reverse();
    setHidden(this.#empty, shown.length > 0);
    setText(this.#empty, this.#filter.checked ? "No warnings and no errors" : "No events yet");
    this.#list.replaceChildren(...shown.map((event) => {
      const kind = kindOf(event);
      const mark = element("span", { class: `mark ${event.level}`, "data-kind": kind });
      const detail = element("span", { class: "detail" }, event.detail);
      return element(
        "li",
        { class: event.level },
        element("time", {}, timeOfDay(event.atMs)),
        element("span", { class: "whose" }, `Server ${event.serverId}`),
        element("span", { class: "kind" }, mark, KIND_WORDS[kind]),
        element("span", { class: "message" }, levelWord(event), event.message, " ", detail),
      );
    }));
  }
}

function setSpan(span: HTMLElement, from: number, to: number): void {
  span.style.left = `${100 * from}%`;
  span.style.width = `${100 * (to - from)}%`;
}

function chip(place: number): HTMLElement {
  return element("span", { class: `chip ${colourOf(place)}` });
}

function levelWord({ level }: EventFacts): string {
  return level === "info" ? "" : `${level}: `;
}

function textOf(event: EventFacts): string {
  return `${KIND_WORDS[kindOf(event)]}: ${levelWord(event)}${event.message} ${event.detail}`;
}
