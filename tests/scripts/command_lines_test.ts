/** What is run by hand tells what it takes, and refuses what it does not know, before it does anything. */
import { assertEquals, assertMatch } from "@std/assert";

const PROJECT = new URL("../../", import.meta.url).pathname;

/** The programs that tasks run, the server and the house rules aside; each takes flags. */
function programs(): string[] {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${PROJECT}deno.json`)) as {
    tasks: Readonly<Record<string, string>>;
  };
  const found = Object.values(tasks).flatMap((task) =>
    /deno run .*?((?:bench|scripts|tests)\/[\w/]+\.ts)/.exec(task)?.[1] ?? []
  );
  return ["bench/store.ts", ...found.filter((path) => path !== "scripts/tidy.ts")];
}

async function run(program: string, flag: string) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--quiet", "--allow-all", program, flag],
    cwd: PROJECT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), error: text.decode(stderr) };
}

for (const program of programs()) {
  Deno.test(`command line of ${program}: --help, and a flag that there is none of`, async () => {
    const help = await run(program, "--help");
    assertEquals({ code: help.code, error: help.error }, { code: 0, error: "" });
    assertMatch(help.out, /--\w/);
    const unknown = await run(program, "--bogus");
    assertEquals({ code: unknown.code, out: unknown.out }, { code: 2, out: "" }, unknown.error);
    assertMatch(unknown.error, /^[^\n]*--bogus[^\n]*: --help shows what there is\n$/);
  });
}
