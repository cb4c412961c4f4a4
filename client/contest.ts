/** What is contended for: the keys of a lock, or of a semaphore's permits, and of those who wait. */
import type { Key } from "./calls.ts";
import { nameBytes } from "./lock_options.ts";

export interface Contest {
  /** What the call is called in errors. */
  readonly call: string;
  /** What its caller calls it. */
  readonly name: Uint8Array;
  /** Whoever makes one of these keys has it. */
  readonly slots: readonly Uint8Array[];
  /** What the keys of those begin with who wait. */
  readonly queue: Uint8Array;
  /** What is watched by who has found all slots taken: the key, or a prefix and a star. */
  readonly watched: Uint8Array;
}

/** All numbers of client sessions have so many digits: their keys are in the order of the numbers. */
const DIGITS = 16;

export function contestForLock(name: Key, call: string): Contest {
  const key = nameBytes(name);
  return { call, name: key, slots: [key], queue: join(key, "/wait/"), watched: key };
}

/** @param permits how many there are. */
export function contestForPermit(name: Key, permits: number): Contest {
  const key = nameBytes(name);
  const prefix = join(key, "/permit/");
  return {
    call: "acquire",
    name: key,
    slots: Array.from({ length: permits }, (_, i) => join(prefix, `${i + 1}`)),
    queue: join(prefix, "wait/"),
    watched: join(prefix, "*"),
  };
}

/** The place of a client session in the queue. */
export function placeIn({ queue }: Contest, sessionId: number): Uint8Array {
  return join(queue, `${sessionId}`.padStart(DIGITS, "0"));
}

export function areSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function join(head: Uint8Array, tail: string): Uint8Array {
  const bytes = new TextEncoder().encode(tail);
  const whole = new Uint8Array(head.length + bytes.length);
  whole.set(head);
  whole.set(bytes, head.length);
  return whole;
}
