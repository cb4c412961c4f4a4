/** For tests in whose own process a lock is refused. */
import { assert } from "@std/assert";

/**
 * Where Deno can only wait for a lock (2.4), an attempt that was given up waits on, gets the lock at last,
 * in any order, and gives it back: a command ends its process before, but a test has to wait for it.
 */
export async function untilClosed(path: string): Promise<void> {
  const own = "/proc/self/fd";
  const isOpen = () =>
    Deno.build.os === "linux" && [...Deno.readDirSync(own)].some(({ name }) => {
      try {
        return Deno.readLinkSync(`${own}/${name}`) === path;
      } catch {
        return false; // closed meanwhile
      }
    });
  const endMs = performance.now() + 10_000;
  while (isOpen()) {
    assert(performance.now() < endMs, `${path} is still open`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // The file is closed as the attempt ends: what waited for that runs now.
  await new Promise((resolve) => setTimeout(resolve, 0));
}
