/**
 * The client's tests run under Deno and under Node, from the same files: this is what they need of the
 * runtime. tests/client/on_node_test.ts runs them under Node.
 */
import * as nodeTest from "node:test";

interface DenoTests {
  test(name: string, run: () => Promise<void> | void): void;
}

/** Registers a test with whatever runtime this is. */
export function test(name: string, run: () => Promise<void> | void): void {
  const { Deno: deno } = globalThis as { Deno?: DenoTests };
  if (deno === undefined) nodeTest.test(name, run);
  else deno.test(name, run);
}

export function pauseMs(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until `holds`. @throws {Error} where it does not within five seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`In vain: ${what}`);
    await pauseMs(2);
  }
}

/** The error that `work` rejects with; fails where it does not. */
export async function errorOf<E extends Error>(
  kind: abstract new (...args: never[]) => E,
  work: Promise<unknown>,
): Promise<E> {
  let value: unknown;
  try {
    value = await work;
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`It came to ${String(value)} and should have failed`);
}

/** A number generator that gives the same numbers each time: mulberry32. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
