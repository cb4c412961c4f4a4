/** Registers the tests of client libraries, which run within the process of the tests. */
import { type Cluster, type ClusterOptions, clusterTest } from "../harness.ts";

/**
 * ioredis and node-redis keep timers after `disconnect()` and `destroy()`: those of connections to dead
 * servers that are made again, and of waits that were given up. Such a timer may also come due in the
 * next test of the same file, whichever library that is about. Nothing of the server runs in this
 * process, so no leak of ours is missed.
 */
const LEAVES = "timers of the libraries outlive their clients";

/** A test with a cluster of its own, as `clusterTest`, in which a library is the client. */
export function libraryTest(
  name: string,
  options: ClusterOptions,
  run: (cluster: Cluster) => Promise<void>,
): void {
  clusterTest(name, { ...options, leaves: LEAVES }, run);
}
