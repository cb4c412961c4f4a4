/** Init: the composition root, where a server gets the real clock, disk and network. */
import metadata from "../deno.json" with { type: "json" };
import { GivenToken } from "./admin_token.ts";
import { type Config, findServer } from "./config.ts";
import { doubtsAbout } from "./config_checks.ts";
import type { AuditLog } from "./audit_log.ts";
import { DenoDisk } from "./host/deno_disk.ts";
import { freeDescriptors } from "./host/descriptors.ts";
import { Machine } from "./host/machine.ts";
import type { Clock, Rng } from "./host/ports.ts";
import type { HostProcess } from "./host/process.ts";
import { processUse } from "./host/process_use.ts";
import { systemClock } from "./host/system_clock.ts";
import { SystemPasswords } from "./host/system_passwords.ts";
import { UserResetFile } from "./host/user_reset_file.ts";
import { SystemRng } from "./host/system_rng.ts";
import { TcpTransport } from "./host/tcp.ts";
import type { AcceptFailure } from "./host/tcp_listener.ts";
import { type AskToJoin, Joining, type JoinRequest } from "./joining.ts";
import { Node } from "./node/node.ts";
import type { LogEvent } from "./node/api.ts";
import { NodeRunner } from "./node_runner.ts";
import { firstUserDoubt, needsUsers, openPorts } from "./open_ports.ts";
import { scriptEngines } from "./script_engines.ts";
import type { OpenSecret } from "./secret.ts";
import { provesSecret, type SecretSource } from "./secret_source.ts";
import { keepRunningOnSignals, type Reload, stopOnSignal } from "./signals.ts";
import { DataDirectory } from "./storage/data_directory.ts";
import { LOCK_FILE } from "./storage/recovery/parts.ts";
import type { TlsPorts } from "./tls_ports.ts";

export interface ServerOptions {
  readonly config: Config;
  readonly serverId: number;
  readonly process: HostProcess;
  readonly log: (event: LogEvent) => void;
  /** It is to become a member of a cluster that runs, unless it is one already. */
  readonly join?: AskToJoin;
  /** Where the secret is that the servers prove to each other; null: they prove none. */
  readonly secret: SecretSource | null;
  /** Where the token is that the admin port wants; null: it wants none. */
  readonly adminToken: SecretSource | null;
}

export interface RunningServer {
  /** Resolves once a signal has stopped the server in order. */
  readonly stopped: Promise<void>;
}

/**
 * Opens the data directory, recovers what is in it, starts the parts and stops them on SIGTERM and
 * SIGINT. Throws one sentence where it can't start.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config, serverId, process, log } = options;
  let isEnding = false;
  const onFatal = (error: unknown) => {
    if (isEnding) return;
    isEnding = true;
    log({
      level: "error",
      message: "This server can't continue and ends",
      fields: describe(error),
    });
    process.exit(1);
  };
  process.onUncaughtError(onFatal);
  const clock = systemClock;
  const startedMs = clock.monotonicMs();
  const surroundings = { process, clock, log };
  const reloads: Reload[] = [];
  keepRunningOnSignals(surroundings, reloads);
  for (const message of doubtsAbout(config.servers)) log({ level: "warning", message, fields: {} });
  for (const key of config.withoutEffect ?? []) {
    const message = "A key of the cluster file is without effect: this build has no use for it";
    log({ level: "info", message, fields: { key } });
  }

  warnOfOpenPorts(options);
  const rng = new SystemRng();
  const tcp = makeTransport(options);
  const tls = await openTls(options, tcp);
  if (tls !== null) reloads.push({ what: "TLS certificates", run: () => void tls.reload() });
  const secret = await secretOf(options, rng, reloads);
  const audit = await openAudit(options, clock);
  const directory = await openDirectory(options, rng);
  const stopped = (stop: () => Promise<void>) =>
    stopOnSignal(surroundings, stop).then(() => {
      tls?.stop();
      directory.close();
      log({ level: "info", message: "Stopped", fields: { server: serverId } });
    });
  const adminToken = adminTokenOf(options, reloads);
  const runner = makeRunner(options, { clock, rng, onFatal, tcp, tls, audit, adminToken });
  const openingMs = clock.monotonicMs() - startedMs;
  const parts = { options, directory, clock, rng, runner, secret, audit, openingMs };
  const request = joinRequestOf(options, directory);
  if (request === null) {
    const { formation } = directory;
    const joined = options.join === undefined ? null : { clusterId: formation!.clusterId };
    return { stopped: stopped(await serve(parts, joined)) };
  }
  // Whoever is taken in has to be there: a cluster must not count on a server that can't have its ports.
  await runner.openPorts(true);
  const isMember = () => directory.formation?.stage === "formed";
  const joining = new Joining(options.join!, request, { log, isMember });
  // Waiting may last for ever: a signal ends it in order, too.
  const serving = joining.clusterId.then((clusterId) => {
    return clusterId === null ? null : serve(parts, { clusterId });
  });
  const ended = stopped(async () => {
    joining.stop();
    const stopServing = await serving;
    await (stopServing === null ? runner.stop() : stopServing());
  });
  try {
    await serving;
  } catch (error) {
    joining.stop();
    throw error;
  }
  return { stopped: ended };
}

/**
 * Null where nobody has to be asked: it has no --join, or is a member already. Throws one sentence where it
 * has begun to found a cluster.
 */
