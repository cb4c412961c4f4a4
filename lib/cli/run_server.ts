/** `raftkv serve`, once its flags are parsed. */
import { startLogging } from "../logging.ts";
import type { CliContext } from "./context.ts";
import { logSettings, type ServeFlags, serveSettings } from "./settings.ts";

/** Runs a server; resolves once it has stopped in order. Throws what it refuses to start for. */
export async function runServer(this: CliContext, flags: ServeFlags): Promise<void> {
  const { host } = this;
  const log = startLogging({ ...logSettings(host), write: (line) => host.writeError(line) });
  const { serverId, config, configFile } = serveSettings(flags, host);
  if (configFile === null) {
    log({
      level: "info",
      message: "No --config and no cluster.json here: using the three default servers",
      fields: { servers: config.servers.map((s) => `${s.hostname}:${s.clientPort}`).join(" ") },
    });
  }
  // Loaded last: what is refused above is refused at once.
  const { startServer } = await import("../server.ts");
  const server = await startServer({ config, serverId, process: host, log });
  await server.stopped;
}
