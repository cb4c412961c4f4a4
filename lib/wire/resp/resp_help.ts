/** HELP of the commands that are this server's own. */
import type { RespRequest } from "./resp_request.ts";

/** Replies with `lines`, as Redis does to its own commands' HELP. */
export function help(r: RespRequest, lines: readonly string[]): void {
  r.line([`*${lines.length}`, ...lines.map((line) => `+${line}`)].join("\r\n"));
}
