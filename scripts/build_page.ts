/**
 * The live page as one file: `deno task build:page` writes lib/admin/page/page.json out of page/ and uPlot.
 * That file is committed, so that a server needs no build step; a test tells where it is not fresh. The
 * page has no other files, and its Content-Security-Policy lets no other script or style run.
 */
import { uplotLicense, uplotScript, uplotStyle } from "../tests/packages/uplot_text.ts";
import { parseFlags } from "../bench/flags.ts";
import { linkModules } from "./link_modules.ts";

const HELP = `deno task build:page

Writes lib/admin/page/page.json out of page/ and uPlot.

  --help               this text
`;

const ROOT = new URL("../", import.meta.url);
const OUTPUT = "lib/admin/page/page.json";
const STYLES = ["base", "servers", "logs", "charts", "events"];

/** What lib/admin/page/page.json holds. */
interface Page {
  readonly contentSecurityPolicy: string;
  readonly html: string;
}

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

/** The text of lib/admin/page/page.json, from what is in page/ now. */
export async function pageText(): Promise<string> {
  const style = [
    uplotStyle,
    ...STYLES.map((name) => read(`page/style/${name}.css`)),
  ].join("\n");
  const script = linkModules(
    "./main.ts",
    (name) => read(`page/${name.slice(2)}`),
  );
  const scripts = [`/*!\n${uplotLicense}*/\n${uplotScript}`, script];
  const page: Page = {
    contentSecurityPolicy: [
      "default-src 'none'",
      `script-src ${(await Promise.all(scripts.map(hashOf))).join(" ")}`,
      `style-src ${await hashOf(style)}`,
      "connect-src 'self'",
      "img-src data:",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
    ].join("; "),
    html: fill(read("page/page.html"), style, scripts),
  };
  return `${JSON.stringify(page, null, 2)}\n`;
}

/** As Content-Security-Policy names the text of an element. */
async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(text),
  );
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`;
}

/** @throws {Error} where an element's text would end it, or the page has no place for it. */
function fill(html: string, style: string, scripts: readonly string[]): string {
  for (const text of [style, ...scripts]) {
    if (/<\/(style|script)|<!--/i.test(text)) {
      throw new Error("A text ends its own element");
    }
  }
  const elements: readonly (readonly [string, string])[] = [
    ["<!-- style -->", `<style>${style}</style>`],
    // The library declares a global name, as a module could not.
    ["<!-- library -->", `<script>${scripts[0]}</script>`],
    ["<!-- script -->", `<script type="module">${scripts[1]}</script>`],
  ];
  return elements.reduce((whole, [place, text]) => {
    if (whole.split(place).length !== 2) {
      throw new Error(`page.html needs ${place} once`);
    }
    return whole.replace(place, () => text);
  }, html);
}

if (import.meta.main) {
  parseFlags(HELP, {});
  const text = await pageText();
  Deno.writeTextFileSync(new URL(OUTPUT, ROOT), text);
  console.log(`${OUTPUT}: ${text.length} bytes`);
}
