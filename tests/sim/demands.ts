/** What has to come true within some simulated time. */
import { CheckFailure, SECOND_US, type World } from "./world.ts";

export class Demands {
  readonly #world: World;
  readonly #describe: () => string;

  /** `describe`: how things are, for a failure's message. */
  constructor(world: World, describe: () => string) {
    this.#world = world;
    this.#describe = describe;
  }

  /** Runs on until `holds`, for `seconds` at most: else `check` has failed. */
  demand(
    check: string,
    seconds: number,
    holds: () => boolean,
    describe = this.#describe,
  ): void {
    const world = this.#world;
    const untilUs = world.now + seconds * SECOND_US;
    while (!holds()) {
      if (world.now >= untilUs) {
        throw new CheckFailure(check, `not within ${seconds} simulated seconds. ${describe()}`);
      }
      world.run(world.now + SECOND_US / 20);
    }
  }
}
