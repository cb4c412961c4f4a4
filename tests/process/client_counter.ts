/**
 * A program that counts with the client, for Deno and for Node: `client_counter SERVERS CALLERS`. Each
 * caller increments one counter, again and again, until standard input ends. Prints what became of all
 * calls.
 */
import { argv, stdin, stdout } from "node:process";
import { connect, NotDone, RaftkvError, Unknown } from "../../client/mod.ts";

export interface Counted {
  sent: number;
  acknowledged: number;
  notDone: number;
  unknown: number;
  /** Errors that say nothing of whether it was done: none may be. */
  others: string[];
  /** How long the longest call took, in ms in which this process ran. */
  longestMs: number;
  /** Sums that were told twice: the same increment was acknowledged to two callers. */
  repeated: number;
  reads: number;
  readsFailed: number;
}

export const TIMEOUT_MS = 4_000;

const TICK_MS = 50;

/** Time in which this process ran: where a busy machine holds it up, a tick counts as two at most. */
class RunningClock {
  nowMs = 0;
  #lookedAtMs = performance.now();
  readonly #timer = setInterval(() => {
    const nowMs = performance.now();
    this.nowMs += Math.min(nowMs - this.#lookedAtMs, 2 * TICK_MS);
    this.#lookedAtMs = nowMs;
  }, TICK_MS);

  stop(): void {
    clearInterval(this.#timer);
  }
}

async function main(): Promise<void> {
  const [servers = "", callers = ""] = argv.slice(2);
  await using client = await connect({ servers: servers.split(","), timeoutMs: TIMEOUT_MS });
  const counted: Counted = {
    sent: 0,
    acknowledged: 0,
    notDone: 0,
    unknown: 0,
    others: [],
    longestMs: 0,
    repeated: 0,
    reads: 0,
    readsFailed: 0,
  };
  const sums = new Set<bigint>();
  const clock = new RunningClock();
  let isOver = false;
  stdin.on("end", () => isOver = true).resume();
  const count = async () => {
    while (!isOver) {
      const beganMs = clock.nowMs;
      counted.sent++;
      try {
        const sum = await client.incr("counter");
        counted.acknowledged++;
        if (sums.has(sum)) counted.repeated++;
        sums.add(sum);
      } catch (error) {
        if (error instanceof NotDone) counted.notDone++;
        else if (error instanceof Unknown) counted.unknown++;
        else counted.others.push(String(error));
      }
      counted.longestMs = Math.max(counted.longestMs, clock.nowMs - beganMs);
    }
  };
  const read = async () => {
    while (!isOver) {
      const beganMs = clock.nowMs;
      try {
        await client.text.get("counter");
        counted.reads++;
      } catch (error) {
        counted.readsFailed++;
        if (!(error instanceof RaftkvError)) counted.others.push(String(error));
      }
      counted.longestMs = Math.max(counted.longestMs, clock.nowMs - beganMs);
    }
  };
  await Promise.all([read(), ...Array.from({ length: Number(callers) }, count)]);
  clock.stop();
  stdout.write(`${JSON.stringify(counted)}\n`);
}

// The test imports what stands above.
if (argv[1]?.includes("client_counter") === true) await main();
