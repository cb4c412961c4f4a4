/**
 * What `redis.call` of a script means: the same commands as clients send, read by the same code, into an
 * operation of the store. Errors have the words of Redis 7.0 where it has them.
 */
import { COMMAND_HEAD_BYTES, commandLength } from "../../kv/commands/command.ts";
import { latin1 } from "../../util/latin1.ts";
import { ByteWriter } from "../../util/bytes.ts";
import { ClientAccess } from "../client_access.ts";
import { Action, ClientError, CommandBatch } from "../command_batch.ts";
import { dryRun } from "./resp_dry_run.ts";
import { ERROR_LINES } from "./resp_error_lines.ts";
import { type RespLimits, RespRequest } from "./resp_request.ts";
import { COMMANDS, findCommand, type RespCommand } from "./resp_table.ts";

/** Whose keys nobody can know before they run, and what walks over all of them. */
const OF_ALL_KEYS = new Set(["keys", "scan", "dbsize", "randomkey", "flushall", "flushdb"]);
/** What is answered without the store, and may be called. */
const OF_NO_KEYS = new Set(["ping", "echo"]);
const WORD_BYTES_MAX = 64;

/** An operation, encoded: `bytes[start, end)`. Valid until the next call. */
export interface CalledOperation {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** How its result is shown. */
  readonly replyMode: number;
  readonly isWrite: boolean;
}

/** More of a call's words, or of their bytes, are given back after it. */
const KEPT_WORDS = 64;
const KEPT_BYTES = 65_536;

/**
 * One for all scripts, as one runs at a time. They share a request, whose access is that of the script that
 * runs: nothing that a command of the store does lasts in it.
 */
export class ScriptCommands {
  readonly #request: RespRequest;
  #words = new ByteWriter();
  #isReadOnly = false;

  constructor(limits: RespLimits) {
    this.#request = new RespRequest(limits, { clientId: 0, remote: "" }, new ClientAccess());
    this.#request.batch = new CommandBatch();
  }

  /** What is parsed from now on is called by a script of the client that has this access. */
  begin(access: ClientAccess, isReadOnly: boolean): void {
    this.#request.access = access;
    this.#isReadOnly = isReadOnly;
  }

  /** The operation that the words come to; or the reply, where they come to none. */
  parse(words: readonly string[]): CalledOperation | string {
    const r = this.#request;
    this.#put(words);
    const command = findCommand(r);
    if (command === null) return "-ERR Unknown Redis command called from script\r\n";
    const problem = this.#problem(command);
    if (problem !== null) return `-${problem}\r\n`;
    r.command = command.number;
    r.batch.clear();
    command.run(r);
    return this.#made();
  }

  /** Whether the script's user may do what the words say, as ACL DRYRUN has it; null: it is no command. */
  mayRun(words: readonly string[]): boolean | null {
    const name = words[0]!.toLowerCase();
    const command = COMMANDS.find((one) => one.name === name);
    const subcommand = words[1]?.toLowerCase();
    const subcommands = command?.subcommands ?? [];
    const one = subcommands.find(({ name }) => name === subcommand);
    const isUnknown = subcommands.length > 0 && subcommand !== undefined && one === undefined;
    if (command === undefined || isUnknown) return null;
    const { access } = this.#request;
    const user = access.users?.byId(access.userId);
    if (!access.mayRun((one ?? command).number)) return false;
    if (user === undefined) return true;
    // No key is longer, and a command with a longer one is refused whatever the rules say.
    const { keyBytesMax } = this.#request.limits;
    const { kind } = dryRun(words.map((word) => word.slice(0, keyBytesMax)), user);
    // One that is not whole has no keys yet.
    return kind === "allowed" || kind === "incomplete";
  }

  #put(words: readonly string[]): void {
    const r = this.#request;
    const count = words.length;
    if (this.#words.bytes.length > KEPT_BYTES) this.#words = new ByteWriter();
    if (r.starts.length < count || r.starts.length > KEPT_WORDS) {
      r.starts = new Int32Array(Math.max(count, KEPT_WORDS));
      r.ends = new Int32Array(Math.max(count, KEPT_WORDS));
    }
    const out = this.#words;
    out.clear();
    for (let i = 0; i < count; i++) {
      r.starts[i] = out.length;
      out.latin1(words[i]!);
      r.ends[i] = out.length;
    }
    r.bytes = out.bytes;
    r.count = count;
  }

  #problem({ name, arity, flags, number, isJudgedLater }: RespCommand): string | null {
    const r = this.#request;
    if (arity > 0 ? r.count !== arity : r.count < -arity) {
      return "ERR Wrong number of args calling Redis command from script";
    }
    if (name.startsWith("raftkv.")) {
      return "ERR RAFTKV commands are not allowed in a script: what they show is not decided yet";
    }
    if (OF_ALL_KEYS.has(name)) {
      return `ERR ${r.shortText(0, WORD_BYTES_MAX)} is not allowed in a script here: nobody can ` +
        "tell which keys it depends on";
    }
    const isOfStore = flags.includes("readonly") || flags.includes("write");
    if (flags.includes("noscript") || !(isOfStore || OF_NO_KEYS.has(name))) {
      return "ERR This Redis command is not allowed from script";
    }
    if (this.#isReadOnly && flags.includes("write")) {
      return "ERR Write commands are not allowed from read-only scripts.";
    }
    return isJudgedLater || r.access.mayRun(number) ? null : CANT_RUN;
  }

  /** What the handler has put into the batch. */
  #made(): CalledOperation | string {
    const { batch, access } = this.#request;
    const action = batch.actions[0];
    const replyMode = batch.replies[0]!;
    const start = batch.starts[0]!;
    const { bytes } = batch.bytes;
    if (action === Action.local) {
      return latin1(bytes, start + COMMAND_HEAD_BYTES, start + commandLength(bytes, start));
    }
    if (action !== Action.write && action !== Action.read) {
      return latin1(ERROR_LINES.get(replyMode) ?? ERROR_LINES.get(ClientError.command)!);
    }
    const denial = access.denial(bytes, start);
    if (denial !== 0) {
      return `-${denial === ClientError.notPermittedKey ? CANT_TOUCH : CANT_RUN}\r\n`;
    }
    return { bytes, start, end: batch.ends[0]!, replyMode, isWrite: action === Action.write };
  }
}

const CANT_RUN = "ERR The user executing the script can't run this command or subcommand";
const CANT_TOUCH =
  "ERR The user executing the script can't access at least one of the keys mentioned in the " +
  "command arguments";
