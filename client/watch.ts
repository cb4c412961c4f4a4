/**
 * Watches: what happens to a key, or to all keys with one prefix, over a connection of their own to any
 * server. Where it ends, or says nothing for too long, another server is asked for what came after that.
 */
import type { Key, WatchGroup, WatchOptions } from "./calls.ts";
import { kept } from "./arguments.ts";
import { NotDone, ProtocolProblem, Refused } from "./errors.ts";
import { checkNames, checkSignal, WATCH_OPTIONS } from "./options.ts";
import { Pauses } from "./pauses.ts";
import { type Reply, ReplyError, ReplyParser, textOf } from "./reply_parser.ts";
import { type Argument, RequestWriter } from "./request_writer.ts";
import type { Settings } from "./settings.ts";
import { Socket } from "./socket.ts";
import type { ValueKind } from "./values.ts";

/** One change, as it came. */
interface RawEvent {
  readonly kind: "set" | "delete" | "expire" | "flush";
  readonly key: Uint8Array | null;
  readonly version: number;
  readonly value: Uint8Array | null;
}

interface RawGroup {
  readonly revision: number;
  readonly position: string;
  readonly events: readonly RawEvent[];
}

/** What a watch needs of its client. */
interface WatchedCluster {
  readonly servers: readonly string[];
  /** Aborted when the client is closed. */
  readonly closing: AbortController;
}

/** Marks come every ten seconds unless the servers are told otherwise: three of them are missing. */
const SILENT_MS = 35_000;
const LOOK_MS = 1_000;
/** What has come and was not taken; beyond that the connection is not read from. */
const WAITING_GROUPS_MAX = 256;
const WAITING_BYTES_MAX = 1_048_576;
/** Nothing but other permissions, or another request, would help. */
const FINAL = new Set(["NOPERM", "NOAUTH", "WRONGPASS"]);
/** What every server says of such a request. */
const WRONG_REQUEST = /^ERR (?:syntax error|a position is|an empty key is|a key has more than)/;
const KINDS: readonly string[] = ["set", "delete", "expire", "flush"];

/**
 * What `Values.watch` gives, with values of one kind.
 * @throws {TypeError} with the first group that is asked for, where an option is wrong.
 */
export async function* watchGroups<Out, In>(
  cluster: WatchedCluster,
  settings: Settings,
  kind: ValueKind<Out, In>,
  what: Key,
  options: WatchOptions = {},
): AsyncGenerator<WatchGroup<Out>, void, undefined> {
  checkNames(options, WATCH_OPTIONS);
  checkSignal(options.signal);
  const watcher = new Watcher(cluster, settings, what, options);
  try {
    for (;;) {
      const { events, ...group } = await watcher.next();
      const shown = events.map(({ value, ...event }) => {
        return { ...event, value: value === null ? null : kind.decode(value) };
      });
      yield { ...group, events: shown };
    }
  } finally {
    watcher.close();
  }
}

class Watcher {
  readonly #cluster: WatchedCluster;
  readonly #settings: Settings;
  readonly #pattern: Argument;
  readonly #options: WatchOptions;
  readonly #pauses = new Pauses();
  #position: string | null;
  #clusterId = "";
  readonly #groups: RawGroup[] = [];
  #waitingBytes = 0;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;
  #socket: Socket | null = null;
  #server = "";
  #turn = Math.floor(Math.random() * 64);
  /** Servers that keep nothing so old, since one last had it. */
  readonly #compacted = new Map<string, string>();
  /** What servers said lately, for an error. */
  readonly #reasons = new Map<string, string>();
  #isWatching = false;
  #wasWatching = false;
  #heardMs = 0;
  readonly #beganMs = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onAbort = () => this.#aborted();

