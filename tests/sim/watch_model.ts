/**
 * Everything that was ever changed, entry by entry: a store of its own, which applies what is committed and
 * forgets nothing. What a watch is told is compared with it.
 */
import { ChangeKind, type ChangeSink } from "../../lib/kv/commands/changes.ts";
import { checksum } from "../../lib/util/checksum.ts";
import { latin1 } from "../../lib/util/latin1.ts";
import type { SeenEvent } from "../wire/watch_lines.ts";
import { CommittedStore, countUpTo } from "./committed_store.ts";
import type { Origin } from "./options.ts";
import { toBytes } from "../process/socket.ts";

const KIND_NAMES = new Map<number, string>(
  Object.entries(ChangeKind).map(([name, kind]) => [kind, name]),
);

export interface ModelEvent {
  readonly kind: string;
  readonly key: string;
  readonly version: number;
  /** How long the value is, and what it is; "" where there is none. */
  readonly value: string;
}

export interface ModelGroup {
  readonly revision: number;
  readonly events: readonly ModelEvent[];
}

/** What a client saw, as the model has it. */
export function asModelEvent({ kind, key, version, value }: SeenEvent): ModelEvent {
  return { kind, key, version, value: value === null ? "" : digestOf(toBytes(value)) };
}

function digestOf(bytes: Uint8Array): string {
  return `${bytes.length}:${checksum(bytes)}`;
}

export class WatchModel implements ChangeSink {
  /** By entry, for those that changed anything; in their order. */
  readonly groups: { readonly revision: number; readonly events: ModelEvent[] }[] = [];
  readonly store: CommittedStore;

  constructor(origin: Origin) {
    this.store = new CommittedStore(origin, this);
  }

  changed(
    kind: ChangeKind,
    revision: number,
    version: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    end: number,
  ): void {
    const keyEnd = keyStart + keyLength;
    const key = latin1(bytes, keyStart, keyEnd);
    const value = kind === ChangeKind.set ? digestOf(bytes.slice(keyEnd, end)) : "";
    this.#add(revision, { kind: KIND_NAMES.get(kind)!, key, version, value });
  }

  flushed(revision: number): void {
    this.#add(revision, { kind: "flush", key: "", version: 0, value: "" });
  }

  /** The first group after `revision` that a watch of `pattern` has to be told; null where there is none. */
  nextGroup(pattern: string, revision: number): ModelGroup | null {
    for (let at = countUpTo(this.groups, revision); at < this.groups.length; at++) {
      const group = this.groups[at]!;
      const events = group.events.filter((event) => isOf(pattern, event));
      if (events.length > 0) return { revision: group.revision, events };
    }
    return null;
  }

  #add(revision: number, event: ModelEvent): void {
    const last = this.groups.at(-1);
    if (last?.revision === revision) last.events.push(event);
    else this.groups.push({ revision, events: [event] });
  }
}

function isOf(pattern: string, { kind, key }: ModelEvent): boolean {
  if (kind === "flush") return true;
  return pattern.endsWith("*") ? key.startsWith(pattern.slice(0, -1)) : key === pattern;
}
