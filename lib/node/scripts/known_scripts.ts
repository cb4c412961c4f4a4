/**
 * Which scripts a leader knows by their hash: those that the log has, and those that its own engine has run.
 * A leader may not have applied yet what was committed before its term, or may be none any more: it denies a
 * script only once a read round is confirmed that began after it was asked.
 */
import { NEEDED_VERSION } from "../../kv/cluster_version.ts";
import type { LoadedScripts } from "../../kv/scripts/loaded_scripts.ts";
import type { WriteAnswer } from "../../wire/acl.ts";
import type { EvalRequest, ScriptAnswer, ScriptEngine } from "../../wire/scripts.ts";
import { engineReply, type KeptRequest, loadedAnswer, replyOf } from "./script_answers.ts";
import type { EngineQuestion, ScriptHost } from "./script_host.ts";

interface Lookup {
  readonly question: EngineQuestion;
  readonly round: number;
}

export class KnownScripts {
  readonly #host: ScriptHost;
  /** The entry that has flushed the scripts that the engine knows. */
  #flushedIndex = 0;
  #lookups: Lookup[] = [];

  constructor(host: ScriptHost) {
    this.#host = host;
  }

  /** What SCRIPT LOAD, EXISTS and FLUSH come to. */
  answer(
    engine: ScriptEngine,
    { session: { access: { userId } }, command }: EngineQuestion,
    request: KeptRequest,
  ): ScriptAnswer | WriteAnswer {
    const scripts = this.#inLog(engine);
    const areLogged = this.#host.clusterVersion() >= NEEDED_VERSION.loadedScripts;
    if (areLogged) return loadedAnswer(engine, scripts, request, { userId, command });
    return replyOf(engineReply(engine, request));
  }

  /** The source of what is to be run; null: it is not known. */
  sourceOf(engine: ScriptEngine, { isByHash, script }: EvalRequest): string | null {
    const scripts = this.#inLog(engine);
    return isByHash ? engine.find(script) ?? scripts.find(script.toLowerCase()) : script;
  }

  /** The next read round may find another source than this one; then the question waits for it. */
  waitsForRound(
    question: EngineQuestion,
    request: EvalRequest,
    source: string | null,
    waiter: { confirmed(round: number): void },
  ): boolean {
    // One that only reads has waited for its round.
    if (!request.isByHash || request.isReadOnly || question.isConfirmed) return false;
    if (source !== null && this.#host.isAllApplied()) return false;
    const round = this.#host.expectRound(waiter);
    this.#lookups.push({ question: { ...question, isConfirmed: true }, round });
    return true;
  }

  /** What that round was waited for. */
  confirmed(round: number): EngineQuestion[] {
    return this.#take((one) => one.round <= round);
  }

  /** What waits for any: the leadership is over. */
  givenUp(): EngineQuestion[] {
    return this.#take(() => true);
  }

  #take(isWanted: (one: Lookup) => boolean): EngineQuestion[] {
    if (this.#lookups.length === 0) return [];
    const taken = this.#lookups.filter(isWanted);
    this.#lookups = this.#lookups.filter((one) => !isWanted(one));
    return taken.map(({ question }) => question);
  }

  /** What a flush in the log forgets, the engine forgets as well. */
  #inLog(engine: ScriptEngine): LoadedScripts {
    const scripts = this.#host.loadedScripts();
    if (scripts.flushedIndex !== this.#flushedIndex) engine.flush();
    this.#flushedIndex = scripts.flushedIndex;
    return scripts;
  }
}
