/**
 * The cluster file: parsed and validated here, once; the parts below trust what they get. Every key
 * is known by name, everything left out has a default (node/limits.ts), and whatever is wrong is
 * refused with one sentence that names the key and what was meant.
 */
import * as v from "valibot";
import { addressFaults, backupFaults, limitsFaults, timingFaults } from "./config_checks.ts";
import {
  BACKUP_EVERY_RANGE_MS,
  LIMIT_RANGES,
  type Ranges,
  STORAGE_RANGES,
  TICK_RANGE_MS,
  TIMING_RANGES,
} from "./config_ranges.ts";
import { describeIssue, parseJson, unknownKeys } from "./config_text.ts";
import {
  DEFAULT_LIMITS,
  DEFAULT_STORAGE_LIMITS,
  DEFAULT_TIMING,
  type Limits,
  type StorageLimits,
  type Timing,
} from "./node/limits.ts";
import { parseSomeDurationMs } from "./util/duration.ts";

/** Backups that servers take by themselves: scheduled_backups.ts. */
export interface BackupSchedule {
  readonly everyMs: number;
  /** The directory of the files. Relative to the working directory. */
  readonly path: string;
  /** So many files of this cluster stay in it. */
  readonly keep: number;
}

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
  /** Absent: no backups are scheduled. */
  readonly backup?: BackupSchedule;
  /** Keys of the file that earlier builds knew and this one has no use for. */
  readonly withoutEffect?: readonly string[];
}

/** The cluster file, or an argument that goes with it, can't be used; the message is for the operator. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Votes of more servers cost every write more than they add to its safety. */
const SERVERS_MAX = 15;

function wholeNumber(low: number, high: number, what: string) {
  const meant = `is no ${what} (${low} to ${high})`;
  return v.pipe(
    v.number(meant),
    v.check((n) => Number.isSafeInteger(n) && n >= low && n <= high, meant),
  );
}

function unitOf(key: string): string {
  if (key.endsWith("Ms")) return "whole number of milliseconds";
  return /Bytes/.test(key) ? "whole number of bytes" : "whole number";
}

/** An object that knows exactly `entries`. Valibot lets a list pass for an object: refused first. */
function section<T extends v.ObjectEntries>(entries: T, what: string) {
  const meant = `is no ${what} (an object with ${Object.keys(entries).join(", ")})`;
  return v.pipe(
    v.unknown(),
    v.check((input) => typeof input === "object" && input !== null && !Array.isArray(input), meant),
    v.strictObject(entries),
  );
}

/** A section of numbers, each optional with its default; `more`: further keys, without one. */
function numbers<T extends object>(
  ranges: Ranges<T>,
  defaults: T,
  what: string,
  more: v.ObjectEntries = {},
) {
  const entries: v.ObjectEntries = { ...more };
  for (const key of Object.keys(ranges) as (keyof T & string)[]) {
    const [low, high] = ranges[key];
    entries[key] = v.optional(wholeNumber(low, high, unitOf(key)), defaults[key] as number);
  }
  return v.optional(section(entries, what), {});
}

/** Where a file gives a short election timeout alone, heartbeats come as often as that needs. */
function withHeartbeat(timing: unknown): unknown {
  if (!isObject(timing) || "heartbeatIntervalMs" in (timing as object)) return timing;
  const { electionTimeoutMs } = timing as { electionTimeoutMs?: unknown };
  const thirdMs = Math.floor(Number(electionTimeoutMs) / 3);
  const isShort = thirdMs >= 1 && thirdMs < DEFAULT_TIMING.heartbeatIntervalMs;
  return isShort ? { ...(timing as object), heartbeatIntervalMs: thirdMs } : timing;
}

const PORT = wholeNumber(1, 65_535, "port");
const HOSTNAME = "is no hostname or address (letters, digits, and . _ - : only)";

// The name travels in a reply line, so it must not carry a space or a line end.
const HOST = v.pipe(
  v.string(HOSTNAME),
  v.check((name) => /^[A-Za-z0-9._:-]{1,253}$/.test(name), HOSTNAME),
);

