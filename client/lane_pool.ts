/** The lanes to the leader: those in use, and a few that wait for the next transaction. */
import { Attempt } from "./attempt.ts";
import type { Connection } from "./connection.ts";
import { Lane, type LaneEvents } from "./lane.ts";
import { byDeadline, type Limit } from "./limit.ts";
import type { Settings } from "./settings.ts";

const IDLE_MAX = 4;
/** Transactions that read at the same time; others wait for their turn. */
const TURNS_MAX = 16;

export class LanePool implements LaneEvents {
  readonly #settings: Settings;
  /** `server` was found not to lead: another one does, or none that is known (null). */
  readonly #lostLeader: (server: string, leader: string | null) => void;
  readonly #lanes = new Set<Lane>();
  readonly #idle: Lane[] = [];
  readonly #attempts = new Set<Attempt>();
  #turns = 0;
  readonly #waiting = new Set<() => void>();

  constructor(settings: Settings, lostLeader: (server: string, leader: string | null) => void) {
    this.#settings = settings;
    this.#lostLeader = lostLeader;
  }

  get connections(): Connection[] {
    return [...this.#lanes].map((lane) => lane.connection);
  }

  /**
   * Resolves when one more transaction may have a lane; `endTurn` follows, whatever comes of it.
   * @throws {NotDone} where that is not in time.
   */
  async beginTurn(limit: Limit): Promise<void> {
    if (this.#turns < TURNS_MAX) {
      this.#turns++;
      return;
    }
    let isMine = false;
    let wake = () => {};
    const turn = new Promise<void>((resolve) => {
      wake = () => {
        isMine = true;
        resolve();
      };
    });
    this.#waiting.add(wake);
    try {
      await byDeadline(turn, limit);
    } catch (error) {
      this.#waiting.delete(wake);
      if (isMine) this.endTurn();
      throw error;
    }
  }

  /** Hands the turn to who waits longest. */
  endTurn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#turns--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }

  /** A lane to `server`, which should lead; null where it does not, or can't be reached. */
  open(server: string): Promise<Lane | null> {
    const idle = this.#idle.find((lane) => lane.server === server);
    if (idle !== undefined) {
      this.#idle.splice(this.#idle.indexOf(idle), 1);
      return Promise.resolve(idle);
    }
    const settings = this.#settings;
    return new Promise((resolve) => {
      const attempt = new Attempt(server, settings, settings.attemptTimeoutMs, (_, outcome) => {
        this.#attempts.delete(attempt);
        if (outcome.kind !== "leads") {
          this.#lostLeader(server, outcome.kind === "follows" ? outcome.leader : null);
          return resolve(null);
        }
        const lane = new Lane(outcome.connection, this);
        this.#lanes.add(lane);
        resolve(lane);
      });
      this.#attempts.add(attempt);
    });
  }

  /** Nothing is under way on it, and nothing is watched: another transaction may have it. */
  giveBack(lane: Lane): void {
    if (!this.#lanes.has(lane)) return;
    if (this.#idle.length < IDLE_MAX) this.#idle.push(lane);
    else lane.close("");
  }

  /** `server` leads now: what others have will not be answered. */
  keepOnly(server: string): void {
    for (const lane of this.#lanes) {
      if (lane.server !== server) lane.close(`${server} leads now`);
    }
  }

  close(): void {
    for (const lane of this.#lanes) lane.close("the client was closed");
    for (const attempt of this.#attempts) attempt.abandon("the client was closed");
  }

  laneEnded(lane: Lane): void {
    this.#lanes.delete(lane);
    const at = this.#idle.indexOf(lane);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  laneMoved(lane: Lane, leader: string | null): void {
    this.#lostLeader(lane.server, leader);
  }
}
