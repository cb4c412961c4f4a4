/**
 * Which of a server's ports are open to the network, and whether that is meant. Nobody who starts a server
 * for the first time expects that whoever reaches it may do everything: a port that leaves loopback without
 * protection has to be named in the file, or the server does not start.
 */
import { adminAddress } from "./admin_address.ts";
import { type Config, findServer } from "./config.ts";
import type { PortName } from "./port_names.ts";
import { ANY_ADDRESS, isLoopback } from "./util/address.ts";

export interface OpenPorts {
  /** A sentence for each port that is open and neither protected nor said to be insecure. */
  readonly faults: readonly string[];
  /** Those that are said to be, and are open. */
  readonly insecure: readonly PortName[];
}

interface OpenPort {
  /** Whose protection it has; the forward port is one for clients. */
  readonly name: PortName;
  readonly port: PortName | "forward";
  /** The key of the server's entry that opens it. */
  readonly key: string;
  readonly address: string;
}

/** What whoever reaches a port can do, and what keeps him from it. */
const WITHOUT: Readonly<Record<PortName, { readonly harm: string; readonly remedy: string }>> = {
  client: { harm: "reads and writes all keys", remedy: "give it TLS (tls.client)" },
  log: {
    harm: "passes for another server",
    remedy: "give the servers TLS (tls.log) or a secret (secretFile)",
  },
  admin: {
    harm: "reads what the server says of itself",
    remedy: "give it TLS (tls.admin) and a token (adminTokenFile, RAFTKV_ADMIN_TOKEN)",
  },
};

/** What a server is given beside the cluster file, or named by it, that protects a port. */
export interface GivenSecrets {
  /** The servers prove a secret to each other, and let in nobody without it. */
  readonly provesSecret: boolean;
  /** Whoever asks the admin port has to know a token. */
  readonly hasAdminToken: boolean;
}

export function openPorts(config: Config, serverId: number, given: GivenSecrets): OpenPorts {
  const said = config.insecure ?? [];
  const faults: string[] = [];
  const insecure: PortName[] = [];
  for (const port of portsOnTheNetwork(config, serverId)) {
    if (isProtected(port.name, config, given)) continue;
    if (said.includes(port.name)) insecure.push(port.name);
    else faults.push(faultOf(config, serverId, port));
  }
  return { faults, insecure };
}

/**
 * By TLS the client port is half of it: who may do what is a matter of users. Whether there are any is known
 * once the server runs, so until then it answers loopback alone (node/open_session.ts).
 */
function isProtected(
  name: PortName,
  { tls }: Config,
  { provesSecret, hasAdminToken }: GivenSecrets,
): boolean {
  switch (name) {
    case "client":
      return tls?.client !== undefined;
    case "log":
      return (tls?.log !== undefined && tls.log.optional !== true) || provesSecret;
    case "admin":
      return tls?.admin !== undefined && hasAdminToken;
  }
}

/** Clients of other machines have to wait until there is a user: their port is open, and meant to be safe. */
export function needsUsers(config: Config, serverId: number): boolean {
  const isOpen = portsOnTheNetwork(config, serverId).some(({ name }) => name === "client");
  return isOpen && config.insecure?.includes("client") !== true;
}

/**
 * A sentence where nobody can make the first user: that takes a connection over loopback, and this client
 * port listens elsewhere alone. Null where it listens there as well, or nobody has to be made.
 */
export function firstUserDoubt(config: Config, serverId: number): string | null {
  const { hostname, clientListen = hostname } = findServer(config, serverId);
  if (!needsUsers(config, serverId)) return null;
  if (ANY_ADDRESS.test(clientListen) || isLoopback(clientListen)) return null;
  return `Server ${serverId} serves other machines once there is a user, and the first one has ` +
    "to be made over loopback, where its client port does not listen: give it clientListen " +
    "0.0.0.0 (or ::), unless there is one already";
}

function faultOf(
  config: Config,
  serverId: number,
  { name, port, key, address }: OpenPort,
): string {
  const at = config.servers.findIndex(({ id }) => id === serverId);
  const { harm, remedy } = WITHOUT[name];
  const optional = name === "log" ? optionalProof(config) : null;
  if (optional !== null) {
    const [what, setting] = optional;
    return `servers[${at}].${key}: server ${serverId} would open its log port on ${address}, ` +
      `where whoever reaches it ${harm}: ${what} protects nothing while it is optional. Say ` +
      `"insecure": ["log"] beside ${setting} (or --insecure log), and take both out once all ` +
      `servers have ${what} (docs/security.md)`;
  }
  return `servers[${at}].${key}: server ${serverId} would open its ${port} port on ${address}, ` +
    `where whoever reaches it ${harm}: ${remedy}, have it listen on loopback (${port}Listen), or ` +
    `take that upon you by "insecure": ["${name}"], or --insecure ${name} (docs/security.md)`;
}

/** What the log port asks for and does without, and the setting that says so; null where there is none. */
function optionalProof({ tls, secretOptional }: Config): readonly [string, string] | null {
  if (tls?.log?.optional === true) return ["TLS", "tls.log.optional"];
  return secretOptional === true ? ["the secret", "secretOptional"] : null;
}

function portsOnTheNetwork(config: Config, serverId: number): OpenPort[] {
  const { hostname, clientListen, logListen, ...entry } = findServer(config, serverId);
  const { forwardPort, forwardListen } = entry;
  const admin = adminAddress(config, serverId);
  const listen = (given: string | undefined, key: string) =>
    given === undefined ? { key: "hostname", address: hostname } : { key, address: given };
  const ports: OpenPort[] = [
    { name: "client", port: "client", ...listen(clientListen, "clientListen") },
    { name: "log", port: "log", ...listen(logListen, "logListen") },
  ];
  if ("hostname" in admin) {
    ports.push({ name: "admin", port: "admin", key: "adminListen", address: admin.hostname });
  }
  // Where it listens by itself; else it is where the client port is.
  if (forwardPort !== undefined && forwardListen !== undefined) {
    ports.push({ name: "client", port: "forward", ...listen(forwardListen, "forwardListen") });
  }
  return ports.filter(({ address }) => !isLoopback(address));
}
