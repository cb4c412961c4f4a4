/**
 * Backups that the cluster file asks for: `backup.every`, `backup.path`, `backup.keep`. One server writes
 * them (`isBackupWriter`), off its own store; each is read back and checked, and only then older ones go.
 */
import type { BackupSchedule } from "./config_backup.ts";
import { ageMs, createDurableFile, UNFINISHED_SUFFIX } from "./host/durable_file.ts";
import { DenoDisk } from "./host/deno_disk.ts";
import type { Clock } from "./host/ports.ts";
import type { LogEvent } from "./node/api.ts";
import type { BackedUpServer } from "./node/backup_source.ts";
import { BackupAssembly } from "./storage/backups/backup_assembly.ts";
import { openBackup } from "./storage/backups/backup_reader.ts";
import { type BackupSource, type BackupState, LATER } from "./wire/backup.ts";

export interface ScheduledBackupsOptions {
  readonly schedule: BackupSchedule;
  readonly server: BackedUpServer;
  readonly clock: Clock;
  readonly log: (event: LogEvent) => void;
}

/** How often it is looked whether one is due. */
const LOOK_MS = 1_000;
/** Whoever has just come to be the writer waits: another may be back in a moment. */
const SETTLE_MS = 10_000;
const RETRY_MIN_MS = 60_000;
/** How often it is looked whether the contents are there, and for how long with nothing new. */
const STATE_MS = 50;
const STILL_MS = 60_000;
/** How long a stop waits for what is being written to be taken away. */
const STOP_MAX_MS = 1_500;
const SUFFIX = ".backup";
/** Whoever writes one adds to it all the while: what is older was left. */
const PART_STALE_MS = 3_600_000;

/** What a backup in the directory is called; names sort by index. */
function nameOf(clusterId: string, index: number): string {
  return `raftkv-${clusterId.slice(0, 8)}-${String(index).padStart(16, "0")}${SUFFIX}`;
}

/** Begins to take them; `stop` ends that, and resolves when nothing is being written any more. */
export function schedule(options: ScheduledBackupsOptions): { stop(): Promise<void> } {
  return new ScheduledBackups(options);
}

class ScheduledBackups {
  readonly #options: ScheduledBackupsOptions;
  readonly #disk: DenoDisk;
  readonly #directory: string;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;
  /** The look that is under way, or the last one. */
  #looking: Promise<void> = Promise.resolve();
  /** Since when this server has been the writer, by the monotonic clock; Infinity while it is not. */
  #writerSinceMs = Infinity;
  /** When the next one is due, by the wall clock; null until the directory was looked at. */
  #dueMs: number | null = null;
  #failures = 0;

  constructor(options: ScheduledBackupsOptions) {
    this.#options = options;
    const path = options.schedule.path.replace(/(?<=.)\/+$/, "");
    // Nothing is made yet: what is wrong with the directory is told where it fails a backup.
    this.#disk = new DenoDisk(path.startsWith("/") ? "/" : ".");
    this.#directory = path;
    options.server.meters().everyMs = options.schedule.everyMs;
    this.#lookLater();
  }

