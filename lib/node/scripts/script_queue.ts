/**
 * Scripts on the server that leads. They wait until an entry is about to go into the log: then they are run
 * against the applied state, one after the other, each on top of what those before it have written, and their
 * transactions go in front of that entry. So scripts don't make each other lose, and lose only to commands
 * that were in the log, and not applied, when they were run.
 */
import { NEEDED_VERSION } from "../../kv/cluster_version.ts";
import { ClientError } from "../../wire/command_batch.ts";
import type { Answer } from "../../wire/questions.ts";
import type { ScriptEngine, ScriptRequest } from "../../wire/scripts.ts";
import type { NodeSession } from "../session/session_host.ts";
import { KeyHolders } from "./key_holders.ts";
import { KnownScripts } from "./known_scripts.ts";
import { keyDenial, replyOf } from "./script_answers.ts";
import { areWritten, type ScriptBatch } from "./script_batch.ts";
import type { Ending, GroupEvents, ScriptGroup } from "./script_group.ts";
import type { EngineQuestion, ScriptHost } from "./script_host.ts";
import { ScriptRun } from "./script_run.ts";

/** A script that lost so often is given up. */
const LOSSES_MAX = 8;
/** One step of the engine, in ns: what reads are counted in. */
const STEP_NS = 50;
const READERS_MAX = 1_000;

const NOBODY_HOLDS = () => false;

export class ScriptQueue implements GroupEvents {
  readonly #host: ScriptHost;
  #engine: ScriptEngine | null = null;
  #isLoading = false;
  /** What waits for the engine. */
  #asking: EngineQuestion[] = [];
  readonly #known: KnownScripts;
  /** Scripts that are not answered. */
  readonly #runs = new Set<ScriptRun>();
  /** Those that can be run with the next entry. */
  #ready: ScriptRun[] = [];
  /** Those that wrote nothing, and wait for a read round: they are run again then. */
  #unconfirmed: { readonly run: ScriptRun; readonly round: number }[] = [];
  /** Those whose round is confirmed: they wait for no entry. */
  #confirmed: ScriptRun[] = [];
  /** Those that wrote nothing when they were run last: they are likely to need a round, and no entry. */
  readonly #readers = new Set<string>();
  readonly #holders = new KeyHolders();
  #ended: (readonly [ScriptGroup, readonly Ending[]])[] = [];
  #term = 0;
  #order = 0;
  /** What scripts have taken so far, in ns. */
  work = 0;

  constructor(host: ScriptHost) {
    this.#host = host;
    this.#known = new KnownScripts(host);
  }

