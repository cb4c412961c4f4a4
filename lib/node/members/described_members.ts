/** What a configuration says of its members, in one piece for each. */
import { isJoint, isMember, memberOf } from "../../raft/configuration.ts";
import type { ConfigurationVersion } from "../../raft/configuration_history.ts";
import type { Configuration, Incarnation, ServerId } from "../../raft/types.ts";
import { ByteFormatError } from "../../util/bytes.ts";
import type { MemberRole } from "../../wire/members.ts";
import { type Addresses, decodeAddresses } from "./addresses.ts";

/** A member, as a configuration has it. */
export interface DescribedMember {
  readonly id: ServerId;
  readonly role: MemberRole;
  /** Its life; null where the cluster is not formed, and any counts. */
  readonly incarnation: Incarnation | null;
  /** A learner that the leader does not make a voter. */
  readonly staysLearner: boolean;
  /** What the log says of where it is; null where it says nothing. */
  readonly logged: Addresses | null;
}

/** By ascending id. */
export function describeMembers(
  { configuration, incarnations }: ConfigurationVersion,
): DescribedMember[] {
  return roles(configuration).map(([id, role]) => {
    const described = memberOf(configuration, id);
    return {
      id,
      role,
      incarnation: incarnations.get(id) ?? null,
      staysLearner: described?.staysLearner ?? false,
      logged: described === null ? null : readPlace(described.addresses),
    };
  });
}

/** Each member and its part, by ascending id. */
export function roles(configuration: Configuration): [ServerId, MemberRole][] {
  const { voters, votersOutgoing, learners } = configuration;
  const found: [ServerId, MemberRole][] = voters.map((id) => {
    return [id, isJoint(configuration) && !votersOutgoing.includes(id) ? "incoming" : "voter"];
  });
  for (const id of votersOutgoing) if (!voters.includes(id)) found.push([id, "outgoing"]);
  for (const id of learners) found.push([id, "learner"]);
  return found.sort(([a], [b]) => a - b);
}

/** Whether this life of a server is a member. */
export function isIn(
  { configuration, incarnations }: ConfigurationVersion,
  id: ServerId,
  incarnation: Incarnation,
): boolean {
  return isMember(configuration, id) && incarnations.get(id) === incarnation;
}

/** Null also for what this build can't read: a later one's, which the log carries without a look. */
function readPlace(bytes: Uint8Array): Addresses | null {
  try {
    return decodeAddresses(bytes);
  } catch (error) {
    if (!(error instanceof ByteFormatError)) throw error;
    return null;
  }
}
