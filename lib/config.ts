/**
 * The cluster file: parsed and validated here, once; the parts below trust what they get. Every key
 * is known by name, everything left out has a default (node/limits.ts), and whatever is wrong is
 * refused with one sentence that names the key and what was meant.
 */
import * as v from "valibot";
import { BACKUP_KEYS, type BackupSchedule, type FileBackup, scheduleOf } from "./config_backup.ts";
import { AUDIT, AUDIT_KNOWN_KEYS, type AuditConfig } from "./config_audit.ts";
import { addressFaults, limitsFaults, placeFaults, timingFaults } from "./config_checks.ts";
import {
  CLIENT_BOUND_RANGES,
  LIMIT_RANGES,
  STORAGE_RANGES,
  TICK_RANGE_MS,
  TIMING_RANGES,
} from "./config_ranges.ts";
import { numbers, pathOf, section, unitOf, wholeNumber } from "./config_sections.ts";
import { describeIssue, parseJson, unknownKeys } from "./config_text.ts";
import {
  type FileTls,
  TLS,
  TLS_KNOWN_KEYS,
  type TlsConfig,
  tlsFaults,
  tlsOfPorts,
} from "./config_tls.ts";
import {
  DEFAULT_CLIENT_BOUNDS,
  DEFAULT_LIMITS,
  DEFAULT_STORAGE_LIMITS,
  DEFAULT_TIMING,
  type Limits,
  type StorageLimits,
  type Timing,
} from "./node/limits.ts";
import { PORT_NAMES, type PortName } from "./port_names.ts";
import { isHostname } from "./util/address.ts";

/** One server of the cluster: where clients and the other servers reach it, and where it listens. */
export interface ServerConfig {
  readonly id: number;
  readonly hostname: string;
  readonly clientPort: number;
  /** Where the other servers' frames arrive. */
  readonly logPort: number;
  /** The name or address that the client port is opened on; `hostname` where it is left out. */
  readonly clientListen?: string | undefined;
  /** The same for the log port. */
  readonly logListen?: string | undefined;
  /** Where it answers HTTP; 0: nowhere; where it is left out: `clientPort` + 100, if that is free. */
  readonly adminPort?: number | undefined;
  /** The name or address that the admin port is opened on; this machine's loopback where it is left out. */
  readonly adminListen?: string | undefined;
  /** Where it answers probes by HTTP, and nothing else; none where it is left out. */
  readonly probePort?: number | undefined;
  /** The name or address that this port is opened on; that of the client port where it is left out. */
  readonly probeListen?: string | undefined;
  /**
   * Where clients are answered as on the client port, and commands that need a leader are sent on to it; none
   * where it is left out.
   */
  readonly forwardPort?: number | undefined;
  /** The name or address that this port is opened on; that of the client port where it is left out. */
  readonly forwardListen?: string | undefined;
}

export interface Config {
  /** Server n keeps its state in `<path>/<n>/`. Relative to the working directory. */
  readonly path: string;
  readonly servers: readonly ServerConfig[];
  readonly timing: Timing;
  readonly limits: Limits;
  readonly storage: StorageLimits;
  /** The cluster version is not raised while a server runs with this (docs/versions.md). */
  readonly holdClusterVersion?: boolean | undefined;
  /** The file of the secret that the servers prove to each other. Relative to the working directory. */
  readonly secretFile?: string | undefined;
  /** Servers that know nothing of the secret are let in as well. */
  readonly secretOptional?: boolean | undefined;
  /** The file of the token that the admin port wants. Relative to the working directory. */
  readonly adminTokenFile?: string | undefined;
  /** Ports that may be open to the network without protection (open_ports.ts). */
  readonly insecure?: readonly PortName[] | undefined;
  /** Absent: no backups are scheduled. */
  readonly backup?: BackupSchedule;
  /** Absent: no account is kept of what clients do. */
  readonly audit?: AuditConfig;
  /** The ports that speak TLS. Absent: none does. */
  readonly tls?: TlsConfig;
  /** Keys of the file that earlier builds knew and this one has no use for. */
  readonly withoutEffect?: readonly string[];
}

/** The cluster file, or an argument that goes with it, can't be used; the message is for the operator. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Votes of more servers cost every write more than they add to its safety. */
const SERVERS_MAX = 15;

/** Where a file gives a short election timeout alone, heartbeats come as often as that needs. */
function withHeartbeat(timing: unknown): unknown {
  if (!isObject(timing) || "heartbeatIntervalMs" in (timing as object)) return timing;
  const { electionTimeoutMs } = timing as { electionTimeoutMs?: unknown };
  const thirdMs = Math.floor(Number(electionTimeoutMs) / 3);
  const isShort = thirdMs >= 1 && thirdMs < DEFAULT_TIMING.heartbeatIntervalMs;
  return isShort ? { ...(timing as object), heartbeatIntervalMs: thirdMs } : timing;
}

