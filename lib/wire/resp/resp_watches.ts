/**
 * What a connection watches: keys, each with its version as a read has shown it: no two states of a key
 * share one.
 * The replies to those reads come in the order in which they were asked for.
 */
import type { Result } from "../../kv/commands/result.ts";
import { Status } from "../../kv/commands/result.ts";
import { type ByteWriter } from "../../util/bytes.ts";
import { WATCH_HEAD_BYTES } from "../../kv/commands/command.ts";

interface Watch {
  readonly keys: readonly Uint8Array[];
  /** Null until the read is answered. */
  versions: number[] | null;
}

export class RespWatches {
  /** What the next transaction depends on. */
  #watches: Watch[] = [];
  /** Reads that are not answered yet, also those whose watch is forgotten. */
  readonly #waiting: Watch[] = [];
  #hasFailed = false;
  /** What the watched keys take in a command. */
  bytes = 0;
  count = 0;

  /** True where a watch could not be had: nothing may be done under it. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** True while the version of a watched key is still to come. */
  get isWaiting(): boolean {
    return this.#watches.some((watch) => watch.versions === null) && !this.#hasFailed;
  }

  add(keys: readonly Uint8Array[]): void {
    const watch: Watch = { keys, versions: null };
    this.#watches.push(watch);
    this.#waiting.push(watch);
    this.count += keys.length;
    for (const key of keys) this.bytes += WATCH_HEAD_BYTES + key.length;
  }

  /** Forgets all of it: a transaction, or its end. */
  clear(): void {
    if (this.#watches.length > 0) this.#watches = [];
    this.#hasFailed = false;
    this.bytes = 0;
    this.count = 0;
  }

  /** The answer to the oldest read that waits. */
  answered(result: Result): void {
    const watch = this.#waiting.shift();
    if (watch === undefined) return;
    watch.versions = watch.keys.map((_, i) => {
      const part = result.list[i]!;
      return part.status === Status.found ? part.version : 0;
    });
  }

  /** The oldest read that waits was refused. */
  refused(): void {
    const watch = this.#waiting.shift();
    // Once one has failed, no other has to be looked for among thousands.
    if (watch === undefined || this.#hasFailed) return;
    if (this.#watches.includes(watch)) this.#hasFailed = true;
  }

  /** An answer that was given already does not count. */
  revoked(): void {
    if (this.#watches.length > 0) this.#hasFailed = true;
  }

  /** Appends the watched keys as a transaction carries them. */
  write(out: ByteWriter): void {
    for (const { keys, versions } of this.#watches) {
      for (const [i, key] of keys.entries()) {
        out.u64(versions![i]!);
        out.u16(key.length);
        out.raw(key);
      }
    }
  }
}
