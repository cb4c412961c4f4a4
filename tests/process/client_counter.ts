/**
 * A program that counts with the client, for Deno and for Node: `client_counter SERVERS SECONDS CALLERS`.
 * Each caller increments one counter, again and again. Prints one line once it has begun, and what became
 * of all calls at the end.
 */
import { argv, stdout } from "node:process";
import { connect, NotDone, RaftkvError, Unknown } from "../../client/mod.ts";

export interface Counted {
  sent: number;
  acknowledged: number;
  notDone: number;
  unknown: number;
  /** Errors that say nothing of whether it was done: none may be. */
  others: string[];
  /** How long the longest call took, and the longest time without an acknowledgement, in ms. */
  longestMs: number;
  stillMs: number;
  /** Sums that were told twice: the same increment was acknowledged to two callers. */
  repeated: number;
  reads: number;
  readsFailed: number;
}

export const TIMEOUT_MS = 4_000;

async function main(): Promise<void> {
  const [servers = "", seconds = "", callers = ""] = argv.slice(2);
  await using client = await connect({ servers: servers.split(","), timeoutMs: TIMEOUT_MS });
  const counted: Counted = {
    sent: 0,
    acknowledged: 0,
    notDone: 0,
    unknown: 0,
    others: [],
    longestMs: 0,
    stillMs: 0,
    repeated: 0,
    reads: 0,
    readsFailed: 0,
  };
  const sums = new Set<bigint>();
  const endMs = performance.now() + 1_000 * Number(seconds);
  let lastMs = performance.now();
  const count = async () => {
    while (performance.now() < endMs) {
      const beganMs = performance.now();
      counted.sent++;
      try {
        const sum = await client.incr("counter");
        counted.acknowledged++;
        if (sums.has(sum)) counted.repeated++;
        sums.add(sum);
        counted.stillMs = Math.max(counted.stillMs, performance.now() - lastMs);
        lastMs = performance.now();
      } catch (error) {
        if (error instanceof NotDone) counted.notDone++;
        else if (error instanceof Unknown) counted.unknown++;
        else counted.others.push(String(error));
      }
      counted.longestMs = Math.max(counted.longestMs, performance.now() - beganMs);
    }
  };
  const read = async () => {
    while (performance.now() < endMs) {
      const beganMs = performance.now();
      try {
        await client.text.get("counter");
        counted.reads++;
      } catch (error) {
        counted.readsFailed++;
        if (!(error instanceof RaftkvError)) counted.others.push(String(error));
      }
      counted.longestMs = Math.max(counted.longestMs, performance.now() - beganMs);
    }
  };
  stdout.write("begun\n");
  await Promise.all([read(), ...Array.from({ length: Number(callers) }, count)]);
  stdout.write(`${JSON.stringify(counted)}\n`);
}

// The test imports what stands above.
if (argv[1]?.includes("client_counter") === true) await main();
