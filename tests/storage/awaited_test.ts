import { assertEquals } from "@std/assert";
import type { Message, PersistBatch } from "../../lib/raft/types.ts";
import { isAwaited } from "../../lib/storage/awaited.ts";

Deno.test("a sync may block for a small batch that others wait for, and for no other", () => {
  const envelope = { from: 2, to: 1, term: 1 };
  const rest = { success: true, index: 1, hintIndex: 0, hintTerm: 0, readRound: 0 };
  const ack: Message = { kind: "appendResponse", ...envelope, ...rest };
  const batch = (messagesAfterSync: readonly Message[]): PersistBatch => ({
    hardState: null,
    entries: [],
    messagesAfterSync,
  });
  assertEquals(isAwaited(batch([ack]), 65_536), true);
  assertEquals(isAwaited(batch([ack]), 65_537), false);
  assertEquals(isAwaited(batch([]), 100), false);
});
