/** Listening on a name: on which addresses, and what is said where a port can't be had. */
import { isLoopback } from "../util/address.ts";
import type { Listener } from "./ports.ts";
import type { Resolver } from "./resolver.ts";

/** How long a server waits for the addresses of the name that it is to listen on. */
const LISTEN_RESOLVE_MS = 5_000;
/** What the name of the machine itself stands for, whatever its hosts file lists. */
const LOOPBACK = ["127.0.0.1", "::1"];
/** Where an operator says on which addresses and ports a server listens. */
const FILE_OR_FLAGS = "in the cluster file, or by the flags beside --join";

/**
 * Listens on every address of `hostname` that this machine has, and on each of them or on none. `open`
 * opens one of them.
 * @throws {Error} where the port can't be had: one sentence with port and address.
 */
export async function listenOnAll<L extends Listener>(
  hostname: string,
  port: number,
  resolver: Resolver,
  open: (address: string, port: number) => L | Promise<L>,
): Promise<L[]> {
  const listeners: L[] = [];
  let notHere: unknown;
  try {
    for (const address of await addressesToListenOn(hostname, resolver)) {
      try {
        // A port that the system chose is the same on all of them.
        listeners.push(await open(address, listeners[0]?.port ?? port));
      } catch (error) {
        if (!isNotHere(error)) throw error;
        notHere = error;
      }
    }
    if (listeners.length === 0) throw notHere;
    return listeners;
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw new Error(listenRefusal(hostname, port, error as Error), { cause: error });
  }
}

async function addressesToListenOn(hostname: string, resolver: Resolver): Promise<string[]> {
  const isLocal = hostname.toLowerCase() === "localhost";
  const found = isLocal
    ? await resolver.resolve(hostname, LISTEN_RESOLVE_MS).catch(() => [])
    : await resolver.resolve(hostname, LISTEN_RESOLVE_MS);
  // Elsewhere it may lead away from this machine; it is judged as what it is called (open_ports.ts).
  return isLocal ? [...new Set([...LOOPBACK, ...found.filter(isLoopback)])] : found;
}

/** Deno's classes of errors, and the codes that its node:net gives the same ones. */
function isKind(error: unknown, kind: new () => Error, code: string): boolean {
  return error instanceof kind ||
    (error instanceof Error && "code" in error && error.code === code);
}

/** The address is another machine's, or its family is switched off here. */
function isNotHere(error: unknown): boolean {
  return isKind(error, Deno.errors.AddrNotAvailable, "EADDRNOTAVAIL") ||
    isKind(error, Deno.errors.AddrNotAvailable, "EAFNOSUPPORT");
}

function listenRefusal(hostname: string, port: number, error: Error): string {
  if (isKind(error, Deno.errors.AddrInUse, "EADDRINUSE")) {
    return `Port ${port} on ${hostname} is in use: stop what listens there, or give this server ` +
      `another port ${FILE_OR_FLAGS}`;
  }
  const what = `Cannot listen on port ${port} of ${hostname}`;
  if (isNotHere(error)) {
    return `${what}: this machine does not have that address. Where others connect to an ` +
      "address that is none of its own, say where it listens: clientListen and logListen in the " +
      "cluster file, --client-listen and --log-listen beside --join";
  }
  if (isKind(error, Deno.errors.PermissionDenied, "EACCES")) {
    return `${what}: ports below 1024 are for root, or need CAP_NET_BIND_SERVICE. Give this ` +
      `server a higher port ${FILE_OR_FLAGS}`;
  }
  return `${what}: ${error.message}`;
}
