/** Watches from outside when servers take snapshots: by the file that is there while they do. */
import type { Cluster } from "./cluster.ts";
import type { Interval } from "./open_loop.ts";

const LOOK_MS = 25;

/** A snapshot of one server, from the first sight of its file until that got its name. */
export interface SeenSnapshot extends Interval {
  readonly server: number;
}

export class SnapshotWatch {
  readonly #cluster: Cluster;
  readonly #since = new Map<number, number>();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly seen: SeenSnapshot[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** How many servers are taking one. */
  get underWay(): number {
    return this.#since.size;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    for (const { id } of this.#cluster.servers) {
      const since = this.#since.get(id);
      const isTaking = isTakingSnapshot(this.#cluster.dataDirectory(id));
      if (isTaking && since === undefined) this.#since.set(id, nowMs - LOOK_MS);
      if (!isTaking && since !== undefined) {
        this.#since.delete(id);
        this.seen.push({ server: id, startMs: since, endMs: nowMs });
      }
    }
  }
}

/** True while a file of a snapshot that is being written is in the data directory. */
export function isTakingSnapshot(dataDirectory: string): boolean {
  return snapshotFiles(dataDirectory).some((name) => name.endsWith(".new"));
}

/** The names in `snapshot/`; none where there is no such directory yet. */
function snapshotFiles(dataDirectory: string): string[] {
  try {
    return [...Deno.readDirSync(`${dataDirectory}/snapshot`)].map((entry) => entry.name);
  } catch {
    return [];
  }
}
