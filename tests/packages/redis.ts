/** node-redis, a client library of Redis, as its users have it. */
export { createClient, createCluster } from "npm:redis@6.3.1";
