import { assertEquals, assertMatch } from "@std/assert";
import { assert } from "../../lib/util/assert.ts";
import { DEFAULT_LIMITS, DEFAULT_STORAGE_LIMITS, DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { ENVIRONMENT } from "../../lib/host/process.ts";

const page = Deno.readTextFileSync(new URL("../../docs/operating.md", import.meta.url));

const { perAddress, perUser, ...NUMBERS } = DEFAULT_LIMITS;

Deno.test("docs/operating.md: every bound of an address or user is there, and is none by default", () => {
  const table = page.slice(page.indexOf('`"perAddress": { … }`'), page.indexOf("### `storage`"));
  assertEquals(perUser, perAddress);
  for (const [key, bound] of Object.entries(perAddress)) {
    assertMatch(table, new RegExp(`^\\| \`${key}\` +\\| ${bound} +\\|`, "m"));
  }
});

Deno.test("docs/operating.md: every key of the cluster file is there with its default", () => {
  const defaults = { ...DEFAULT_TIMING, ...NUMBERS, ...DEFAULT_STORAGE_LIMITS };
  for (const [key, value] of Object.entries(defaults)) {
    const cells = new RegExp(`^\\| *\`${key}\` *\\| *([0-9,]+) *\\|`, "m").exec(page);
    assert(cells !== null, `${key} is not in a table of docs/operating.md`);
    const written = Number(cells[1]!.replaceAll(",", ""));
    assert(written === value, `${key} is ${value}, docs/operating.md says ${written}`);
  }
});

Deno.test("docs/operating.md: every environment variable is there", () => {
  for (const name of ENVIRONMENT) {
    assert(page.includes(`\`${name}\``), `${name} is not in docs/operating.md`);
  }
});
