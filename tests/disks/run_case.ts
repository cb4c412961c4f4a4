/** One case from the first set to the last look at what was acknowledged. */
import { Cluster, type Server } from "../process/harness.ts";
import { sleep } from "../process/patience.ts";
import type { DiskCase, Full } from "./cases.ts";
import { onTakeDown, takeDown } from "./file_systems.ts";
import { type Counts, Ledger } from "./ledger.ts";
import { type Answer, Operator } from "./operator.ts";
import { Volume } from "./volume.ts";

const MIB = 1_048_576;
const ROOM_BYTES = 100 * MIB;
/** Everything else as it is by default. */
const STORAGE = { segmentBytesMax: 16 * MIB };
const VALUE_BYTES = 8_000;
/** What is there before anything fills the volume: small, so that many deletes can be tried. */
const PRELOADED = 3_000;
const PRELOADED_VALUE_BYTES = 200;
const WRITERS = 8;
/** Many more than the room has. */
const SETS_MAX = 20_000;
/**
 * Beside a full disk sets that are acknowledged all the same are right where a majority has room. They
 * are more than a reserve holds.
 */
const SETS_BESIDE_MAX = 2_000;
/** After so many sets without an answer in words no more are tried. */
const UNANSWERED_MAX = 4;
const DELETES_WHILE_FULL = 1_200;
const GETS_WHILE_FULL = 50;
const SETS_AFTERWARDS = 300;
const GOES_ON_WITHIN_MS = 60_000;
const ASK_AGAIN_MS = 50;
const STARTS_WITHIN_MS = 20_000;

export interface DiskResult extends Counts {
  /** Keys whose value is none that it may have; must be 0. */
  lost: number;
  /** Acknowledged after the volume was full, before it was left. */
  acknowledgedWhileFull: number;
  restarts: number;
  startsRefused: number;
  /** From the room's return to the first set that is taken; null: not within a minute. */
  goesOnAfterMs: number | null;
  /** In a server's own words: why a start was refused, or anything else that is not as it should be. */
  notes: string[];
}

export async function runCase(one: DiskCase): Promise<DiskResult> {
  const run = new CaseRun(one);
  try {
    await run.all();
  } finally {
    await run.stop();
  }
  return run.result;
}

class CaseRun {
  readonly #case: DiskCase;
  readonly #directory = Deno.makeTempDirSync({ prefix: "raftkv-disks-" });
  readonly #volumes: Volume[] = [];
  readonly #ledger = new Ledger();
  #cluster: Cluster | null = null;
  #sets = 0;
  #unansweredInARow = 0;
  readonly result: DiskResult = {
    acknowledged: 0,
    refused: 0,
    unknown: 0,
    deletesAsked: 0,
    deletesServed: 0,
    getsAsked: 0,
    getsServed: 0,
    lost: 0,
    acknowledgedWhileFull: 0,
    restarts: 0,
    startsRefused: 0,
    goesOnAfterMs: null,
    notes: [],
  };

  constructor(one: DiskCase) {
    this.#case = one;
    const directory = this.#directory;
    onTakeDown(directory, () => Deno.removeSync(directory, { recursive: true }));
  }

  async all(): Promise<void> {
    const { fileSystem, size, filling } = this.#case;
    const data = `${this.#directory}/data`;
    for (let id = 1; id <= size; id++) {
      const image = `${this.#directory}/image-${id}`;
      this.#volumes.push(new Volume(fileSystem, `${data}/${id}`, image, ROOM_BYTES));
    }
    this.#cluster = new Cluster({ size, path: data, storage: STORAGE });
    await this.#cluster.startAll();
    await this.#setMany(PRELOADED, PRELOADED_VALUE_BYTES);
    const full = await this.#chooseFull();
    if (filling.by === "sets") await this.#setMany(SETS_MAX);
    else {
      for (const server of full) await this.#volume(server).startNeighbour(filling.kind);
      const before = this.result.acknowledged;
      await this.#setMany(SETS_BESIDE_MAX);
      this.result.acknowledgedWhileFull = this.result.acknowledged - before;
    }
    if (this.result.unknown > 0) this.#noteLeaders();
    await this.#getMany(GETS_WHILE_FULL);
    await this.#deleteMany(DELETES_WHILE_FULL);
    await this.#killAndRestart(full);
    await this.#getMany(GETS_WHILE_FULL);
    await this.#deleteMany(DELETES_WHILE_FULL);
    await this.#leave();
    await this.#cluster.stopServers();
    await this.#start(this.#cluster.servers);
    await this.#compareAll();
  }

