/**
 * The entry of a server that no cluster file lists, from flags and variables: `raftkv serve --join`. Light:
 * every command line loads it with the flags of serve.
 */
import type { EnvironmentName, HostProcess } from "../host/process.ts";
import { PORT_NAMES, type PortName } from "../port_names.ts";
import { isHostname } from "../util/address.ts";
import { UsageError } from "./usage_error.ts";

/** What of an entry of the cluster file can be given on the command line. */
export interface OwnEntryFlags {
  readonly hostname?: string;
  readonly clientPort?: number;
  readonly logPort?: number;
  readonly adminPort?: number;
  readonly forwardPort?: number;
  readonly clientListen?: string;
  readonly logListen?: string;
}

/** @throws {Error} where the text is none. */
export function parseHostname(text: string): string {
  if (isHostname(text)) return text;
  throw new Error(
    `${
      JSON.stringify(text)
    } is no hostname or address (letters, digits, and . _ -, or an IPv6 address; without a port)`,
  );
}

/** @throws {Error} where the text is none. */
export function parsePort(text: string): number {
  const port = portOf(text);
  if (port > 0) return port;
  throw new Error(`${JSON.stringify(text)} is no port (1 to 65535)`);
}

/** @throws {Error} where the text is none. */
export function parseAdminPort(text: string): number {
  const port = portOf(text);
  if (port >= 0) return port;
  throw new Error(`${JSON.stringify(text)} is no port, or 0 for none (0 to 65535)`);
}

/** `all`, or ports separated by commas. @throws {Error} where it is neither. */
export function parseInsecure(text: string): readonly PortName[] {
  if (text === "all") return PORT_NAMES;
  return text.split(",").map((word) => {
    const found = PORT_NAMES.find((name) => name === word);
    if (found !== undefined) return found;
    throw new Error(`${JSON.stringify(word)} is none of ${PORT_NAMES.join(", ")}; or all`);
  });
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  return port <= 65_535 ? port : -1;
}

interface Variable {
  readonly name: EnvironmentName;
  readonly parse: (text: string) => string | number;
}

const VARIABLES: Readonly<Record<keyof OwnEntryFlags, Variable>> = {
  hostname: { name: "RAFTKV_HOSTNAME", parse: parseHostname },
  clientPort: { name: "RAFTKV_CLIENT_PORT", parse: parsePort },
  logPort: { name: "RAFTKV_LOG_PORT", parse: parsePort },
  adminPort: { name: "RAFTKV_ADMIN_PORT", parse: parseAdminPort },
  forwardPort: { name: "RAFTKV_FORWARD_PORT", parse: parsePort },
  clientListen: { name: "RAFTKV_CLIENT_LISTEN", parse: parseHostname },
  logListen: { name: "RAFTKV_LOG_LISTEN", parse: parseHostname },
};

/** What was given of it, by flag or variable. @throws {UsageError} where a variable is wrong. */
export function ownEntry(flags: OwnEntryFlags, host: HostProcess): OwnEntryFlags {
  const found: Record<string, string | number> = {};
  for (const [key, { name, parse }] of Object.entries(VARIABLES)) {
    const value = flags[key as keyof OwnEntryFlags] ?? variable(name, parse, host);
    if (value !== undefined) found[key] = value;
  }
  return found;
}

/** What the variable holds; undefined where it is not set. @throws {UsageError} where it is wrong. */
export function variable<T>(
  name: EnvironmentName,
  parse: (text: string) => T,
  host: HostProcess,
): T | undefined {
  const text = host.environment(name);
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (error) {
    throw new UsageError(`${name}: ${(error as Error).message}`);
  }
}

/** The flags among these, as they are typed. */
export function typedNames(flags: OwnEntryFlags): string[] {
  return Object.keys(VARIABLES).filter((key) => flags[key as keyof OwnEntryFlags] !== undefined)
    .map((key) => `--${key.replace(/[A-Z]/g, (big) => `-${big.toLowerCase()}`)}`);
}
