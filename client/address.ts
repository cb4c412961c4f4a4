/** Addresses as people write them: HOST:PORT, an IPv6 host in brackets. */
import { wrongKind } from "./arguments.ts";

export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/**
 * `127.0.0.1:9000`, `db1.example:9000`, `[::1]:9000`.
 * @throws {TypeError} where it is none, with what was meant.
 */
export function parseAddress(text: string): Address {
  if (typeof text !== "string") {
    throw wrongKind("a server's address", "text such as 127.0.0.1:9000", text, "");
  }
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new TypeError(
      `"${text}" is no server's address: write HOST:PORT, such as 127.0.0.1:9000 or [::1]:9000`,
    );
  }
  return { hostname: match[1] ?? match[2]!, port };
}

export function formatAddress(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

export function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}
