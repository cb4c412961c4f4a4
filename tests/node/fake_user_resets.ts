/** A secret that was left for one change of a user, without a disk. */
import type { UserResets } from "../../lib/host/ports.ts";

export class FakeUserResets implements UserResets {
  /** Null: none was left, or it was used. */
  secret: string | null = null;
  /** How often one was asked about. */
  asked = 0;

  problem(secret: string): string | null {
    this.asked++;
    return secret === this.secret ? null : "it is not the one that was left";
  }

  take(secret: string): string | null {
    const problem = this.problem(secret);
    if (problem === null) this.secret = null;
    return problem;
  }
}
