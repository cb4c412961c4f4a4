/** All commands. Loaded for each of them but `serve`, which needs none of the others' words. */
import { buildRouteMap } from "@stricli/core";
import { backupCommand } from "./commands/backup.ts";
import { benchCommand } from "./commands/bench.ts";
import { casCommand } from "./commands/cas.ts";
import { checkCommand } from "./commands/check.ts";
import { clientsRoutes } from "./commands/clients.ts";
import { completionCommand } from "./commands/completion.ts";
import { configRoutes } from "./commands/config.ts";
import { deleteCommand } from "./commands/delete.ts";
import { dumpCommand } from "./commands/dump.ts";
import { getCommand } from "./commands/get.ts";
import { getmCommand } from "./commands/getm.ts";
import { importCommand } from "./commands/import.ts";
import { incrCommand } from "./commands/incr.ts";
import { keysCommand } from "./commands/keys.ts";
import { leaderRoutes } from "./commands/leader.ts";
import { loadCommand } from "./commands/load.ts";
import { lockCommand } from "./commands/lock.ts";
import { memberRoutes } from "./commands/member.ts";
import { recoverCommand } from "./commands/recover.ts";
import { restoreCommand } from "./commands/restore.ts";
import { scanCommand } from "./commands/scan.ts";
import { setCommand } from "./commands/set.ts";
import { statusCommand } from "./commands/status.ts";
import { userRoutes } from "./commands/user.ts";
import { topCommand } from "./commands/top.ts";
import type { CliContext } from "./context.ts";
import { inspectCommand } from "./inspect.ts";
import { serveCommand } from "./serve.ts";
import { verifyCommand } from "./verify.ts";
import { watchCommand } from "./commands/watch.ts";

const FULL_DESCRIPTION = [
  "A replicated, strongly consistent key-value store. Each server is one process:",
  "",
  "  raftkv --id 1            starts server 1 (short for raftkv serve --id 1)",
  "  raftkv serve --help      shows the flags and the environment variables",
  "  raftkv inspect data/1    shows what is in server 1's data directory",
  "  raftkv verify data/1     checks every checksum in it",
  "",
  "and with a cluster that runs somewhere, from any machine:",
  "",
  "  raftkv set greeting hello",
  "  raftkv get greeting",
  "  raftkv status            shows all servers, whatever is down",
  "",
  "Without --servers, --config and a cluster.json here, the cluster is three servers on 127.0.0.1",
  "with the client ports 9000, 9002 and 9004.",
].join("\n");

export const allRoutes = buildRouteMap<string, CliContext>({
  routes: {
    serve: serveCommand,
    get: getCommand,
    set: setCommand,
    cas: casCommand,
    delete: deleteCommand,
    getm: getmCommand,
    incr: incrCommand,
    keys: keysCommand,
    scan: scanCommand,
    watch: watchCommand,
    lock: lockCommand,
    load: loadCommand,
    dump: dumpCommand,
    backup: backupCommand,
    import: importCommand,
    status: statusCommand,
    top: topCommand,
    check: checkCommand,
    clients: clientsRoutes,
    bench: benchCommand,
    member: memberRoutes,
    leader: leaderRoutes,
    user: userRoutes,
    config: configRoutes,
    inspect: inspectCommand,
    verify: verifyCommand,
    recover: recoverCommand,
    restore: restoreCommand,
    completion: completionCommand,
  },
  defaultCommand: "serve",
  docs: { brief: "A replicated key-value store", fullDescription: FULL_DESCRIPTION },
});
