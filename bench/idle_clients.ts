/**
 * Many connections that do nothing, in a process of their own, for it needs as many descriptors:
 * `idle_clients.ts HOST PORT COUNT`. Says `open` once all are there. At each line on its input every
 * connection sets a key and gets it once, and it says `used`. They close when the process ends.
 */
import { type Address, connectWithin, LineClient } from "./line_client.ts";

const CONNECT_TIMEOUT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 20_000;
/** So many at a time: a listener's queue is bounded. */
const AT_ONCE = 64;
const VALUE_BYTES = 256;

/** Runs `work` for 0 to `count` - 1, some at a time. */
async function forEach(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const workers = Array.from({ length: AT_ONCE }, async () => {
    for (let i = next++; i < count; i = next++) await work(i);
  });
  await Promise.all(workers);
}

async function use(client: LineClient, i: number): Promise<void> {
  const key = `idle-${i}`;
  const { line } = await client.set(key, new Uint8Array(VALUE_BYTES).fill(97), REQUEST_TIMEOUT_MS);
  if (!line.startsWith("OK ")) throw new Error(`set ${key} was answered ${line}`);
  const { value } = await client.get(key, REQUEST_TIMEOUT_MS);
  if (value?.length !== VALUE_BYTES) throw new Error(`get ${key} was not answered with its value`);
}

async function main(): Promise<void> {
  const [hostname = "", port, count] = Deno.args;
  const server: Address = { hostname, port: Number(port) };
  const clients: LineClient[] = [];
  await forEach(Number(count), async (i) => {
    clients[i] = LineClient.on(server, await connectWithin(server, CONNECT_TIMEOUT_MS));
  });
  console.log("open");
  for await (const _chunk of Deno.stdin.readable) {
    await forEach(clients.length, (i) => use(clients[i]!, i));
    console.log("used");
  }
}

if (import.meta.main) {
  await main();
  Deno.exit(0);
}
