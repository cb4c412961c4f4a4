/** What a client can be told when it is made, and what it takes where it is not told. */
import { formatAddress, parseAddress } from "./address.ts";
import { wrongKind } from "./arguments.ts";
import type { TlsOptions } from "./calls.ts";
import { type CredentialOptions, greetingOf, toCredentials } from "./credentials.ts";
import { checkFlag, checkNames, checkSignal, optionNames } from "./options.ts";
import { checkTls } from "./tls.ts";

export interface ConnectOptions extends CredentialOptions {
  /**
   * Servers of the cluster, `HOST:PORT` each: at least one; better all, so that a client can begin while
   * some are down. The others are learned from them.
   */
  readonly servers: readonly string[];
  /** TLS to all servers; `true`: with certificates of CAs that the runtime trusts. None unless given. */
  readonly tls?: TlsOptions | boolean | undefined;
  /**
   * Whether writes go in a client session where the cluster has them: then one whose reply was lost is sent
   * again, and done once. True, unless given.
   */
  readonly sessions?: boolean;
  /** How long a call may take unless it says otherwise, retries included: 5,000 ms. */
  readonly timeoutMs?: number;
  /** Gives up connecting. What is called later has signals of its own. */
  readonly signal?: AbortSignal;
  /** How long one server may take to be connected and to say who leads: 1,000 ms. */
  readonly attemptTimeoutMs?: number;
  /** How long the leader may be silent before other servers are asked who leads: 500 ms. */
  readonly silenceMs?: number;
  /** The most calls that are sent and not answered: 1,000. Others wait for their turn. */
  readonly callsUnderWayMax?: number;
  /** The most bytes of calls that are sent and not answered: 4 MiB, and any one call. */
  readonly bytesUnderWayMax?: number;
  /** The most calls that wait to be sent: 100,000. Further ones fail at once: `NotDone`, code `busy`. */
  readonly callsWaitingMax?: number;
  /** The most bytes of calls that wait to be sent: 64 MiB, and any one call. */
  readonly bytesWaitingMax?: number;
  /** The longest reply that is taken: 80 MiB. A server that sends a longer one is disconnected. */
  readonly replyBytesMax?: number;
}

export interface Settings {
  readonly servers: readonly string[];
  /** The first request of each connection. */
  readonly greeting: readonly string[];
  readonly tls: TlsOptions | undefined;
  readonly sessions: boolean;
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly silenceMs: number;
  readonly callsUnderWayMax: number;
  readonly bytesUnderWayMax: number;
  readonly callsWaitingMax: number;
  readonly bytesWaitingMax: number;
  readonly replyBytesMax: number;
}

const MIB = 1_048_576;
/** What timers of all runtimes take. */
const TIMEOUT_MS_MAX = 2_147_483_647;

const CONNECT_OPTIONS = optionNames<ConnectOptions>({
  servers: true,
  user: true,
  password: true,
  tls: true,
  sessions: true,
  timeoutMs: true,
  signal: true,
  attemptTimeoutMs: true,
  silenceMs: true,
  callsUnderWayMax: true,
  bytesUnderWayMax: true,
  callsWaitingMax: true,
  bytesWaitingMax: true,
  replyBytesMax: true,
});
const SERVERS = 'an array such as ["127.0.0.1:9000"]';

/** @throws {TypeError | RangeError} where something is wrong, with what was meant. */
export function toSettings(options: ConnectOptions): Settings {
  if (options === undefined) throw new TypeError(`servers is missing: it is ${SERVERS}`);
  checkNames(options, CONNECT_OPTIONS);
  checkSignal(options.signal);
  if (!Array.isArray(options.servers)) throw wrongKind("servers", SERVERS, options.servers, "");
  if (options.servers.length === 0) {
    throw new TypeError('servers is empty: name at least one, such as ["127.0.0.1:9000"]');
  }
  const addresses = Array.from(options.servers, parseAddress);
  return {
    servers: [...new Set(addresses.map((one) => formatAddress(one.hostname, one.port)))],
    greeting: greetingOf(toCredentials(options)),
    tls: checkTls(options.tls),
    sessions: checkFlag("sessions", options.sessions) !== false,
    timeoutMs: checkTimeout("timeoutMs", options.timeoutMs, 5_000),
    attemptTimeoutMs: checkTimeout("attemptTimeoutMs", options.attemptTimeoutMs, 1_000),
    silenceMs: checkTimeout("silenceMs", options.silenceMs, 500),
    callsUnderWayMax: checkCount("callsUnderWayMax", options.callsUnderWayMax, 1_000),
    bytesUnderWayMax: checkCount("bytesUnderWayMax", options.bytesUnderWayMax, 4 * MIB),
    callsWaitingMax: checkCount("callsWaitingMax", options.callsWaitingMax, 100_000),
    bytesWaitingMax: checkCount("bytesWaitingMax", options.bytesWaitingMax, 64 * MIB),
    replyBytesMax: checkCount("replyBytesMax", options.replyBytesMax, 80 * MIB),
  };
}

/**
 * `usual` where it is not given.
 * @throws {TypeError | RangeError} where it is no time that a call can be given.
 */
export function checkTimeout(name: string, ms: number | undefined, usual: number): number {
  if (ms === undefined) return usual;
  if (typeof ms !== "number") throw wrongKind(name, "a number of milliseconds", ms, "");
  if (ms > 0 && ms <= TIMEOUT_MS_MAX) return ms;
  throw new RangeError(`${name} is ${ms}: write milliseconds above 0, up to ${TIMEOUT_MS_MAX}`);
}

/**
 * `usual` where it is not given.
 * @throws {TypeError | RangeError} where it counts nothing.
 */
export function checkCount(name: string, count: number | undefined, usual: number): number {
  if (count === undefined) return usual;
  if (typeof count !== "number") throw wrongKind(name, "a number", count, "");
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new RangeError(`${name} is ${count}: write a whole number above 0`);
}
