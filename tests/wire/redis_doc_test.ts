import { assert } from "@std/assert";
import { COMMANDS } from "../../lib/wire/resp/resp_table.ts";
import { CASES } from "../process/redis_cases.ts";

const page = Deno.readTextFileSync(new URL("../../docs/redis.md", import.meta.url));
const rows = page.split("\n").filter((line) => line.startsWith("|"));

Deno.test("docs/redis.md lists every command", () => {
  for (const { name } of COMMANDS) {
    const word = `\`${name.toUpperCase()}\``;
    const row = rows.find((line) => line.split("|")[1]!.includes(word));
    const how = name.startsWith("raftkv.") ? /^ own +$/ : /^ (same|differs) +$/;
    assert(how.test(row?.split("|")[2] ?? ""), `${word}: same or differs?`);
  }
});

Deno.test("docs/redis.md lists every difference that the comparison allows, with its reason", () => {
  for (const { about, differs } of CASES) {
    if (differs === undefined) continue;
    const row = rows.find((line) => line.split("|")[1]!.trim() === about);
    assert(row?.includes(differs), `${about}: missing, or with another reason`);
  }
});
