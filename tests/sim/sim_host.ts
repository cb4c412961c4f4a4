/** What a simulated server's node asks of its host: turns, a timer, a place for its log, and its own end. */
import type { LogEvent, WakingHost } from "../../lib/node/api.ts";
import { Kind } from "./kinds.ts";
import { ProcessEnded } from "./process_end.ts";
import type { ServerSetting } from "./server_setting.ts";
import type { SimServer } from "./sim_server.ts";
import { CheckFailure } from "./world.ts";

/** A turn comes within so many microseconds. */
const TURN_MAX_US = 60;

export class SimHost implements WakingHost {
  readonly #server: SimServer;
  readonly #setting: ServerSetting;
  /** Its process has said that it was removed. */
  hasSaidRemoved = false;

  constructor(server: SimServer, setting: ServerSetting) {
    this.#server = server;
    this.#setting = setting;
  }

  /** The server starts. */
  begin(): void {
    this.hasSaidRemoved = false;
  }

  scheduleTurn(): void {
    const server = this.#server;
    server.schedule(Kind.turn, server.random.between(1, TURN_MAX_US));
  }

  wakeAt(atMs: number): void {
    const { timer, world, life } = this.#server;
    const delayUs = timer.set(atMs);
    world.schedule(delayUs, this.#server, Kind.wake, life, timer.number);
  }

  fatal(error: Error): void {
    const server = this.#server;
    const { world, options } = this.#setting;
    world.counters.add("exits");
    server.trace("fatal", error.message);
    if (!server.condition.mayExit) {
      // Kept as well as thrown: the node must not be able to swallow it.
      world.failure = new CheckFailure(
        "exit",
        `${server.name} ended itself: ${error.message}`,
        { cause: error },
      );
      throw world.failure;
    }
    server.crash(`it ended itself: ${error.message}`);
    server.restartIn(server.random.between(10_000, options.restartMaxMs * 1000));
    throw new ProcessEnded(error.message);
  }

  log(event: LogEvent): void {
    const server = this.#server;
    const { marks, options, world } = this.#setting;
    marks.log(event, server);
    if (event.message.startsWith("This server was removed")) this.hasSaidRemoved = true;
    const failure = server.condition.says(event, options.spoiledReads);
    // As above: kept, too.
    if (failure !== null) throw world.failure = failure;
    if (!world.trace.on) return;
    const fields = Object.entries(event.fields).map(([name, value]) => `${name}=${value}`);
    server.trace(`log ${event.level}`, `${event.message} ${fields.join(" ")}`);
  }
}
