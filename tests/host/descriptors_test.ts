import { assertEquals } from "@std/assert";
import { DescriptorMargin, freeDescriptors } from "../../lib/host/descriptors.ts";

/** A process with so many descriptors left; connections take one each. */
function processWith(free: number) {
  const state = { free, trials: 0 };
  const countFree = (atMost: number) => {
    state.trials++;
    return Math.min(atMost, state.free);
  };
  return { state, countFree };
}

Deno.test("descriptors: connections are kept until only the spare ones are left", () => {
  for (const free of [0, 9, 10, 11, 17, 18, 19, 200]) {
    const { state, countFree } = processWith(free);
    const margin = new DescriptorMargin(countFree);
    let kept = 0;
    for (let i = 0; i < 300; i++) {
      state.free--;
      if (margin.hasRoom(10)) kept++;
      else state.free++;
    }
    assertEquals(kept, Math.max(0, free - 10), `${free} free at the beginning`);
  }
});

Deno.test("descriptors: there is room again once some are given back", () => {
  const { state, countFree } = processWith(9);
  const margin = new DescriptorMargin(countFree);
  assertEquals(margin.hasRoom(10), false);
  state.free = 12;
  assertEquals([margin.hasRoom(10), margin.hasRoom(10), margin.hasRoom(10)], [true, true, true]);
});

Deno.test("descriptors: most connections need no trial", () => {
  const { state, countFree } = processWith(1_000);
  const margin = new DescriptorMargin(countFree);
  for (let i = 0; i < 90; i++) margin.hasRoom(10);
  assertEquals(state.trials, 10);
});

Deno.test("descriptors: two listeners never take the same one", () => {
  const { state, countFree } = processWith(40);
  const margin = new DescriptorMargin(countFree);
  const connect = (spare: number) => {
    state.free--;
    if (!margin.hasRoom(spare)) state.free++;
  };
  for (let i = 0; i < 12; i++) connect(24);
  for (let i = 0; i < 100; i++) connect(12);
  assertEquals(state.free, 12);
  for (let i = 0; i < 100; i++) connect(i % 2 === 0 ? 24 : 12);
  assertEquals(state.free, 12);
});

Deno.test("descriptors: counting leaves nothing open, and what can't be tried counts as free", () => {
  for (let i = 0; i < 200; i++) assertEquals(freeDescriptors(".", 100), 100);
  assertEquals(freeDescriptors("no such file", 100), 100);
});

/** Syncs a directory again and again, each time with a trial directly after, with only ten to spare. */
const NARROW = `
  import { DenoDisk } from ${
  JSON.stringify(new URL("../../lib/host/deno_disk.ts", import.meta.url))
};
  import { freeDescriptors } from ${
  JSON.stringify(new URL("../../lib/host/descriptors.ts", import.meta.url))
};
  const root = Deno.args[0];
  const disk = new DenoDisk(root);
  while (freeDescriptors(root, 11) > 10) Deno.openSync(root, { read: true });
  for (let i = 0; i < 300; i++) {
    const synced = new Promise((resolve) => disk.syncDirectoryLater(".", resolve));
    await 0;
    for (let j = 0; j < 20; j++) freeDescriptors(root, 32);
    const error = await synced;
    if (error !== null) throw error;
  }
`;

Deno.test("descriptors: a trial takes none from a file that is about to be opened", async () => {
  const root = Deno.makeTempDirSync({ prefix: "raftkv-disk-" });
  try {
    const script = `${root}/narrow.ts`;
    Deno.writeTextFileSync(script, NARROW);
    const deno = `"${Deno.execPath()}" run --quiet --no-check --allow-all "${script}" "${root}"`;
    const { code, stderr } = await new Deno.Command("sh", {
      args: ["-c", `ulimit -n 256; exec ${deno}`],
    }).output();
    assertEquals({ code, said: new TextDecoder().decode(stderr) }, { code: 0, said: "" });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
