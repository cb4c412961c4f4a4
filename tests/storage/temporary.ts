/** Directories for the tests of the real disk, removed when the test file is done. */
const roots: string[] = [];

globalThis.addEventListener("unload", () => {
  for (const root of roots) Deno.removeSync(root, { recursive: true });
});

export function makeRoot(): string {
  const root = Deno.makeTempDirSync({ prefix: "raftkv-disk-" });
  roots.push(root);
  return root;
}
