/** `deno task test:executable`: the process tests, with the executable in the place of the sources. */
import { parseFlags } from "../../bench/flags.ts";
import { SAME_ANYWHERE } from "./same_anywhere.ts";

const HELP = `deno task test:executable [flags]

Runs the process tests on the executable that RAFTKV_EXECUTABLE names (deno task build makes one): those
that can come to something else there than on the sources. same_anywhere.ts says which are left out, and why.
  --all     all of them: before a release, and where the Deno that compiles is another
  --list    names the files, and runs none`;

const ROOT = new URL("../../", import.meta.url).pathname;
/** The command lines of deploy/, and its unit under a real systemd. */
const OF_DEPLOY = ["tests/deploy/commands_test.ts", "tests/deploy/under_systemd_test.ts"];

/** The files of a folder whose names end as a test's do, with those of its folders, by path from there. */
function* testFiles(folder: string, below = ""): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${folder}/${below}`)) {
    if (isDirectory) yield* testFiles(folder, `${below}${name}/`);
    else if (name.endsWith("_test.ts")) yield below + name;
  }
}

/**
 * What runs, by paths from the project.
 * @throws {Error} where what is left out is not there: it has another name by now.
 */
function filesToRun(all: boolean): string[] {
  const found = [...testFiles(`${ROOT}tests/process`)].sort();
  const gone = Object.keys(SAME_ANYWHERE).filter((name) => !found.includes(name));
  if (gone.length > 0) {
    throw new Error(`tests/process has none of these, which are left out: ${gone.join(", ")}`);
  }
  const wanted = found.filter((name) => all || !(name in SAME_ANYWHERE));
  return [...wanted.map((name) => `tests/process/${name}`), ...OF_DEPLOY];
}

async function main(): Promise<number> {
  const { all, list } = parseFlags(HELP, { all: false, list: false });
  const files = filesToRun(all);
  if (list) {
    console.log(files.join("\n"));
    return 0;
  }
  if ((Deno.env.get("RAFTKV_EXECUTABLE") ?? "") === "") {
    console.error("RAFTKV_EXECUTABLE names no executable: deno task build makes one");
    return 2;
  }
  const options = ["--lock=tests/deno.lock", "--frozen", "--allow-all", "--quiet", "--no-check"];
  const leaks = ["--sanitize-ops", "--sanitize-resources"];
  const args = ["test", ...options, ...leaks, ...files];
  return (await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).spawn().status).code;
}

if (import.meta.main) Deno.exit(await main());
