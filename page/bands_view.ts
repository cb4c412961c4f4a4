/** The logs as moving bands, in a table that also has the numbers. */
import type { ClusterStatus } from "../lib/wire/status.ts";
import {
  type Band,
  bandOf,
  Growth,
  type LogEnds,
  placeOf,
  type Scale,
  scaleOf,
  ticksOf,
} from "./bands.ts";
import { colourOf, element, setAttributes, setHidden, setText } from "./dom.ts";
import { lagSentence } from "./lag.ts";
import type { ShownServer } from "./model.ts";
import { count, duration } from "./words.ts";

/** From the back to the front. */
const PARTS = ["last", "committed", "applied", "durable"] as const;

/** Farther to the right the text of a tick has no room. */
const LABEL_PLACE_MAX = 0.92;

export class BandsView {
  readonly #body: HTMLElement;
  readonly #rows = new Map<number, Row>();
  readonly #growth = new Growth();
  #scale: Scale | null = null;

  constructor(body: HTMLElement) {
    this.#body = body;
  }

  show(status: ClusterStatus, servers: readonly ShownServer[]): void {
    const heard = servers.flatMap(({ facts }) => facts === null ? [] : [facts]);
    const newest = Math.max(0, ...heard.map(({ lastIndex }) => lastIndex));
    const growth = this.#growth.note(status.wallMs, newest);
    const scale = scaleOf(heard, growth, this.#scale);
    // A log that grows moves; another scale is another picture.
    setAttributes(this.#body, { "data-moves": `${isAsWide(scale, this.#scale)}` });
    this.#scale = scale;
    for (const [id, row] of this.#rows) {
      if (servers.some((server) => server.id === id)) continue;
      row.root.remove();
      this.#rows.delete(id);
    }
    for (const server of servers) {
      let row = this.#rows.get(server.id);
      if (row === undefined) {
        row = new Row(server);
        this.#rows.set(server.id, row);
        this.#body.append(row.root);
      }
      row.show(server, scale, lagSentence(status, server));
    }
  }
}

function isAsWide(scale: Scale, before: Scale | null): boolean {
  return before !== null && Math.abs(scale.to - scale.from - before.to + before.from) < 1;
}

class Row {
  readonly root: HTMLElement;
  readonly #track = element("div", { class: "track", "aria-hidden": "true" });
  readonly #outside = element("span", { class: "outside" });
  readonly #parts: Readonly<Record<keyof Omit<Band, "outside">, HTMLElement>>;
  readonly #numbers: readonly HTMLElement[];
  readonly #age = element("span", { class: "age" });
  readonly #lag = element("td", { class: "lag", role: "cell" });
  readonly #ticks = new Map<number, HTMLElement>();
  #ends: LogEnds | null = null;

  constructor({ id, place }: ShownServer) {
    const part = (name: string) => element("div", { class: `part ${name}` });
    this.#parts = {
      last: part("last"),
      committed: part("committed"),
      applied: part("applied"),
      durable: part("durable"),
    };
    this.#track.append(...PARTS.map((name) => this.#parts[name]), this.#outside);
    this.#numbers = PARTS.map((name) =>
      element("td", { class: "number", role: "cell", "data-part": name })
    );
    const chip = element("span", { class: `chip ${colourOf(place)}`, "aria-hidden": "true" });
    this.root = element(
      "tr",
      { role: "row", class: colourOf(place), "data-server": `${id}` },
      element("th", { scope: "row", role: "rowheader" }, chip, `Server ${id}`, " ", this.#age),
      element("td", { class: "band", role: "cell" }, this.#track),
      ...this.#numbers,
      this.#lag,
    );
  }

  show({ facts, ageMs, role }: ShownServer, scale: Scale, lag: string): void {
    this.#ends = facts ?? this.#ends;
    setAttributes(this.root, { "data-role": role });
    setText(this.#lag, lag);
    setText(
      this.#age,
      ageMs === null ? "last known" : ageMs === 0 ? "now" : `${duration(ageMs)} ago`,
    );
    this.#showTicks(scale);
    const ends = this.#ends;
    setHidden(this.#outside, ends === null);
    if (ends === null) {
      for (const cell of this.#numbers) setText(cell, count(null));
      return;
    }
    const band = bandOf(ends, scale);
    for (const name of PARTS) {
      this.#parts[name].style.transform = `scaleX(${band[name]})`;
    }
    const { lastIndex, commitIndex, appliedIndex, durableIndex } = ends;
    for (
      const [at, index] of [lastIndex, commitIndex, appliedIndex, durableIndex]
        .entries()
    ) {
      setText(this.#numbers[at]!, count(index));
    }
    setHidden(this.#outside, band.outside === 0);
    setText(this.#outside, `◂ ends ${count(band.outside)} entries before this`);
  }

  /** Lines at round indexes: they move as the log grows. */
  #showTicks(scale: Scale): void {
    const wanted = new Set(ticksOf(scale));
    for (const [index, tick] of this.#ticks) {
      if (wanted.has(index)) continue;
      tick.remove();
      this.#ticks.delete(index);
    }
    for (const index of wanted) {
      let tick = this.#ticks.get(index);
      if (tick === undefined) {
        tick = element("div", { class: "tick" }, element("span", {}, count(index)));
        this.#ticks.set(index, tick);
        this.#track.append(tick);
      }
      const place = placeOf(index, scale);
      tick.style.left = `${100 * place}%`;
      tick.classList.toggle("atedge", place > LABEL_PLACE_MAX);
    }
  }
}
