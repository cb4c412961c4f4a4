/** Bugs of commands that are sent on to the leader (lib/node/forward/, lib/node/session/). */
import { type Mutant, mutant } from "./mutant.ts";

export const FORWARDS: readonly Mutant[] = [
  mutant("forward-resends-after-loss", "A write is sent again that was lost after it was sent", [
    "node/session/forwarded_commands.ts",
    '      if (error === undefined && why === "lost" && pending.action(p) !== Action.read) {\n',
    '      if (error === undefined && why === "lost" && pending.action(p) === Action.ask) {\n',
  ], [
    "node/session/forwarded_commands.ts",
    '        ? why === "lost" && pending.action(p) !== Action.read\n',
    '        ? why === "lost" && pending.action(p) === Action.ask\n',
  ]),
  mutant(
    "forward-overtakes",
    "What was not done is sent again after what came behind it was done",
    [
      "node/session/forwarded_commands.ts",
      "      if (i > decided && mayHold) again.push(p);\n",
      "      if (mayHold) again.push(p);\n",
    ],
  ),
  mutant(
    "forward-lost-is-not-done",
    "A write that was lost after the send is said not to be done",
    [
      "node/session/forwarded_commands.ts",
      "        pending.refuse(p, ClientError.timeout);\n",
      "        pending.refuse(p, ClientError.noLeader);\n",
    ],
  ),
  mutant("forward-end-is-orderly", "A stream that is cut short says that nothing more was done", [
    "node/forward/forward_link.ts",
    "    for (const owner of owners) owner.streamEnded(false);\n",
    "    for (const owner of owners) owner.streamEnded(true);\n",
  ]),
  mutant("forward-leads-too-early", "Who comes to lead does not wait for what it has sent", [
    "node/session/forwarded_commands.ts",
    "      return leads && this.#sent.length > 0 ? AWAIT_LEADER : own;\n",
    "      return leads && this.#sent.length < 0 ? AWAIT_LEADER : own;\n",
  ]),
];
