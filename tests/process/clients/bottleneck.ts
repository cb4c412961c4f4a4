/** bottleneck on the server at a port: prints what becomes of it, in the library's own words. */
import { Redis } from "ioredis";
import { Bottleneck } from "rate-limiters";

const client = new Redis({ port: Number(Deno.args[0]) });
client.on("error", () => {});
const connection = new Bottleneck.IORedisConnection({ client });
const limiter = new Bottleneck({ id: "b", maxConcurrent: 1, datastore: "ioredis", connection });
console.log(await limiter.ready().then(() => "it worked", String));
Deno.exit(0);
