/** The executable: `raftkv`. See lib/cli/app.ts for its commands. */
import { runCommandLine } from "./lib/cli/app.ts";
import { denoProcess } from "./lib/host/process.ts";

denoProcess.exit(await runCommandLine(denoProcess));
