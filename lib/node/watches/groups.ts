/**
 * The groups of events that watches are told, encoded. Thousands of connections may want the same one, all
 * in one turn: it is encoded once for each format and copied from there.
 */
import { ByteWriter } from "../../util/bytes.ts";
import { writeEvent, writeGroup } from "../../wire/watch_events.ts";
import { WATCH_FORMATS, type WatchFormat } from "../../wire/watching.ts";
import type { History } from "./history.ts";
import { NOTHING, type Topic } from "./topic.ts";

/** A longer group is encoded for each watch: it is not kept. */
const KEPT_BYTES_MAX = 1_048_576;

export class Groups {
  readonly #history: History;
  #topic: Topic | null = null;
  #position = 0;
  /** Where it ends in the history. */
  #end = 0;
  readonly #kept: (Uint8Array | null)[] = new Array(WATCH_FORMATS).fill(null);

  constructor(history: History) {
    this.#history = history;
  }

  /** Nothing is kept any more. */
  clear(): void {
    this.#topic = null;
    this.#kept.fill(null);
  }

  /** Appends all events of `topic` of the entry whose first is at `position`; returns where they end. */
  write(out: ByteWriter, topic: Topic, position: number, format: WatchFormat): number {
    const isKept = this.#topic === topic && this.#position === position;
    const kept = isKept ? this.#kept[format]! : null;
    if (kept !== null) {
      out.raw(kept);
      return this.#end;
    }
    const from = out.length;
    const end = this.#encode(out, topic, position, format);
    if (topic.watches.size < 2 || out.length - from > KEPT_BYTES_MAX) return end;
    if (!isKept) this.clear();
    [this.#topic, this.#position, this.#end] = [topic, position, end];
    this.#kept[format] = out.bytes.slice(from, out.length);
    return end;
  }

  #encode(out: ByteWriter, topic: Topic, position: number, format: WatchFormat): number {
    const history = this.#history;
    history.seek(position);
    const { revision } = history;
    let count = 0;
    let end = position;
    for (let at = position; at !== NOTHING; at = topic.nextInEntry(revision, history)) {
      count++;
      end = history.next;
    }
    writeGroup(out, format, topic.key, topic.isPrefix, revision, count);
    history.seek(position);
    writeEvent(out, format, history);
    while (--count > 0) {
      topic.nextInEntry(revision, history);
      writeEvent(out, format, history);
    }
    return end;
  }
}
