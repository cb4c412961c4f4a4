/** A server loads no other command, and each command only what it uses. */
import { assert, assertEquals } from "@std/assert";
import { importsOf, resolve } from "../../scripts/tidy_imports.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;

/** The files that are loaded at once with `path`: not those behind an import() or of types alone. */
function loadedWith(path: string, found = new Set<string>()): Set<string> {
  if (found.has(path)) return found;
  found.add(path);
  for (const { specifier, text } of importsOf(Deno.readTextFileSync(PROJECT + path))) {
    const isLater = /import\($|^import\(/.test(text.trim()) ||
      /^\s*(import|export) type\b/.test(text);
    if (isLater || !specifier.startsWith(".") || specifier.endsWith(".json")) continue;
    loadedWith(resolve(path, specifier), found);
  }
  return found;
}

Deno.test("lazy: the start of a server loads serve alone", () => {
  const files = [...loadedWith("main.ts"), ...loadedWith("lib/cli/run_server.ts")];
  assert(files.includes("lib/cli/serve.ts"));
  const foreign = files.filter((path) =>
    /^client\/|^lib\/cli\/(commands|run|connect|output|status|transfer|completion)\/|routes\.ts$/
      .test(path)
  );
  assertEquals(foreign, []);
});

Deno.test("lazy: a command that asks the cluster loads neither server nor cluster file's rules", () => {
  for (const name of ["get", "set", "status", "load"]) {
    const files = [...loadedWith(`lib/cli/run/${name}.ts`)];
    assert(files.some((path) => path.startsWith("client/")), name);
    const heavy = files.filter((path) =>
      /^lib\/(raft|kv|node|storage|net|wire)\/|^lib\/(server|config|logging)\.ts$/.test(path)
    );
    assertEquals(heavy, [], name);
  }
});
