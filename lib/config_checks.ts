/** Whether the cluster file's parts fit together; each of them alone has been checked by then. */
import type { Limits, Timing } from "./node/limits.ts";
import type { ServerAddress } from "./node/node.ts";
import { addressText } from "./util/address.ts";

const KIB = 1024;

type ServerPorts = ServerAddress & { readonly adminPort?: number | undefined };

/** Ids and addresses that are given twice. */
export function* addressFaults(servers: readonly ServerPorts[]): Generator<string> {
  const ids = new Map<number, string>();
  const addresses = new Map<string, string>();
  for (const [at, server] of servers.entries()) {
    const first = ids.get(server.id);
    if (first !== undefined) {
      yield `servers[${at}].id: ${server.id} is already the id of ${first}`;
    } else ids.set(server.id, `servers[${at}]`);
    const name = server.hostname.toLowerCase();
    const hostnames = name === "localhost" ? ["127.0.0.1", "::1"] : [name];
    for (const key of ["clientPort", "logPort", "adminPort"] as const) {
      const port = server[key] ?? 0;
      if (port === 0) continue;
      const all = hostnames.map((hostname) => addressText(hostname, port));
      const other = all.map((address) => addresses.get(address)).find((one) => one !== undefined);
      if (other !== undefined) {
        yield `servers[${at}].${key}: ${port} on ${server.hostname} is already ${other}`;
      }
      for (const address of all) {
        if (!addresses.has(address)) addresses.set(address, `servers[${at}].${key}`);
      }
    }
  }
}

/** Times under which no leader could be kept. */
export function* timingFaults(timing: Timing): Generator<string> {
  const { heartbeatIntervalMs, electionTimeoutMs, commandTimeoutMs } = timing;
  if (heartbeatIntervalMs * 3 > electionTimeoutMs) {
    yield `timing.heartbeatIntervalMs: ${heartbeatIntervalMs} is more than a third of ` +
      `timing.electionTimeoutMs (${electionTimeoutMs}): one late heartbeat must not end a term`;
  }
  if (commandTimeoutMs < electionTimeoutMs) {
    yield `timing.commandTimeoutMs: ${commandTimeoutMs} is less than ` +
      `timing.electionTimeoutMs (${electionTimeoutMs}): commands could not outlast an election`;
  }
}

/** What a command adds to its value: key, numbers, envelope and frame heads, generously. */
const COMMAND_OVERHEAD_BYTES = 4 * KIB;

/** Sizes that contradict each other. */
export function* limitsFaults(limits: Limits): Generator<string> {
  const command = limits.valueBytesMax + COMMAND_OVERHEAD_BYTES;
  for (const key of ["uncommittedBytesMax", "outboxBytesMax"] as const) {
    if (limits[key] < command) {
      yield `limits.${key}: ${limits[key]} has no room for one command with a value of ` +
        `limits.valueBytesMax (${limits.valueBytesMax}): at least ${command} is needed`;
    }
  }
  for (const key of ["appendBytesInFlightMax", "outboxBytesMax"] as const) {
    if (limits[key] < limits.appendBytesMax) {
      yield `limits.${key}: ${limits[key]} is less than limits.appendBytesMax ` +
        `(${limits.appendBytesMax})`;
    }
  }
}

/** An address that stands for all of a machine's own: one can listen on it, and connect to none. */
const ANY_ADDRESS = /^[0:.]+$/;

/** What is allowed but probably not meant: a sentence each. */
export function doubtsAbout(servers: readonly ServerAddress[]): string[] {
  return servers.filter(({ hostname }) => ANY_ADDRESS.test(hostname)).map(({ id, hostname }) =>
    `Server ${id} has hostname ${hostname}, and that is what clients and the other servers are ` +
    `told to connect to: give the address or name that they can reach as its hostname, and ` +
    `"clientListen": "${hostname}", "logListen": "${hostname}" for where it listens`
  );
}
