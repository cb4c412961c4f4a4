/**
 * Scripts on the server that leads: each is run against the applied state and decided where its transaction
 * is applied. Those that touch the same keys are run one after the other, in the order in which they came, so
 * that they do not make each other lose; one loses to other commands alone.
 */
import { NEEDED_VERSION } from "../../kv/cluster_version.ts";
import { latin1Bytes } from "../../kv/users/user.ts";
import { Access } from "../../kv/users/command_numbers.ts";
import { ClientError } from "../../wire/command_batch.ts";
import type { Answer } from "../../wire/questions.ts";
import type {
  ScriptAnswer,
  ScriptEngine,
  ScriptEngines,
  ScriptRequest,
} from "../../wire/scripts.ts";
import type { NodeSession } from "../session/session_host.ts";
import { type Ending, type RunEvents, ScriptRun } from "./script_run.ts";

/** A script that lost so often is given up. */
const LOSSES_MAX = 8;
/** One step of the engine, in ns: what reads are counted in. */
const STEP_NS = 50;

/** What came of running a script, before anything is in the log. */
export type Attempt =
  | { readonly kind: "reply"; readonly reply: string }
  /** The transaction to append, and all keys that it depends on. */
  | {
    readonly kind: "write";
    readonly reply: string;
    readonly bytes: Uint8Array;
    readonly keys: Iterable<string>;
  }
  /** It touched a key that another run holds. */
  | { readonly kind: "wait"; readonly key: string };

/** The node, as its scripts see it. */
export interface ScriptHost {
  readonly engines: ScriptEngines | undefined;
  readonly commandTimeoutMs: number;
  monotonicMs(): number;
  clusterVersion(): number;
  /** The term that this server leads; 0: none. */
  ledTerm(): number;
  /** Why no command is taken now; 0 where they are. */
  refusal(): ClientError | 0;
  /** Runs a script against the applied state. `isHeld`: another run has the key. */
  attempt(engine: ScriptEngine, run: ScriptRun, isHeld: (key: string) => boolean): Attempt;
  /** Puts the transaction into the log's next entry; or why not. */
  append(run: ScriptRun, bytes: Uint8Array): ClientError | 0;
  hasWorkLeft(): boolean;
  scheduleTurn(): void;
}

type Loading = (engine: ScriptEngine | null) => void;

export class ScriptQueue implements RunEvents {
  readonly #host: ScriptHost;
  #engine: ScriptEngine | null = null;
  /** What waits for the engine; null while nobody has asked for it. */
  #loading: Loading[] | null = null;
  readonly #holders = new Map<string, ScriptRun>();
  /** By key: who waits for it, first come first served. */
  readonly #waiting = new Map<string, ScriptRun[]>();
  #ended: (readonly [ScriptRun, Ending])[] = [];
  /** Keys that somebody may have waited for. */
  #freed: string[] = [];
  /** What has waited for the engine, and can be done. */
  readonly #loaded: Loading[] = [];
  readonly #underWay = new Set<ScriptRun>();
  #term = 0;
  /** What scripts have taken so far, in ns. */
  work = 0;

  constructor(host: ScriptHost) {
    this.#host = host;
  }

