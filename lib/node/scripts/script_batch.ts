/**
 * Scripts that are run one after the other against what is applied, each on top of what those before it have
 * written: a store of its own holds the keys that they have touched. Nothing is applied meanwhile. Scripts of
 * which one has touched what another wrote come to share a transaction; all others have one each.
 */
import { encodeKeyOnly, Op } from "../../kv/commands/command.ts";
import { Result } from "../../kv/commands/result.ts";
import type { Store } from "../../kv/store.ts";
import { latin1Bytes } from "../../kv/users/user.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { LogTime } from "../../wire/codec.ts";
import { type GroupEvents, mayShareAll, type RunEffects, ScriptGroup } from "./script_group.ts";
import type { ScriptRun } from "./script_run.ts";

/** A key that is in the batch's own store, or known to be absent. */
export interface KeyUse {
  /** The version that is applied; 0: absent. */
  readonly version: number;
  /** Its time has come on this leader, and that is not applied yet. */
  readonly isDue: boolean;
  /** Who has read it, and who has written it, or both. */
  readonly readers: Set<ScriptGroup>;
  writer: ScriptGroup | null;
}

export class ScriptBatch {
  readonly real: Store;
  readonly scratch: Store;
  /** What it is for all of the batch. */
  readonly time: LogTime;
  readonly groups = new Set<ScriptGroup>();
  /** The store holds what a script wrote that is not to be done: nothing more can be run on it. */
  isSpoiled = false;
  isOver = false;
  readonly #uses = new Map<string, KeyUse>();
  readonly #events: GroupEvents;

  /** `scratch` holds nothing; it does again after `end`, unless the batch was spoiled. */
  constructor(real: Store, scratch: Store, time: LogTime, events: GroupEvents) {
    this.real = real;
    this.scratch = scratch;
    this.time = time;
    this.#events = events;
    scratch.beginEntry(scratch.appliedIndex + 1, time.nowMs());
  }

  use(key: string): KeyUse | undefined {
    return this.#uses.get(key);
  }

  noteCopied(key: string, version: number, isDue: boolean): KeyUse {
    const use = { version, isDue, readers: new Set<ScriptGroup>(), writer: null };
    this.#uses.set(key, use);
    return use;
  }

  /** Whoever has written one of these keys. */
  writersOf(keys: Iterable<string>): ScriptGroup[] {
    const writers = new Set<ScriptGroup>();
    for (const key of keys) {
      const writer = this.#uses.get(key)?.writer ?? null;
      if (writer !== null) writers.add(writer);
    }
    return [...writers];
  }

  /**
   * Has the run share a transaction with those that it depends on, or begin one. Returns null; or a group
   * that it can't share one with and has to wait for.
   */
  join(run: ScriptRun, effects: RunEffects): ScriptGroup | null {
    const others = new Set(this.writersOf(effects.touched.keys()));
    for (const key of effects.written) {
      for (const reader of this.#uses.get(key)!.readers) others.add(reader);
    }
    const [first, ...rest] = others;
    if (first !== undefined && !mayShareAll(run, effects, others)) return first;
    const group = first ?? new ScriptGroup(this.#events);
    for (const other of rest) this.#merge(other, group);
    group.add(run, effects);
    this.groups.add(group);
    for (const key of effects.touched.keys()) this.#uses.get(key)!.readers.add(group);
    for (const key of effects.written) this.#uses.get(key)!.writer = group;
    return null;
  }

  #merge(other: ScriptGroup, into: ScriptGroup): void {
    this.groups.delete(other);
    for (const key of other.touched.keys()) {
      const use = this.#uses.get(key)!;
      use.readers.delete(other);
      use.readers.add(into);
      if (use.writer === other) use.writer = into;
    }
    into.takeOver(other);
  }

  /** Empties the store again. */
  end(): void {
    this.isOver = true;
    if (this.isSpoiled) return;
    const one = new ByteWriter(64);
    const result = new Result();
    for (const key of this.#uses.keys()) {
      one.clear();
      encodeKeyOnly(one, Op.delete, latin1Bytes(key), 0, key.length);
      this.scratch.applyCommand(one.bytes, 0, result);
    }
    this.scratch.endEntry();
  }
}