  /**
   * Ends it. Of what is being written nothing is left, as its removal is awaited; but on a disk that does not
   * answer no longer than a stop may take.
   */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => timer = setTimeout(resolve, STOP_MAX_MS));
    await Promise.race([this.#looking, deadline]);
    clearTimeout(timer);
  }

  #lookLater(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => this.#looking = this.#look(), LOOK_MS);
  }

  async #look(): Promise<void> {
    const { server, clock, schedule } = this.#options;
    const meters = server.meters();
    meters.isWriter = server.isWriter();
    if (!meters.isWriter) {
      this.#writerSinceMs = Infinity;
      this.#dueMs = null;
      meters.failure = null;
      return this.#lookLater();
    }
    const sinceMs = clock.monotonicMs();
    this.#writerSinceMs = Math.min(this.#writerSinceMs, sinceMs);
    const source = server.source();
    const isSettled = sinceMs - this.#writerSinceMs >= Math.min(SETTLE_MS, schedule.everyMs);
    if (source !== null && isSettled) {
      try {
        this.#dueMs ??= this.#newestMs(source.facts().clusterId) + schedule.everyMs;
        const nowMs = clock.wallMs();
        // Else a clock that was ahead and is put right would put the next one off for as long.
        this.#dueMs = Math.min(this.#dueMs, nowMs + schedule.everyMs);
        if (nowMs >= this.#dueMs) await this.#backUp(source);
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#lookLater();
  }

  /** Takes one, checks it, and removes those that are too many. */
  async #backUp(source: BackupSource): Promise<void> {
    const { clock, schedule, server, log } = this.#options;
    const startMs = clock.monotonicMs();
    this.#makeDirectory();
    const { path, clusterId } = await this.#write(source);
    const { keys, bytes } = await this.#verify(path);
    if (this.#isStopped) return;
    const removed = this.#removeOld(clusterId);
    const takenMs = clock.wallMs();
    const meters = server.meters();
    meters.taken++;
    meters.lastMs = takenMs;
    meters.failure = null;
    this.#failures = 0;
    this.#dueMs = takenMs + schedule.everyMs;
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    const fields = { path, keys, bytes, tookMs, removed };
    log({ level: "info", message: "Backup taken and verified", fields });
  }

  async #write(source: BackupSource) {
    const facts = source.facts();
    const { clusterId, serverId, hashSeed, version } = facts;
    const id = source.begin(facts.appliedIndex);
    if (id === null) throw new Error("as many backups as may be are taken of this server already");
    try {
      const { index, term, takenMs } = await this.#awaitContents(source, id);
      const path = `${this.#directory}/${nameOf(clusterId, index)}`;
      // Nothing has changed since the last one: that is as good, once it is verified again.
      if (this.#disk.exists(path)) return { path, clusterId };
      const head = { clusterId, serverId, position: { index, term }, takenMs, hashSeed, version };
      const assembly = new BackupAssembly(head);
      const file = createDurableFile(path);
      try {
        await file.write(assembly.headBytes);
        for (;;) {
          if (this.#isStopped) throw new Error("the server is being stopped");
          const piece = source.next(id);
          if (piece === null) throw new Error("the server has given the backup up");
          if (piece === LATER) {
            await pause(STATE_MS);
            continue;
          }
          if (piece.length === 0) break;
          assembly.add(piece);
          // A copy: the next call may be somebody else's, while this one is written.
          await file.write(piece.slice());
        }
        await file.write(assembly.finish());
        await file.finish();
      } finally {
        file.close();
      }
      return { path, clusterId };
    } finally {
      source.end(id);
    }
  }

  async #awaitContents(source: BackupSource, id: number): Promise<BackupState> {
    const { clock } = this.#options;
    let madeBytes = -1;
    let movedMs = clock.monotonicMs();
    for (;;) {
      const state = source.state(id);
      if (state === null || this.#isStopped) throw new Error("the server has given the backup up");
      if (state.isReady) return state;
      if (state.madeBytes !== madeBytes) movedMs = clock.monotonicMs();
      else if (clock.monotonicMs() - movedMs > STILL_MS) {
        throw new Error("the server can't take a snapshot: the log has the reason");
      }
      madeBytes = state.madeBytes;
      await pause(STATE_MS);
    }
  }

  /**
   * Reads all of it, a section at a time, so that commands don't wait; how long it is, and how many keys
   * are in it. What is damaged is removed. A stop leaves it as it is: whole, durable, and read again before
   * it counts as taken.
   */
  async #verify(path: string): Promise<{ keys: number; bytes: number }> {
    try {
      const backup = openBackup(this.#disk, path);
      try {
        while (!this.#isStopped && backup.nextSection() !== null) await pause(0);
        return { keys: backup.head.keys, bytes: backup.bytes };
      } finally {
        backup.close();
      }
    } catch (error) {
      this.#remove(path);
      throw error;
    }
  }

  #removeOld(clusterId: string): number {
    const old = this.#names(clusterId, SUFFIX).slice(this.#options.schedule.keep);
    for (const name of old) this.#remove(`${this.#directory}/${name}`);
    this.#removeParts(clusterId);
    return old.length;
  }

  /**
   * What a process that was killed has left: each may be as long as a backup. Another server, with the same
   * directory, may be writing one just now.
   */
  #removeParts(clusterId: string): void {
    for (const name of this.#names(clusterId, UNFINISHED_SUFFIX)) {
      const path = `${this.#directory}/${name}`;
      const age = ageMs(path, this.#options.clock.wallMs());
      if (age !== null && age > PART_STALE_MS) this.#remove(path);
    }
  }

  /** Off the event loop: large files take their time. */
  #remove(path: string): void {
    this.#disk.removeLater(path, (error) => {
      if (error !== null) this.#warn("A backup can't be removed", error);
    });
  }

  #warn(message: string, error: unknown): void {
    const fields = { reason: error instanceof Error ? error.message : String(error) };
    this.#options.log({ level: "warning", message, fields });
  }

  /** Files of this cluster whose names end like that, the newest first. */
  #names(clusterId: string, suffix: string): string[] {
    const known = nameOf(clusterId, 0).slice(0, -16 - SUFFIX.length);
    return this.#disk.list(this.#directory)
      .filter((name) => name.startsWith(known) && name.endsWith(suffix))
      .sort()
      .reverse();
  }

  /** When the newest one in the directory was taken; 0 where there is none that is sound so far. */
  #newestMs(clusterId: string): number {
    for (const name of this.#names(clusterId, SUFFIX)) {
      try {
        const backup = openBackup(this.#disk, `${this.#directory}/${name}`);
        backup.close();
        this.#options.server.meters().lastMs = backup.about.takenMs;
        return backup.about.takenMs;
      } catch (error) {
        this.#warn("A backup can't be used", error);
      }
    }
    return 0;
  }

  #makeDirectory(): void {
    if (!this.#disk.exists(this.#directory)) this.#disk.makeDirectory(this.#directory);
  }

  #failed(error: unknown): void {
    if (this.#isStopped) return;
    const { clock, log, server, schedule } = this.#options;
    const meters = server.meters();
    meters.failed++;
    const waitMs = Math.min(schedule.everyMs, RETRY_MIN_MS * 2 ** Math.min(this.#failures++, 20));
    this.#dueMs = clock.wallMs() + waitMs;
    const reason = error instanceof Error ? error.message : String(error);
    meters.failure = reason;
    const fields = { reason, failures: this.#failures, nextTryMs: waitMs };
    log({ level: "error", message: "The scheduled backup failed", fields });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
