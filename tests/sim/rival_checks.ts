/**
 * What is committed has to stay: at the moment of a commit, no server that lacks the entry may have a
 * log by which a majority would elect it, of each half of the configuration that it goes by itself. This looks
 * ahead of the harm: the paper's Figure 8 needs two more elections in the right order before an acknowledged
 * write is gone, and so does a change of members that is not seen by all.
 */
import { halvesOf, type Votings } from "./votings.ts";
import { CheckFailure } from "./world.ts";

/** What the checks know of a server's log. */
export interface RivalLog {
  readonly lastIndex: number;
  readonly durableIndex: number;
  readonly terms: readonly number[];
  readonly chain: readonly number[];
  /** Not null where it may have forgotten an ack: it has no say, and is not elected by a majority. */
  readonly lost: readonly number[] | null;
  /** Who votes, by this log. */
  readonly votings: Votings;
}

export interface CommittedEntry {
  readonly index: number;
  /** A checksum of everything up to it. */
  readonly link: number;
}

/** Throws where `leader` commits what one of `all` could still be elected without. */
export function checkRivals(
  leader: number,
  all: readonly number[],
  entry: CommittedEntry,
  logOf: (id: number) => RivalLog,
): void {
  for (const id of all) {
    const rival = logOf(id);
    const holdsIt = rival.lastIndex >= entry.index && rival.chain[entry.index] === entry.link;
    if (holdsIt || rival.lastIndex === 0 || rival.lost !== null) continue;
    const halves = halvesOf(rival.votings.current);
    if (!halves.some((voters) => voters.includes(id))) continue;
    const votes = (voters: readonly number[]) =>
      voters.filter((voter) => voter === id || wouldElect(logOf(voter), rival));
    if (halves.some((voters) => votes(voters).length * 2 <= voters.length)) continue;
    throw new CheckFailure(
      "a commit that could be undone",
      `leader ${leader} committed entry ${entry.index}, but servers ` +
        `${[...new Set(halves.flatMap(votes))].join(", ")} would ` +
        `elect server ${id}, whose log ends at ${rival.lastIndex} in term ` +
        `${rival.terms[rival.lastIndex]} without it`,
    );
  }
}

/** A crash may cut a voter's log back to what is durable. */
function wouldElect(voter: RivalLog, rival: RivalLog): boolean {
  if (voter.lost !== null) return false;
  const own = voter.terms[voter.durableIndex]!;
  const theirs = rival.terms[rival.lastIndex]!;
  return theirs === own ? rival.lastIndex >= voter.durableIndex : theirs > own;
}
