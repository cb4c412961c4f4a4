/**
 * Bounds the work that commands in the log will make when they are applied beyond what their own bytes make:
 * all servers stand still meanwhile. That is bytes of values that they copy (kv/commands/rewriting.ts), and
 * steps of comparing their keys with the patterns of their user's (kv/users/judging.ts); both take about as
 * long, and are counted together. Beyond the bound commands are refused before they are appended, so nothing
 * of them is done.
 */
import { innerOf, Op } from "../../kv/commands/command.ts";
import { Rewriting, type ValueLengths } from "../../kv/commands/rewriting.ts";
import { judgingSteps } from "../../kv/users/judging.ts";
import type { Users } from "../../kv/users/users.ts";
import { ClientError } from "../../wire/command_batch.ts";

/** Some 10 to 30 ms of copying, and up to twice that of comparing. */
const REWRITTEN_BYTES_MAX = 67_108_864;

export class RewriteLimit {
  readonly #rewriting = new Rewriting();
  /** Of commands that were accepted and are not applied yet. */
  #bytes = 0;
  /** Of these, of commands whose entry is not closed yet. */
  #openBytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get openBytes(): number {
    return this.#openBytes;
  }

  /**
   * Why the command at `bytes[at]` is not accepted now; 0 where it is, and then it counts until its entry
   * is applied. A single command is always accepted where nothing else is under way.
   */
  refusal(
    store: ValueLengths & { readonly users: Users },
    bytes: Uint8Array,
    at: number,
  ): ClientError | 0 {
    // Before there are users nobody is judged.
    const { users } = store;
    const steps = users.count === 0 ? 0 : judgingSteps(users, bytes, at, REWRITTEN_BYTES_MAX);
    if (steps > REWRITTEN_BYTES_MAX) return ClientError.tooMuchToJudge;
    const rewrittenBytes = steps + this.#rewriting.bytesOf(store, bytes, at);
    if (rewrittenBytes === 0) return 0;
    if (bytes[innerOf(bytes, at) + 4] === Op.transaction && rewrittenBytes > REWRITTEN_BYTES_MAX) {
      return ClientError.tooMuch;
    }
    if (this.#bytes > 0 && this.#bytes + rewrittenBytes > REWRITTEN_BYTES_MAX) {
      return ClientError.busy;
    }
    this.#bytes += rewrittenBytes;
    this.#openBytes += rewrittenBytes;
    return 0;
  }

  /** An entry is closed: what was taken since the last one goes with it, and is returned. */
  closeEntry(): number {
    const bytes = this.#openBytes;
    this.#openBytes = 0;
    return bytes;
  }

  /** An entry was applied, did not come into the log, or lives on under another leader. */
  release(bytes: number): void {
    this.#bytes -= bytes;
    if (bytes > 0 && this.#bytes === 0) this.#rewriting.clear();
  }
}

/** Whether a read alone would take more than all writes under way may. */
export function isTooMuchToJudge(users: Users, bytes: Uint8Array, at: number): boolean {
  return judgingSteps(users, bytes, at, REWRITTEN_BYTES_MAX) > REWRITTEN_BYTES_MAX;
}
