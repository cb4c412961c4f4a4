/** What is known of members, as plain data: see known_members.ts. */
import type { RaftState } from "../../raft/state.ts";
import type { Incarnation, ServerId } from "../../raft/types.ts";
import type { FormationRecord } from "../../storage/types.ts";
import type { ServerAddress } from "../node_options.ts";
import type { Addresses } from "./addresses.ts";
import type { DescribedMember } from "./described_members.ts";

export interface KnownMember extends DescribedMember {
  /** Where it says itself that it is; null where it has not. */
  readonly said: Addresses | null;
  /** It is this server, or connected to it: what it said of itself is so now. */
  readonly isHere: boolean;
  /** Where the cluster file says that it is; null where it does not. */
  readonly listed: Addresses | null;
  /** Where it is reached, the surest place first; empty where nobody has told. */
  readonly places: readonly Addresses[];
}

/** Another server that this one keeps a link to: a member, or one that it talks to all the same. */
export interface LinkTarget {
  readonly id: ServerId;
  /** The life that is meant; null: any. */
  readonly incarnation: Incarnation | null;
  /** The surest place first; never empty. */
  readonly places: readonly Addresses[];
}

/**
 * What this server makes of another one. `guest`: its claim names a newer configuration than is committed
 * here, which is to be believed. `removed`: it was a member, and is none any more. `otherLife`: the id is a
 * member's, which has another data directory.
 */
export type Standing = "member" | "guest" | "removed" | "otherLife" | "stranger";

/** The core, as far as members go. */
export type MembersState = Pick<
  RaftState,
  "configurations" | "commitIndex" | "log" | "term"
>;

export interface KnownMembersOptions {
  readonly serverId: ServerId;
  /** Of its data directory. */
  readonly incarnation: Incarnation;
  /** The servers of the cluster file, this one among them. */
  readonly listed: readonly ServerAddress[];
  readonly record: FormationRecord | null;
  /** It is to be added to a cluster: the list is not whom it forms one with. */
  readonly joins?: boolean;
  /** How long a server is talked to after its removal is committed. */
  readonly graceMs: number;
}

/** Where a server is, by somebody's word. */
export interface Word {
  readonly id: ServerId;
  readonly incarnation: Incarnation;
  readonly addresses: Addresses;
}

/** Where a server says that it is, and where the log has it; null: nowhere. */
export interface Saying {
  readonly id: ServerId;
  readonly incarnation: Incarnation;
  readonly said: Addresses;
  readonly logged: Addresses | null;
}

/**
 * True where something of this term is known to be committed here: then all that earlier terms have
 * committed is known, too, whoever leads.
 */
export function knowsEarlierTerms({ log, commitIndex, term }: MembersState): boolean {
  return log.termAt(commitIndex) === term;
}