  async stop(): Promise<void> {
    await this.#cluster?.stop();
    for (const volume of this.#volumes) await volume.remove();
    takeDown(this.#directory);
  }

  get #servers(): readonly Server[] {
    return this.#cluster!.servers;
  }

  #volume(server: Server): Volume {
    return this.#volumes[server.id - 1]!;
  }

  async #chooseFull(): Promise<readonly Server[]> {
    const leader = await this.#cluster!.waitForLeader();
    const followers = this.#cluster!.others(leader);
    const chosen: Readonly<Record<Full, readonly Server[]>> = {
      "the server": [leader],
      "leader": [leader],
      "follower": followers.slice(0, 1),
      "followers": followers,
      "leader and follower": [leader, ...followers.slice(0, 1)],
      "all": this.#servers,
    };
    return chosen[this.#case.full];
  }

  /** Sets up to `count` new keys, until sets are refused, or go unanswered. */
  async #setMany(count: number, valueBytes = VALUE_BYTES): Promise<void> {
    let isOver = false;
    this.#unansweredInARow = 0;
    const write = async () => {
      using operator = new Operator(this.#servers);
      for (let n = 0; n < count / WRITERS && !isOver; n++) {
        const kind = await this.#set(operator, valueBytes);
        isOver ||= kind === "refused" || this.#unansweredInARow >= UNANSWERED_MAX;
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, write));
  }

