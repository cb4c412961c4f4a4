import type { CliContext } from "../context.ts";
export function keysWithPrefix(_context: CliContext, _partial: string): Promise<string[]> {
  return Promise.resolve([]);
}
