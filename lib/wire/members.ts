/**
 * What clients ask about the cluster's members, and what they are answered: `RAFTKV.MEMBER` and
 * `RAFTKV.LEADER`, docs/redis.md. The leader answers, once its leadership is confirmed.
 */
/** Who the members are, and how each of them is, as the leader knows it. */
export interface MemberList {
  /** Of the log's entry with the configuration in effect; 0: as the cluster was founded. */
  readonly configurationIndex: number;
  /** That is not committed, or joint: there is no other change before it is over. */
  readonly isChanging: boolean;
  readonly members: readonly MemberView[];
  readonly waiting: readonly WaitingView[];
  /** Why members can't be added now, whoever waits, as a sentence; "" where they can. */
  readonly refusal: string;
}

/** A server that waits to join. */
export interface WaitingView {
  readonly id: number;
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
  /** A member has that id, with another data directory. */
  readonly replaces: boolean;
}

/** A server that says that it waits, with its new life and where it is; checked where it came in. */
export interface WaitingServer {
  readonly id: number;
  readonly incarnation: string;
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
}

/**
 * What a server that asks to join is to the cluster: it can be added (`new`), take the place of a member
 * with another data directory (`replaces`), or is a member already, and the leader comes to it.
 */
export type Standing = "new" | "replaces" | "member";

/** How far a replacement is: the new server is a learner, catches up, or votes. */
export type ReplaceStep = "added" | "catchingUp" | "voter";

/**
 * `incoming`, `outgoing`: a change of voters is under way, and it votes in the new half alone, or in the old
 * one alone; in both it is a `voter`.
 */
export type MemberRole = "voter" | "learner" | "incoming" | "outgoing";

export interface MemberView {
  readonly id: number;
  readonly role: MemberRole;
  readonly isLeader: boolean;
  /** Where it is reached; "" and 0: the leader does not know that. */
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
  /** Up to here it has the leader's log, durably. */
  readonly matchIndex: number;
  /** What it lacks of the leader's log. */
  readonly lagEntries: number;
  /** It answers. */
  readonly isReachable: boolean;
  /** As a voter it holds nobody up: it is there, sound and has what the leader has, or nearly. */
  readonly keepsUp: boolean;
  /** A learner that the leader does not make a voter by itself. */
  readonly staysLearner: boolean;
  /** It lacks so much that it is sent a snapshot. */
  readonly isSentSnapshot: boolean;
}

export type MemberRequest =
  | { readonly kind: "list" }
  | { readonly kind: "add"; readonly id: number; readonly staysLearner: boolean }
  | { readonly kind: "remove" | "promote" | "demote" | "replace"; readonly id: number }
  | { readonly kind: "join"; readonly server: WaitingServer }
  /** Null: whichever voter does best. */
  | { readonly kind: "moveLeader"; readonly to: number | null };

export type MemberAnswer =
  | { readonly kind: "members"; readonly list: MemberList }
  /** Its cluster, and how that keeps time. */
  | {
    readonly kind: "waits";
    readonly standing: Standing;
    readonly clusterId: string;
    readonly electionTimeoutMs: number;
    readonly heartbeatIntervalMs: number;
  }
  | { readonly kind: "step"; readonly step: ReplaceStep }
  /** It is committed. */
  | { readonly kind: "done" }
  /** That server leads now. */
  | { readonly kind: "leads"; readonly id: number }
  /** Nothing was done, for this reason. */
  | { readonly kind: "refused"; readonly why: string }
  /** Nothing was done, and in a moment it can be. */
  | { readonly kind: "later"; readonly why: string }
  /** It was begun, and may be done or not. */
  | { readonly kind: "unknown"; readonly why: string };
