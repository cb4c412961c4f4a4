/** What a process wrote: all of it, up to a bound; then the older half goes. */

const KEPT_CHARACTERS_MAX = 16 * 1024 * 1024;

export class KeptText {
  readonly #max: number;
  #text = "";
  #leftOut = 0;

  constructor(max = KEPT_CHARACTERS_MAX) {
    this.#max = max;
  }

  get text(): string {
    if (this.#leftOut === 0) return this.#text;
    return `(${this.#leftOut} characters before)\n${this.#text}`;
  }

  add(text: string): void {
    this.#text += text;
    if (this.#text.length <= this.#max) return;
    // Whole lines stay, if there are any.
    const half = this.#text.length - Math.floor(this.#max / 2);
    const from = this.#text.indexOf("\n", half) + 1 || half;
    this.#leftOut += from;
    this.#text = this.#text.slice(from);
  }

  /** The lines that have come to their end. */
  wholeLines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }

  /** The last lines, none longer than `width`. */
  tail(lines: number, width: number): string {
    const text = this.text.slice(-lines * width);
    return text.split("\n").slice(-lines).map((line) => line.slice(0, width)).join("\n");
  }
}