function joinRequestOf(
  { config, serverId, join }: ServerOptions,
  directory: DataDirectory,
): JoinRequest | null {
  const { formation } = directory;
  // It was taken in, and ended before it had a log: it continues as if it had one.
  if (join === undefined || formation?.stage === "formed" || formation?.joined === true) {
    return null;
  }
  if (formation !== null) {
    throw new Error(
      `${config.path}/${serverId} has begun to found a cluster with other servers: start it ` +
        "without --join, or on an empty directory",
    );
  }
  const { hostname, clientPort, logPort } = findServer(config, serverId);
  const { incarnation } = directory.identity;
  return { serverId, incarnation, hostname, clientPort, logPort };
}

/** @throws {Error} in one sentence. */
function adminTokenOf(
  { adminToken, log }: ServerOptions,
  reloads: Reload[],
): GivenToken | undefined {
  if (adminToken === null) return undefined;
  const token = new GivenToken(adminToken, log);
  reloads.push({ what: "the admin port's token", run: () => token.reload() });
  return token;
}

/** Once a start: who looks for the reason of something finds it in the log. */
function warnOfOpenPorts({ config, serverId, secret, adminToken, log }: ServerOptions): void {
  const doubt = firstUserDoubt(config, serverId);
  if (doubt !== null) log({ level: "info", message: doubt, fields: {} });
  const given = {
    provesSecret: provesSecret(config, secret),
    hasAdminToken: adminToken !== null,
  };
  const { insecure } = openPorts(config, serverId, given);
  if (insecure.length === 0) return;
  const message =
    "insecure: these ports are open to the network, and whoever reaches them is let " +
    "in (docs/security.md)";
  log({ level: "warning", message, fields: { ports: insecure.join(" ") } });
}

interface ServerParts {
  readonly options: ServerOptions;
  readonly directory: DataDirectory;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly runner: NodeRunner;
  readonly secret: OpenSecret | null;
  readonly audit: AuditLog | null;
  /** How long it took to get here; a newcomer waits from here on until it is taken in. */
  readonly openingMs: number;
}

/** What it takes is loaded by those servers alone that have one. @throws {Error} in one sentence. */
async function secretOf(
  { config, secret: source, log }: ServerOptions,
  rng: Rng,
  reloads: Reload[],
): Promise<OpenSecret | null> {
  if (source === null) return null;
  const { openSecret } = await import("./secret.ts");
  const secret = openSecret(source, config.secretOptional === true, { rng, log });
  // From now on: it may be long until the server is taken into its cluster, or its log is read.
  reloads.push({ what: "the cluster's secret", run: () => secret.reload() });
  return secret;
}

function makeTransport({ config, log }: ServerOptions): TcpTransport {
  return new TcpTransport({
    onAcceptFailure: (failure) => log(acceptFailureEvent(failure)),
    countFree: (atMost) => freeDescriptors(config.path, atMost),
  });
}

/** Loaded by those servers alone that speak TLS. @throws {Error} as `TlsPorts.open`. */
async function openTls(
  { config, serverId, log }: ServerOptions,
  tcp: TcpTransport,
): Promise<TlsPorts | null> {
  if (config.tls === undefined) return null;
  const { TlsPorts } = await import("./tls_ports.ts");
  return await TlsPorts.open({ config, serverId, tcp, clock: systemClock, log });
}

/** Loaded by those servers alone that keep one. */
async function openAudit(
  { config: { audit }, serverId, log }: ServerOptions,
  clock: Clock,
): Promise<AuditLog | null> {
  if (audit === undefined) return null;
  const { AuditLog } = await import("./audit_log.ts");
  return new AuditLog({ audit, serverId, clock, log });
}

interface RunnerParts {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly onFatal: (error: unknown) => void;
  readonly tcp: TcpTransport;
  readonly tls: TlsPorts | null;
  readonly audit: AuditLog | null;
  readonly adminToken: GivenToken | undefined;
}