  /** The answer; or null: it comes by `session.answered(position, …)`. */
  ask(
    session: NodeSession,
    position: number,
    command: number,
    request: ScriptRequest,
  ): Answer | ClientError | null {
    if (this.#host.ledTerm() === 0) return ClientError.redirect;
    if (this.#host.clusterVersion() < NEEDED_VERSION.scripts) return this.#host.tooEarly();
    const denial = request.kind === "eval" ? keyDenial(session, request) : 0;
    if (denial !== 0) return denial;
    this.#noteTerm();
    const question = { session, position, command, request, isConfirmed: false };
    if (this.#engine !== null) return this.#askEngine(this.#engine, question);
    const { engines } = this.#host;
    if (engines === undefined) return replyOf("-ERR this server runs no scripts\r\n");
    this.#asking.push(question);
    if (!this.#isLoading) {
      this.#isLoading = true;
      engines.load((engine) => this.#engineLoaded(engine));
    }
    return null;
  }

  /** Somebody has asked for the engine. */
  get isUsed(): boolean {
    return this.#engine !== null || this.#isLoading;
  }

  /** There is more to be done as soon as there is time for it. */
  get isBehind(): boolean {
    return this.#ready.length > 0 || this.#confirmed.length > 0 ||
      (this.#engine !== null && this.#asking.length > 0);
  }

  /** Once a turn: what has ended by now is answered, or is to be run again. */
  note(): void {
    this.#noteTerm();
    const ended = this.#ended;
    this.#ended = [];
    for (const [group, endings] of ended) this.#conclude(group, endings);
    const confirmed = this.#confirmed;
    this.#confirmed = [];
    this.#confirmed.push(...this.#runAll(confirmed));
    const engine = this.#engine;
    while (engine !== null && this.#asking.length > 0 && this.#host.hasWorkLeft()) {
      const question = this.#asking.shift()!;
      const answer = this.#askEngine(engine, question);
      if (answer !== null) question.session.answered(question.position, answer);
    }
  }

  /** What was gathered is about to go into the log: runs what is ready, as far as there is time. */
  runReady(): void {
    const ready = this.#ready;
    this.#ready = [];
    this.#ready.unshift(...this.#runAll(ready));
    this.#host.noteReady(this.#ready.length);
  }

  /** Runs them in the order in which they came; gives back those for which there is no time. */
  #runAll(runs: ScriptRun[]): ScriptRun[] {
    if (runs.length === 0 || !this.#host.hasWorkLeft()) return runs;
    runs.sort((a, b) => a.asked.order - b.asked.order);
    let batch = this.#host.beginBatch(this);
    let next = 0;
    while (next < runs.length && this.#host.hasWorkLeft()) {
      const run = runs[next++]!;
      const answer = this.#start(batch, run);
      if (batch.isSpoiled) {
        this.#close(batch);
        batch = this.#host.beginBatch(this);
      }
      if (answer !== null) this.#deliver(run, answer);
    }
    this.#close(batch);
    return runs.slice(next);
  }

  /** A read round is confirmed: scripts that wrote nothing may say what they find now. */
  confirmed(round: number): void {
    const waiting = this.#unconfirmed;
    this.#unconfirmed = waiting.filter((one) => one.round > round);
    for (const one of waiting) {
      if (one.round > round || !this.#runs.has(one.run)) continue;
      one.run.isConfirmed = true;
      this.#confirmed.push(one.run);
    }
    this.#asking.push(...this.#known.confirmed(round));
    this.#host.scheduleTurn();
  }

  ended(group: ScriptGroup, endings: readonly Ending[]): void {
    this.#ended.push([group, endings]);
    this.#host.scheduleTurn();
  }

  #engineLoaded(engine: ScriptEngine | null): void {
    this.#isLoading = false;
    this.#engine = engine;
    this.#host.scheduleTurn();
    if (engine !== null) return;
    const asking = this.#asking;
    this.#asking = [];
    const text = "-ERR the engine for scripts can't be loaded: see this server's log\r\n";
    for (const { session, position } of asking) session.answered(position, replyOf(text));
  }

  /** Asks the engine, and counts what it compiles. */
  #askEngine(engine: ScriptEngine, question: EngineQuestion): Answer | ClientError | null {
    const { session, position, command, request } = question;
    if (request.kind !== "eval") {
      const before = engine.compileSteps;
      const answer = this.#known.answer(engine, question, request);
      this.took(engine.compileSteps - before, 0);
      return answer;
    }
    const script = this.#known.sourceOf(engine, request);
    if (this.#known.waitsForRound(question, request, script, this)) return null;
    if (script === null) return replyOf("-NOSCRIPT No matching script. Please use EVAL.\r\n");
    const startedMs = this.#host.monotonicMs();
    const order = this.#order++;
    const run = new ScriptRun({ session, position, request, script, command, startedMs, order });
    this.#runs.add(run);
    this.#host.arrived(session.pace);
    if (!request.isReadOnly) {
      if (this.#readers.has(script)) this.#awaitRound(run);
      else this.#makeReady(run);
      return null;
    }
    const answer = this.#runReadOnly(run);
    if (answer !== null) this.#runs.delete(run);
    return answer;
  }

  #makeReady(run: ScriptRun): void {
    this.#ready.push(run);
    this.#host.noteReady(this.#ready.length);
    this.#host.scheduleTurn();
  }

  /** What only reads sees what is applied, whatever is on its way. */
  #runReadOnly(run: ScriptRun): Answer | ClientError | null {
    const batch = this.#host.beginBatch(this);
    const answer = this.#attempt(batch, run, NOBODY_HOLDS);
    this.#close(batch);
    return answer;
  }

  /** Runs the script, unless it has to wait. The answer; or null: it comes later. */
  #start(batch: ScriptBatch, run: ScriptRun): Answer | ClientError | null {
    const refusal = this.#tooLate(run) ? ClientError.noLeader : this.#host.refusal();
    if (refusal !== 0) return refusal;
    if (run.asked.request.isReadOnly) return this.#runReadOnly(run);
    const holder = this.#holders.ofAny(run.asked.request.keys);
    if (holder !== undefined) return this.#wait(run, holder);
    return this.#attempt(batch, run, this.#holders.isHeld);
  }

  #attempt(
    batch: ScriptBatch,
    run: ScriptRun,
    isHeld: (key: string) => boolean,
  ): Answer | ClientError | null {
    const attempt = this.#host.attempt(this.#engine!, run, batch, isHeld);
    if (attempt.kind === "stopped") return replyOf(attempt.reply);
    if (attempt.kind === "wait") return this.#wait(run, this.#holders.of(attempt.key)!);
    const { effects, reply, isDecided } = attempt;
    const hasSeenOthers = areWritten(effects.touched);
    if (!isDecided && !hasSeenOthers) {
      if (run.isConfirmed) return replyOf(reply);
      if (this.#readers.size >= READERS_MAX) this.#readers.clear();
      this.#readers.add(run.asked.script);
      return this.#awaitRound(run);
    }
    this.#readers.delete(run.asked.script);
    run.reply = reply;
    const blocker = batch.join(run, effects);
    if (blocker === null) return null;
    if (effects.writeCount > 0) batch.isSpoiled = true;
    return this.#wait(run, blocker);
  }

  #awaitRound(run: ScriptRun): null {
    this.#unconfirmed.push({ run, round: this.#host.expectRound(this) });
    return null;
  }

  #wait(run: ScriptRun, group: ScriptGroup): null {
    group.waiters.push(run);
    return null;
  }

  /** Puts the batch's transactions into the log. */
  #close(batch: ScriptBatch): void {
    for (const group of batch.groups) {
      const { bytes, length } = batch.encode(group);
      const error = this.#host.append(group, bytes, length);
      if (error !== 0) this.#notAppended(group, error);
      else {
        for (const run of group.runs) run.isUnderWay = true;
        this.#holders.hold(group);
      }
    }
    batch.end();
  }

