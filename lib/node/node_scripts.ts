/** `ScriptQueue` over the parts of a node. */
import { Store } from "../kv/store.ts";
import { latin1 } from "../kv/users/user.ts";
import { assert } from "../util/assert.ts";
import { ByteWriter } from "../util/bytes.ts";
import { clientCommandBytesMax } from "../wire/client_codec.ts";
import type { LogTime } from "../wire/codec.ts";
import { ClientError } from "../wire/command_batch.ts";
import { ScriptCommands } from "../wire/resp/resp_script_calls.ts";
import { writeRespResult } from "../wire/resp/resp_replies.ts";
import type { ScriptCalls, ScriptEngine } from "../wire/scripts.ts";
import type { LogEvent } from "./api.ts";
import { LogPace } from "./reports/log_pace.ts";
import { type Attempt, ScriptQueue } from "./scripts/script_queue.ts";
import type { ScriptRun } from "./scripts/script_run.ts";
import { ScriptStop, ScriptStore } from "./scripts/script_store.ts";
import { AWAIT_LEADER, type SessionHost } from "./session/session_host.ts";
import { type NodeState, scheduleTurn } from "./state.ts";

const LEVELS: readonly LogEvent["level"][] = ["debug", "debug", "info", "warning"];
const LOGGED_LETTERS_MAX = 512;

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
    ledTerm: () =>
      state.replica?.raft.state.role.kind === "leader" ? state.replica.raft.state.term : 0,
    refusal() {
      const refusal = host.refusal();
      return refusal === AWAIT_LEADER ? ClientError.noLeader : refusal;
    },
    attempt(engine, run, isHeld) {
      attempts ??= new Attempts(state);
      return attempts.attempt(engine, run, isHeld, (steps, ns) => queue.took(steps, ns));
    },
    append(run, bytes) {
      const error = host.writeRefusal(bytes, 0);
      if (error === 0) host.append(run, run.position, bytes, 0, bytes.length, 1);
      return error;
    },
    hasWorkLeft: () => host.hasWorkLeft(),
    scheduleTurn: () => scheduleTurn(state),
  });
  return queue;
}

/** Runs scripts against what is applied. Made with the first one. */
class Attempts {
  readonly #state: NodeState;
  readonly #commands: ScriptCommands;
  readonly #commandBytesMax: number;
  readonly #pace = new LogPace();
  #scratch: Store;

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

  attempt(
    engine: ScriptEngine,
    run: ScriptRun,
    isHeld: (key: string) => boolean,
    took: (steps: number, ns: number) => void,
  ): Attempt {
    const { replica, clocks: { leader } } = this.#state;
    assert(replica !== null, "A script before the cluster is formed");
    const [nowMs, aheadMs] = [leader.nowMs(), leader.aheadOfWallMs()];
    const time: LogTime = { nowMs: () => nowMs, aheadOfWallMs: () => aheadMs };
    // The store's clock never goes back, and another leader's may have been behind this one's.
    if (this.#scratch.clockMs > nowMs) this.#scratch = this.#newScratch();
    const store = new ScriptStore(replica.store, this.#scratch, time, isHeld);
    const scratch = this.#scratch;
    let steps = 0;
    try {
      const { script, request: { keys, args, isResp3 } } = run;
      const calls = this.#calls(run, store, time, engine.writesNothing(script));
      const outcome = engine.run({ script, keys, args, isResp3 }, calls);
      steps = outcome.steps;
      const { reply, isKept } = outcome;
      // It may have been stopped anywhere within a command, if its calls were too deep.
      if (!isKept) this.#scratch = this.#newScratch();
      if (!isKept || (!store.hasWritten && !store.hasSeenDue)) return { kind: "reply", reply };
      const bytes = this.#encode(run, store);
      if (bytes === null) return { kind: "reply", reply: TOO_LARGE };
      return { kind: "write", reply, bytes, keys: store.touched.keys() };
    } catch (error) {
      if (!(error instanceof ScriptStop)) throw error;
      if (error.reply !== null) return { kind: "reply", reply: error.reply };
      return { kind: "wait", key: error.key };
    } finally {
      if (scratch === this.#scratch) store.end();
      took(steps, store.work);
    }
  }

  #calls(run: ScriptRun, store: ScriptStore, time: LogTime, writesNothing: boolean): ScriptCalls {
    const { access } = run.session;
    const isReadOnly = run.request.isReadOnly || writesNothing;
    const caller = this.#commands.caller(access, isReadOnly);
    const out = new ByteWriter(64);
    const wallMs = time.nowMs() - time.aheadOfWallMs();
    return {
      call(words) {
        const operation = caller.parse(words);
        if (typeof operation === "string") return operation;
        out.clear();
        writeRespResult(out, operation.replyMode, store.run(operation), time);
        return latin1(out.view());
      },
      time: () => [Math.floor(wallMs / 1000), Math.floor(wallMs % 1000 * 1000)],
      log: (level, text) => this.#note(level, text),
    };
  }

  /** The transaction; null where it is larger than a command may be. */
  #encode(run: ScriptRun, store: ScriptStore): Uint8Array | null {
    const out = new ByteWriter();
    store.encode(out, run.session.access.userId, run.command);
    return out.length > this.#commandBytesMax ? null : out.copy();
  }

  #note(level: number, text: string): void {
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
