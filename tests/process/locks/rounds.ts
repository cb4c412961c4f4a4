/**
 * Rounds of holders of one lock, over three servers, with one fault each: who is killed, who is stopped, whose
 * clock jumps. What is protected sees all that they write.
 */
import { random } from "../../client/runtime.ts";
import { FakeWall } from "../fake_wall.ts";
import type { Cluster, Server } from "../harness.ts";
import { note } from "../journal.ts";
import { eventually, sleep } from "../patience.ts";
import { Resource, type Seen } from "./resource.ts";

export const TTL_MS = 3_000;
const HOLDERS = 3;
/** After each fault the lock is taken so often, before the next one. */
const TAKINGS = 3;
const TAKEN_DEADLINE_MS = 90_000;
const HOUR_S = 3_600;
const PROJECT = new URL("../../../", import.meta.url).pathname;

export const FAULTS = [
  "the leader is killed",
  "a holder is stopped for longer than the lock lasts",
  "wall clocks jump",
  "the leader is stopped for a while",
  "a holder is killed",
  "a follower is killed",
  "a holder is stopped and the leader is killed",
  "clocks jump and the leader is killed",
  "a holder is stopped for a moment",
  "a holder and the leader are stopped",
] as const;

export type Fault = typeof FAULTS[number];

export interface Told extends Seen {
  /** How often the lock was taken. */
  readonly takings: number;
  /** Holders that were stopped while they held. */
  readonly stops: number;
}

interface Holder {
  readonly name: string;
  readonly child: Deno.ChildProcess;
}

/**
 * Runs so many rounds; `told` is called after each. The seed says which fault comes when, and whom it strikes.
 * The first rounds have each fault once.
 */
export async function lockRounds(
  cluster: Cluster,
  rounds: number,
  seed: number,
  told: (round: number, fault: Fault, so: Told) => void = () => {},
): Promise<Told> {
  const play = new Play(cluster, random(seed));
  try {
    await play.start();
    for (let round = 0; round < rounds; round++) {
      const fault = round < FAULTS.length ? FAULTS[round]! : play.one(FAULTS);
      note(`round ${round}: ${fault}`);
      await play.round(fault);
      told(round, fault, play.told);
    }
    return play.told;
  } finally {
    await play.end();
  }
}

class Play {
  readonly #cluster: Cluster;
  readonly #random: () => number;
  // What Held.isHeld counts less than the cluster: a tenth.
  readonly #resource = new Resource(TTL_MS / 10);
  readonly #walls: FakeWall[];
  #holders: Holder[] = [];
  #made = 0;
  #stops = 0;

  constructor(cluster: Cluster, draw: () => number) {
    this.#cluster = cluster;
    this.#random = draw;
    // One for each server, and one for all holders.
    this.#walls = [...cluster.servers, null].map((_, i) => {
      return new FakeWall(`${cluster.directory}/wall-${i}`);
    });
  }

  get told(): Told {
    const { seen, takings } = this.#resource;
    return { ...seen, takings, stops: this.#stops };
  }

  one<T>(all: readonly T[]): T {
    return all[Math.floor(this.#random() * all.length)]!;
  }

  async start(): Promise<void> {
    for (const server of this.#cluster.servers) this.#start(server);
    await this.#cluster.waitForLeader();
    await Promise.all(
      this.#cluster.servers.map(({ process }) => process.logged("The cluster version is raised:")),
    );
    for (let i = 0; i < HOLDERS; i++) this.#addHolder();
    await this.#untilTaken(TAKINGS);
  }

  async round(fault: Fault): Promise<void> {
    switch (fault) {
      case "the leader is killed":
        await this.#kill(await this.#cluster.waitForLeader());
        break;
      case "a follower is killed":
        await this.#kill(this.one(this.#cluster.others(await this.#cluster.waitForLeader())));
        break;
      case "the leader is stopped for a while":
        await this.#stopServer(await this.#cluster.waitForLeader(), 4_000);
        break;
      case "wall clocks jump":
        this.#jump();
        break;
      case "clocks jump and the leader is killed":
        this.#jump();
        await this.#kill(await this.#cluster.waitForLeader());
        break;
      case "a holder is killed":
        await this.#killHolder();
        break;
      case "a holder is stopped for a moment":
        await this.#stopHolder(500);
        break;
      case "a holder is stopped for longer than the lock lasts":
        await this.#stopHolder(TTL_MS + 1_500);
        break;
      case "a holder is stopped and the leader is killed":
        await Promise.all([
          this.#stopHolder(TTL_MS + 2_500),
          this.#kill(await this.#cluster.waitForLeader()),
        ]);
        break;
      case "a holder and the leader are stopped":
        await Promise.all([
          this.#stopHolder(TTL_MS + 2_500),
          this.#stopServer(await this.#cluster.waitForLeader(), 3_000),
        ]);
        break;
    }
    await this.#untilTaken(TAKINGS);
  }

  async end(): Promise<void> {
    await Promise.all(this.#holders.map((holder) => endChild(holder)));
    await this.#resource.close();
  }

  #start(server: Server): void {
    server.start(this.#walls[server.id - 1]!.environment);
  }

  #addHolder(): void {
    const servers = this.#cluster.clientPorts(this.#cluster.servers);
    const name = `holder-${++this.#made}`;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-check", "--no-lock", "--allow-net", "--allow-read"],
        ...["--allow-env", "--config", `${PROJECT}deno.json`],
        ...[`${PROJECT}tests/process/locks/holder.ts`, servers, `${this.#resource.port}`, name],
      ],
      env: { NO_COLOR: "1", ...this.#walls.at(-1)!.environment },
      stdin: "null",
    }).spawn();
    this.#holders.push({ name, child });
  }

  async #kill(server: Server): Promise<void> {
    await server.kill();
    await sleep(300 + 700 * this.#random());
    this.#start(server);
  }

  async #stopServer(server: Server, ms: number): Promise<void> {
    server.freeze();
    await sleep(ms);
    server.thaw();
  }

  /** Back or forth by up to an hour, each for itself. */
  #jump(): void {
    for (const wall of this.#walls) wall.set(Math.round((2 * this.#random() - 1) * HOUR_S));
  }

  async #stopHolder(ms: number): Promise<void> {
    const holder = await this.#current();
    note(`${holder.name} is stopped for ${ms} ms`);
    holder.child.kill("SIGSTOP");
    this.#stops++;
    await sleep(ms);
    holder.child.kill("SIGCONT");
  }

  async #killHolder(): Promise<void> {
    const holder = await this.#current();
    note(`${holder.name} is killed`);
    this.#holders = this.#holders.filter((one) => one !== holder);
    await endChild(holder);
    this.#addHolder();
  }

  /** Who wrote last. */
  async #current(): Promise<Holder> {
    let found: Holder | undefined;
    await eventually("somebody to hold the lock", () => {
      found = this.#holders.find(({ name }) => name === this.#resource.holder);
      return found !== undefined;
    });
    return found!;
  }

  async #untilTaken(more: number): Promise<void> {
    const wanted = this.#resource.takings + more;
    const isTaken = () => this.#resource.takings >= wanted;
    await eventually(`${more} more takings`, isTaken, TAKEN_DEADLINE_MS);
  }
}

async function endChild({ child }: Holder): Promise<void> {
  child.kill("SIGKILL");
  await child.status;
}
