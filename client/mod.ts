/**
 * A client of raftkv, for Deno and Node: docs/client.md. It finds the server that leads and follows it,
 * sends nothing twice that may have been done, and says of every failed call whether it was done.
 *
 * @module
 */
import { Client } from "./client.ts";
import { Cluster } from "./cluster.ts";
import { type ConnectOptions, toSettings } from "./settings.ts";
import { submit } from "./submit.ts";
import { checkPair } from "./tls.ts";

export { ask } from "./ask.ts";
export type {
  AddMemberOptions,
  AskOptions,
  CallOptions,
  CasOutcome,
  CommandOptions,
  Entry,
  Key,
  KeysOptions,
  MemberInfo,
  MemberList,
  MoveLeaderOptions,
  Page,
  RangeOptions,
  ReplaceStep,
  ScanOptions,
  SetOptions,
  TlsOptions,
  Versioned,
  WaitingInfo,
  WatchEvent,
  WatchGroup,
  WatchOptions,
} from "./calls.ts";
export type { Values } from "./value_client.ts";
export type { Leader, ObserveOptions } from "./election.ts";
export type { Failure, Phase } from "./errors.ts";
export { BadValue, LockLost, NotDone, RaftkvError, Refused, Unknown } from "./errors.ts";
export type { Leadership, Lock, Permit } from "./held.ts";
export { Link, type LinkOptions } from "./link.ts";
export type { LockOptions } from "./lock_options.ts";
export { type Reply, ReplyError } from "./reply_parser.ts";
export type { Argument } from "./request_writer.ts";
export type { ConnectOptions } from "./settings.ts";
export { checkPair } from "./tls.ts";
export type { Pending, Transaction } from "./transaction.ts";
export { Client };

/**
 * A client that is not connected yet: its first call finds the leader, within that call's own time.
 * @throws {TypeError | RangeError} where an option is wrong.
 */
export function open(options: ConnectOptions): Client {
  const settings = toSettings(options);
  return new Client(new Cluster(settings), settings);
}

/**
 * A client of the cluster that these servers belong to, once one of them leads.
 * @throws {NotDone} where none does within `timeoutMs`, with what each server said.
 * @throws {TypeError | RangeError} where an option is wrong.
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  const settings = toSettings(options);
  await checkPair(settings.tls);
  const cluster = new Cluster(settings);
  try {
    await submit(cluster, {
      requests: [["HELLO", "3"]],
      name: "connect",
      isWrite: false,
      deadlineMs: performance.now() + settings.timeoutMs,
      timeoutMs: settings.timeoutMs,
      signal: options.signal,
      decode: () => {},
    });
  } catch (error) {
    cluster.close();
    throw error;
  }
  return new Client(cluster, settings);
}
