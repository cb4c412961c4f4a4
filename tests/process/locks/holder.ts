/**
 * A program that takes a lock again and again, and writes to the resource while it holds it:
 * `holder SERVERS RESOURCE NAME`. As programs do, it asks whether it holds the lock, works, and then writes. Where
 * the resource refuses a write, it is told how long that came after the asking.
 */
import { type Lock, open } from "../../../client/mod.ts";
import { TTL_MS } from "./rounds.ts";

const WORK_MS = 20;
const HELD_MS = 200;
const PAUSE_MS = 20;

async function main(): Promise<void> {
  const [servers = "", resource = "", name = ""] = Deno.args;
  const client = open({ servers: servers.split(","), timeoutMs: 5_000 });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(resource) });
  const answers = connection.readable.pipeThrough(new TextDecoderStream()).getReader();
  const encoder = new TextEncoder();

  /** Whether the resource took it. `words`: a token, then what it says of itself. */
  const write = async (...words: readonly (string | number)[]): Promise<boolean> => {
    await connection.write(encoder.encode(`${[name, ...words].join(" ")}\n`));
    const { value = "" } = await answers.read();
    if (value === "") Deno.exit(0);
    return value === "ok\n";
  };
  const work = async (lock: Lock): Promise<void> => {
    const endMs = performance.now() + HELD_MS;
    for (;;) {
      const askedMs = performance.now();
      if (askedMs >= endMs || !lock.isHeld) return;
      await new Promise((resolve) => setTimeout(resolve, WORK_MS));
      if (await write(lock.token)) continue;
      await write(lock.token, "refused", Math.round(performance.now() - askedMs));
      return;
    }
  };
  for (;;) {
    try {
      const lock = await client.lock("jobs", { ttlMs: TTL_MS, value: name });
      await work(lock);
      await lock.unlock();
    } catch {
      // Not had, or lost: it begins anew.
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

if (import.meta.main) await main();
