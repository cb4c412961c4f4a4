/** A client library of Redis, as its users have it. */
export { Cluster, Redis, type RedisOptions } from "npm:ioredis@6.0.0";