  /** The answer; or null: it comes by `session.answered(position, …)`. */
  ask(
    session: NodeSession,
    position: number,
    command: number,
    request: ScriptRequest,
  ): Answer | ClientError | null {
    if (this.#host.ledTerm() === 0) return ClientError.redirect;
    if (this.#host.clusterVersion() < NEEDED_VERSION.scripts) return ClientError.clusterVersion;
    const denial = request.kind === "eval" ? keyDenial(session, request) : 0;
    if (denial !== 0) return denial;
    this.#noteTerm();
    if (this.#engine !== null) {
      return this.#askEngine(this.#engine, session, position, command, request);
    }
    const { engines } = this.#host;
    if (engines === undefined) return replyOf("-ERR this server runs no scripts\r\n");
    const isFirst = this.#loading === null;
    this.#loading ??= [];
    this.#loading.push((engine) => {
      const answer = engine === null
        ? replyOf("-ERR the engine for scripts can't be loaded: see this server's log\r\n")
        : this.#askEngine(engine, session, position, command, request);
      if (answer !== null) session.answered(position, answer);
    });
    if (isFirst) engines.load((engine) => this.#engineLoaded(engine));
    return null;
  }

  /** Once a turn: what has ended by now is answered, or run again; and what waited for it is run. */
  note(): void {
    while (this.isBehind && this.#host.hasWorkLeft()) this.#proceed();
    this.#noteTerm();
  }

  /** Somebody has asked for the engine. */
  get isUsed(): boolean {
    return this.#engine !== null || this.#loading !== null || this.#loaded.length > 0;
  }

  /** There is more to be done as soon as there is time for it. */
  get isBehind(): boolean {
    return this.#ended.length > 0 || this.#freed.length > 0 || this.#loaded.length > 0;
  }

  #proceed(): void {
    const ended = this.#ended.shift();
    if (ended !== undefined) return this.#conclude(...ended);
    const key = this.#freed[0];
    if (key === undefined) return this.#loaded.shift()?.(this.#engine);
    const waiting = this.#waiting.get(key) ?? [];
    const run = this.#holders.has(key) ? undefined : waiting.shift();
    if (run !== undefined) this.#deliver(run, this.#start(run));
    else this.#freed.shift();
    if (waiting.length === 0) this.#waiting.delete(key);
  }

  ended(run: ScriptRun, ending: Ending): void {
    // Of a leadership that is over, it was answered already.
    if (!this.#underWay.delete(run)) return;
    run.isUnderWay = false;
    this.#ended.push([run, ending]);
    this.#host.scheduleTurn();
  }

  #engineLoaded(engine: ScriptEngine | null): void {
    this.#engine = engine;
    this.#loaded.push(...this.#loading ?? []);
    this.#loading = null;
    this.#host.scheduleTurn();
  }

  /** Asks the engine, and counts what it compiles. */
  #askEngine(
    engine: ScriptEngine,
    session: NodeSession,
    position: number,
    command: number,
    request: ScriptRequest,
  ): Answer | ClientError | null {
    const before = engine.compileSteps;
    const answer = this.#answerOf(engine, session, position, command, request);
    this.took(engine.compileSteps - before, 0);
    return answer;
  }

