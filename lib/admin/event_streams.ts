/**
 * The stream of `/events`: once a second, and soon after the leader changed, one snapshot for all who
 * listen, serialised once. A reader that
 * has not taken the messages before is sent no more, and after a while is dropped: nothing piles up.
 */
import type { ClusterStatus, EventFacts } from "../wire/status.ts";

/** So often it is looked whether another server leads, while somebody listens. */
const LOOK_INTERVAL_MS = 200;
/** A message comes with each so many looks. */
const LOOKS_A_MESSAGE = 5;
const STREAMS_MAX = 64;
/** A reader that is behind for so many messages in a row is dropped. */
const MISSED_MAX = 5;

/** One connection that listens. */
export interface StreamSink {
  readonly pendingBytes: number;
  push(bytes: Uint8Array): void;
  drop(reason: string): void;
}

const encoder = new TextEncoder();

export class EventStreams {
  readonly #status: () => ClusterStatus;
  readonly #leaderId: () => number;
  #toldLeaderId = 0;
  #looks = 0;
  /** How many messages in a row each has missed. */
  readonly #missed = new Map<StreamSink, number>();
  #timer: ReturnType<typeof setInterval> | null = null;
  /** The newest event of each server that was sent to all: its number. */
  #sent = new Map<number, EventFacts>();

  /** `leaderId`: as `status()` has it, for less. */
  constructor(status: () => ClusterStatus, leaderId: () => number) {
    this.#status = status;
    this.#leaderId = leaderId;
  }

  get count(): number {
    return this.#missed.size;
  }

  get isFull(): boolean {
    return this.#missed.size >= STREAMS_MAX;
  }

  /** It gets all that is known now, and then what changes. */
  add(sink: StreamSink): void {
    const status = this.#status();
    if (this.#timer === null) {
      this.#noteSent(status);
      this.#looks = 0;
      this.#timer = setInterval(() => this.look(), LOOK_INTERVAL_MS);
    }
    this.#missed.set(sink, 0);
    sink.push(encodeMessage(status, "retry: 1000\n"));
  }

  remove(sink: StreamSink): void {
    this.#missed.delete(sink);
    if (this.#missed.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  closeAll(reason: string): void {
    for (const sink of [...this.#missed.keys()]) {
      sink.drop(reason);
      this.remove(sink);
    }
  }

  /** Called every 200 ms while somebody listens. */
  look(): void {
    this.#looks++;
    if (this.#looks >= LOOKS_A_MESSAGE) this.tell();
    else if (this.#leaderId() !== this.#toldLeaderId) this.#tell(false);
  }

  /** One message to all, with the events since the last one. */
  tell(): void {
    this.#looks = 0;
    this.#tell(true);
  }

  /** `isRegular`: a reader that is not ready for it has missed one. */
  #tell(isRegular: boolean): void {
    const status = this.#status();
    const news = status.events.filter((event) => this.#isNews(event));
    this.#noteSent(status);
    const bytes = encodeMessage({ ...status, events: news }, "");
    for (const [sink, missed] of [...this.#missed]) {
      if (sink.pendingBytes === 0) {
        this.#missed.set(sink, 0);
        sink.push(bytes);
      } else if (!isRegular) continue;
      else if (missed + 1 >= MISSED_MAX) {
        this.remove(sink);
        sink.drop("it takes no messages");
      } else this.#missed.set(sink, missed + 1);
    }
  }

  #isNews({ serverId, number, atMs }: EventFacts): boolean {
    const last = this.#sent.get(serverId);
    return last === undefined || number > last.number || atMs > last.atMs;
  }

  #noteSent({ events, leaderId }: ClusterStatus): void {
    this.#toldLeaderId = leaderId;
    for (const event of events) this.#sent.set(event.serverId, event);
  }
}

/** JSON has no line end of its own, so it is one `data` line. */
function encodeMessage(status: ClusterStatus, before: string): Uint8Array {
  return encoder.encode(`${before}event: status\ndata: ${JSON.stringify(status)}\n\n`);
}
