/** Bugs of permissions: about a tenth of the seeds have users (tests/sim/users_options.ts). */
import { type Mutant, mutant } from "./mutant.ts";

const JUDGED = "    if (!this.#permissions.allow(bytes, offset, result)) return;\n";

export const USERS: readonly Mutant[] = [
  mutant("judged-at-submission", "A write is judged where it is taken, not where it is decided", [
    "kv/store.ts",
    `${JUDGED}    this.#run(bytes, inner, result);`,
    "    this.#run(bytes, inner, result);",
  ], [
    "node/evaluator.ts",
    "    const hasRoom = replica.log.hasRoom();\n",
    "    const number = (bytes[at + 12]! << 8) | bytes[at + 13]!;\n" +
    "    const userId = ((bytes[at + 8]! << 24) | (bytes[at + 9]! << 16) | (bytes[at + 10]! << 8) | bytes[at + 11]!) >>> 0;\n" +
    "    const isWhose = bytes[at + 4] === Op.byUser;\n" +
    "    if (isWhose && !replica.store.users.mayRun(userId, number)) return ClientError.notPermitted;\n" +
    "    const hasRoom = replica.log.hasRoom();\n",
  ]),
  mutant("parts-unjudged", "In a transaction only EXEC is judged, not what it does", [
    "kv/store.ts",
    "        this.#judgeAndRun(bytes, offset, innerOf(bytes, offset), result);",
    "        this.#run(bytes, innerOf(bytes, offset), result);",
  ]),
  mutant("user-id-again", "A deleted user's id is given to the next one", [
    "kv/users/users.ts",
    "    this.#revision = index;\n    return { count: found.size };",
    "    this.#revision = index;\n    this.#nextId -= found.size;\n    return { count: found.size };",
  ]),
  mutant("reads-unjudged", "A read is answered whoever asks", [
    "kv/store.ts",
    "    if (!this.#permissions.allowRead(bytes, offset, result)) return;\n",
    "",
  ]),
  mutant("off-goes-on", "A user that is off writes on over the connections that it has", [
    "kv/users/permissions.ts",
    "  if (user === undefined || !user.isOn) return",
    "  if (user === undefined) return",
  ], [
    "kv/users/user.ts",
    "    this.mayAll = fields.isOn && fields.allKeys",
    "    this.mayAll = fields.allKeys",
  ]),
  mutant("nobody-goes-on", "What nobody sent before there were users is still done after it", [
    "kv/users/permissions.ts",
    "      result.status = Status.notAuthenticated;\n      return false;",
    "      return true;",
  ]),
  mutant("users-out-of-snapshots", "A server that begins with a snapshot has no users", [
    "kv/store.ts",
    "    this.users = restored?.users ?? new Users();",
    "    this.users = new Users();",
  ]),
];
