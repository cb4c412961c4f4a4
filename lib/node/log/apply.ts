/**
 * Commit: applies an entry that a majority holds to the key-value store, and releases the replies of
 * those of its commands that came in here.
 */
import { unreachable } from "../../util/assert.ts";
import { commandLength } from "../../kv/commands/command.ts";
import type { Result } from "../../kv/commands/result.ts";
import type { Store } from "../../kv/store.ts";
import { entryKind, entryStampMs, ENVELOPE_BYTES } from "../../raft/envelope.ts";
import { type Entry, EntryKind } from "../../raft/types.ts";
import type { Ticket } from "./append.ts";

/** Applies `entry`; `ticket` names whose commands it carries, null where they came in elsewhere. */
export function commit(store: Store, entry: Entry, ticket: Ticket | null, result: Result): void {
  store.beginEntry(entry.index, entryStampMs(entry));
  const kind = entryKind(entry);
  switch (kind) {
    case EntryKind.noop:
    case EntryKind.configuration:
      break;
    case EntryKind.commands:
      if (ticket === null) applyAll(store, entry.data, result);
      else applyWithReplies(store, entry.data, ticket, result);
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

function applyWithReplies(store: Store, data: Uint8Array, ticket: Ticket, result: Result): void {
  let offset = ENVELOPE_BYTES;
  let lookedAt = ENVELOPE_BYTES;
  for (let run = 0; run < ticket.sessions.length; run++) {
    const session = ticket.sessions[run]!;
    const first = ticket.firstPositions[run]!;
    const behind = first + ticket.counts[run]!;
    for (let position = first; position < behind; position++) {
      if (offset >= lookedAt) lookedAt = store.lookAhead(data, offset, data.length);
      session.beforeApply(position);
      store.applyCommand(data, offset, result);
      session.applied(position, result);
      offset += commandLength(data, offset);
    }
    session.advance();
  }
}