const SERVER_KEYS = {
  id: wholeNumber(1, Number.MAX_SAFE_INTEGER, "server id: a positive whole number"),
  hostname: HOST,
  clientPort: PORT,
  logPort: PORT,
  clientListen: v.optional(HOST),
  logListen: v.optional(HOST),
  adminPort: v.optional(wholeNumber(0, 65_535, "port, or 0 for none")),
  adminListen: v.optional(HOST),
};
const SERVER = section(SERVER_KEYS, "server");

const SERVERS = `is no list of 1 to ${SERVERS_MAX} servers`;
const PATH = "is no directory (a name of 1 to 4096 characters)";

const DIRECTORY = v.pipe(
  v.string(PATH),
  v.check((path) => path.length > 0 && path.length <= 4_096 && !path.includes("\0"), PATH),
);

const EVERY = 'is no time between backups (a text such as "90m", "6h" or "1d", from 1s to 366d)';
const KEPT = 7;

function isEvery(text: string): boolean {
  try {
    const ms = parseSomeDurationMs(text);
    return ms >= BACKUP_EVERY_RANGE_MS[0] && ms <= BACKUP_EVERY_RANGE_MS[1];
  } catch {
    return false;
  }
}

const BACKUP_KEYS = {
  every: v.pipe(v.string(EVERY), v.check(isEvery, EVERY)),
  path: DIRECTORY,
  keep: v.optional(wholeNumber(1, 10_000, "number of backups to keep"), KEPT),
};

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
  limits: numbers(LIMIT_RANGES, DEFAULT_LIMITS, "set of limits"),
  storage: numbers(STORAGE_RANGES, DEFAULT_STORAGE_LIMITS, "set of storage limits"),
  holdClusterVersion: v.optional(v.boolean("is neither true nor false")),
  backup: v.optional(section(BACKUP_KEYS, "backup schedule")),
};
const CONFIG = section(SECTIONS, "cluster file");

/** The sections by the key path that leads to them, list positions left out; for the hint on unknown keys. */
const KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  "": Object.keys(SECTIONS),
  servers: Object.keys(SERVER_KEYS),
  timing: Object.keys(TIMING_RANGES),
  limits: Object.keys(LIMIT_RANGES),
  storage: Object.keys(STORAGE_RANGES),
  backup: Object.keys(BACKUP_KEYS),
};

/** And what is accepted, though nobody needs it any more: no hint names it. */
const ACCEPTED_KEYS: typeof KNOWN_KEYS = {
  ...KNOWN_KEYS,
  timing: [...KNOWN_KEYS.timing!, "tickMs"],
};

/** The cluster file as earlier builds know it, too. */
type FileContents = Omit<Config, "backup"> & {
  readonly timing: { readonly tickMs?: number };
  readonly backup?: FileBackup;
};
type FileBackup = Omit<BackupSchedule, "everyMs"> & { readonly every: string };

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
  const { timing: { tickMs, ...timing }, backup, ...rest } = result
    .output as unknown as FileContents;
  const unused = tickMs === undefined ? {} : { withoutEffect: ["timing.tickMs"] };
  const config: Config = { ...rest, timing, ...unused, ...scheduleOf(backup) };
  const fault = contradictions(config)[0] ?? null;
  if (fault !== null) throw new ConfigError(`${source}: ${fault}`);
  return config;
}

function scheduleOf(backup: FileBackup | undefined): Pick<Config, "backup"> {
  if (backup === undefined) return {};
  const { every, path, keep } = backup;
  return { backup: { everyMs: parseSomeDurationMs(every), path, keep } };
}

/** Parts that are right by themselves and don't fit together; those that are absent are not looked at. */
function contradictions({ path, servers, timing, limits, backup }: Partial<Config>): string[] {
  return [
    ...(servers === undefined ? [] : addressFaults(servers)),
    ...(timing === undefined ? [] : timingFaults(timing)),
    ...(limits === undefined ? [] : limitsFaults(limits)),
    ...(backup === undefined ? [] : backupFaults(backup.path, path ?? "", servers ?? [])),
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
  return [...new Set([...faults, ...contradictions(sound as Partial<Config>)])];
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

/** The entry of server `id`. @throws {ConfigError} where the file does not list it. */
export function findServer(config: Config, id: number): ServerConfig {
  const found = config.servers.find((server) => server.id === id);
  if (found !== undefined) return found;
  const ids = config.servers.map((server) => server.id).join(", ");
  throw new ConfigError(`There is no server ${id} in the cluster file: it lists ${ids}`);
}
