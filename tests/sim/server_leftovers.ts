/** What a server, and the world for it, still hold when nothing is under way any more. */
import { Kind, kindName } from "./kinds.ts";
import type { SimServer } from "./sim_server.ts";

/** Syncs and deferred calls that may be under way on a server that has nothing to do. */
const COMPLETIONS_LEFT_MAX = 2;

/** Each thing that is too much, in words. */
export function leftoversOf(server: SimServer): string[] {
  const { probe, timer, disk, world, life, name } = server;
  if (probe?.isOpen() !== true) return [];
  const found: string[] = [];
  const held = probe.leftover();
  if (held !== null) found.push(held);
  const limits = [
    [Kind.wake, timer.outstandingMax],
    [Kind.turn, 1],
    [Kind.completion, COMPLETIONS_LEFT_MAX + disk.voidEvents],
  ] as const;
  for (const [kind, most] of limits) {
    const count = world.pending(server, kind, life);
    if (count > most) found.push(`${count} events "${kindName(kind)}"`);
  }
  return found.map((what) => `${name} holds ${what}`);
}
