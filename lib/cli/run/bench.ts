/** `raftkv bench`, once its flags are parsed. */
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { type Client, NotDone, Unknown } from "../../../client/mod.ts";
import { Histogram, type LatencySummary } from "../../util/histogram.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { Progress } from "../output/progress.ts";
import { table } from "../output/table.ts";
import { countText, msText } from "../output/units.ts";
import { outputForm, runTool, type Tool } from "../tool.ts";

/** Mixed: of ten commands one writes. */
type Load = "set" | "get" | "mixed";

export type BenchFlags = ClientFlags & OutputFlags & {
  readonly load?: Load;
  readonly clients?: number;
  readonly duration?: number;
  readonly valueBytes?: number;
  readonly keys?: number;
};

const PREFIX = "raftkv-bench:";
/** Keys of a run that was killed go by themselves. */
const TTL_MS = 600_000;
const DEFAULTS = { clients: 50, durationMs: 5_000, valueBytes: 256, keys: 10_000 };
/** Calls of the first filling that are under way at a time. */
const FILLING_MAX = 500;
/** Of ten commands of a mixed load, one writes. */
const MIXED_WRITES = 10;

interface Plan {
  readonly load: Load;
  readonly clients: number;
  readonly durationMs: number;
  readonly value: Uint8Array;
  readonly keys: number;
}

export interface LoadResult extends LatencySummary {
  readonly load: Load;
  readonly clients: number;
  readonly ratePerSecond: number;
  /** Commands that failed, by what is known of them. */
  readonly notDone: number;
  readonly unknown: number;
}

export async function runBench(this: CliContext, flags: BenchFlags): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const clients = flags.clients ?? DEFAULTS.clients;
    const keys = flags.keys ?? DEFAULTS.keys;
    const value = new Uint8Array(flags.valueBytes ?? DEFAULTS.valueBytes).fill(0x78);
    const loads: readonly Load[] = flags.load === undefined ? ["set", "get"] : [flags.load];
    const results: LoadResult[] = [];
    await withClients(tool, flags, clients, async (all) => {
      await fill(all[0]!, keys, value);
      for (const load of loads) {
        const plan: Plan = {
          load,
          clients,
          durationMs: flags.duration ?? DEFAULTS.durationMs,
          value,
          keys,
        };
        results.push(await measure(tool, plan, all));
      }
    });
    await tool.print(form === "table" ? benchTable(results) : `${JSON.stringify(results)}\n`);
    const failed = results.reduce((sum, one) => sum + one.notDone + one.unknown, 0);
    if (failed > 0) throw new CliError(EXIT.unhealthy, `${countText(failed)} commands failed`);
  });
}

/** As many clients as are wanted, each with a connection of its own. */
async function withClients(
  tool: Tool,
  flags: BenchFlags,
  count: number,
  run: (clients: Client[]) => Promise<void>,
): Promise<void> {
  const open = async (clients: Client[]): Promise<void> => {
    if (clients.length === count) return await run(clients);
    await withClient(tool, flags, async ({ client, each }) => {
      // Connected before anything is measured.
      await client.get(PREFIX, each);
      await open([...clients, client]);
    });
  };
  await open([]);
}

function keyOf(number: number): string {
  return PREFIX + String(number).padStart(8, "0");
}

/** Every key is there before it is read. */
async function fill(client: Client, keys: number, value: Uint8Array): Promise<void> {
  for (let first = 0; first < keys; first += FILLING_MAX) {
    const calls: Promise<number>[] = [];
    for (let at = first; at < Math.min(keys, first + FILLING_MAX); at++) {
      calls.push(client.set(keyOf(at), value, { timeToLiveMs: TTL_MS }));
    }
    await Promise.all(calls);
  }
}

async function measure(
  tool: Tool,
  plan: Plan,
  clients: readonly Client[],
): Promise<LoadResult> {
  const histogram = new Histogram();
  const failed = { notDone: 0, unknown: 0 };
  const startMs = performance.now();
  const endMs = startMs + plan.durationMs;
  const progress = new Progress({
    isShown: tool.console.errorIsTerminal,
    write: (text) => tool.host.writeError(text),
    columns: () => tool.console.size().columns,
    nowMs: () => performance.now(),
    unit: `${plan.load}s`,
  });
  const turn = async (client: Client, number: number): Promise<void> => {
    // Steps of a prime through the keys: every client meets all of them, in an order of its own.
    for (let step = number; performance.now() < endMs && !tool.signal.aborted; step += 7_919) {
      const beganMs = performance.now();
      try {
        await once(client, plan, step);
        histogram.record(performance.now() - beganMs);
      } catch (error) {
        if (error instanceof Unknown) failed.unknown++;
        else if (error instanceof NotDone) failed.notDone++;
        else throw error;
      }
      progress.show(histogram.count, (performance.now() - startMs) / plan.durationMs);
    }
  };
  await Promise.all(clients.map(turn));
  progress.clear();
  tool.signal.throwIfAborted();
  const seconds = (performance.now() - startMs) / 1_000;
  const summary = histogram.summary();
  const { load } = plan;
  const ratePerSecond = summary.count / seconds;
  return { load, clients: plan.clients, ratePerSecond, ...failed, ...summary };
}

async function once(client: Client, { load, keys, value }: Plan, step: number): Promise<void> {
  const key = keyOf(step % keys);
  const isWrite = load === "set" || (load === "mixed" && step % MIXED_WRITES === 0);
  if (isWrite) await client.set(key, value, { timeToLiveMs: TTL_MS });
  else await client.get(key);
}

export function benchTable(results: readonly LoadResult[]): string {
  const titles = ["CLIENTS", "COMMANDS", "RATE/S", "MEAN", "P50", "P99", "P99.9", "MAX", "FAILED"];
  return table(
    [{ title: "LOAD" }, ...titles.map((title) => ({ title, right: true }))],
    results.map((one) => [
      one.load,
      countText(one.clients),
      countText(one.count),
      countText(one.ratePerSecond),
      msText(one.meanMs),
      msText(one.p50Ms),
      msText(one.p99Ms),
      msText(one.p999Ms),
      msText(one.maxMs),
      countText(one.notDone + one.unknown),
    ]),
  );
}
