/** A store that applies writes of client sessions, entry by entry. */
import { assertEquals } from "@std/assert";
import { encodeCommand, endCommand, Op } from "../../../lib/kv/commands/command.ts";
import { commandsProblem } from "../../../lib/kv/commands/command_check.ts";
import { Result } from "../../../lib/kv/commands/result.ts";
import {
  encodeCloseSession,
  encodeInSession,
  encodeKeepSessions,
  encodeOpenSession,
  encodePingSession,
} from "../../../lib/kv/sessions/operations.ts";
import { SnapshotReader } from "../../../lib/kv/snapshot_reader.ts";
import { Store } from "../../../lib/kv/store.ts";
import { latin1Bytes } from "../../../lib/util/latin1.ts";
import { ByteWriter } from "../../../lib/util/bytes.ts";
import { writeI64 } from "../../../lib/util/int64.ts";
import { Int64 } from "../../../lib/util/int64.ts";

export const HASH_SEED = 11;
export const TTL_MS = 10_000;

/** A command of any operation with a key and a value. */
export function plain(op: Op, key = "", value = ""): Uint8Array {
  const out = new ByteWriter();
  const source = latin1Bytes(key + value);
  encodeCommand(out, op, source, 0, key.length, key.length, source.length);
  return out.copy();
}

export function set(key: string, value: string): Uint8Array {
  return plain(Op.set, key, value);
}

export function incr(key: string): Uint8Array {
  const bytes = plain(Op.add, key);
  const one = new Int64();
  one.set(1);
  writeI64(bytes, 8, one);
  return bytes;
}

export function open(ttlMs = TTL_MS): Uint8Array {
  const out = new ByteWriter();
  encodeOpenSession(out, ttlMs);
  return out.copy();
}

export function close(id: number): Uint8Array {
  const out = new ByteWriter();
  encodeCloseSession(out, id);
  return out.copy();
}

export function keep(...ids: number[]): Uint8Array {
  const out = new ByteWriter();
  encodeKeepSessions(out, ids);
  return out.copy();
}

/** The command as write `sequence` of the session; all below `lowest` are answered. */
export function inSession(
  id: number,
  sequence: number,
  lowest: number,
  command: Uint8Array,
  flags = 0,
): Uint8Array {
  const out = new ByteWriter();
  const at = encodeInSession(out, { id, sequence, lowest, flags });
  out.raw(command);
  endCommand(out, at);
  return out.copy();
}

export class SessionDriver {
  store: Store;
  nowMs = 1_000_000;
  /** After each command of an entry: as a leader answers reads there. */
  between = (): void => {};

  constructor(store = new Store({ hashSeed: HASH_SEED })) {
    this.store = store;
    if (store.clockMs > 0) this.nowMs = store.clockMs;
  }

  /** Applies commands as one entry, `laterMs` after the one before; what each came to. */
  entry(laterMs: number, ...commands: Uint8Array[]): Result[] {
    this.nowMs += laterMs;
    this.store.beginEntry(this.store.appliedIndex + 1, this.nowMs);
    const results = commands.map((command) => {
      assertEquals(commandsProblem(command, 0), null);
      const result = new Result();
      this.store.applyCommand(command, 0, result);
      this.between();
      // A list's value may be the store's own memory, which the next command changes.
      return result;
    });
    this.store.endEntry();
    return results;
  }

  apply(command: Uint8Array): Result {
    return this.entry(1, command)[0]!;
  }

  /** Opens a session and gives its number. */
  open(ttlMs = TTL_MS): number {
    return this.apply(open(ttlMs)).integer.toNumber();
  }

  /** The value, as text; null where there is no such key. */
  get(key: string): string | null {
    const result = new Result();
    this.store.read(plain(Op.get, key), 0, result);
    return result.length === 0 && result.bytes.length === 0 ? null : new TextDecoder().decode(
      result.bytes.subarray(result.offset, result.offset + result.length),
    );
  }

  ping(id: number): Result {
    const out = new ByteWriter();
    encodePingSession(out, id);
    const result = new Result();
    this.store.read(out.copy(), 0, result);
    return result;
  }

  /** Another server's store, made of a snapshot of this one. */
  restored(): SessionDriver {
    const snapshot = this.store.beginSnapshot();
    const out = new ByteWriter();
    while (snapshot.next(out, 1_000));
    snapshot.close();
    const reader = new SnapshotReader({ hashSeed: HASH_SEED }, snapshot.head);
    reader.add(out.view());
    return new SessionDriver(reader.finish());
  }
}
