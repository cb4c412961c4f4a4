/**
 * TLS of a command line to the servers: flags, variables, and the cluster file that names the servers.
 * Light: every command line loads it with the flags of serve.
 */
import { isContents } from "../util/file_names.ts";
import type { TlsOptions } from "../../client/mod.ts";
import type { PortTls } from "../config_tls.ts";
import type { HostProcess } from "../host/process.ts";
import { CliError, EXIT } from "./exit_codes.ts";
import { UsageError } from "./usage_error.ts";

export interface TlsFlags {
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServerName?: string;
}

export const TLS_FLAGS = {
  tlsCa: {
    kind: "parsed",
    parse: String,
    brief: "TLS, by certificates of the CA in this PEM file; system: public CAs [RAFTKV_TLS_CA]",
    placeholder: "FILE",
    optional: true,
  },
  tlsCert: {
    kind: "parsed",
    parse: String,
    brief: "TLS, with this certificate of one's own; needs --tls-key [RAFTKV_TLS_CERT]",
    placeholder: "FILE",
    optional: true,
  },
  tlsKey: {
    kind: "parsed",
    parse: String,
    brief: "The key of --tls-cert [RAFTKV_TLS_KEY]",
    placeholder: "FILE",
    optional: true,
  },
  tlsServerName: {
    kind: "parsed",
    parse: String,
    brief: "TLS, and the name in the servers' certificates, if another [RAFTKV_TLS_SERVER_NAME]",
    placeholder: "NAME",
    optional: true,
  },
} as const;

/** In the place of a file: the CAs that the runtime trusts. */
const SYSTEM = "system";

/** What a PEM file has to hold (RFC 7468; what is before these words names the kind). */
const CERTIFICATE = "CERTIFICATE";
const PRIVATE_KEY = "PRIVATE KEY";

/** Whether a flag among these was given: as they are typed. */
export function typedTlsFlags({ tlsCa, tlsCert, tlsKey, tlsServerName }: TlsFlags): string[] {
  const given = { "--tls-ca": tlsCa, "--tls-cert": tlsCert, "--tls-key": tlsKey };
  return Object.entries({ ...given, "--tls-server-name": tlsServerName })
    .flatMap(([name, value]) => value === undefined ? [] : [name]);
}

/**
 * Undefined: no TLS. `port`: what the cluster file says of the client port, where it named the servers;
 * `serverIds`: theirs, for a CA whose file has a name for each.
 * @throws {UsageError} where a certificate or its key is missing.
 * @throws {CliError} where a file can't be read.
 */
export function clientTls(
  flags: TlsFlags,
  host: HostProcess,
  port?: PortTls,
  serverIds: readonly number[] = [],
): TlsOptions | undefined {
  const ca = flags.tlsCa ?? host.environment("RAFTKV_TLS_CA");
  const cert = flags.tlsCert ?? host.environment("RAFTKV_TLS_CERT");
  const key = flags.tlsKey ?? host.environment("RAFTKV_TLS_KEY");
  const serverName = flags.tlsServerName ?? host.environment("RAFTKV_TLS_SERVER_NAME");
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError(
      `--tls-${
        cert === undefined ? "cert" : "key"
      } is missing (or its variable): a certificate and ` +
        "its key belong together",
    );
  }
  if (port === undefined && [ca, cert, serverName].every((one) => one === undefined)) {
    return undefined;
  }
  const trusted = ca ?? (port?.ca === undefined ? undefined : caHere(port.ca, serverIds, host));
  return {
    ...(trusted !== undefined && trusted !== SYSTEM && { ca: pemIn(trusted, CERTIFICATE, host) }),
    ...(cert !== undefined &&
      { cert: pemIn(cert, CERTIFICATE, host), key: pemIn(key!, PRIVATE_KEY, host) }),
    ...(serverName !== undefined && { serverName }),
  };
}

/** @throws {CliError} which names the files, where certificate and key are no pair. */
export async function checkPairOfFiles(
  tls: TlsOptions | undefined,
  { tlsCert, tlsKey }: TlsFlags,
  host: HostProcess,
): Promise<void> {
  if (tls === undefined) return;
  // Loaded here alone: a server's own start has no use for the client.
  const { checkPair } = await import("../../client/mod.ts");
  try {
    await checkPair(tls);
  } catch (error) {
    const [certFile, keyFile] = [
      tlsCert ?? host.environment("RAFTKV_TLS_CERT"),
      tlsKey ?? host.environment("RAFTKV_TLS_KEY"),
    ];
    const said = `${keyFile} is not the key of the certificate in ${certFile}`;
    throw new CliError(EXIT.file, said, { cause: error });
  }
}

/** Of the names that `{id}` stands for, the first that is here: a machine has its own server's files. */
function caHere(name: string, serverIds: readonly number[], host: HostProcess): string {
  const names = serverIds.map((id) => name.replaceAll("{id}", `${id}`));
  return names.find((one) => isThere(one, host)) ?? names[0] ?? name;
}

function isThere(file: string, host: HostProcess): boolean {
  try {
    return host.readTextFile(file) !== null;
  } catch {
    // Whoever reads it says why it can't be read.
    return true;
  }
}

/** @throws {CliError} where there is none, or no `wanted` in it: the servers would be blamed for that. */
function pemIn(file: string, wanted: string, host: HostProcess): string {
  if (file === "" || isContents(file)) {
    throw new UsageError("--tls-ca, --tls-cert and --tls-key, and their variables, name files");
  }
  try {
    const text = host.readTextFile(file);
    if (text === null) throw new Error("there is no such file");
    if (!text.includes("-----BEGIN ")) {
      throw new Error("it is no file in PEM: it has no -----BEGIN");
    }
    if (!text.includes(`${wanted}-----`)) {
      throw new Error(`it has no ${wanted.toLowerCase()} in it`);
    }
    return text;
  } catch (error) {
    throw new CliError(EXIT.file, `${file}: ${(error as Error).message}`, { cause: error });
  }
}
