/** What the flags that commands share hold once they are parsed. */
import type { OutputForm } from "../tool.ts";
import type { ServerFlags } from "./servers.ts";

export interface ClientFlags extends ServerFlags {
  /** Milliseconds for one command, from resolving names to the answer. */
  readonly timeout?: number;
}

export interface OutputFlags {
  readonly output?: OutputForm;
}
