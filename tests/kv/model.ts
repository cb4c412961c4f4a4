/**
 * What the store has to do, in the plainest way: a Map, everything looked at every time. Keys and
 * values are strings of bytes (one character, U+0000 to U+00FF, a byte).
 */
import {
  encodeCas,
  encodeKeyOnly,
  encodeSet,
  ExpiryKind,
  keyOffset,
  Op,
} from "../../lib/kv/commands/command.ts";
import { ByteWriter, readU32, readU64 } from "../../lib/util/bytes.ts";
import { Status } from "../../lib/kv/commands/result.ts";

/** A command in readable form; the fields that its operation lacks are ignored. */
export interface ModelCommand {
  readonly op: Op;
  readonly key: string;
  readonly value?: string;
  readonly expiryKind?: ExpiryKind;
  readonly expiryMs?: number;
  readonly version?: number;
}

export interface ModelRecord {
  readonly value: string;
  readonly version: number;
  /** The index of the last change. */
  readonly index: number;
  /** 0 for never. */
  readonly deadlineMs: number;
}

export type ModelResult =
  | { readonly status: typeof Status.stored; readonly version: number }
  | { readonly status: typeof Status.found; readonly record: ModelRecord }
  | { readonly status: typeof Status.deleted }
  | { readonly status: typeof Status.notFound }
  | { readonly status: typeof Status.versionDiffers };

export class Model {
  /** All records held, due ones that are not swept yet included. */
  readonly records = new Map<string, ModelRecord>();
  readonly sweepKeysMax: number;
  index = 0;
  clockMs = 0;
  floor = 0;
  /** The keys that the last entry swept, in order. */
  swept: string[] = [];

  constructor(sweepKeysMax = 100) {
    this.sweepKeysMax = sweepKeysMax;
  }

  beginEntry(index: number, stampMs: number): void {
    this.index = index;
    this.clockMs = Math.max(this.clockMs, stampMs);
  }

  apply(command: ModelCommand): ModelResult {
    const { op, key } = command;
    const present = this.present(key);
    if (op === Op.get || op === Op.getm) {
      return present ? { status: Status.found, record: present } : { status: Status.notFound };
    }
    if (op === Op.delete) {
      if (!present) return { status: Status.notFound };
      this.#drop(key);
      return { status: Status.deleted };
    }
    if (op === Op.cas) {
      const wanted = command.version ?? 0;
      if (!present && wanted !== 0) return { status: Status.notFound };
      if (present && wanted !== present.version) return { status: Status.versionDiffers };
    }
    if (!present && this.records.has(key)) this.#drop(key);
    const version = (present ? present.version : this.floor) + 1;
    this.records.set(key, {
      value: command.value ?? "",
      version,
      index: this.index,
      deadlineMs: this.#deadlineOf(command),
    });
    return { status: Status.stored, version };
  }

  endEntry(): void {
    const due = [...this.records].filter(([, record]) => this.#isDue(record));
    due.sort(([keyA, a], [keyB, b]) => a.deadlineMs - b.deadlineMs || (keyA < keyB ? -1 : 1));
    this.swept = due.slice(0, this.sweepKeysMax).map(([key]) => key);
    for (const key of this.swept) this.#drop(key);
  }

  /** The record of a key that is there and not due. */
  present(key: string): ModelRecord | undefined {
    const record = this.records.get(key);
    return record && !this.#isDue(record) ? record : undefined;
  }

  hasDueKeys(): boolean {
    return [...this.records.values()].some((record) => this.#isDue(record));
  }

  nextDeadlineMs(): number {
    const deadlines = [...this.records.values()].map((record) => record.deadlineMs);
    return Math.min(Infinity, ...deadlines.filter((deadlineMs) => deadlineMs > this.clockMs));
  }

  #drop(key: string): void {
    this.floor = Math.max(this.floor, this.records.get(key)!.version);
    this.records.delete(key);
  }

  #isDue(record: ModelRecord): boolean {
    return record.deadlineMs !== 0 && record.deadlineMs <= this.clockMs;
  }

  #deadlineOf(command: ModelCommand): number {
    const ms = command.expiryMs ?? 0;
    switch (command.expiryKind ?? ExpiryKind.never) {
      case ExpiryKind.never:
        return 0;
      case ExpiryKind.relative:
        return ms === 0 ? 0 : Math.min(this.clockMs + ms, Number.MAX_SAFE_INTEGER);
      default:
        return Math.max(1, ms);
    }
  }
}

/** The bytes of a command, as lib/kv/commands/command.ts has them. */
export function encodeCommand(command: ModelCommand): Uint8Array {
  const out = new ByteWriter();
  const key = bytesOf(command.key);
  const value = bytesOf(command.value ?? "");
  const source = new Uint8Array(key.length + value.length);
  source.set(key);
  source.set(value, key.length);
  const kind = command.expiryKind ?? ExpiryKind.never;
  const ms = command.expiryMs ?? 0;
  const end = source.length;
  if (command.op === Op.set) encodeSet(out, kind, ms, source, 0, key.length, key.length, end);
  else if (command.op === Op.cas) {
    encodeCas(out, kind, ms, command.version ?? 0, source, 0, key.length, key.length, end);
  } else encodeKeyOnly(out, command.op, source, 0, key.length);
  return out.copy();
}

/** The command at `bytes[offset]`, the other way round. */
export function decodeCommand(bytes: Uint8Array, offset = 0): ModelCommand {
  const op = bytes[offset + 4] as Op;
  const start = keyOffset(bytes, offset);
  const keyLength = (bytes[offset + 6]! << 8) | bytes[offset + 7]!;
  const key = textOf(bytes, start, start + keyLength);
  if (op !== Op.set && op !== Op.cas) return { op, key };
  return {
    op,
    key,
    value: textOf(bytes, start + keyLength, offset + readU32(bytes, offset)),
    expiryKind: bytes[offset + 8] as ExpiryKind,
    expiryMs: readU64(bytes, offset + 9),
    version: op === Op.cas ? readU64(bytes, offset + 17) : undefined,
  };
}

export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export function textOf(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}
