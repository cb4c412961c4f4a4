/**
 * A client of raftkv, for Deno and Node: docs/client.md. It finds the server that leads and follows it,
 * sends nothing twice that may have been done, and says of every failed call whether it was done.
 *
 * @module
 */
import { Client, submit } from "./client.ts";
import { Cluster } from "./cluster.ts";
import { type ConnectOptions, toSettings } from "./settings.ts";

export type { CallOptions, CasOutcome, Key, SetOptions, Values, Versioned } from "./client.ts";
export type { Failure, Phase } from "./errors.ts";
export { BadValue, NotDone, RaftkvError, Refused, Unknown } from "./errors.ts";
export type { ConnectOptions } from "./settings.ts";
export { Client };

/**
 * A client of the cluster that these servers belong to, once one of them leads.
 * @throws {NotDone} where none does within `timeoutMs`, with what each server said.
 * @throws {TypeError | RangeError} where an option is wrong.
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  const settings = toSettings(options);
  const cluster = new Cluster(settings);
  try {
    const { signal } = options;
    const given = signal === undefined ? {} : { signal };
    await submit(cluster, settings, [["PING"]], false, () => {}, given);
  } catch (error) {
    cluster.close();
    throw error;
  }
  return new Client(cluster, settings);
}
