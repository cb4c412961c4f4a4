/** Every run that ever failed, again. What was kept are the options, since what seeds draw changes. */
import { assert } from "@std/assert";
import { optionsOf, readCase } from "./case_file.ts";
import { realServers } from "./make_node.ts";
import { simulate } from "./simulate.ts";
import { failureText } from "./summary.ts";

const CORPUS = new URL("./corpus/", import.meta.url).pathname;

for (const { name } of [...Deno.readDirSync(CORPUS)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  if (!name.endsWith(".json")) continue;
  const kept = readCase(CORPUS + name);
  Deno.test(`corpus ${name}: ${kept.about}`, () => {
    const options = optionsOf(kept);
    const result = simulate(options, realServers);
    assert(result.check === null, failureText(result, options, "of this tree"));
  });
}
