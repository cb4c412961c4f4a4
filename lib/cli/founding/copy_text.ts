/** What is said of a copy, and of what founding a cluster from it would do. Pure. */
import { shellWord } from "../output/escape.ts";
import { counted, countText } from "../output/units.ts";
import type { Contents } from "./contents.ts";
import { type Copy, damageOf, lastSeen } from "./copy.ts";

export interface Plan {
  /** The id that the server will have. */
  readonly serverId: number;
  readonly gap: number;
  /** The directory that will be made, and the `--data` that leads to it. */
  readonly path: string;
  readonly data: string;
}

/** True where nobody else voted, so that nobody else has anything of it. */
export function wasAlone({ identity, voters }: Copy): boolean {
  return voters.every((id) => id === identity.serverId);
}

/** The old cluster's other servers, in words. */
export function othersOf({ identity, voters }: Copy): string {
  return listed(voters.filter((id) => id !== identity.serverId), "server");
}

/** `server 1`, `servers 1 and 2`, `servers 1, 2 and 3`. */
export function listed(ids: readonly number[], one: string): string {
  if (ids.length === 0) return `no other ${one}`;
  if (ids.length === 1) return `${one} ${ids[0]}`;
  return `${one}s ${ids.slice(0, -1).join(", ")} and ${ids.at(-1)}`;
}

/** What the directory holds, what is certain of it and what is not; lines that end in "\n". */
export function heldText({ copy, contents }: { copy: Copy; contents: Contents }): string {
  const { directory, identity, formation, voters, state, last } = copy;
  const damage = damageOf(copy);
  const lines: [string, string][] = [
    [
      "directory",
      `${directory}: server ${identity.serverId} of a cluster of ${listed(voters, "server")}`,
    ],
    ["cluster id", formation.clusterId],
    ["last entry", last.index === 0 ? "none" : `${countText(last.index)}, of term ${last.term}`],
    ["committed", committedText(copy)],
    ["not certain", uncertainText(copy)],
    ["missing", missingText(copy)],
    [
      "contents",
      `${counted(contents.keys, "key")}; the log's time is ${timeText(contents.clockMs)}`,
    ],
    ["vote", voteText(state)],
  ];
  if (damage !== null) lines.push(["damage", damage]);
  for (const note of state.notes) lines.push(["note", note]);
  return lines.map(([name, text]) => `${name.padEnd(13)}${text}\n`).join("");
}

function voteText({ hardState, tornBytes }: Copy["state"]): string {
  if (tornBytes > 0) {
    return "suspect: a crash tore the end of its log, so it may have lost what it had acknowledged";
  }
  return hardState.suspect
    ? "suspect: a crash tore the end of its log once, or it was made by restore, and it has not " +
      "caught up with the others since: it may have lost what it had acknowledged"
    : "sound: nothing says that it lost anything";
}

function committedText(copy: Copy): string {
  const { last, state } = copy;
  const index = state.snapshot?.position.index ?? 0;
  if (wasAlone(copy)) return "all of it: this server was its whole cluster";
  if (index === 0) return "nothing is known to be: there is no snapshot, and the log does not say";
  const rest = last.index - index;
  return `up to entry ${countText(index)} for certain: a snapshot has them` +
    (rest === 0 ? "" : `; the ${counted(rest, "entry", "entries")} after it may be`);
}

function uncertainText(copy: Copy): string {
  const { last, state } = copy;
  const rest = last.index - (state.snapshot?.position.index ?? 0);
  if (rest === 0 || wasAlone(copy)) return "nothing";
  return `the last ${
    counted(rest, "entry", "entries")
  }: a majority had them or not. Writes among ` +
    'them that were answered "unknown", or not at all, take effect now';
}

function missingText(copy: Copy): string {
  const { last } = copy;
  const seen = lastSeen(copy);
  const damaged = seen > last.index
    ? `entries ${countText(last.index + 1)} to ${countText(seen)}, which can't be read here; and `
    : "";
  if (wasAlone(copy)) {
    return damaged === "" ? "nothing" : `${damaged}what came later`;
  }
  return `${damaged}whatever the others acknowledged after entry ${
    countText(Math.max(seen, last.index))
  } and this server never got: nothing here can tell`;
}

/** What `--yes` does. */
export function planText(copy: Copy, { serverId, gap, path, data }: Plan): string {
  const taken = damageOf(copy) === null
    ? [
      "- All entries that are here are taken, committed or not: so what a majority had",
      "  acknowledged and this server had got is kept.",
    ]
    : [
      `- The entries before the damage are taken, committed or not: up to entry ${
        countText(copy.last.index)
      }.`,
      "  What came after it is lost, acknowledged or not.",
    ];
  return [
    `With --yes this makes ${path}: server ${serverId} of a new cluster, which is its only server.`,
    ...taken,
    `- The new cluster has an id of its own. If ${
      wasAlone(copy)
        ? "the old server comes back, it does"
        : "servers of the old one come back, they do"
    } not join it`,
    "  by mistake: both sides refuse each other.",
    `- Revisions and versions jump by ${
      countText(gap)
    }, so that none is given twice: no cas with a`,
    "  version from the old cluster can take another value for the one that it knew.",
    `- ${copy.directory} stays as it is.`,
    `Then: raftkv serve --id ${serverId} --data ${shellWord(data)}`,
  ].map((line) => `${line}\n`).join("");
}

function timeText(ms: number): string {
  return ms === 0 ? "not begun" : new Date(ms).toISOString();
}
