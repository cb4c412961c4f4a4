/** Client ports of servers, as they are typed: `HOST:PORT,HOST:PORT`. */
import { addressText } from "../util/address.ts";

/** A client port. */
export interface ServerAddress {
  readonly hostname: string;
  readonly port: number;
}

export const DEFAULT_CLIENT_PORT = 9000;
const SERVERS_MAX = 100;
const NAME = /^[A-Za-z0-9._-]{1,253}$/;

export function serverText({ hostname, port }: ServerAddress): string {
  return addressText(hostname, port);
}

/** `host:port,[::1]:9002,host`: the port is 9000 where it is left out. @throws {Error} what is wrong. */
export function parseServers(text: string): ServerAddress[] {
  const found: ServerAddress[] = [];
  for (const part of text.split(",").map((one) => one.trim())) {
    const server = parseServer(part);
    if (!found.some((one) => serverText(one) === serverText(server))) found.push(server);
  }
  if (found.length > SERVERS_MAX) throw new Error(`more than ${SERVERS_MAX} servers`);
  return found;
}

function parseServer(text: string): ServerAddress {
  const meant = `${JSON.stringify(text)} is no server: HOST:PORT, such as 127.0.0.1:9000`;
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?$/.exec(text);
  const [hostname, port] = bracketed !== null
    ? [bracketed[1]!, bracketed[2]]
    : text.split(":").length > 2
    ? [text, undefined]
    : text.split(":") as [string, string?];
  const isName = NAME.test(hostname) || /^[0-9A-Fa-f:.]+$/.test(hostname);
  const number = port === undefined ? DEFAULT_CLIENT_PORT : /^\d{1,5}$/.test(port) ? +port : 0;
  if (!isName || number < 1 || number > 65_535) throw new Error(meant);
  return { hostname, port: number };
}
