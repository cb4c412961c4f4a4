/** Locks by scripts, as their users have them. */
import { Mutex as TypedMutex } from "npm:redis-semaphore@5.8.0";

/** Its own types are those of another copy of ioredis. */
type Maker = new (
  client: unknown,
  key: string,
  options: Readonly<Record<string, number>>,
) => { acquire(): Promise<void>; release(): Promise<void> };

export const Mutex: Maker = TypedMutex as unknown as Maker;
