/** The table of `raftkv member list`. Pure. */
import type { MemberInfo, MemberList, WaitingInfo } from "../../../client/mod.ts";
import { visibleText } from "../output/escape.ts";
import { type Column, table, transposed, widestLine } from "../output/table.ts";
import { countText } from "../output/units.ts";
import { addressText } from "../../util/address.ts";

const COLUMNS: readonly Column[] = [
  { title: "SERVER", right: true },
  { title: "ROLE" },
  { title: "ADDRESS" },
  { title: "LOG PORT", right: true },
  { title: "MATCH INDEX", right: true },
  { title: "LAG", right: true },
  { title: "STATE" },
];
const UNKNOWN = "-";

/**
 * The table, and below it, a line each: what is under way, and who asks to become a member. Where the table
 * is wider than `columns`, servers stand beside each other instead.
 */
export function membersText(list: MemberList, columns: number): string {
  const rows = list.members.map(cells);
  let text = table(COLUMNS, rows);
  if (widestLine(text) > columns) text = transposed(COLUMNS, rows);
  const notes = list.waiting.map(waitingText);
  if (list.isChanging) notes.unshift("a change of members is under way");
  return notes.length === 0 ? text : `${text}\n${notes.map((line) => `${line}\n`).join("")}`;
}

function cells(member: MemberInfo): string[] {
  const { id, logPort, matchIndex, lagEntries, isLeader } = member;
  return [
    `${id}`,
    isLeader ? `${member.role}, leads` : member.role,
    clientAddress(member),
    logPort === 0 ? UNKNOWN : `${logPort}`,
    countText(matchIndex),
    isLeader ? UNKNOWN : countText(lagEntries),
    stateOf(member),
  ];
}

function stateOf(member: MemberInfo): string {
  const { isLeader, isReachable, isSentSnapshot, keepsUp, role, staysLearner } = member;
  if (isLeader) return UNKNOWN;
  if (!isReachable) return "no answer";
  const state = isSentSnapshot ? "is sent a snapshot" : keepsUp ? "keeps up" : "catches up";
  if (role !== "learner") return state;
  return staysLearner ? `${state}, stays a learner` : `${state}, becomes a voter`;
}

/** `server 4 at 10.0.0.4:9000 asks to become a member: raftkv member add 4`. */
function waitingText(server: WaitingInfo): string {
  const { id, replaces } = server;
  const wish = replaces
    ? `asks to take the place of the member ${id}: raftkv member replace ${id}`
    : `asks to become a member: raftkv member add ${id}`;
  return `server ${id} at ${clientAddress(server)} ${wish}`;
}

function clientAddress(
  { hostname, clientPort }: Pick<MemberInfo, "hostname" | "clientPort">,
): string {
  return hostname === "" ? UNKNOWN : visibleText(addressText(hostname, clientPort));
}
