/** Where a server's admin port is, by the cluster file: configured, the default, or nowhere. */
import { type Config, findServer, type ServerConfig } from "./config.ts";

/** The default is so far above the client port. */
const DEFAULT_DISTANCE = 100;
const PORT_MAX = 65_535;
const LOOPBACK = "127.0.0.1";

export interface AdminAddress {
  readonly hostname: string;
  readonly port: number;
  /** Nobody asked for this port: where it can't be had, the server does without. */
  readonly isDefault: boolean;
}

/** `absentBecause`: a sentence for the log; empty where the file says that there is to be none. */
export interface NoAdminAddress {
  readonly absentBecause: string;
}

export function adminAddress(config: Config, serverId: number): AdminAddress | NoAdminAddress {
  const server = findServer(config, serverId);
  const { adminPort, adminListen = loopbackOf(server) } = server;
  if (adminPort === 0) return { absentBecause: "" };
  if (adminPort !== undefined) return { hostname: adminListen, port: adminPort, isDefault: false };
  const port = server.clientPort + DEFAULT_DISTANCE;
  const what =
    `There is no admin port: its default, clientPort + ${DEFAULT_DISTANCE}, would be ${port}`;
  if (port > PORT_MAX) return { absentBecause: `${what}, and ports end at ${PORT_MAX}` };
  const other = config.servers.find(({ clientPort, logPort, adminPort, probePort, forwardPort }) =>
    [clientPort, logPort, adminPort, probePort, forwardPort].includes(port)
  );
  if (other !== undefined) {
    const whose = other === server ? "another port of this server" : `server ${other.id}`;
    return { absentBecause: `${what}, which is taken by ${whose}` };
  }
  return { hostname: adminListen, port, isDefault: true };
}

/** A server that has a loopback address of its own keeps to that one. */
function loopbackOf({ hostname, clientListen = hostname }: ServerConfig): string {
  return /^127\.\d+\.\d+\.\d+$|^::1$/.test(clientListen) ? clientListen : LOOPBACK;
}
