/** `ScriptQueue` over the parts of a node. */
import { LoadedScripts } from "../kv/scripts/loaded_scripts.ts";
import { Store } from "../kv/store.ts";
import { patternSteps } from "../kv/users/match_pattern.ts";
import { latin1 } from "../util/latin1.ts";
import { assert } from "../util/assert.ts";
import { ByteWriter } from "../util/bytes.ts";
import { clientCommandBytesMax } from "../wire/client_codec.ts";
import type { LogTime } from "../wire/codec.ts";
import { ClientError } from "../wire/command_batch.ts";
import { ScriptCommands } from "../wire/resp/resp_script_calls.ts";
import { writeRespResult } from "../wire/resp/resp_replies.ts";
import type { ScriptCalls, ScriptEngine } from "../wire/scripts.ts";
import type { LogEvent } from "./api.ts";
import { isAllApplied, tooEarly } from "./replica.ts";
import { LogPace } from "./reports/log_pace.ts";
import { BatchBuffers, KEPT_BYTES, ScriptBatch } from "./scripts/script_batch.ts";
import type { GroupEvents } from "./scripts/script_group.ts";
import type { Attempt } from "./scripts/script_host.ts";
import { ScriptQueue } from "./scripts/script_queue.ts";
import type { ScriptRun } from "./scripts/script_run.ts";
import { ScriptStop, ScriptStore } from "./scripts/script_store.ts";
import { AWAIT_LEADER, type SessionHost } from "./session/session_host.ts";
import { type NodeState, scheduleTurn } from "./state.ts";

const LEVELS: readonly LogEvent["level"][] = ["debug", "debug", "info", "warning"];
const NO_SCRIPTS = new LoadedScripts();
const LOGGED_LETTERS_MAX = 512;
/** What a script that is to be run counts as, where it is asked how long writes wait for others. */
const SCRIPT_BYTES = 128;

export function scriptQueueOf(
  state: NodeState,
  host: SessionHost & { hasWorkLeft(): boolean },
): ScriptQueue {
  const { options: { config: { timing }, scripts } } = state;
  let attempts: Attempts | null = null;
  const queue: ScriptQueue = new ScriptQueue({
    engines: scripts,
    commandTimeoutMs: timing.commandTimeoutMs,
    monotonicMs: () => state.clock.monotonicMs(),
    clusterVersion: () => state.replica?.store.clusterVersion ?? 0,
    tooEarly: () => tooEarly(state.replica),
    loadedScripts: () => state.replica?.store.loadedScripts ?? NO_SCRIPTS,
    isAllApplied: () => state.replica !== null && isAllApplied(state.replica),
    ledTerm: () =>
      state.replica?.raft.state.role.kind === "leader" ? state.replica.raft.state.term : 0,
    refusal() {
      const refusal = host.refusal();
      return refusal === AWAIT_LEADER ? ClientError.noLeader : refusal;
    },
    beginBatch(events) {
      attempts ??= new Attempts(state);
      return attempts.beginBatch(events);
    },
    attempt(engine, run, batch, isHeld) {
      return attempts!.attempt(engine, run, batch, isHeld, (steps, ns) => queue.took(steps, ns));
    },
    append(group, bytes, end) {
      const error = host.writeRefusal(bytes, 0);
      if (error === 0) host.append(group, 0, bytes, 0, end, 1);
      return error;
    },
    expectRound(waiter) {
      const round = host.readRound();
      state.readWaiters.expect(round, waiter);
      scheduleTurn(state);
      return round;
    },
    arrived: (pace) => state.appender.arrived(pace),
    answered: (pace) => state.appender.answeredClient(pace),
    noteReady: (count) => state.appender.comingBytes = count * SCRIPT_BYTES,
    hasWorkLeft: () => host.hasWorkLeft(),
    scheduleTurn: () => scheduleTurn(state),
  });
  state.appender.decideComing = () => queue.runReady();
  return queue;
}

/** Runs scripts against what is applied, and does what the one calls that runs. Made with the first one. */
class Attempts implements ScriptCalls {
  readonly #state: NodeState;
  readonly #commands: ScriptCommands;
  readonly #commandBytesMax: number;
  readonly #pace = new LogPace();
  #scratch: Store;
  readonly #buffers = new BatchBuffers();
  readonly #store = new ScriptStore();
  /** A reply on its way to the script. */
  #reply = new ByteWriter();
  /** What it is for the run that is under way. */
  #time: LogTime = { nowMs: () => 0, aheadOfWallMs: () => 0 };
  /** The last batch on that store: it is over. */
  #last: ScriptBatch | null = null;

