/** Makes a call and hands it on. */
import { Call, type CallSettings } from "./call.ts";
import type { Cluster } from "./cluster.ts";
import type { Reply } from "./reply_parser.ts";

export interface Submission<T> extends Omit<CallSettings, "resolve" | "reject" | "decode"> {
  readonly decode: (reply: Reply) => T;
}

export function submit<T>(cluster: Cluster, settings: Submission<T>): Promise<T> {
  return new Promise<unknown>((resolve, reject) => {
    cluster.submit(new Call({ ...settings, resolve, reject }));
  }) as Promise<T>;
}