  async #set(operator: Operator, valueBytes: number): Promise<Answer["kind"]> {
    const key = `key-${this.#sets++}`;
    const value = `${key}:`.padEnd(valueBytes, randomLetters());
    const answer = await operator.set(key, value);
    this.#unansweredInARow = answer.kind === "done" ? 0 : this.#unansweredInARow;
    if (answer.kind === "done") {
      this.result.acknowledged++;
      this.#ledger.wasSet(key, value);
    } else if (answer.kind === "refused") this.result.refused++;
    else {
      this.result.unknown++;
      this.#unansweredInARow++;
      if (answer.kind === "unknown") {
        this.#ledger.maySet(key, value);
        this.result.notes.push(`a set is open: ${answer.why}`);
      }
    }
    return answer.kind;
  }

  async #getMany(count: number): Promise<void> {
    using operator = new Operator(this.#servers);
    const { present } = this.#ledger;
    for (const key of spread(present, count)) {
      this.result.getsAsked++;
      const value = await operator.get(key);
      if (value === undefined) return;
      this.result.getsServed++;
      this.#compare(key, value);
    }
  }

  /** Deletes up to `count` keys, one after another; false once one goes without an answer. */
  async #deleteMany(count: number): Promise<boolean> {
    using operator = new Operator(this.#servers);
    for (const key of this.#ledger.present.slice(0, count)) {
      this.result.deletesAsked++;
      const answer = await operator.delete(key);
      if (answer.kind === "done") {
        this.result.deletesServed++;
        this.#ledger.wasDeleted(key);
      } else {
        if (answer.kind === "unknown") this.#ledger.mayBeDeleted(key);
        return false;
      }
    }
    return true;
  }

  async #killAndRestart(servers: readonly Server[]): Promise<void> {
    await Promise.all(servers.map((server) => server.kill()));
    await this.#start(servers);
  }

  /** Starts servers; one that ends instead is counted, and tried again later. */
  async #start(servers: readonly Server[]): Promise<void> {
    this.result.restarts += servers.length;
    for (const server of servers) server.start();
    const deadlineMs = performance.now() + STARTS_WITHIN_MS;
    while (performance.now() < deadlineMs) {
      const ended = servers.filter((server) => !server.isRunning);
      if (ended.length === servers.length || await this.#isServed()) break;
      await sleep(ASK_AGAIN_MS);
    }
    for (const server of servers) {
      if (server.isRunning) continue;
      this.result.startsRefused++;
      this.result.notes.push(lastWords(server));
    }
  }

  async #isServed(): Promise<boolean> {
    using operator = new Operator(this.#servers);
    return await operator.get("probe") !== undefined;
  }

  /** Room comes back, and sets have to go on. */
  async #leave(): Promise<void> {
    const { filling } = this.#case;
    if (filling.by === "neighbour") {
      await Promise.all(this.#volumes.map((volume) => volume.stopNeighbour()));
    } else if (filling.leftBy === "deletes") await this.#deleteMany(Infinity);
    else await this.#flushAll();
    const beganMs = performance.now();
    for (const server of this.#servers) if (!server.isRunning) server.start();
    using operator = new Operator(this.#servers);
    while (performance.now() - beganMs < GOES_ON_WITHIN_MS) {
      if (await this.#set(operator, VALUE_BYTES) === "done") {
        this.result.goesOnAfterMs = performance.now() - beganMs;
        break;
      }
      await sleep(ASK_AGAIN_MS);
    }
    if (this.result.goesOnAfterMs === null) this.#noteRoom();
    else await this.#setMany(SETS_AFTERWARDS);
  }

  async #flushAll(): Promise<void> {
    using operator = new Operator(this.#servers);
    this.result.deletesAsked++;
    const answer = await operator.flushAll();
    if (answer.kind === "done") this.result.deletesServed++;
    if (answer.kind === "not served" || answer.kind === "refused") return;
    for (const key of this.#ledger.maybePresent) {
      if (answer.kind === "done") this.#ledger.wasDeleted(key);
      else this.#ledger.mayBeDeleted(key);
    }
  }

  /** Why sets may be open: who led, and what was said of it. */
  #noteLeaders(): void {
    for (const { id, process } of this.#servers) {
      for (const { time, message, reason } of process.log) {
        if (!/lead|candidate|hand|full|slow/i.test(message)) continue;
        this.result.notes.push(`server ${id} ${time.slice(14, 23)}: ${message} ${reason ?? ""}`);
      }
    }
  }

  #noteRoom(): void {
    const rooms = this.#volumes.map((volume) => (volume.availableBytes / MIB).toFixed(1));
    this.result.notes.push(`sets do not go on with ${rooms.join(", ")} MiB free`);
  }

  /** Every key against what clients were told. */
  async #compareAll(): Promise<void> {
    using operator = new Operator(this.#servers);
    for (const key of this.#ledger.keys) {
      const value = await operator.get(key);
      if (value !== undefined) this.#compare(key, value);
      else {
        this.result.lost++;
        this.result.notes.push(`nobody serves ${key}`);
        return;
      }
    }
  }

  #compare(key: string, value: string | null): void {
    if (this.#ledger.allows(key, value)) return;
    this.result.lost++;
    this.result.notes.push(`${key} is ${value === null ? "gone" : "another's value"}`);
  }
}

/** What compression can't make small. */
function randomLetters(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(VALUE_BYTES));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(0x30 + byte % 64);
  return text;
}

/** `count` of `all`, evenly. */
function spread<T>(all: readonly T[], count: number): T[] {
  const step = Math.max(1, Math.floor(all.length / count));
  return all.filter((_, i) => i % step === 0).slice(0, count);
}

function lastWords(server: Server): string {
  const lines = server.process.error.trim().split("\n");
  return `server ${server.id}: ${(lines.at(-1) ?? "").slice(0, 300)}`;
}