  #notAppended(group: ScriptGroup, error: ClientError): void {
    const isShared = group.runs.length > 1;
    for (const run of group.runs) {
      const isTooMuch = error === ClientError.tooMuch || error === ClientError.tooMuchToJudge;
      if (isShared && isTooMuch) {
        run.wasTooMuch = true;
        this.#makeReady(run);
      } else this.#deliver(run, error);
    }
    for (const run of group.waiters) this.#makeReady(run);
  }

  #conclude(group: ScriptGroup, endings: readonly Ending[]): void {
    this.#holders.letGo(group);
    for (let at = 0; at < group.runs.length; at++) {
      const run = group.runs[at]!;
      // Of a leadership that is over, it was answered already.
      if (!this.#runs.has(run)) continue;
      run.isUnderWay = false;
      const answer = this.#outcome(run, endings[at]!);
      if (answer === null) this.#makeReady(run);
      else this.#deliver(run, answer);
    }
    for (const run of group.waiters) if (this.#runs.has(run)) this.#makeReady(run);
  }

  /** The answer; null where it is to be run again. */
  #outcome(run: ScriptRun, ending: Ending): Answer | ClientError | null {
    if (ending === "done") return replyOf(run.reply);
    if (ending === "denied") {
      const why = "a permission was revoked while the script ran, and what needs it was not done";
      return replyOf(`-NOPERM ${why}\r\n`);
    }
    if (ending !== "lost") return ending;
    if (++run.losses < LOSSES_MAX) return null;
    const why = `others changed its keys ${LOSSES_MAX} times while it ran, nothing was done`;
    return replyOf(`-TRYAGAIN the script was given up: ${why}\r\n`);
  }

  /** Who asked for it was told already that the outcome is unknown, or is gone: not begun, it never is. */
  #tooLate({ asked: { session, startedMs } }: ScriptRun): boolean {
    return session.isGone || this.#host.monotonicMs() - startedMs >= this.#host.commandTimeoutMs;
  }

  #deliver(run: ScriptRun, answer: Answer | ClientError): void {
    this.#runs.delete(run);
    const { session, position } = run.asked;
    if (!session.isGone) this.#host.answered(session.pace);
    session.answered(position, answer);
  }

  /** Nothing of a leadership that is over continues: its entries don't find their clients again. */
  #noteTerm(): void {
    const term = this.#host.ledTerm();
    if (term === this.#term) return;
    this.#term = term;
    const [ended, runs] = [this.#ended, [...this.#runs]];
    const asking = [...this.#asking, ...this.#known.givenUp()];
    this.#ended = [];
    this.#ready = [];
    this.#unconfirmed = [];
    this.#confirmed = [];
    this.#asking = [];
    this.#holders.clear();
    this.#runs.clear();
    const endingOf = new Map<ScriptRun, Ending>();
    for (const [group, endings] of ended) {
      for (const [at, run] of group.runs.entries()) endingOf.set(run, endings[at]!);
    }
    for (const run of runs) {
      const { session, position } = run.asked;
      session.answered(position, this.#lastAnswer(run, endingOf.get(run)));
    }
    for (const { session, position } of asking) session.answered(position, ClientError.redirect);
    this.#host.noteReady(0);
  }

  #lastAnswer(run: ScriptRun, ending: Ending | undefined): Answer | ClientError {
    if (ending === undefined && run.isUnderWay) return ClientError.timeout;
    return (ending && this.#outcome(run, ending)) ?? ClientError.redirect;
  }

  /** A run took so many steps, and `ns` in the store. */
  took(steps: number, ns: number): void {
    this.work += steps * STEP_NS + ns;
  }
}
