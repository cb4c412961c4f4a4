/** `deno task locks`: many rounds of holders of one lock, with faults. */
import { parseFlags } from "../../../bench/flags.ts";
import { noFakeWall } from "../fake_wall.ts";
import { withCluster } from "../harness.ts";
import { FAULTS, lockRounds } from "./rounds.ts";

const HELP = `deno task locks [flags]

Three servers, three holders of one lock, and what it protects, which refuses old tokens. In each round
somebody is killed or stopped, or clocks jump. Fails where a token has two owners, where a write is taken
after one with a greater token, or where a write is refused so soon after its holder had asked whether it
holds the lock that it surely did: there were two.
  --rounds N     how many (200)
  --seed N       which fault comes when (1)`;

const { rounds, seed } = parseFlags(HELP, { rounds: 200, seed: 1 });
if (noFakeWall !== null) {
  console.error(`not run: ${noFakeWall}`);
  Deno.exit(1);
}
const counts = new Map<string, number>(FAULTS.map((fault) => [fault, 0]));
const startMs = performance.now();
await withCluster({ deadlineMs: 60_000 * rounds }, async (cluster) => {
  const told = await lockRounds(cluster, rounds, seed, (round, fault, so) => {
    counts.set(fault, counts.get(fault)! + 1);
    const seconds = Math.round((performance.now() - startMs) / 1_000);
    const { takings, taken, refused, refusedInTime } = so;
    console.log(
      `${seconds}s round ${round + 1}: ${fault}: ${takings} takings, ${taken} writes, ` +
        `${refused} refused, ${refusedInTime} of them of who surely held it`,
    );
  });
  for (const [fault, count] of counts) console.log(`${count} × ${fault}`);
  console.log(JSON.stringify(told));
  if (told.faults.length > 0 || told.refusedInTime > 0) Deno.exit(1);
});
Deno.exit(0);
