/** `raftkv serve`, once its flags are parsed. */
import type { HostProcess } from "../host/process.ts";
import type { AskToJoin } from "../joining.ts";
import { startLogging } from "../logging.ts";
import type { CliContext } from "./context.ts";
import type { JoinOptions } from "./join/ask_to_join.ts";
import { logSettings, type ServeFlags, serveSettings } from "./settings.ts";

/** Runs a server; resolves once it has stopped in order. Throws what it refuses to start for. */
export async function runServer(this: CliContext, flags: ServeFlags): Promise<void> {
  const { host } = this;
  const log = startLogging({ ...logSettings(host), write: (line) => host.writeError(line) });
  const settings = serveSettings(flags, host);
  const { serverId, config, configFile, join, joinTls: tls, secret, adminToken } = settings;
  if (configFile === null && join === null) {
    log({
      level: "info",
      message: "No --config and no cluster.json here: using the three default servers",
      fields: { servers: config.servers.map((s) => `${s.hostname}:${s.clientPort}`).join(" ") },
    });
  }
  // Loaded last: what is refused above is refused at once.
  const { startServer } = await import("../server.ts");
  const about = { config, serverId, process: host, log, secret, adminToken };
  const { timing } = config;
  const asking = join === null ? {} : { join: asker({ servers: join, timing, tls }, host) };
  const server = await startServer({ ...about, ...asking });
  await server.stopped;
}

/** What it takes is loaded once it is used: a member asks nobody. */
function asker(
  whom: Pick<JoinOptions, "servers" | "timing" | "tls">,
  host: HostProcess,
): AskToJoin {
  return async (request, events) => {
    const { askToJoin } = await import("./join/ask_to_join.ts");
    const { credentialsOf } = await import("./connect/credentials.ts");
    await askToJoin({ ...whom, credentials: credentialsOf(undefined, host), request, events });
  };
}
