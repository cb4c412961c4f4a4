/** Init: the composition root, where a server gets the real clock, disk and network. */
import metadata from "../deno.json" with { type: "json" };
import { type Config, findServer } from "./config.ts";
import { doubtsAbout } from "./config_checks.ts";
import { DenoDisk } from "./host/deno_disk.ts";
import { freeDescriptors } from "./host/descriptors.ts";
import { Machine } from "./host/machine.ts";
import type { Rng } from "./host/ports.ts";
import type { HostProcess } from "./host/process.ts";
import { processUse } from "./host/process_use.ts";
import { systemClock } from "./host/system_clock.ts";
import { SystemRng } from "./host/system_rng.ts";
import { TcpTransport } from "./host/tcp.ts";
import type { AcceptFailure } from "./host/tcp_listener.ts";
import { Node } from "./node/node.ts";
import type { LogEvent } from "./node/api.ts";
import { NodeRunner } from "./node_runner.ts";
import { keepRunningOnSignals, stopOnSignal } from "./signals.ts";
import { DataDirectory } from "./storage/data_directory.ts";
import { LOCK_FILE } from "./storage/recovery/parts.ts";

export interface ServerOptions {
  readonly config: Config;
  readonly serverId: number;
  readonly process: HostProcess;
  readonly log: (event: LogEvent) => void;
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
  const surroundings = { process, clock, log };
  keepRunningOnSignals(surroundings);
  for (const message of doubtsAbout(config.servers)) log({ level: "warning", message, fields: {} });
  for (const key of config.withoutEffect ?? []) {
    const message = "A key of the cluster file is without effect: this build has no use for it";
    log({ level: "info", message, fields: { key } });
  }

  const rng = new SystemRng();
  const startedMs = clock.monotonicMs();
  const directory = await openDirectory(options, rng);
  const transport = new TcpTransport({
    onAcceptFailure: (failure) => log(acceptFailureEvent(failure)),
    countFree: (atMost) => freeDescriptors(config.path, atMost),
  });
  const parts = { config, serverId, transport, clock, rng, log, onFatal };
  const machine = new Machine(config.path, clock);
  const runner = new NodeRunner({ ...parts, use: processUse, machine: () => machine.sample() });
  const { version } = metadata;
  const node = new Node({ config, serverId, directory, clock, rng, host: runner, version });
  await runner.start(node, node.view);
  const tookMs = Math.round(clock.monotonicMs() - startedMs);
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
  const stop = () => {
    backups?.stop();
    return runner.stop();
  };
  return {
    stopped: stopOnSignal(surroundings, stop).then(() => {
      directory.close();
      log({ level: "info", message: "Stopped", fields: { server: serverId } });
    }),
  };
}

async function openDirectory(options: ServerOptions, rng: Rng): Promise<DataDirectory> {
  const { config, serverId } = options;
  const { disk, path } = DenoDisk.at(`${config.path}/${serverId}`);
  await disk.prepareLock(`${path}/${LOCK_FILE}`);
  const hex = () => rng.u32().toString(16).padStart(8, "0");
  return DataDirectory.open(disk, {
    path,
    serverId,
    servers: config.servers.length,
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