  constructor(state: NodeState) {
    this.#state = state;
    this.#scratch = this.#newScratch();
    const { limits } = state.options.config;
    const { valueBytesMax, redisKeyBytesMax: keyBytesMax } = limits;
    this.#commandBytesMax = clientCommandBytesMax(limits);
    this.#commands = new ScriptCommands({
      valueBytesMax,
      keyBytesMax,
      commandBytesMax: this.#commandBytesMax,
    });
  }

  /** Nobody may know its seed: of keys that were chosen to collide a table has room for few. */
  #newScratch(): Store {
    return new Store({ hashSeed: this.#state.options.rng.u32() });
  }

  beginBatch(events: GroupEvents): ScriptBatch {
    const { replica, clocks: { leader } } = this.#state;
    assert(replica !== null, "A script before the cluster is formed");
    const [nowMs, aheadMs] = [leader.nowMs(), leader.aheadOfWallMs()];
    const time: LogTime = { nowMs: () => nowMs, aheadOfWallMs: () => aheadMs };
    // Within another one: of a script that reads alone.
    if (this.#last?.isOver === false) {
      return new ScriptBatch(replica.store, this.#newScratch(), new BatchBuffers(), time, events);
    }
    // The store's clock never goes back, and another leader's may have been behind this one's.
    const isOld = this.#last?.isSpoiled === true || this.#scratch.clockMs > nowMs;
    if (isOld) this.#scratch = this.#newScratch();
    this.#last = new ScriptBatch(replica.store, this.#scratch, this.#buffers, time, events);
    return this.#last;
  }

  attempt(
    engine: ScriptEngine,
    run: ScriptRun,
    batch: ScriptBatch,
    isHeld: (key: string) => boolean,
    took: (steps: number, ns: number) => void,
  ): Attempt {
    const store = this.#store;
    store.begin(batch, isHeld);
    this.#time = batch.time;
    const before = engine.compileSteps;
    let steps = 0;
    try {
      const { script, session: { access }, request } = run.asked;
      const { keys, args, isResp3 } = request;
      this.#commands.begin(access, request.isReadOnly || engine.writesNothing(script));
      const outcome = engine.run({ script, keys, args, isResp3 }, this);
      steps = outcome.steps;
      const { reply, isKept } = outcome;
      // It may have been stopped anywhere within a command, if its calls were too deep.
      if (!isKept) return this.#stopped(batch, reply);
      if (store.writtenBytes > this.#commandBytesMax) return this.#stopped(batch, TOO_LARGE);
      const isDecided = store.hasWritten || store.hasSeenDue;
      return { kind: "ended", reply, effects: store.effects(), isDecided };
    } catch (error) {
      if (!(error instanceof ScriptStop)) throw error;
      store.drop();
      if (store.hasWritten) batch.isSpoiled = true;
      if (error.reply !== null) return { kind: "stopped", reply: error.reply };
      return { kind: "wait", key: error.key };
    } finally {
      took(steps + engine.compileSteps - before, store.work);
    }
  }

  #stopped(batch: ScriptBatch, reply: string): Attempt {
    batch.isSpoiled = true;
    this.#store.drop();
    return { kind: "stopped", reply };
  }

  call(words: readonly string[]): string {
    const before = patternSteps();
    const operation = this.#commands.parse(words);
    this.#store.judged(patternSteps() - before);
    if (typeof operation === "string") return operation;
    const result = this.#store.run(operation);
    if (this.#reply.bytes.length > KEPT_BYTES) this.#reply = new ByteWriter();
    const out = this.#reply;
    out.clear();
    writeRespResult(out, operation.replyMode, result, this.#time);
    return latin1(out.bytes, 0, out.length);
  }

  mayRun(words: readonly string[]): boolean | null {
    const before = patternSteps();
    const mayRun = this.#commands.mayRun(words);
    this.#store.judged(patternSteps() - before);
    return mayRun;
  }

  time(): [number, number] {
    const wallMs = this.#time.nowMs() - this.#time.aheadOfWallMs();
    return [Math.floor(wallMs / 1000), Math.floor(wallMs % 1000 * 1000)];
  }

  log(level: number, text: string): void {
    const said = text.slice(0, LOGGED_LETTERS_MAX).replace(/[^\x20-\x7e]/g, " ");
    const message = "A script has logged";
    const omitted = this.#pace.ask(message, this.#state.clock.monotonicMs());
    if (omitted === null) return;
    const fields = { text: said, ...(omitted > 0 && { omitted }) };
    this.#state.options.host.log({ level: LEVELS[Math.trunc(level)]!, message, fields });
  }
}

const TOO_LARGE =
  "-ERR the script writes more than one command may (limits.valueBytesMax bounds it), nothing " +
  "was done\r\n";
