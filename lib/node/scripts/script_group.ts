/**
 * The scripts whose writes go into the log as one transaction: each of them has seen what those before it
 * wrote, so all are done, or none is. It depends on the versions of all keys that they have touched.
 */
import { COMMAND_HEAD_BYTES, encodeCommand, endCommand, Op } from "../../kv/commands/command.ts";
import { type Result, Status } from "../../kv/commands/result.ts";
import { encodeByUser } from "../../kv/users/operations.ts";
import { type ByteWriter, writeU32 } from "../../util/bytes.ts";
import { denialOf } from "../../wire/client_access.ts";
import type { ClientError } from "../../wire/command_batch.ts";
import type { ClientPace } from "../session/client_pace.ts";
import type { Proposer } from "../session/session_host.ts";
import type { KeyUse } from "./key_use.ts";
import type { ScriptRun } from "./script_run.ts";

/** A key, as groups have touched it. */
export type ScriptKey = KeyUse<ScriptGroup>;

const NO_BYTES = new Uint8Array(0);

/** What became of a script's writes. */
export type Ending =
  /** All of them were done. */
  | "done"
  /** Somebody changed what it had read: nothing was done. */
  | "lost"
  /** Its user lost a permission meanwhile: what it still may was done. */
  | "denied"
  /** They did not come into the log: nothing was done. */
  | ClientError;

export interface GroupEvents {
  /** The transaction of `group` is over; the endings are those of its runs. */
  ended(group: ScriptGroup, endings: readonly Ending[]): void;
}

/** What one run has touched and written. */
export interface RunEffects {
  /** Each key once. */
  readonly touched: readonly ScriptKey[];
  readonly written: readonly ScriptKey[];
  /** Its writes, encoded, each after the tag of its result: this part of those of its batch. */
  readonly writesStart: number;
  readonly writesEnd: number;
  readonly writeCount: number;
}

/** Beyond this a transaction takes no further script: all servers stand still while it is applied. */
const SHARED_BYTES_MAX = 262_144;

export class ScriptGroup implements Proposer {
  /** In the order in which they were run. */
  readonly runs: ScriptRun[] = [];
  /** Scripts that go on when this is over. */
  readonly waiters: ScriptRun[] = [];
  /** Of these runs. */
  readonly effects: RunEffects[] = [];
  readonly #events: GroupEvents;
  /** Of its writes. */
  bytes = 0;

  constructor(events: GroupEvents) {
    this.#events = events;
  }

  /** Its keys are let go in any case. */
  get isGone(): boolean {
    return false;
  }

  get pace(): ClientPace {
    return this.runs[0]!.asked.session.pace;
  }

  add(run: ScriptRun, effects: RunEffects): void {
    this.runs.push(run);
    this.effects.push(effects);
    this.bytes += effects.writesEnd - effects.writesStart;
  }

  /** Takes over all runs of `other`, each in its place. */
  takeOver(other: ScriptGroup): void {
    const all = [this, other].flatMap((group) =>
      group.runs.map((run, at) => ({ run, effects: group.effects[at]! }))
    );
    all.sort((a, b) => a.run.asked.order - b.run.asked.order);
    this.runs.length = this.effects.length = this.bytes = 0;
    for (const { run, effects } of all) this.add(run, effects);
    this.waiters.push(...other.waiters);
  }

  /** Puts the transaction into `out`, which is empty; `writes` are those of its batch. */
  encode(out: ByteWriter, writes: ByteWriter): void {
    const { effects, runs } = this;
    const { userId, asked: { command } } = runs[0]!;
    if (userId !== 0) encodeByUser(out, userId, command);
    const at = encodeCommand(out, Op.transaction, NO_BYTES, 0, 0, 0, 0);
    let writeCount = 0;
    for (let i = 0; i < effects.length; i++) writeCount += effects[i]!.writeCount;
    const touched = this.#touched();
    writeU32(out.bytes, at + COMMAND_HEAD_BYTES, touched.length);
    writeU32(out.bytes, at + COMMAND_HEAD_BYTES + 4, writeCount);
    for (let i = 0; i < touched.length; i++) {
      const { key, version } = touched[i]!;
      out.u64(version);
      out.u16(key.length);
      out.latin1(key);
    }
    for (let i = 0; i < effects.length; i++) {
      out.slice(writes.bytes, effects[i]!.writesStart, effects[i]!.writesEnd);
    }
    endCommand(out, at);
    if (userId !== 0) endCommand(out, 0);
  }

  /** All keys that its runs have touched, each once. */
  #touched(): readonly ScriptKey[] {
    const { effects } = this;
    if (effects.length === 1) return effects[0]!.touched;
    const all = new Set<ScriptKey>();
    for (const { touched } of effects) for (const use of touched) all.add(use);
    return [...all];
  }

  beforeApply(): void {}

  applied(_position: number, { status, list, listLength }: Result): void {
    const denial = denialOf(status);
    if (denial !== 0) return this.#end(() => denial);
    if (status !== Status.list) return this.#end(() => "lost");
    let at = 0;
    this.#end(({ writeCount }) => {
      const end = Math.min(at + writeCount, listLength);
      let ending: Ending = "done";
      for (; at < end; at++) if (denialOf(list[at]!.status) !== 0) ending = "denied";
      return ending;
    });
  }

  advance(): void {}

  refuseWrites(_position: number, _count: number, error: ClientError): void {
    this.#end(() => error);
  }

  #end(endingOf: (effects: RunEffects) => Ending): void {
    this.#events.ended(this, this.effects.map(endingOf));
  }
}

/** True where `run` and those of all these groups may share one transaction. */
export function mayShareAll(
  run: ScriptRun,
  { writesStart, writesEnd }: RunEffects,
  groups: ReadonlySet<ScriptGroup>,
): boolean {
  let bytes = writesEnd - writesStart;
  for (const group of groups) {
    if (!group.runs.every((other) => mayShare(run, other))) return false;
    bytes += group.bytes;
  }
  return bytes <= SHARED_BYTES_MAX;
}

/** A transaction is judged as a whole by whose it is, and by which command. */
function mayShare(run: ScriptRun, other: ScriptRun): boolean {
  return !run.isAlone && !other.isAlone && run.userId === other.userId &&
    (run.userId === 0 || run.asked.command === other.asked.command);
}
