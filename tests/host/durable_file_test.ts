/** A file that appears under its name only when it is whole. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { StreamError } from "../../lib/host/console.ts";
import { createDurableFile } from "../../lib/host/durable_file.ts";

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-durable-" });
  try {
    await run(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function namesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}

Deno.test("a durable file has its name once it is finished, and all that was written", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/a`;
    const file = createDurableFile(path);
    // Longer than what is synced at a time, in odd pieces.
    const piece = new Uint8Array(300_001).fill(7);
    for (let i = 0; i < 30; i++) await file.write(piece);
    assert(!namesIn(directory).includes("a"), "not before it is whole");
    await file.finish();
    file.close();
    assertEquals(namesIn(directory), ["a"]);
    const found = Deno.readFileSync(path);
    assert(found.length === 30 * piece.length && found.every((byte) => byte === 7));
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  });
});

Deno.test("a durable file that is given up leaves nothing", async () => {
  // Not so long that a sync is under way, which would end after the test: processes try that.
  for (const bytes of [0, 1, 900_000]) {
    await inDirectory(async (directory) => {
      const file = createDurableFile(`${directory}/a`);
      await file.write(new Uint8Array(bytes));
      file.close();
      assertEquals(namesIn(directory), []);
    });
  }
});

Deno.test("what a process that was killed has left of a durable file is not in the way", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/a`;
    // As it is while the first is open: the same process, the same name.
    const left = createDurableFile(path);
    const file = createDurableFile(path);
    await file.write(new Uint8Array(10));
    await file.finish();
    left.close();
    assertEquals(namesIn(directory), ["a"]);
    assertEquals(Deno.statSync(path).size, 10);
  });
});

Deno.test("a durable file never takes the place of another", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/a`;
    Deno.writeTextFileSync(path, "mine");
    assertThrows(() => createDurableFile(path), Error, "there is such a file already");
    const why = "it is a directory; name a file in it";
    assertThrows(() => createDurableFile(directory), Error, why);
    Deno.removeSync(path);
    const file = createDurableFile(path);
    await file.write(new Uint8Array(10));
    Deno.writeTextFileSync(path, "came meanwhile");
    await assertRejects(() => file.finish(), StreamError, "there is such a file already");
    assertEquals(namesIn(directory), ["a"]);
    assertEquals(Deno.readTextFileSync(path), "came meanwhile");
  });
  assertThrows(() => createDurableFile("/nowhere/at/all/a"), Error, "there is no such file");
});