  #answerOf(
    engine: ScriptEngine,
    session: NodeSession,
    position: number,
    command: number,
    request: ScriptRequest,
  ): Answer | ClientError | null {
    switch (request.kind) {
      case "loadScript": {
        const loaded = engine.load(request.script);
        if ("problem" in loaded) return replyOf(`${loaded.problem}\r\n`);
        return replyOf(`$${loaded.hash.length}\r\n${loaded.hash}\r\n`);
      }
      case "scriptsExist": {
        const known = request.hashes.map((hash) => engine.find(hash) === null ? ":0" : ":1");
        return replyOf([`*${known.length}`, ...known, ""].join("\r\n"));
      }
      case "flushScripts":
        engine.flush();
        return replyOf("+OK\r\n");
    }
    const script = request.isByHash ? engine.find(request.script) : request.script;
    if (script === null) return replyOf("-NOSCRIPT No matching script. Please use EVAL.\r\n");
    const startedMs = this.#host.monotonicMs();
    return this.#start(
      new ScriptRun({ session, position, request, script, command, startedMs }, this),
    );
  }

  /** Runs the script, unless it has to wait for a key. The answer; or null: it comes later. */
  #start(run: ScriptRun): Answer | ClientError | null {
    const refusal = this.#tooLate(run) ? ClientError.noLeader : this.#host.refusal();
    if (refusal !== 0) return refusal;
    if (!run.request.isReadOnly) {
      for (const key of run.request.keys) if (this.#isHeld(run, key)) return this.#wait(run, key);
    }
    const attempt = this.#host.attempt(
      this.#engine!,
      run,
      (key) => !run.request.isReadOnly && this.#isHeld(run, key),
    );
    if (attempt.kind === "wait") return this.#wait(run, attempt.key);
    if (attempt.kind === "reply") return replyOf(attempt.reply);
    const error = this.#host.append(run, attempt.bytes);
    if (error !== 0) return error;
    run.reply = attempt.reply;
    run.isUnderWay = true;
    this.#underWay.add(run);
    for (const key of run.request.keys) this.#hold(run, key);
    for (const key of attempt.keys) this.#hold(run, key);
    return null;
  }

  #conclude(run: ScriptRun, ending: Ending): void {
    this.#deliver(run, this.#outcome(run, ending));
  }

  #outcome(run: ScriptRun, ending: Ending): Answer | ClientError | null {
    if (ending === "done") return replyOf(run.reply);
    if (ending === "denied") {
      const why = "a permission was revoked while the script ran, and what needs it was not done";
      return replyOf(`-NOPERM ${why}\r\n`);
    }
    if (ending !== "lost") return ending;
    if (++run.losses < LOSSES_MAX) return this.#start(run);
    const why = `others changed its keys ${LOSSES_MAX} times while it ran, nothing was done`;
    return replyOf(`-TRYAGAIN the script was given up: ${why}\r\n`);
  }

  /** Who asked for it was told already that the outcome is unknown, or is gone: not begun, it never is. */
  #tooLate({ session, startedMs }: ScriptRun): boolean {
    return session.isGone || this.#host.monotonicMs() - startedMs >= this.#host.commandTimeoutMs;
  }

  /** Null: there is no answer yet. */
  #deliver(run: ScriptRun, answer: Answer | ClientError | null): void {
    if (answer === null) return;
    this.#release(run);
    run.session.answered(run.position, answer);
  }

  #isHeld(run: ScriptRun, key: string): boolean {
    const holder = this.#holders.get(key);
    return holder !== undefined && holder !== run;
  }

  #hold(run: ScriptRun, key: string): void {
    // A script that only reads may have seen keys that others hold.
    if (this.#holders.has(key)) return;
    this.#holders.set(key, run);
    run.held.add(key);
  }

  /** It lets go of its own keys meanwhile: two never wait for each other. */
  #wait(run: ScriptRun, key: string): null {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, [run]);
    else waiting.push(run);
    this.#release(run);
    return null;
  }

  /** Its keys go to whoever waits for them. */
  #release(run: ScriptRun): void {
    for (const key of run.held) {
      this.#holders.delete(key);
      if (!this.#waiting.has(key)) continue;
      this.#freed.push(key);
      this.#host.scheduleTurn();
    }
    run.held.clear();
  }

  /** Nothing of a leadership that is over continues: its entries don't find their clients again. */
  #noteTerm(): void {
    const term = this.#host.ledTerm();
    if (term === this.#term) return;
    this.#term = term;
    const waiting = [...this.#waiting.values()].flat();
    const underWay = [...this.#underWay];
    this.#waiting.clear();
    this.#holders.clear();
    this.#underWay.clear();
    this.#freed = [];
    for (const run of underWay) {
      run.held.clear();
      run.session.answered(run.position, ClientError.timeout);
    }
    for (const run of waiting) run.session.answered(run.position, ClientError.redirect);
  }

  /** A run took so many steps, and `ns` in the store. */
  took(steps: number, ns: number): void {
    this.work += steps * STEP_NS + ns;
  }
}

function keyDenial(
  { access }: NodeSession,
  request: ScriptRequest & { readonly kind: "eval" },
): ClientError | 0 {
  const needed = request.isReadOnly ? Access.read : Access.both;
  const areOpen = request.keys.every((key) => access.mayTouch(needed, latin1Bytes(key)));
  return areOpen ? 0 : ClientError.notPermittedKey;
}

function replyOf(reply: string): ScriptAnswer {
  return { kind: "script", reply: latin1Bytes(reply) };
}
