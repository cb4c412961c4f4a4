/** Ids of servers as arguments and flags, with what a shell proposes for them. */
import type { CliContext } from "../context.ts";
import { wholeNumberIn } from "../output/units.ts";
import { parseServerId } from "../server_id.ts";

async function proposeMembers(this: CliContext): Promise<readonly string[]> {
  return await (await import("../completion/members.ts")).memberIds(this);
}

async function proposeWaiting(this: CliContext): Promise<readonly string[]> {
  return await (await import("../completion/members.ts")).waitingIds(this);
}

export const MEMBER_ARGUMENT = {
  brief: "The server's id, as raftkv member list shows it",
  parse: parseServerId,
  placeholder: "N",
  proposeCompletions: proposeMembers,
} as const;

export const WAITING_ARGUMENT = {
  brief: "The id that the server was started with",
  parse: parseServerId,
  placeholder: "N",
  proposeCompletions: proposeWaiting,
} as const;

/** Of a client's connection. */
export const ID_FLAG = {
  id: {
    kind: "parsed",
    parse: wholeNumberIn(1, Number.MAX_SAFE_INTEGER),
    brief: "The connection's id on that server",
    placeholder: "ID",
    optional: true,
  },
} as const;

export const ON_FLAG = {
  on: {
    kind: "parsed",
    parse: parseServerId,
    brief: "On this server alone",
    placeholder: "N",
    optional: true,
    proposeCompletions: proposeMembers,
  },
} as const;

export const TO_FLAG = {
  to: {
    kind: "parsed",
    parse: parseServerId,
    brief: "Which voter is to lead; the one that is furthest unless given",
    placeholder: "N",
    optional: true,
    proposeCompletions: proposeMembers,
  },
} as const;
