/**
 * Paths that show in no state, frame or log line: seen where the code takes them. The methods are
 * wrapped once; while no world runs, nothing is noted.
 */
import { WritePace } from "../../lib/node/log/write_pace.ts";
import { KnownScripts } from "../../lib/node/scripts/known_scripts.ts";
import { Subscriptions } from "../../lib/node/pubsub/subscriptions.ts";
import { ScriptGroup } from "../../lib/node/scripts/script_group.ts";
import { ReplyComposer } from "../../lib/node/session/reply_composer.ts";
import { Raft } from "../../lib/raft/raft.ts";
import { type Result, Status } from "../../lib/kv/commands/result.ts";
import type { EntriesRequest, Entry } from "../../lib/raft/types.ts";
import type { EvalRequest, ScriptEngine } from "../../lib/wire/scripts.ts";
import type { Mark } from "./mark_names.ts";

let hit: ((mark: Mark) => void) | null = null;

/** Runs `body`; each such path is told to `onPath`. */
export function watchingPaths<T>(onPath: (mark: Mark) => void, body: () => T): T {
  const before = hit;
  hit = onPath;
  try {
    return body();
  } finally {
    hit = before;
  }
}

const { composeRead, recompose } = ReplyComposer.prototype;

ReplyComposer.prototype.composeRead = function (strict: boolean): boolean {
  if (!strict) hit?.("a read is evaluated before its round is confirmed");
  return composeRead.call(this, strict);
};

ReplyComposer.prototype.recompose = function (): void {
  hit?.("evaluated reads are revoked");
  recompose.call(this);
};

const { entriesRead } = Raft.prototype;

Raft.prototype.entriesRead = function (
  request: EntriesRequest,
  entries: readonly Entry[] | null,
): void {
  const isAwaited = this.leader?.progress.get(request.follower)?.reading === request;
  if (!isAwaited) hit?.("what was read for a follower comes too late");
  else if (entries === null) hit?.("a follower needs entries that are in no file");
  else hit?.("entries that left memory are read for a follower");
  entriesRead.call(this, request, entries);
};

const { limit } = WritePace.prototype;

WritePace.prototype.limit = function (share: number, nowMs: number): void {
  if (share < 1) hit?.("writes are slowed down for a follower");
  limit.call(this, share, nowMs);
};

const { applied } = ScriptGroup.prototype;

ScriptGroup.prototype.applied = function (position: number, result: Result): void {
  if (result.status === Status.aborted) hit?.("a script loses to another command");
  else if (this.runs.length > 1) hit?.("scripts share a transaction");
  applied.call(this, position, result);
};

const { sourceOf } = KnownScripts.prototype;

KnownScripts.prototype.sourceOf = function (engine: ScriptEngine, request: EvalRequest) {
  const source = sourceOf.call(this, engine, request);
  if (request.isByHash && source !== null && engine.find(request.script) === null) {
    hit?.("a leader finds a script in the log that it has not run");
  }
  return source;
};

const { disconnect } = Subscriptions.prototype;

Subscriptions.prototype.disconnect = function (reason: string): void {
  if (reason.includes("too slowly")) hit?.("a subscriber takes too slowly");
  if (reason.includes("snapshot")) hit?.("a snapshot comes to a server that tells of keys");
  disconnect.call(this, reason);
};
