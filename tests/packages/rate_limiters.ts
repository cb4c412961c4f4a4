/** Limits of rates by scripts, as their users have them. */
import TypedBottleneck from "npm:bottleneck@2.19.5";
import { RateLimiterRedis as TypedLimiter } from "npm:rate-limiter-flexible@11.4.0";
import { RedisStore as TypedStore } from "npm:rate-limit-redis@6.0.1";

/** Their own types are those of other copies of ioredis and express. */
type LimiterMaker = new (options: Readonly<Record<string, unknown>>) => {
  consume(key: string): Promise<{ readonly remainingPoints: number }>;
};
type StoreMaker = new (
  options: { sendCommand(name: string, ...args: string[]): Promise<unknown>; prefix?: string },
) => {
  init(options: { readonly windowMs: number }): void;
  increment(key: string): Promise<{ readonly totalHits: number }>;
};

/** Its scripts are of hashes and sorted sets. */
interface BottleneckMaker {
  new (options: Readonly<Record<string, unknown>>): { ready(): Promise<unknown> };
  readonly IORedisConnection: new (options: { readonly client: unknown }) => object;
}

export const Bottleneck: BottleneckMaker = TypedBottleneck as unknown as BottleneckMaker;
export const RateLimiterRedis: LimiterMaker = TypedLimiter as unknown as LimiterMaker;
export const RedisStore: StoreMaker = TypedStore as unknown as StoreMaker;
