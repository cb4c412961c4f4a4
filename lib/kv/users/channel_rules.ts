/** Which channels a user may use: by its patterns, as Redis 7.0 has it (ACLCheckChannelAgainstList). */
import { matchesPattern } from "./match_pattern.ts";
import type { User } from "./user.ts";
import { latin1Bytes } from "../../util/latin1.ts";

/**
 * Whether the user may subscribe to the channel or publish in it; to a pattern it may subscribe where one of
 * its own is the same to the letter.
 */
export function mayUseChannel(user: User, name: string, isPattern: boolean): boolean {
  if (user.allChannels) return true;
  if (isPattern) return user.channels.includes(name);
  const channel = latin1Bytes(name);
  return patternsOf(user).some((pattern) => {
    return matchesPattern(pattern, 0, pattern.length, channel, 0, channel.length);
  });
}

/** A user never changes: its patterns are made bytes once. */
const PATTERNS = new WeakMap<User, readonly Uint8Array[]>();

function patternsOf(user: User): readonly Uint8Array[] {
  let patterns = PATTERNS.get(user);
  if (patterns === undefined) {
    patterns = user.channels.map(latin1Bytes);
    PATTERNS.set(user, patterns);
  }
  return patterns;
}