const PORT = wholeNumber(1, 65_535, "port");
const HOSTNAME =
  "is no hostname or address (letters, digits, and . _ -, or an IPv6 address; without a port)";

const HOST = v.pipe(v.string(HOSTNAME), v.check(isHostname, HOSTNAME));

const SERVER_KEYS = {
  id: wholeNumber(1, Number.MAX_SAFE_INTEGER, "server id: a positive whole number"),
  hostname: HOST,
  clientPort: PORT,
  logPort: PORT,
  clientListen: v.optional(HOST),
  logListen: v.optional(HOST),
  adminPort: v.optional(wholeNumber(0, 65_535, "port, or 0 for none")),
  adminListen: v.optional(HOST),
  probePort: v.optional(PORT),
  probeListen: v.optional(HOST),
  forwardPort: v.optional(PORT),
  forwardListen: v.optional(HOST),
};
const SERVER = section(SERVER_KEYS, "server");

const SERVERS = `is no list of 1 to ${SERVERS_MAX} servers`;
const PATH = "is no directory (a name of 1 to 4096 characters)";

const DIRECTORY = pathOf(PATH);
const FILE = pathOf("is no file (a name of 1 to 4096 characters)");

const INSECURE = `is neither true nor a list of ports (${PORT_NAMES.join(", ")})`;

const SECTIONS = {
  path: DIRECTORY,
  servers: v.pipe(
    v.array(SERVER, SERVERS),
    v.check((servers) => servers.length >= 1 && servers.length <= SERVERS_MAX, SERVERS),
  ),
  timing: v.optional(
    v.pipe(
      v.unknown(),
      v.transform(withHeartbeat),
      numbers(TIMING_RANGES, DEFAULT_TIMING, "timing", {
        tickMs: v.optional(wholeNumber(...TICK_RANGE_MS, unitOf("tickMs"))),
      }),
    ),
    {},
  ),
  limits: numbers(LIMIT_RANGES, DEFAULT_LIMITS, "set of limits", {
    perAddress: numbers(CLIENT_BOUND_RANGES, DEFAULT_CLIENT_BOUNDS, "set of bounds"),
    perUser: numbers(CLIENT_BOUND_RANGES, DEFAULT_CLIENT_BOUNDS, "set of bounds"),
  }),
  storage: numbers(STORAGE_RANGES, DEFAULT_STORAGE_LIMITS, "set of storage limits"),
  holdClusterVersion: v.optional(v.boolean("is neither true nor false")),
  secretFile: v.optional(FILE),
  secretOptional: v.optional(v.boolean("is neither true nor false")),
  adminTokenFile: v.optional(FILE),
  insecure: v.optional(
    v.pipe(
      v.unknown(),
      v.transform((given) => given === true ? [...PORT_NAMES] : given === false ? [] : given),
      v.array(v.picklist(PORT_NAMES, INSECURE), INSECURE),
    ),
  ),
  backup: v.optional(section(BACKUP_KEYS, "backup schedule")),
  audit: v.optional(AUDIT),
  tls: v.optional(TLS),
};
const CONFIG = section(SECTIONS, "cluster file");

/** The sections by the key path that leads to them, list positions left out; for the hint on unknown keys. */
const KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  "": Object.keys(SECTIONS),
  servers: Object.keys(SERVER_KEYS),
  timing: Object.keys(TIMING_RANGES),
  limits: [...Object.keys(LIMIT_RANGES), "perAddress", "perUser"],
  "limits.perAddress": Object.keys(CLIENT_BOUND_RANGES),
  "limits.perUser": Object.keys(CLIENT_BOUND_RANGES),
  storage: Object.keys(STORAGE_RANGES),
  backup: Object.keys(BACKUP_KEYS),
  ...AUDIT_KNOWN_KEYS,
  ...TLS_KNOWN_KEYS,
};

/** And what is accepted, though nobody needs it any more: no hint names it. */
const ACCEPTED_KEYS: typeof KNOWN_KEYS = {
  ...KNOWN_KEYS,
  timing: [...KNOWN_KEYS.timing!, "tickMs"],
};

/** The cluster file as earlier builds know it, too. */
type FileContents = Omit<Config, "backup" | "tls"> & {
  readonly timing: { readonly tickMs?: number };
  readonly backup?: FileBackup;
  readonly tls?: FileTls;
};
/** The cluster that is used where no file is there: three servers on this machine. */
export function defaultConfig(): Config {
  const server = (id: number, clientPort: number): ServerConfig => ({
    id,
    hostname: "127.0.0.1",
    clientPort,
    logPort: clientPort + 1,
  });
  return {
    path: "data",
    servers: [server(1, 9000), server(2, 9002), server(3, 9004)],
    timing: DEFAULT_TIMING,
    limits: DEFAULT_LIMITS,
    storage: DEFAULT_STORAGE_LIMITS,
  };
}

