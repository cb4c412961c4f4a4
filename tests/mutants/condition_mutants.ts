/** Bugs of writes that depend on the value that is there (lib/kv/commands/conditions.ts). */
import { type Mutant, mutant } from "./mutant.ts";

export const CONDITIONS: readonly Mutant[] = [
  mutant("set-condition-ignored", "SET with IFEQ and its kin is done whatever the value is", [
    "kv/commands/conditions.ts",
    "  if (!isMet) {\n",
    "  if (!isMet && keys.clockMs < 0) {\n",
  ]),
  mutant("delete-condition-ignored", "DELEX deletes the key whatever its value is", [
    "kv/commands/conditions.ts",
    "  if (!holds(keys, bytes[offset + 8]!, bytes, start, end)) return;\n",
    "  void holds(keys, bytes[offset + 8]!, bytes, start, end);\n",
  ]),
  mutant("digest-of-beginning", "A digest is that of the value without its last byte", [
    "kv/commands/conditions.ts",
    "  xxh3(keys.bytes, keys.valueOffset, keys.head.valueLength, digest);\n",
    "  xxh3(keys.bytes, keys.valueOffset, Math.max(0, keys.head.valueLength - 1), digest);\n",
  ]),
  mutant("some-of-all", "MSETEX with NX or XX stores what it can", [
    "kv/commands/groups.ts",
    "    for (let at = first; flags !== 0 && at < end; at += commandLength(bytes, at)) {\n",
    "    for (let at = first; flags < 0 && at < end; at += commandLength(bytes, at)) {\n",
  ]),
];
