/** Whether the cluster file's parts fit together; each of them alone has been checked by then. */
import type { Limits, Timing } from "./node/limits.ts";
import type { ServerAddress } from "./node/node.ts";
import { addressText, ANY_ADDRESS, isLoopback } from "./util/address.ts";

const KIB = 1024;

type ServerPorts = ServerAddress & {
  readonly adminPort?: number | undefined;
  readonly probePort?: number | undefined;
  readonly forwardPort?: number | undefined;
};

const PORT_KEYS = ["clientPort", "logPort", "adminPort", "probePort", "forwardPort"] as const;

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
    for (const key of PORT_KEYS) {
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

/** Backups, or an audit log, in a directory whose files are a server's own. */
export function* placeFaults(
  section: "backup" | "audit",
  place: string,
  path: string,
  servers: readonly Pick<ServerAddress, "id">[],
): Generator<string> {
  const plain = (text: string) =>
    text.replace(/^(\.\/+)+/, "").replace(/\/+/g, "/").replace(/\/$/, "");
  for (const { id } of servers) {
    const data = `${plain(path)}/${id}`;
    if (`${plain(place)}/`.startsWith(`${data}/`)) {
      const what = section === "backup" ? "backups belong" : "the audit log belongs";
      yield `${section}.path: ${place} is in the data directory of server ${id}: ${what} ` +
        "elsewhere, on another disk at best";
    }
  }
}

type ListeningServer = ServerPorts & {
  readonly clientListen?: string | undefined;
  readonly logListen?: string | undefined;
  readonly adminListen?: string | undefined;
  readonly forwardListen?: string | undefined;
};

/** What is allowed but probably not meant: a sentence each. */
export function doubtsAbout(servers: readonly ListeningServer[]): string[] {
  return [...anyHostnames(servers), ...loopbackNames(servers), ...sharedPorts(servers)];
}

function* anyHostnames(servers: readonly ListeningServer[]): Generator<string> {
  for (const { id, hostname } of servers) {
    if (!ANY_ADDRESS.test(hostname)) continue;
    yield `Server ${id} has hostname ${hostname}, and that is what clients and the other servers ` +
      `are told to connect to: give the address or name that they can reach as its hostname, and ` +
      `"clientListen": "${hostname}", "logListen": "${hostname}" for where it listens`;
  }
}

/** What leads to the machine that asks: another one comes to itself. */
function* loopbackNames(servers: readonly ListeningServer[]): Generator<string> {
  const other = servers.find(({ hostname }) => !isLoopback(hostname));
  for (const { id, hostname, clientListen, logListen } of servers) {
    if (isLoopback(hostname)) {
      if (other === undefined) continue;
      yield `Server ${id} has hostname ${hostname}, which only its own machine can reach, and ` +
        `server ${other.id} has ${other.hostname}: give an address or name that all reach`;
      continue;
    }
    for (
      const [key, address, who] of [
        ["clientListen", clientListen, "clients"],
        ["logListen", logListen, "the other servers"],
      ] as const
    ) {
      if (address === undefined || !isLoopback(address)) continue;
      yield `Server ${id} has ${key} ${address}, which only its own machine can reach, and ` +
        `${who} are told to connect to ${hostname}: leave ${key} out, unless something there ` +
        "leads on";
    }
  }
}

/** Two servers on what is, or looks like, one port of one machine, though their hostnames differ. */
function* sharedPorts(servers: readonly ListeningServer[]): Generator<string> {
  const ports = servers.flatMap((server) => [
    { server, key: "clientPort", port: server.clientPort, address: server.clientListen },
    { server, key: "logPort", port: server.logPort, address: server.logListen },
    { server, key: "adminPort", port: server.adminPort ?? 0, address: server.adminListen },
    {
      server,
      key: "forwardPort",
      port: server.forwardPort ?? 0,
      address: server.forwardListen ?? server.clientListen,
    },
  ]).filter(({ key, port, address }) =>
    port !== 0 && (key !== "adminPort" || address !== undefined)
  )
    .map((one) => ({ ...one, address: (one.address ?? one.server.hostname).toLowerCase() }));
  for (const [at, one] of ports.entries()) {
    for (const other of ports.slice(0, at)) {
      if (one.server === other.server || one.port !== other.port) continue;
      if (!areOne(one.address, other.address, isOneMachine(one.server, other.server))) continue;
      yield `Server ${one.server.id} has ${one.key} ${one.port} on ${one.address}, and server ` +
        `${other.server.id} has ${other.key} ${other.port} on ${other.address}: on one machine, ` +
        `only the first to start gets it`;
    }
  }
}

function isOneMachine(a: ListeningServer, b: ListeningServer): boolean {
  return a.hostname.toLowerCase() === b.hostname.toLowerCase() ||
    (isLoopback(a.hostname) && isLoopback(b.hostname));
}

/** Every machine has its loopback and its wildcard: those are one only on one machine. */
function areOne(a: string, b: string, isOneMachine: boolean): boolean {
  const isEvery = ANY_ADDRESS.test(a) || ANY_ADDRESS.test(b);
  return isOneMachine ? isEvery || a === b : a === b && !isEvery && !isLoopback(a);
}
