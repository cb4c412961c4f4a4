import { assert, assertEquals } from "@std/assert";
import {
  CATEGORIES,
  COMMAND_NUMBER_MAX,
  COMMAND_NUMBERS,
  commandNamed,
  commandNumbered,
} from "../../../lib/kv/users/command_numbers.ts";
import { COMMANDS } from "../../../lib/wire/resp/resp_table.ts";

Deno.test("command numbers: the commands that have one are those that there are", () => {
  const numbered = COMMAND_NUMBERS.filter(({ container }) => container === 0);
  const names = numbered.map(({ name }) => name);
  assertEquals(names.sort(), COMMANDS.map(({ name }) => name).sort());
});

Deno.test("command numbers: none is given twice, and each is found by name and number", () => {
  assertEquals(new Set(COMMAND_NUMBERS.map(({ number }) => number)).size, COMMAND_NUMBERS.length);
  assertEquals(new Set(COMMAND_NUMBERS.map(({ name }) => name)).size, COMMAND_NUMBERS.length);
  for (const one of COMMAND_NUMBERS) {
    assert(one.number >= 1 && one.number <= COMMAND_NUMBER_MAX && one.number <= 0xffff);
    assertEquals(commandNamed(one.name), one);
    assertEquals(commandNumbered(one.number), one);
    assert(one.categories.length > 0);
    assert(one.categories.every((category) => CATEGORIES.includes(category)), one.name);
    const container = one.name.includes("|") ? one.name.split("|")[0] : undefined;
    assertEquals(commandNumbered(one.container)?.name, container);
  }
  assertEquals(commandNumbered(0), undefined);
  assertEquals(commandNumbered(COMMAND_NUMBER_MAX + 1), undefined);
  assertEquals(commandNamed("constructor"), undefined);
});

Deno.test("command numbers: those that logs have already don't change their meaning", () => {
  const some = { append: 1, get: 4, set: 16, del: 21, exec: 64, "raftkv.cas": 68, acl: 71 };
  for (const [name, number] of Object.entries(some)) {
    assertEquals(commandNamed(name)?.number, number);
  }
  assertEquals(commandNamed("raftkv.member|replace")?.number, 107);
  assertEquals(commandNamed("raftkv.user")?.number, 108);
});

Deno.test("command numbers: categories and keys agree with what COMMAND tells", () => {
  for (const { name, flags, firstKey } of COMMANDS) {
    const { categories, hasKeys } = commandNamed(name)!;
    assertEquals(hasKeys, firstKey > 0 || flags.includes("movablekeys"), name);
    assertEquals(categories.includes("write"), flags.includes("write"), name);
    assertEquals(categories.includes("read"), flags.includes("readonly"), name);
    assertEquals(categories.includes("fast"), flags.includes("fast"), name);
    assertEquals(categories.includes("slow"), !flags.includes("fast"), name);
  }
});