  constructor(
    cluster: WatchedCluster,
    settings: Settings,
    pattern: Key,
    options: WatchOptions,
  ) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#pattern = kept("what is watched", pattern);
    this.#options = options;
    this.#position = options.after === undefined ? null : String(options.after);
    for (const signal of this.#signals()) signal.addEventListener("abort", this.#onAbort);
    if (this.#signals().some(({ aborted }) => aborted)) this.#aborted();
    else this.#connect();
  }

  /** The next group of events. @throws {NotDone | Refused} where there will be none. */
  async next(): Promise<RawGroup> {
    while (this.#groups.length === 0) {
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const group = this.#groups.shift()!;
    this.#waitingBytes -= bytesOf(group);
    if (!this.#isFull()) this.#socket?.resume();
    return group;
  }

  close(): void {
    this.#fail(new NotDone("the watch was closed", this.#failureOf("closed")));
  }

  #signals(): AbortSignal[] {
    const { signal } = this.#options;
    return [this.#cluster.closing.signal, ...signal === undefined ? [] : [signal]];
  }

  #aborted(): void {
    const { signal } = this.#options;
    const isOwn = signal?.aborted === true;
    const failure = { ...this.#failureOf(isOwn ? "aborted" : "closed"), cause: signal?.reason };
    this.#fail(new NotDone(isOwn ? "the watch was aborted" : "the client is closed", failure));
  }

  #failureOf(code: string) {
    return { code, server: this.#server || null, phase: "reply" as const };
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    clearTimeout(this.#timer);
    this.#socket?.close();
    for (const signal of this.#signals()) signal.removeEventListener("abort", this.#onAbort);
    this.#wake?.();
  }

  #connect(): void {
    const { servers } = this.#cluster;
    const server = this.#server = servers[this.#turn++ % servers.length]!;
    const { tls, greeting, replyBytesMax } = this.#settings;
    // Version 2 of the protocol: there what is told is an array as any other.
    const credentials = greeting.slice(2);
    let greetingsLeft = credentials.length === 0 ? 0 : 1;
    const parser = new ReplyParser({ replyBytesMax });
    this.#isWatching = false;
    this.#heardMs = performance.now();
    const socket = this.#socket = new Socket(server, {
      connected: () => {
        const writer = new RequestWriter();
        if (credentials.length > 0) writer.request(credentials);
        const after = this.#position === null ? [] : ["AFTER", this.#position];
        const values = this.#options.values === false ? ["NOVALUE"] : [];
        writer.request(["RAFTKV.WATCH", this.#pattern, ...after, ...values]);
        socket.write(writer.take());
      },
      received: (bytes) => {
        this.#heardMs = performance.now();
        try {
          parser.push(bytes, (reply) => {
            if (this.#socket !== socket || this.#failure !== null) return;
            if (greetingsLeft > 0 && !(reply instanceof ReplyError)) greetingsLeft--;
            else this.#take(reply);
          });
        } catch (error) {
          if (!(error instanceof ProtocolProblem)) throw error;
          this.#leave(`what it sent can't be understood: ${error.message}`);
        }
      },
      drained: () => {},
      ended: (error) => this.#leave(error?.message ?? "it closed the connection"),
    }, tls);
    this.#look();
  }

  /** Gives up a server that says nothing. */
  #look(): void {
    clearTimeout(this.#timer);
    if (this.#failure !== null) return;
    const { attemptTimeoutMs, timeoutMs } = this.#settings;
    const nowMs = performance.now();
    const patienceMs = this.#isWatching ? SILENT_MS : attemptTimeoutMs;
    if (!this.#wasWatching && nowMs - this.#beganMs >= timeoutMs) {
      const said = [...this.#reasons].map(([server, why]) => `${server}: ${why}`).join("; ");
      const message = `no server could be watched within ${timeoutMs} ms: ${said}`;
      return this.#fail(new NotDone(message, { ...this.#failureOf("deadline"), phase: "connect" }));
    }
    // What its client does not take is no silence of the server's.
    if (nowMs - this.#heardMs >= patienceMs && !this.#isFull()) {
      return this.#leave(`it said nothing for ${Math.round(patienceMs)} ms`);
    }
    this.#timer = setTimeout(() => this.#look(), Math.min(LOOK_MS, attemptTimeoutMs));
  }

  /** Tries the next server, after a pause where that was tried lately. */
  #leave(why: string): void {
    if (this.#failure !== null) return;
    this.#reasons.set(this.#server, why);
    this.#socket?.close();
    this.#socket = null;
    clearTimeout(this.#timer);
    this.#isWatching = false;
    const pauseMs = this.#pauses.isFirst() ? 0 : this.#pauses.nextMs();
    this.#timer = setTimeout(() => this.#connect(), pauseMs);
  }

  #take(reply: Reply): void {
    if (reply instanceof ReplyError) return this.#refused(reply.text);
    if (!Array.isArray(reply)) return this.#leave("it answered what is no answer to a watch");
    if (reply.length === 2) {
      const [revision, clusterId] = reply;
      this.#clusterId = textOf(clusterId ?? null);
      this.#position = `${Number(revision)}@${this.#clusterId}`;
      if (!this.#wasWatching) this.#mark(Number(revision));
      this.#isWatching = this.#wasWatching = true;
      this.#compacted.clear();
      this.#reasons.clear();
      return this.#pauses.wentWell();
    }
    const [, , revision, told] = reply;
    if (!Array.isArray(told)) return this.#refused(textOf(told ?? null));
    const position = `${Number(revision)}@${this.#clusterId}`;
    this.#position = position;
    if (told.length === 0) return this.#mark(Number(revision));
    const group = { revision: Number(revision), position, events: told.map(toEvent) };
    this.#groups.push(group);
    this.#waitingBytes += bytesOf(group);
    if (this.#isFull()) this.#socket?.pause();
    this.#wake?.();
  }

  /** All up to `revision` was told: for who wants to know. */
  #mark(revision: number): void {
    if (this.#options.marks !== true || this.#isFull()) return;
    this.#groups.push({ revision, position: this.#position!, events: [] });
    this.#wake?.();
  }

  /** It was not begun, or is over. */
  #refused(text: string): void {
    const code = text.split(" ", 1)[0]!;
    const isLost = code === "COMPACTED";
    if (isLost) this.#compacted.set(this.#server, text);
    // Others may keep more. Who can't be asked now is not waited for: it may be gone for good.
    const isLostEverywhere = isLost &&
      this.#cluster.servers.every((one) => this.#compacted.has(one) || this.#isAway(one));
    if (isLostEverywhere || FINAL.has(code) || WRONG_REQUEST.test(text)) {
      return this.#fail(new Refused(text, this.#failureOf(code)));
    }
    this.#leave(text);
  }

  /** It was asked, and could not answer; who has not come so far yet may do so soon. */
  #isAway(server: string): boolean {
    return this.#reasons.get(server)?.startsWith("FUTURE") === false;
  }

  #isFull(): boolean {
    return this.#groups.length >= WAITING_GROUPS_MAX || this.#waitingBytes >= WAITING_BYTES_MAX;
  }
}

function bytesOf({ events }: RawGroup): number {
  return events.reduce((sum, { key, value }) => {
    return sum + (key?.length ?? 0) + (value?.length ?? 0);
  }, 0);
}

/** @throws {ProtocolProblem} where it is no event. */
function toEvent(reply: Reply): RawEvent {
  if (!Array.isArray(reply) || reply.length !== 4) throw new ProtocolProblem("an event is none");
  const [kind, key, version, value] = reply;
  const name = textOf(kind ?? null);
  if (!KINDS.includes(name)) throw new ProtocolProblem(`an event of an unknown kind`);
  return {
    kind: name as RawEvent["kind"],
    key: key instanceof Uint8Array ? key.slice() : null,
    version: Number(version),
    value: value instanceof Uint8Array ? value.slice() : null,
  };
}
