/**
 * Programs in other languages that count together: four of them at a time, each a hundred times, over a kill of
 * the leader. Each prints a line `begun`, and at the end how many of its counts were acknowledged and how many
 * failed without saying whether they were done.
 */
import { assert, assertEquals } from "@std/assert";
import type { Cluster } from "../harness.ts";
import { sleep, within } from "../patience.ts";
import { allowScripts } from "./contend.ts";
import { heal } from "./over_kill.ts";

export const PROGRAMS = 4;
export const COUNTS = 100;
const DEADLINE_MS = 180_000;

interface Counted {
  readonly acknowledged: number;
  readonly unknown: number;
}

/** Runs `command` with the servers' client ports as its last arguments. */
async function countOnce(
  cluster: Cluster,
  command: readonly string[],
  meanwhile: () => Promise<void>,
): Promise<Counted[]> {
  const ports = cluster.servers.map(({ clientPort }) => `${clientPort}`);
  const children = Array.from({ length: PROGRAMS }, () => {
    const [program, ...args] = [...command, ...ports];
    const options = { args, stdin: "null", stdout: "piped", stderr: "piped" } as const;
    return new Deno.Command(program!, options).spawn();
  });
  try {
    const ended = Promise.all(children.map((child) => child.output()));
    await meanwhile();
    const all = await within(DEADLINE_MS, "all to have counted", ended);
    return all.map(({ code, stdout, stderr }) => {
      const out = new TextDecoder().decode(stdout);
      assertEquals(code, 0, out + new TextDecoder().decode(stderr));
      return JSON.parse(out.trim().split("\n").at(-1)!) as Counted;
    });
  } finally {
    for (const child of children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
    }
  }
}

/**
 * Four programs count to four hundred, and once more with a kill of the leader in the middle. `read`: where the
 * counter is by then.
 */
export async function countTogether(
  cluster: Cluster,
  command: readonly string[],
  read: () => Promise<number>,
): Promise<void> {
  await heal(cluster);
  await allowScripts(cluster);
  const whole = await countOnce(cluster, command, () => Promise.resolve());
  const each = Array.from({ length: PROGRAMS }, () => ({ acknowledged: COUNTS, unknown: 0 }));
  assertEquals(whole, each);
  assertEquals(await read(), PROGRAMS * COUNTS);
  const before = await read();
  const killed = await countOnce(cluster, command, async () => {
    while (await read() < before + COUNTS / 2) await sleep(10);
    await (await cluster.waitForLeader()).kill();
  });
  for (const { acknowledged } of killed) assertEquals(acknowledged, COUNTS);
  const counted = await read() - before;
  const unknown = killed.reduce((sum, one) => sum + one.unknown, 0);
  const shown = `${counted} of ${PROGRAMS * COUNTS}, and ${unknown} of unknown outcome`;
  assert(counted >= PROGRAMS * COUNTS && counted <= PROGRAMS * COUNTS + unknown, shown);
}
