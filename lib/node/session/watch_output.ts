/**
 * What a connection's watches tell, put into its output between replies. It is made as the output is taken,
 * never before: whoever takes nothing holds no more than one group of events.
 */
import type { ClientView } from "../../wire/clients.ts";
import type { ClientAccess } from "../../wire/client_access.ts";
import { ClientError } from "../../wire/command_batch.ts";
import { keysRead } from "../../wire/read_keys.ts";
import type { ClientWatches, WatchAnswer, WatchRequest } from "../../wire/watching.ts";
import { Subscriptions } from "../pubsub/subscriptions.ts";
import { SessionWatches } from "../watches/client_watches.ts";
import type { ReplyComposer } from "./reply_composer.ts";
import type { ReplyStream } from "./reply_stream.ts";
import { AWAIT_LEADER, type NodeSession, type SessionHost } from "./session_host.ts";

/** A connection whose buffers grew beyond this gives them back when all is written. */
const KEEP_BYTES = 8_192;

const NOTHING = { channels: 0, patterns: 0, tracking: null };

/** The connection, as this sees it. */
export interface WatchingConnection extends NodeSession {
  readonly access: ClientAccess;
  readonly closing: string | null;
}

export class WatchOutput implements ClientWatches {
  readonly #session: WatchingConnection;
  readonly #host: SessionHost;
  /** Tells the budget of all connections what this one holds; true where it may hold more. */
  readonly #mayHoldMore: () => boolean;
  /** Null before its first watch: most connections never have one. */
  #watches: SessionWatches | null = null;
  #markedMs = 0;
  /** What it subscribes to; null before it first does. */
  #subscriptions: Subscriptions | null = null;

  constructor(session: WatchingConnection, host: SessionHost, mayHoldMore: () => boolean) {
    this.#session = session;
    this.#host = host;
    this.#mayHoldMore = mayHoldMore;
  }

  get count(): number {
    return this.#watches === null ? 0 : this.#watches.count;
  }

  open(request: WatchRequest): WatchAnswer | ClientError {
    const [session, host] = [this.#session, this.#host];
    this.#watches ??= new SessionWatches(host.watches, {
      access: session.access,
      staleRefusal: () => host.staleRefusal(),
      onWatched: () => host.markActive(session),
    });
    if (this.count === 0) this.#markedMs = host.monotonicMs();
    return this.#watches.open(request);
  }

  close(what: Pick<WatchRequest, "key" | "isPrefix"> | null): number {
    return this.#watches === null ? 0 : this.#watches.close(what);
  }

  get subscriptions(): Subscriptions {
    const [session, host] = [this.#session, this.#host];
    return this.#subscriptions ??= new Subscriptions(host.pubsub, {
      access: session.access,
      staleRefusal: () => host.staleRefusal(),
      onTold: () => host.markActive(session),
      kill: (reason) => session.kill(reason),
    });
  }

  /** How many channels and patterns it subscribes to, and whether it tracks. */
  get subscribed(): Pick<ClientView, "channels" | "patterns" | "tracksTo"> {
    const { channels, patterns, tracking } = this.#subscriptions ?? NOTHING;
    return { channels, patterns, tracksTo: tracking?.mode?.redirect ?? -1 };
  }

  /** It watches, or subscribes to something. */
  get listens(): boolean {
    const { channels, patterns } = this.#subscriptions ?? NOTHING;
    return this.count + channels + patterns > 0;
  }

  /** It is to be told when what it reads changes. */
  get tracksReads(): boolean {
    return this.#subscriptions !== null && this.#subscriptions.tracking.isOfReads;
  }

  /** It has sent a CLIENT CACHING, which is for the next command. */
  get isCaching(): boolean {
    return this.#subscriptions !== null && this.#subscriptions.tracking.isCaching;
  }

  passed(command: number, begins: boolean): void {
    this.#subscriptions!.tracking.passed(command, begins);
  }

  /** The command at `bytes[at]` is answered, from the store as it is now. */
  noteRead(bytes: Uint8Array, at: number): void {
    this.#subscriptions!.tracking.read(keysRead(bytes, at));
  }

  /** A write of this connection is about to be applied; or it was. */
  writes(isWriting: boolean): void {
    this.#subscriptions?.tracking.writes(isWriting);
  }

  /** The connection is gone. */
  gone(): void {
    this.close(null);
    this.#subscriptions?.close();
  }

  /** What may leave now (ReplyStream.take), with as many groups of events as the client may have. */
  take(replies: ReplyComposer): Uint8Array | null {
    // Most connections are told nothing but replies.
    if (this.#watches !== null || this.#subscriptions !== null) this.#fill(replies);
    return replies.stream.take();
  }

  #fill(replies: ReplyComposer): void {
    const { stream } = replies;
    const [watches, subscriptions] = [this.#watches, this.#subscriptions];
    if (this.#session.closing !== null) return;
    // A reply that waits for its round comes first; it is taken as soon as that is confirmed.
    if (stream.isHeldUp) return;
    if (subscriptions !== null) {
      while (subscriptions.isReady && !replies.isFull && this.#mayHoldMore()) {
        subscriptions.write(stream.writer);
        stream.release(stream.composed);
      }
    }
    if (watches === null) return;
    while (watches.isReady && !replies.isFull && this.#mayHoldMore()) {
      if (!watches.write(stream.writer)) {
        if (watches.isReady) this.#host.markActive(this.#session);
        return;
      }
      stream.release(stream.composed);
    }
  }

  /** What was taken is written. */
  written(stream: ReplyStream): void {
    stream.written();
    if (this.count === 0 && this.#subscriptions === null) return;
    if (stream.pendingBytes === 0 && stream.heldBytes > KEEP_BYTES) stream.giveBack();
    this.#mayHoldMore();
  }

  /** As time passes. Returns why the connection is to end; null where it is not. */
  elapse(nowMs: number): string | null {
    const [watches, subscriptions] = [this.#watches, this.#subscriptions];
    const isSubscribed = subscriptions !== null && subscriptions.isTold;
    if (this.count === 0 && !isSubscribed) return null;
    if (this.#host.staleRefusal() === ClientError.removed) {
      this.#host.markActive(this.#session);
      return "this server was removed from its cluster, and has nothing more to tell";
    }
    if (subscriptions?.isReady === true) this.#host.markActive(this.#session);
    if (watches === null || watches.count === 0) return null;
    if (nowMs - this.#markedMs >= this.#host.watches.markMs) {
      this.#markedMs = nowMs;
      // Who knows no leader may have missed much, and does not say that nothing happened.
      const refusal = this.#host.refusal();
      if (refusal !== AWAIT_LEADER && refusal !== ClientError.noLeader) watches.mark();
    }
    if (watches.isReady) this.#host.markActive(this.#session);
    return null;
  }
}
