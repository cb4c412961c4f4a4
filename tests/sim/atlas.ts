/**
 * The fault atlas: which server may lose what, so that every failure is a bug. At most a minority of the
 * voters is ever without sound data, of each half where they change, learners that are about to vote
 * included. Once a member is out for good, the others' suspicion can't end before it is removed (it takes
 * all members), so they may lose power only as long as a sound majority is left. Nor can it after that
 * where a log still begins before the removal: the server needs the word of all that it finds there, or a
 * commit of those that go on without it.
 */
import { halvesOf, membersOf, type Voting } from "./votings.ts";

/** What the atlas has to know of a server. */
export interface Charted {
  readonly id: number;
  /** Wiped, or so damaged that it refuses to start: out for the rest of the seed. */
  readonly isOut: boolean;
  /** Its machine is off, for how long nobody knows. */
  readonly isAway: boolean;
  /** Damaged, and not started since. */
  readonly isHarmed: boolean;
  /** It lost power, and has not shown since that it is sound. */
  readonly isTorn: boolean;
}

export class Atlas {
  readonly #server: (id: number) => Charted;
  readonly #votings: () => readonly Voting[];
  readonly #votingsHeldBy: (id: number) => readonly Voting[];

  /**
   * `votings`: the configurations that are in effect somewhere, or may come to be. `votingsHeldBy`: those that
   * a server finds when it starts again.
   */
  constructor(
    server: (id: number) => Charted,
    votings: () => readonly Voting[],
    votingsHeldBy: (id: number) => readonly Voting[],
  ) {
    this.#server = server;
    this.#votings = votings;
    this.#votingsHeldBy = votingsHeldBy;
  }

  /** Whether this server may lose data or have it damaged now. */
  mayHarm(server: Charted): boolean {
    return !server.isOut && this.#hasRoomFor(server) && !this.#isAwaited(server);
  }

  /** Whether this server may lose what it has not synced, and so a part of a write. */
  mayTear(server: Charted): boolean {
    const asked = [...this.#votings(), ...this.#votingsHeldBy(server.id)];
    const anyLost = asked.some((voting) =>
      membersOf(voting).some((id) => isLost(this.#server(id)))
    );
    return !anyLost || this.#hasRoomFor(server);
  }

  /** Whether a sound majority would be left of these voters. */
  mayVote(voters: readonly number[]): boolean {
    return this.#isSound(voters, null);
  }

  #hasRoomFor(server: Charted): boolean {
    return this.#votings().every((voting) =>
      [...halvesOf(voting), [...voting.voters, ...voting.willVote]].every((voters) =>
        !voters.includes(server.id) || this.#isSound(voters, server)
      )
    );
  }

  /**
   * Too few voters are sound, and one that is not asks everybody whom its log lists, learners and those removed
   * since included.
   */
  #isAwaited({ id }: Charted): boolean {
    const asks = (voter: number) =>
      this.#server(voter).isTorn &&
      this.#votingsHeldBy(voter).some((voting) => membersOf(voting).includes(id));
    return this.#votings().some((voting) =>
      halvesOf(voting).some((voters) => !this.#isSound(voters, null) && voters.some(asks))
    );
  }

  /** Only a minority is without sound data, `harmed` included. */
  #isSound(voters: readonly number[], harmed: Charted | null): boolean {
    const unsound = voters.map((id) => this.#server(id))
      .filter((one) => one.id === harmed?.id || one.isTorn || isLost(one));
    return unsound.length <= Math.floor((voters.length - 1) / 2);
  }
}

function isLost({ isOut, isAway, isHarmed }: Charted): boolean {
  return isOut || isAway || isHarmed;
}
