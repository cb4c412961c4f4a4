/**
 * The section `tls` of the cluster file: which ports speak TLS, with which files. What stands in `tls`
 * itself is for all ports; `client`, `log` and `admin` each replace it, key by key, for one.
 */
import * as v from "valibot";
import { pathOf, section } from "./config_sections.ts";

export const TLS_PORTS = ["client", "log", "admin"] as const;
export type TlsPort = typeof TLS_PORTS[number];

/** The files of one port, in PEM. Names are relative to the working directory; `{id}` is the server's id. */
export interface PortTls {
  /** The certificate, followed by those between it and the CA's. */
  readonly cert: string;
  readonly key: string;
  /** The certificates of the CAs that the other end's certificate may come from. */
  readonly ca?: string;
  /** Whoever connects must show a certificate of that CA. Always so on the log port. */
  readonly requestCert: boolean;
  /** Of the log port alone: servers without TLS are let in and connected to as well. */
  readonly optional?: boolean;
}

/** A port that is absent speaks no TLS. */
export type TlsConfig = { readonly [Port in TlsPort]?: PortTls };

type FilePort = Partial<PortTls>;
/** As it stands in the file. */
export type FileTls = FilePort & { readonly [Port in TlsPort]?: FilePort };

const FILE_NAME = pathOf("is no file (a name of 1 to 4096 characters)");

const PORT_KEYS = {
  cert: v.optional(FILE_NAME),
  key: v.optional(FILE_NAME),
  ca: v.optional(FILE_NAME),
  requestCert: v.optional(v.boolean("is neither true nor false")),
};
/** The log port alone can be rolled in: its other end is always one of the cluster's own servers. */
const LOG_KEYS = { ...PORT_KEYS, optional: v.optional(v.boolean("is neither true nor false")) };
const PORT = v.optional(section(PORT_KEYS, "set of TLS files"));
const LOG_PORT = v.optional(section(LOG_KEYS, "set of TLS files"));
const TLS_KEYS = { ...PORT_KEYS, client: PORT, log: LOG_PORT, admin: PORT };

export const TLS = section(TLS_KEYS, "TLS section");

/** As `KNOWN_KEYS` of config.ts. */
export const TLS_KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  tls: Object.keys(TLS_KEYS),
  ...Object.fromEntries(TLS_PORTS.map((port) => {
    return [`tls.${port}`, Object.keys(port === "log" ? LOG_KEYS : PORT_KEYS)];
  })),
};

/** What the file says of a port; null where it speaks no TLS. */
function filesOf(tls: FileTls, port: TlsPort): FilePort | null {
  const { client: _client, log: _log, admin: _admin, ...all } = tls;
  const own = tls[port];
  if (own === undefined && all.cert === undefined && all.key === undefined) return null;
  return { ...all, ...own };
}

/** Files that are missing, and a log port that would take any certificate. */
export function* tlsFaults(tls: FileTls): Generator<string> {
  const secured = TLS_PORTS.filter((port) => filesOf(tls, port) !== null);
  if (secured.length === 0) {
    yield "tls: no port speaks TLS by it: give cert and key, for all or in client, log, admin";
  }
  for (const port of secured) {
    const files = filesOf(tls, port)!;
    const place = tls[port] === undefined ? "tls" : `tls.${port}`;
    if (files.cert === undefined) {
      yield `${place}.cert: missing, the certificate of the ${port} port`;
    }
    if (files.key === undefined) yield `${place}.key: missing, the key of the ${port} port`;
    const isLog = port === "log";
    if (isLog && tls.log?.requestCert === false) {
      yield "tls.log.requestCert: false, but servers always show each other their certificates";
    }
    if (files.ca === undefined && (isLog || files.requestCert === true)) {
      yield `${place}.ca: missing, the CA that the certificates of ` +
        `${isLog ? "the other servers" : `whoever connects to the ${port} port`} come from`;
    }
  }
}

/** The ports that speak TLS, once the file has no faults. */
export function tlsOfPorts(tls: FileTls): TlsConfig {
  const ports = TLS_PORTS.flatMap((port) => {
    const files = filesOf(tls, port);
    if (files === null) return [];
    return [[port, { ...files, requestCert: port === "log" || files.requestCert === true }]];
  });
  return Object.fromEntries(ports) as TlsConfig;
}

/** The same port with the names of one server's files. */
export function filesOfServer(tls: PortTls, serverId: number): PortTls {
  const named = (file: string) => file.replaceAll("{id}", `${serverId}`);
  const { cert, key, ca, requestCert } = tls;
  const own = { cert: named(cert), key: named(key), requestCert };
  return ca === undefined ? own : { ...own, ca: named(ca) };
}
