/** The little that charts need of SVG. They follow the reader's light or dark colours. */

export type Attributes = Readonly<Record<string, string | number>>;

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** An element; `children` are elements already. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const pairs = Object.entries(attributes).map(([key, value]) => {
    const text = typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
    return ` ${key}="${escape(text)}"`;
  });
  const open = `<${name}${pairs.join("")}`;
  return children.length === 0 ? `${open}/>` : `${open}>${children.join("\n")}</${name}>`;
}

/** Text; `attributes` say where, and which class. */
export function text(content: string, attributes: Attributes): string {
  return element("text", attributes, escape(content));
}

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 16px; font-weight: 600; }
  .note { font-size: 11px; fill: #57606a; }
  .axis { stroke: #d0d7de; stroke-width: 1; }
  .mark { stroke: #24292f; stroke-width: 2; }
  .ground { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9198a1; }
    .axis { stroke: #3d444d; }
    .mark { stroke: #e6edf3; }
    .ground { fill: #0d1117; }
  }
`;

/** A whole document with a ground of its own, so that it can be read wherever it is shown. */
export function svgDocument(width: number, height: number, ...children: string[]): string {
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "img",
  };
  const ground = element("rect", { width, height, rx: 8, class: "ground" });
  return element("svg", attributes, `<style>${STYLE}</style>`, ground, ...children) + "\n";
}
