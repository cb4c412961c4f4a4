/**
 * Ports for servers of a benchmark or a test. They lie below the range that the system gives to
 * outgoing connections: in that range a client's own socket could take the port of a server that is
 * down for a moment, and even connect to itself.
 */

const LOW = 10_000;
const HIGH = 30_000;
const TRIES_MAX = 1_000;

/** True where `port` can be listened on now. */
function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}

/** `count` different ports on 127.0.0.1 that nobody listens on now. */
export function freePorts(count: number): number[] {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries === TRIES_MAX) throw new Error(`No ${count} free ports between ${LOW} and ${HIGH}`);
    const port = LOW + Math.floor(Math.random() * (HIGH - LOW));
    if (!ports.has(port) && isFree(port)) ports.add(port);
  }
  return [...ports];
}
