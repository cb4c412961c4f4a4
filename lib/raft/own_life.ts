/**
 * Whether this server's vote is its own: its id may be meant of another life of it, with another data
 * directory, by the configuration that is looked at. Everything here is derived from the state.
 */
import { type ConfigurationVersion, votesBy } from "./configuration_history.ts";
import type { RaftState } from "./state.ts";

/** True where this server votes by that configuration, and no other life of its id. */
export function votesHere({ id, options }: RaftState, version: ConfigurationVersion): boolean {
  return votesBy(version, id, options.incarnation ?? null);
}

/**
 * True while the configuration in effect means another life of this server's id. Then the vote is that one's.
 * Whoever is a voter by a later configuration got the log that adds this life before (catch_up.ts).
 */
export function isOtherLifeMeant({ configurations, id, options }: RaftState): boolean {
  return configurations.isOtherLife(id, options.incarnation ?? null);
}
