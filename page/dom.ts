/** Elements made and changed: nothing is written that has not changed, and never as HTML. */

type Attributes = Readonly<Record<string, string>>;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function drawing(
  tag: string,
  attributes: Attributes = {},
  ...children: readonly Node[]
): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttributes(node: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
}

export function setHidden(node: HTMLElement, isHidden: boolean): void {
  if (node.hidden !== isHidden) node.hidden = isHidden;
}

/** An element that page.html has. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`page.html has no #${id}`);
  return found;
}

/** A server's colour: a class that page.css knows. */
export function colourOf(place: number): string {
  return `s${place % 7 + 1}`;
}

/** A list of a definition each: texts that are changed in place. */
export class FactList {
  readonly root = element("dl", { class: "facts" });
  readonly #values = new Map<
    string,
    { readonly pair: HTMLElement; readonly value: HTMLElement }
  >();

  /** An empty text takes the row away. */
  set(name: string, text: string): void {
    let row = this.#values.get(name);
    if (row === undefined) {
      const value = element("dd");
      row = { value, pair: element("div", {}, element("dt", {}, name), value) };
      this.#values.set(name, row);
      this.root.append(row.pair);
    }
    setText(row.value, text);
    setHidden(row.pair, text === "");
  }
}
