/** Makes a call and hands it on. */
import { Call, type CallSettings } from "./call.ts";
import type { CallOptions } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import { checkSignal } from "./options.ts";
import type { Reply } from "./reply_parser.ts";
import type { Argument } from "./request_writer.ts";
import { checkTimeout, type Settings } from "./settings.ts";

export interface Submission<T> extends Omit<CallSettings, "resolve" | "reject" | "decode"> {
  readonly decode: (reply: Reply) => T;
}

export function submit<T>(cluster: Cluster, settings: Submission<T>): Promise<T> {
  return new Promise<unknown>((resolve, reject) => {
    cluster.submit(new Call({ ...settings, resolve, reject }));
  }) as Promise<T>;
}

export interface OneRequest<T> {
  readonly request: readonly Argument[];
  /** What the call is called in errors. */
  readonly name: string;
  readonly isWrite: boolean;
  readonly isSessionWrite: boolean;
  readonly decode: (reply: Reply) => T;
}

/**
 * A call of one request, with its caller's options.
 * @throws {TypeError | RangeError} where these are wrong.
 */
export function submitOne<T>(
  cluster: Cluster,
  settings: Settings,
  { request, name, isWrite, isSessionWrite, decode }: OneRequest<T>,
  options: CallOptions | undefined,
): Promise<T> {
  const signal = checkSignal(options?.signal);
  const timeoutMs = checkTimeout("timeoutMs", options?.timeoutMs, settings.timeoutMs);
  const deadlineMs = performance.now() + timeoutMs;
  const common = { name, isWrite, isSessionWrite, deadlineMs, timeoutMs, signal, decode };
  return submit(cluster, { requests: [request], ...common });
}
