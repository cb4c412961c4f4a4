/**
 * Commit: applies an entry that a majority holds to the key-value store, and releases the replies to
 * those of its commands that clients of this server sent.
 */
import { unreachable } from "../../util/assert.ts";
import { commandLength } from "../../kv/commands/command.ts";
import type { Result } from "../../kv/commands/result.ts";
import { readClusterVersion } from "../../kv/cluster_version.ts";
import type { Store } from "../../kv/store.ts";
import { entryKind, entryStampMs, ENVELOPE_BYTES } from "../../raft/envelope.ts";
import { type Entry, EntryKind } from "../../raft/types.ts";
import type { Proposal } from "./append.ts";

/** Applies `entry`; `proposal` names whose commands it carries, null where another server took them. */
export function applyEntry(
  store: Store,
  entry: Entry,
  proposal: Proposal | null,
  result: Result,
): void {
  store.beginEntry(entry.index, entryStampMs(entry));
  const kind = entryKind(entry);
  switch (kind) {
    case EntryKind.noop:
    case EntryKind.configuration:
      break;
    case EntryKind.commands:
      if (proposal === null) applyAll(store, entry.data, result);
      else applyWithReplies(store, entry.data, proposal, result);
      break;
    case EntryKind.clusterVersion:
      store.raiseClusterVersion(readClusterVersion(entry.data, ENVELOPE_BYTES));
      break;
    default:
      unreachable(kind);
  }
  store.endEntry();
}

function applyAll(store: Store, data: Uint8Array, result: Result): void {
  let lookedAt = ENVELOPE_BYTES;
  for (let offset = ENVELOPE_BYTES; offset < data.length; offset += commandLength(data, offset)) {
    if (offset >= lookedAt) lookedAt = store.lookAhead(data, offset, data.length);
    store.applyCommand(data, offset, result);
  }
}

function applyWithReplies(
  store: Store,
  data: Uint8Array,
  proposal: Proposal,
  result: Result,
): void {
  let offset = ENVELOPE_BYTES;
  let lookedAt = ENVELOPE_BYTES;
  for (let run = 0; run < proposal.sessions.length; run++) {
    const session = proposal.sessions[run]!;
    const first = proposal.firstPositions[run]!;
    const end = first + proposal.counts[run]!;
    for (let position = first; position < end; position++) {
      if (offset >= lookedAt) lookedAt = store.lookAhead(data, offset, data.length);
      session.beforeApply(position);
      store.applyCommand(data, offset, result);
      session.applied(position, result);
      offset += commandLength(data, offset);
    }
    session.advance();
  }
}