function makeRunner(
  { config, serverId, log }: ServerOptions,
  { tcp, tls, audit, ...own }: RunnerParts,
): NodeRunner {
  const machine = new Machine(config.path, own.clock);
  const transports = { transport: tcp, ...(tls !== null && { secured: tls.transports }) };
  const parts = { config, serverId, log, ...transports, ...own };
  const sample = () => ({
    ...machine.sample(),
    certificates: tls?.certificates ?? [],
    plainLinks: tls?.plainLinks,
    audit: audit?.facts,
  });
  return new NodeRunner({ ...parts, use: processUse, machine: sample });
}

/**
 * Starts the parts around an open data directory; gives what stops them in order. `join`: the cluster that
 * it waits to become a member of, or is one of already; null where it founds one, or has founded it.
 */
async function serve(
  { options, directory, clock, rng, runner, secret, audit, openingMs }: ServerParts,
  join: { readonly clusterId: string } | null,
): Promise<() => Promise<void>> {
  const { config, serverId, log } = options;
  const startedMs = clock.monotonicMs();
  const { version } = metadata;
  const userResets = new UserResetFile(`${config.path}/${serverId}`, () => clock.wallMs());
  const passwords = new SystemPasswords();
  const scripts = scriptEngines(log);
  const parts = { directory, clock, rng, passwords, userResets, scripts, host: runner };
  const asked = { secret: secret?.secret, needsUsers: needsUsers(config, serverId) };
  const about = { config, serverId, version, audit: audit?.codec, ...asked, ...parts };
  const node = new Node(join === null ? about : { ...about, join });
  if (secret !== null) secret.onExchange = () => node.links.secretExchanged();
  await runner.start(node, node.view);
  const tookMs = Math.round(openingMs + clock.monotonicMs() - startedMs);
  const diskMs = Math.round(processUse().diskMs);
  const fields = { ...servingFields(options, runner), tookMs, diskMs };
  log({ level: "info", message: "Serving", fields });
  const { backup: schedule } = config;
  // Loaded by those servers alone that need it.
  const backups = schedule === undefined
    ? null
    : (await import("./scheduled_backups.ts")).schedule({
      schedule,
      server: node.backedUp,
      clock,
      log,
    });
  return async () => {
    await Promise.all([backups?.stop(), runner.stop()]);
    await audit?.stop();
  };
}

async function openDirectory(options: ServerOptions, rng: Rng): Promise<DataDirectory> {
  const { config, serverId, join } = options;
  const { disk, path } = DenoDisk.at(`${config.path}/${serverId}`);
  await disk.prepareLock(`${path}/${LOCK_FILE}`);
  const hex = () => rng.u32().toString(16).padStart(8, "0");
  return DataDirectory.open(disk, {
    path,
    serverId,
    // With --join the list is this server alone, and says nothing of the cluster.
    ...(join === undefined && { servers: config.servers.length }),
    makeIncarnation: () => hex() + hex(),
    segmentBytesMax: config.storage.segmentBytesMax,
    reserveBytes: config.storage.reserveBytes,
  });
}

function servingFields(
  { config, serverId }: ServerOptions,
  runner: NodeRunner,
): LogEvent["fields"] {
  const { hostname, clientPort, logPort } = findServer(config, serverId);
  return {
    server: serverId,
    hostname,
    clientPort,
    logPort,
    clientListen: runner.clientAddresses.join(" "),
    logListen: runner.logAddresses.join(" "),
    adminListen: runner.adminAddresses.join(" ") || "none",
    tls: Object.keys(config.tls ?? {}).join(" ") || "none",
    ...(runner.forwardAddresses.length > 0 && {
      forwardListen: runner.forwardAddresses.join(" "),
    }),
    ...(runner.probeAddresses.length > 0 && { probeListen: runner.probeAddresses.join(" ") }),
    path: `${config.path}/${serverId}`,
  };
}

/** Connections that end before they are accepted are their clients' affair: whoever likes makes them. */
function acceptFailureEvent({ address, kind, error, count }: AcceptFailure): LogEvent {
  const fields = { address, reason: error.message, count };
  return kind === "oneConnection"
    ? { level: "debug", message: "Connections ended before they were accepted", fields }
    : { level: "warning", message: "Cannot accept connections", fields };
}

/** An error as fields: what happened and, for whoever mends it, where. */
function describe(error: unknown): LogEvent["fields"] {
  if (!(error instanceof Error)) return { reason: String(error) };
  const frames = error.stack?.split("\n").filter((line) => line.trimStart().startsWith("at "));
  // The line of an assertion tells more than the line where `assert` is defined.
  const where = frames?.find((frame) => !frame.includes("/util/assert.ts"));
  return { reason: error.message, error: error.name, where: where?.trim() ?? "unknown" };
}
