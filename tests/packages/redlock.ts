/** Locks by scripts, as their users have them: two generations of one library. */
import Redlock4 from "npm:redlock@4.2.0";
import Redlock5 from "npm:redlock@5.0.0-beta.2";

/** What both have in common. Their own types say nothing (4), or are those of an old ioredis (5). */
interface Lock {
  readonly resource?: string;
}
interface Made {
  lock(resource: string, ttlMs: number): Promise<Lock>;
  unlock(lock: Lock): Promise<unknown>;
  acquire(resources: string[], ttlMs: number): Promise<Lock>;
  release(lock: Lock): Promise<unknown>;
  on(event: string, listener: () => void): void;
}
type Maker = new (clients: unknown[], options: Readonly<Record<string, number>>) => Made;

export type Redlock = Pick<Made, "lock" | "unlock" | "acquire" | "release" | "on">;
export const RedlockOf4: Maker = Redlock4 as unknown as Maker;
export const RedlockOf5: Maker = (Redlock5 as unknown as { default?: Maker }).default ??
  (Redlock5 as unknown as Maker);
