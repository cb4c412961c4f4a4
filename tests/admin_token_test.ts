/** The token that the admin port wants: where it may come from, and what is said of one that is none. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { GivenToken } from "../lib/admin_token.ts";
import { logInto } from "./net/fakes.ts";

const TOKEN = "a-token-for-whoever-watches";
const variable = "RAFTKV_ADMIN_TOKEN";

Deno.test("admin token: a variable holds the token itself, and stays what it was", () => {
  const lines: string[] = [];
  const token = new GivenToken({ text: ` ${TOKEN}\n`, variable }, logInto(lines));
  assertEquals(token.text, TOKEN);
  token.reload();
  assertEquals([token.text, lines], [TOKEN, []]);
});

Deno.test("admin token: one that is too short, too long or not in one line is refused by its place, and not repeated", () => {
  for (const text of ["", "too-short", "x".repeat(1_025), `${TOKEN} ${TOKEN}`, `${TOKEN}é`]) {
    const error = assertThrows(() => new GivenToken({ text, variable }, () => {}), Error);
    assertStringIncludes(error.message, `${variable} has no token: 16 to 1024 characters`);
    assert(text === "" || !error.message.includes(text), error.message);
  }
});

Deno.test("admin token: a file is read again, and one that can't be used leaves the token before it", () => {
  const file = Deno.makeTempFileSync({ prefix: "raftkv-token-" });
  try {
    Deno.chmodSync(file, 0o600);
    Deno.writeTextFileSync(file, `${TOKEN}\n`);
    const lines: string[] = [];
    const token = new GivenToken({ file }, logInto(lines));
    Deno.writeTextFileSync(file, `${TOKEN}-2\n`);
    token.reload();
    assertEquals([token.text, lines], [`${TOKEN}-2`, []]);
    Deno.writeTextFileSync(file, "short\n");
    token.reload();
    assertEquals(token.text, `${TOKEN}-2`);
    assertEquals(lines.length, 1);
    assertStringIncludes(lines[0]!, `${file} has no token`);
    Deno.chmodSync(file, 0o644);
    assertThrows(() => new GivenToken({ file }, () => {}), Error, "others than its owner may use");
  } finally {
    Deno.removeSync(file);
  }
});
