/**
 * What CI runs of the simulator: the corpus, the fixed scenarios, all mutants on the seeds that killed
 * them last, and fresh seeds. `deno task sim:ci [--seeds N]`. Exit code 1 where anything failed.
 */

const FRESH_SEEDS = 300;

interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

function steps(seeds: number): Step[] {
  const processes = `${navigator.hardwareConcurrency}`;
  const run = ["run", "--quiet", "--no-check", "--allow-all"];
  return [
    {
      name: "corpus and scenarios",
      args: [
        ...["test", "--quiet", "--no-check", "--allow-all", "--parallel"],
        "tests/sim/corpus_test.ts",
        "tests/sim/sim_test.ts",
        "tests/sim/topologies_test.ts",
      ],
    },
    {
      name: "mutants",
      args: [
        ...[...run, "tests/mutants/main.ts", "--known", "--seeds", "12"],
        ...["--processes", processes, "--must-kill"],
      ],
    },
    {
      name: `${seeds} fresh seeds`,
      args: [...run, "tests/sim/main.ts", "--seeds", `${seeds}`, "--processes", processes],
    },
  ];
}

async function main(): Promise<number> {
  const at = Deno.args.indexOf("--seeds");
  const seeds = at < 0 ? FRESH_SEEDS : Number(Deno.args[at + 1]);
  const failed: string[] = [];
  const beganMs = performance.now();
  for (const { name, args } of steps(seeds)) {
    const stepMs = performance.now();
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: [...args],
      stdout: "inherit",
      stderr: "inherit",
    }).output();
    const seconds = ((performance.now() - stepMs) / 1000).toFixed(0);
    console.log(`== ${name}: ${code === 0 ? "ok" : "FAILED"}, ${seconds} s`);
    if (code !== 0) failed.push(name);
  }
  console.log(`== all in ${((performance.now() - beganMs) / 1000).toFixed(0)} s`);
  return failed.length > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
