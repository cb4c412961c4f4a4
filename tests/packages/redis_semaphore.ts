/** Locks by scripts, as their users have them. */
import {
  MultiSemaphore as TypedMultiSemaphore,
  Mutex as TypedMutex,
  RedlockMultiSemaphore as TypedRedlockMultiSemaphore,
  RedlockMutex as TypedRedlockMutex,
  RedlockSemaphore as TypedRedlockSemaphore,
  Semaphore as TypedSemaphore,
} from "npm:redis-semaphore@5.8.0";

type Options = Readonly<Record<string, number>>;
interface Made {
  acquire(): Promise<void>;
  release(): Promise<void>;
}

/** Their own types are those of another copy of ioredis. `counts`: limit and permits, where it has them. */
type Maker = new (client: unknown, key: string, options: Options) => Made;
type CountingMaker = new (client: unknown, key: string, ...counts: (number | Options)[]) => Made;

export const Mutex: Maker = TypedMutex as unknown as Maker;
/** Its first argument are clients of different servers. */
export const RedlockMutex: Maker = TypedRedlockMutex as unknown as Maker;
export const Semaphore: CountingMaker = TypedSemaphore as unknown as CountingMaker;
export const MultiSemaphore: CountingMaker = TypedMultiSemaphore as unknown as CountingMaker;
export const RedlockSemaphore: CountingMaker = TypedRedlockSemaphore as unknown as CountingMaker;
export const RedlockMultiSemaphore: CountingMaker =
  TypedRedlockMultiSemaphore as unknown as CountingMaker;
