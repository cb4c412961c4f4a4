/** A command as the log has it where a user sent it. */
import { endCommand } from "../../../lib/kv/commands/command.ts";
import { commandNamed } from "../../../lib/kv/users/command_numbers.ts";
import { encodeByUser } from "../../../lib/kv/users/operations.ts";
import { ByteWriter } from "../../../lib/util/bytes.ts";

/** `command`, sent by this user under the name of a command of the Redis protocol. */
export function byUser(userId: number, name: string, command: Uint8Array): Uint8Array {
  const out = new ByteWriter();
  const at = encodeByUser(out, userId, commandNamed(name)!.number);
  out.raw(command);
  endCommand(out, at);
  return out.copy();
}
