/**
 * The client connections of a server, as `CLIENT LIST`, `INFO` and `KILL` show and choose them: the fields
 * and words of Redis 7.0 (`catClientInfoString` in its networking.c). docs/redis.md says what differs.
 */

/** What a codec knows of its client. */
export interface ClientFacts {
  readonly clientId: number;
  /** Version of the Redis protocol; 0: it speaks lines, or has not said a word. */
  readonly protocol: 0 | 2 | 3;
  readonly name: string;
  readonly isReadonly: boolean;
  /** Commands gathered for EXEC; -1 outside of a transaction. */
  readonly queuedCommands: number;
  readonly watchedKeys: number;
  /** Bytes of both. */
  readonly transactionBytes: number;
  /** Its last command; a subcommand after `|`. Empty where there was none, and for lines. */
  readonly command: string;
  readonly libraryName: string;
  readonly libraryVersion: string;
}

/** And what its session knows. */
export interface ClientView extends ClientFacts {
  /** Address and port of the client, and those that it connected to; "" where they are unknown. */
  readonly remote: string;
  readonly local: string;
  readonly user: string;
  /** How many channels, and patterns of them, it subscribes to. */
  readonly channels: number;
  readonly patterns: number;
  /** It tracks, and this connection is told: 0: itself; -1: it does not. */
  readonly tracksTo: number;
  /** Since it connected, and since it sent its last command. */
  readonly ageMs: number;
  readonly idleMs: number;
  /** Received and not parsed; room for more in that buffer. */
  readonly inputBytes: number;
  readonly inputFreeBytes: number;
  /** Of replies that are not taken; the memory that replies take. */
  readonly outputBytes: number;
  readonly outputHeldBytes: number;
  /** The memory of all its buffers. */
  readonly heldBytes: number;
}

/** Which connections are meant: those for which all of it is so. */
export interface ClientFilter {
  readonly ids?: readonly number[];
  readonly remote?: string;
  readonly local?: string;
  readonly user?: string;
  /** Subscribes to something, or does not. */
  readonly isSubscriber?: boolean;
  /** True where the type was given, and it is one that no client here has. */
  readonly isNobody?: boolean;
  /** Not this one, whatever else is said. */
  readonly exceptId?: number;
}

/** How a request reaches its turn, within this process: the text of a constant command. */
export type ClientQuestion =
  /** This connection, or all that `filter` means. */
  | { readonly kind: "info" }
  | { readonly kind: "list"; readonly filter: ClientFilter }
  /** `isOldForm`: answered with OK or an error, not with how many there were. */
  | { readonly kind: "kill"; readonly filter: ClientFilter; readonly isOldForm: boolean };

export function isMeant(filter: ClientFilter, one: ClientView): boolean {
  const { ids, remote, local, user, isNobody = false, exceptId, isSubscriber } = filter;
  return !isNobody && (isSubscriber === undefined || isSubscriber === subscribes(one)) &&
    one.clientId !== exceptId &&
    (ids === undefined || ids.includes(one.clientId)) &&
    (remote === undefined || one.remote === remote) &&
    (local === undefined || one.local === local) &&
    (user === undefined || one.user === user);
}

function subscribes({ channels, patterns }: ClientView): boolean {
  return channels + patterns > 0;
}

/** One connection in a line, without its end. What this server does not have is 0, or -1 as there. */
export function clientLine(one: ClientView): string {
  const flags = (subscribes(one) ? "P" : "") + (one.queuedCommands >= 0 ? "x" : "") +
    (one.tracksTo >= 0 ? "t" : "") + (one.isReadonly ? "r" : "");
  const events = one.outputBytes > 0 ? "rw" : "r";
  return `id=${one.clientId} addr=${one.remote} laddr=${one.local} name=${one.name} ` +
    `age=${seconds(one.ageMs)} idle=${seconds(one.idleMs)} flags=${flags || "N"} db=0 ` +
    `sub=${one.channels} psub=${one.patterns} ssub=0 multi=${one.queuedCommands} ` +
    `watch=${one.watchedKeys} qbuf=${one.inputBytes} ` +
    `qbuf-free=${one.inputFreeBytes} multi-mem=${one.transactionBytes} obl=${one.outputBytes} ` +
    `oll=0 omem=${one.outputHeldBytes} tot-mem=${one.heldBytes} events=${events} ` +
    `cmd=${one.command || "NULL"} user=${one.user} redir=${one.tracksTo} resp=${one.protocol} ` +
    `lib-name=${one.libraryName} lib-ver=${one.libraryVersion}`;
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1_000));
}
