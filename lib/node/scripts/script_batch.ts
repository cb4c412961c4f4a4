/**
 * Scripts that are run one after the other against what is applied, each on top of what those before it have
 * written: a store of its own holds the keys that they have touched. Nothing is applied meanwhile. Scripts of
 * which one has touched what another wrote come to share a transaction; all others have one each.
 */
import { encodeKeyOnly, Op } from "../../kv/commands/command.ts";
import { Result } from "../../kv/commands/result.ts";
import type { Store } from "../../kv/store.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { LogTime } from "../../wire/codec.ts";
import { KeyUse } from "./key_use.ts";
import {
  type GroupEvents,
  mayShareAll,
  type RunEffects,
  ScriptGroup,
  type ScriptKey,
} from "./script_group.ts";
import type { ScriptRun } from "./script_run.ts";

/** A buffer larger than this is given back. */
export const KEPT_BYTES = 65_536;

/** Buffers that batch after batch uses; empty between them. */
export class BatchBuffers {
  writes = new ByteWriter();
  transaction = new ByteWriter();

  /** Gives back what one batch has made large. */
  shrink(): void {
    if (this.writes.bytes.length > KEPT_BYTES) this.writes = new ByteWriter();
    if (this.transaction.bytes.length > KEPT_BYTES) this.transaction = new ByteWriter();
  }
}

export class ScriptBatch {
  readonly real: Store;
  readonly scratch: Store;
  /** What it is for all of the batch. */
  readonly time: LogTime;
  readonly groups = new Set<ScriptGroup>();
  readonly #buffers: BatchBuffers;
  /** The store holds what a script wrote that is not to be done: nothing more can be run on it. */
  isSpoiled = false;
  isOver = false;
  #runs = 0;
  readonly #uses = new Map<string, ScriptKey>();
  readonly #events: GroupEvents;

  /** `scratch` holds nothing; it does again after `end`, unless the batch was spoiled. */
  constructor(
    real: Store,
    scratch: Store,
    buffers: BatchBuffers,
    time: LogTime,
    events: GroupEvents,
  ) {
    this.real = real;
    this.scratch = scratch;
    this.#buffers = buffers;
    this.time = time;
    this.#events = events;
    scratch.beginEntry(scratch.appliedIndex + 1, time.nowMs());
  }

  /** What the scripts write, encoded, one after the other. */
  get writes(): ByteWriter {
    return this.#buffers.writes;
  }

  /** The transaction of `group`; valid until the next call. */
  encode(group: ScriptGroup): ByteWriter {
    const { transaction } = this.#buffers;
    transaction.clear();
    group.encode(transaction, this.writes);
    return transaction;
  }

  /** The number of the next run, from 1. */
  beginRun(): number {
    return ++this.#runs;
  }

  use(key: string): ScriptKey | undefined {
    return this.#uses.get(key);
  }

  noteCopied(key: string, version: number, isDue: boolean): ScriptKey {
    const use = new KeyUse<ScriptGroup>(key, version, isDue);
    this.#uses.set(key, use);
    return use;
  }

  /**
   * Has the run share a transaction with those that it depends on, or begin one. Returns null; or a group
   * that it can't share one with and has to wait for.
   */
  join(run: ScriptRun, effects: RunEffects): ScriptGroup | null {
    const { touched, written } = effects;
    const others = dependsOn(effects);
    let group: ScriptGroup | null = null;
    if (others !== null) {
      const [first, ...rest] = others;
      if (!mayShareAll(run, effects, others)) return first!;
      group = first!;
      for (const other of rest) this.#merge(other, group);
    }
    group ??= new ScriptGroup(this.#events);
    group.add(run, effects);
    this.groups.add(group);
    for (let i = 0; i < touched.length; i++) touched[i]!.addReader(group);
    for (let i = 0; i < written.length; i++) written[i]!.writer = group;
    return null;
  }

  #merge(other: ScriptGroup, into: ScriptGroup): void {
    this.groups.delete(other);
    for (const { touched } of other.effects) for (const use of touched) use.moveTo(into, other);
    into.takeOver(other);
  }

  /** Empties the store again. */
  end(): void {
    this.isOver = true;
    this.writes.clear();
    this.#buffers.shrink();
    if (this.isSpoiled) return;
    const [keys, one] = [new ByteWriter(64), new ByteWriter(64)];
    const result = new Result();
    for (const key of this.#uses.keys()) {
      keys.clear();
      keys.latin1(key);
      one.clear();
      encodeKeyOnly(one, Op.delete, keys.bytes, 0, keys.length);
      this.scratch.applyCommand(one.bytes, 0, result);
    }
    this.scratch.endEntry();
  }
}

/** True where one of these keys was written by a script before. */
export function areWritten(uses: readonly ScriptKey[]): boolean {
  for (let i = 0; i < uses.length; i++) if (uses[i]!.writer !== null) return true;
  return false;
}

/** Whoever has written what the run has touched, or touched what it has written; null: nobody. */
function dependsOn({ touched, written }: RunEffects): Set<ScriptGroup> | null {
  let others: Set<ScriptGroup> | null = null;
  for (let i = 0; i < touched.length; i++) {
    const { writer } = touched[i]!;
    if (writer !== null) (others ??= new Set()).add(writer);
  }
  for (let i = 0; i < written.length; i++) {
    if (written[i]!.isRead) written[i]!.addReadersTo(others ??= new Set());
  }
  return others;
}
