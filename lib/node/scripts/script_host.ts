/** What scripts ask of their node. */
import type { LoadedScripts } from "../../kv/scripts/loaded_scripts.ts";
import type { ClientError } from "../../wire/command_batch.ts";
import type { ScriptEngine, ScriptEngines, ScriptRequest } from "../../wire/scripts.ts";
import type { ClientPace } from "../session/client_pace.ts";
import type { NodeSession } from "../session/session_host.ts";
import type { ScriptBatch } from "./script_batch.ts";
import type { GroupEvents, RunEffects, ScriptGroup } from "./script_group.ts";
import type { ScriptRun } from "./script_run.ts";

/** What came of running a script, before anything is in the log. */
export type Attempt =
  /** It was stopped, and this is why: nothing of it is to be done. */
  | { readonly kind: "stopped"; readonly reply: string }
  /** `isDecided`: it has seen what the log must confirm, even where it wrote nothing. */
  | {
    readonly kind: "ended";
    readonly reply: string;
    readonly effects: RunEffects;
    readonly isDecided: boolean;
  }
  /** It touched a key that is written by what is in the log, and not applied. */
  | { readonly kind: "wait"; readonly key: string };

/** The node, as its scripts see it. */
export interface ScriptHost {
  readonly engines: ScriptEngines | undefined;
  readonly commandTimeoutMs: number;
  monotonicMs(): number;
  clusterVersion(): number;
  /** Why what the cluster's version does not allow is refused: it may only be not applied yet. */
  tooEarly(): ClientError;
  /** Those that the log has, as far as it is applied here. */
  loadedScripts(): LoadedScripts;
  /** This leader has applied all that was committed before its term. */
  isAllApplied(): boolean;
  /** The term that this server leads; 0: none. */
  ledTerm(): number;
  /** Why no command is taken now; 0 where they are. */
  refusal(): ClientError | 0;
  /** Scripts are about to be run against what is applied. */
  beginBatch(events: GroupEvents): ScriptBatch;
  /** Runs a script on top of its batch. `isHeld`: the key is written by what is not applied. */
  attempt(
    engine: ScriptEngine,
    run: ScriptRun,
    batch: ScriptBatch,
    isHeld: (key: string) => boolean,
  ): Attempt;
  /** Puts the transaction `bytes[0, end)` into the log's next entry; or why not. */
  append(group: ScriptGroup, bytes: Uint8Array, end: number): ClientError | 0;
  /** Calls `confirmed` with the number that it returns, or a later one, once such a read round is. */
  expectRound(waiter: { confirmed(round: number): void }): number;
  /** A client's script came in, or was answered; so many are to be run with the next entry. */
  arrived(pace: ClientPace): void;
  answered(pace: ClientPace): void;
  noteReady(count: number): void;
  hasWorkLeft(): boolean;
  scheduleTurn(): void;
}

/** Something about scripts, as it waits for the engine. */
export interface EngineQuestion {
  readonly session: NodeSession;
  readonly position: number;
  readonly command: number;
  readonly request: ScriptRequest;
  /** A read round is confirmed that began after it had come: what is not known now is known nowhere. */
  readonly isConfirmed: boolean;
}
