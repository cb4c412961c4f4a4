/**
 * House rules as a check: `deno run --allow-read scripts/tidy.ts`. Prints one line a
 * finding and exits with 1 where there is any. The rules are in tidy_rules.ts.
 */
import { checkProject } from "./tidy_graph.ts";
import { checkPackages } from "./tidy_packages.ts";
import { checkFile } from "./tidy_rules.ts";

const TEXT_FILE = new RegExp(
  [
    /\.(ts|sh|md|json|lock|txt|ya?ml|svg|css|html|service|conf|cfg)$/,
    /^\.ci\/|^\.gitignore$|^LICENSE$|Dockerfile/,
  ].map(({ source }) => source).join("|"),
);
const SKIPPED = /^(\.git|data|\.sim|node_modules|dist)\//;

/** That it is there is all that a rule asks of it. */
const PICTURE = /\.png$/;

/** Every file below the working directory that the rules look at, sorted. */
function listFiles(directory = ""): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(directory === "" ? "." : directory)) {
    const path = directory + entry.name;
    if (SKIPPED.test(`${path}/`)) continue;
    if (entry.isDirectory) found.push(...listFiles(`${path}/`));
    else if (entry.isFile && (TEXT_FILE.test(path) || PICTURE.test(path))) found.push(path);
  }
  return found.sort();
}

if (import.meta.main) {
  let count = 0;
  const files = new Map(
    listFiles().map((path) => [path, PICTURE.test(path) ? "" : Deno.readTextFileSync(path)]),
  );
  const inFiles = [...files].flatMap(([path, text]) =>
    checkFile(path, text).map((finding) => ({ path, ...finding }))
  );
  for (
    const { path, line, message } of [...inFiles, ...checkProject(files), ...checkPackages(files)]
  ) {
    console.log(`${path}:${line}: ${message}`);
    count++;
  }
  console.log(`tidy: ${files.size} files, ${count} findings`);
  if (count > 0) Deno.exit(1);
}