/**
 * Parses the cluster file's text; `source` names it in messages.
 * @throws {ConfigError} with one sentence that names the file, the key and what was meant.
 */
export function parseConfig(text: string, source: string): Config {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    throw new ConfigError(`${source}: ${(error as Error).message}`);
  }
  const result = v.safeParse(CONFIG, json);
  if (!result.success) {
    throw new ConfigError(`${source}: ${describeIssue(result.issues[0], KNOWN_KEYS)}`);
  }
  // The sections are built from tables with exactly these keys, which the types can't follow.
  const { timing: { tickMs, ...timing }, backup, tls, ...rest } = result
    .output as unknown as FileContents;
  const unused = tickMs === undefined ? {} : { withoutEffect: ["timing.tickMs"] };
  const config: Config = {
    ...rest,
    timing,
    ...unused,
    ...(backup !== undefined && { backup: scheduleOf(backup) }),
  };
  const fault = contradictions(config, tls)[0] ?? null;
  if (fault !== null) throw new ConfigError(`${source}: ${fault}`);
  return tls === undefined ? config : { ...config, tls: tlsOfPorts(tls) };
}

/** Parts that are right by themselves and don't fit together; those that are absent are not looked at. */
function contradictions(
  { path = "", servers, timing, limits, backup, audit }: Partial<Config>,
  tls?: FileTls,
): string[] {
  return [
    ...(servers === undefined ? [] : addressFaults(servers)),
    ...(timing === undefined ? [] : timingFaults(timing)),
    ...(limits === undefined ? [] : limitsFaults(limits)),
    ...(backup === undefined ? [] : placeFaults("backup", backup.path, path, servers ?? [])),
    ...(audit === undefined ? [] : placeFaults("audit", audit.path, path, servers ?? [])),
    ...(tls === undefined ? [] : tlsFaults(tls)),
  ];
}

/**
 * Everything that is wrong with the cluster file's text, a sentence each that names the key; empty where
 * `parseConfig` takes it. What can be judged by itself is judged though other parts are wrong.
 */
export function configFaults(text: string): string[] {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    return [(error as Error).message];
  }
  const { success, issues } = v.safeParse(CONFIG, json);
  if (!success && !isObject(json)) return [describeIssue(issues[0], KNOWN_KEYS)];
  const faults = (issues ?? []).map((issue) => describeIssue(issue, KNOWN_KEYS));
  // Of an object's unknown keys the library names one.
  faults.push(...unknownKeys(withoutUnused(json), KNOWN_KEYS));
  const sound: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(SECTIONS)) {
    const given = withoutUnknown(
      (json as Record<string, unknown>)[key],
      ACCEPTED_KEYS[key] ?? [],
    );
    const part = v.safeParse(schema as v.GenericSchema, given);
    if (part.success) sound[key] = part.output;
  }
  // Built from the same tables as in parseConfig.
  const { tls, ...rest } = sound as Partial<Config> & { readonly tls?: FileTls };
  return [...new Set([...faults, ...contradictions(rest, tls)])];
}

/** A section, or a list of them, with the keys that are known there. */
function withoutUnknown(value: unknown, known: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((one) => withoutUnknown(one, known));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value as object).filter(([key]) => known.includes(key)));
}

/** The file without what is accepted and has no effect: that is neither a fault nor named in a hint. */
function withoutUnused(json: unknown): unknown {
  const timing = isObject(json) ? (json as { timing?: unknown }).timing : undefined;
  if (!isObject(timing)) return json;
  const { tickMs: _unused, ...used } = timing as { tickMs?: unknown };
  return { ...(json as object), timing: used };
}

function isObject(json: unknown): boolean {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/**
 * The same settings for a server that is in no list, or in one that does not count: it is the only one.
 * @throws {ConfigError} where its ports don't fit together.
 */
export function soleServer(config: Config, server: ServerConfig): Config {
  const sole = { ...config, servers: [server] };
  const fault = contradictions(sole)[0];
  if (fault === undefined) return sole;
  throw new ConfigError(`Where server ${server.id} is: ${fault.replaceAll("servers[0].", "")}`);
}

/** The entry of server `id`. @throws {ConfigError} where the file does not list it. */
export function findServer(config: Config, id: number): ServerConfig {
  const found = config.servers.find((server) => server.id === id);
  if (found !== undefined) return found;
  const ids = config.servers.map((server) => server.id).join(", ");
  throw new ConfigError(`There is no server ${id} in the cluster file: it lists ${ids}`);
}
