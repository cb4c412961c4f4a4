/** The executable `raftkv-run`: see app.ts beside it. */
import { firstInputLine, inputIsTerminal, startChild } from "../../host/child.ts";
import { denoProcess } from "../../host/process.ts";
import { runWrapper } from "./app.ts";

const input = { isTerminal: inputIsTerminal, firstLine: firstInputLine };
denoProcess.exit(await runWrapper(denoProcess, startChild, input));
