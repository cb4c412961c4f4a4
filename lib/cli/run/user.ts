/** `raftkv user …`, once its flags are parsed: ACL of the Redis protocol. */
import type { Reply } from "../../../client/mod.ts";
import { PASSWORD_BYTES_MAX } from "../../wire/acl.ts";
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { type Session, withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";
import { table } from "../output/table.ts";
import { interruptible, outputForm, runTool, type Tool, withFile } from "../tool.ts";
import { UsageError } from "../usage_error.ts";

export interface PasswordFlags extends ClientFlags {
  readonly generate: boolean;
  readonly keep: boolean;
}

export interface AddUserFlags extends ClientFlags {
  readonly generate: boolean;
  readonly admin: boolean;
}

export async function runUserAdd(
  this: CliContext,
  flags: AddUserFlags,
  ...[name = "", ...rules]: string[]
): Promise<void> {
  refusePasswords(rules);
  await runTool(this, async (tool) => {
    const typed = flags.generate ? null : await readPassword(tool);
    const password = await withClient(tool, flags, async (session) => {
      const before = await session.command(["ACL", "GETUSER", name], false);
      if (before !== null) {
        throw new CliError(EXIT.refused, `there is a user ${visibleText(name)} already`);
      }
      const drawn = typed ?? await generate(session);
      const all = [...(flags.admin ? ["~*", "&*", "+@all"] : []), ...rules];
      await session.command(["ACL", "SETUSER", name, "on", `>${drawn}`, ...all], true);
      return drawn;
    });
    await tellDone(tool, `there is a user ${name}`, flags.generate ? password : null);
  });
}

export async function runUserPasswd(
  this: CliContext,
  flags: PasswordFlags,
  name: string,
): Promise<void> {
  await runTool(this, async (tool) => {
    const typed = flags.generate ? null : await readPassword(tool);
    const password = await withClient(tool, flags, async (session) => {
      await throwIfAbsent(session, name);
      const drawn = typed ?? await generate(session);
      const before = flags.keep ? [] : ["resetpass"];
      await session.command(["ACL", "SETUSER", name, ...before, `>${drawn}`], true);
      return drawn;
    });
    await tellDone(tool, `${name} has another password`, flags.generate ? password : null);
  });
}

export async function runUserGrant(
  this: CliContext,
  flags: ClientFlags,
  ...[name = "", ...rules]: string[]
): Promise<void> {
  if (rules.length === 0) throw new UsageError("which rules? Such as +@read ~app:*");
  refusePasswords(rules);
  await change(this, flags, name, rules);
}

/** @throws {UsageError} where one is there: whoever lists processes would see it. */
function refusePasswords(rules: readonly string[]): void {
  if (!rules.some((rule) => /^[<>#!]/.test(rule))) return;
  throw new UsageError("a password is no argument: raftkv user add and passwd read it");
}

export async function runUserRevoke(
  this: CliContext,
  flags: ClientFlags,
  ...[name = "", ...words]: string[]
): Promise<void> {
  if (words.length === 0) throw new UsageError("what is to be taken? Such as @write, set or keys");
  const wrong = words.find((word) => !/^@?[a-z][a-z.|_-]*$/i.test(word));
  if (wrong !== undefined) {
    throw new UsageError(`${JSON.stringify(wrong)} is no command, no @category, and not keys`);
  }
  await change(this, flags, name, words.map((one) => one === "keys" ? "resetkeys" : `-${one}`));
}

export async function runUserRemove(
  this: CliContext,
  flags: ClientFlags,
  ...names: string[]
): Promise<void> {
  await runTool(this, async (tool) => {
    const count = await withClient(tool, flags, async (session) => {
      return Number(await session.command(["ACL", "DELUSER", ...names], true));
    });
    const done = count === 1 ? "1 user is removed" : `${count} users are removed`;
    await tellDone(tool, done, null);
    if (count < names.length) throw new CliError(EXIT.refused, "the others are no users");
  });
}

export async function runUserList(
  this: CliContext,
  flags: ClientFlags & OutputFlags,
): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const lines = await withClient(tool, flags, async (session) => {
      return textsOf(await session.command(["ACL", "LIST"], false));
    });
    if (form === "raw") return await tool.print(lines.map((line) => `${line}\n`).join(""));
    const rows = lines.map(rowOf);
    await tool.print(
      form === "json" ? `${JSON.stringify(rows, null, 2)}\n` : table(
        [{ title: "user" }, { title: "on" }, { title: "passwords", right: true }, {
          title: "rules",
        }],
        rows.map(({ user, isOn, passwords, rules }) => [
          user,
          isOn ? "yes" : "no",
          `${passwords}`,
          visibleText(rules.join(" ")),
        ]),
      ),
    );
  });
}

async function change(
  context: CliContext,
  flags: ClientFlags,
  name: string,
  rules: readonly string[],
): Promise<void> {
  await runTool(context, async (tool) => {
    await withClient(tool, flags, async (session) => {
      await throwIfAbsent(session, name);
      await session.command(["ACL", "SETUSER", name, ...rules], true);
    });
    await tellDone(tool, `${name} is changed`, null);
  });
}

/** A name that was mistyped must not become a user. */
async function throwIfAbsent(session: Session, name: string): Promise<void> {
  if (await session.command(["ACL", "GETUSER", name], false) !== null) return;
  throw new CliError(EXIT.refused, `there is no user ${visibleText(name)}`);
}

async function generate(session: Session): Promise<string> {
  return textOf(await session.command(["ACL", "GENPASS"], false));
}

export async function tellDone(tool: Tool, done: string, password: string | null): Promise<void> {
  const text = visibleText(done);
  tool.say(text);
  if (password !== null) await tool.print(`${password}\n`, `it was done all the same: ${text}`);
}

/**
 * The first line of standard input.
 * @throws {UsageError} where that is a terminal, which would show it, or holds none.
 */
export async function readPassword(tool: Tool): Promise<string> {
  if (tool.console.inputIsTerminal) {
    throw new UsageError(
      "the password is missing: send it to standard input (< FILE), or take --generate",
    );
  }
  const input = interruptible(tool.console.input, tool.signal);
  const bytes = new Uint8Array(PASSWORD_BYTES_MAX + 2);
  let length = 0;
  while (length < bytes.length) {
    const count = await withFile(() => input.read(bytes.subarray(length)));
    if (count === null) break;
    length += count;
  }
  const line = new TextDecoder().decode(bytes.subarray(0, length)).split(/\r?\n/, 1)[0]!;
  if (line === "") throw new UsageError("standard input begins with no password");
  if (line.length > PASSWORD_BYTES_MAX) {
    throw new UsageError(`a password has at most ${PASSWORD_BYTES_MAX} bytes`);
  }
  return line;
}

interface UserRow {
  readonly user: string;
  readonly isOn: boolean;
  readonly passwords: number;
  readonly rules: readonly string[];
}

/** A line of ACL LIST. */
function rowOf(line: string): UserRow {
  const [, user = "", ...words] = line.split(" ");
  const isPassword = (word: string) => word.startsWith("#");
  return {
    user,
    isOn: words.includes("on"),
    passwords: words.filter(isPassword).length,
    rules: words.filter((word) => !isPassword(word) && word !== "on" && word !== "off"),
  };
}

function textsOf(reply: Reply): string[] {
  return Array.isArray(reply) ? reply.map(textOf) : [];
}

function textOf(reply: Reply): string {
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : String(reply);
}
