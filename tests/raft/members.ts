/** Configurations that describe their members, for tests. */
import type { Configuration, Incarnation, Member, ServerId } from "../../lib/raft/types.ts";

/** The incarnation of a server's first life, or of a later one. */
export function incarnation(id: ServerId, life = 1): Incarnation {
  return `${life.toString(16).padStart(8, "0")}${id.toString(16).padStart(8, "0")}`;
}

/** A server in one of its lives. */
export function member(id: ServerId, life = 1): Member {
  const addresses = new TextEncoder().encode(`a${id}`);
  return { id, incarnation: incarnation(id, life), staysLearner: false, addresses };
}

/** Describes all servers of the lists; `staying` are learners that stay so, `life` is that of learners. */
export function describeMembers(
  lists: Partial<Omit<Configuration, "members">>,
  staying: readonly ServerId[] = [],
  life = 1,
): Configuration {
  const { voters = [], votersOutgoing = [], learners = [], learnersNext = [] } = lists;
  const ids = [...new Set([...voters, ...votersOutgoing, ...learners])].sort((a, b) => a - b);
  const members = ids.map((id) => ({
    ...member(id, learners.includes(id) ? life : 1),
    staysLearner: staying.includes(id),
  }));
  return { voters, votersOutgoing, learners, learnersNext, members };
}
