/**
 * The simulated connections of one server's outgoing link. Frames travel one by one: they are lost,
 * doubled and overtake each other, which is more than TCP would do and all that Raft must bear. The
 * handshake is not: its frames arrive in order, and where one is lost the connection breaks. What
 * comes back behind it (pongs) stays in order. In a direction that is cut, pongs and the end of a
 * connection are lost without a word: the link itself has to see that nothing comes back.
 */
import type { InboundLink, OutboundLink } from "../../lib/node/api.ts";
import { readU32 } from "../../lib/util/bytes.ts";
import { LENGTH_BYTES } from "../../lib/wire/rpc/frame.ts";
import { FrameType } from "../../lib/wire/rpc/rpc_types.ts";
import type { AddressBook } from "./address_book.ts";
import type { Fabric } from "./fabric.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import type { Part } from "./server_setting.ts";
import type { SimServer } from "./sim_server.ts";
import { copyOf } from "./slab.ts";

const CONNECT_TIMEOUT_US = 1_000_000;
const BACKOFF_FIRST_US = 20_000;
const BACKOFF_MAX_US = 500_000;
const EMPTY: Uint8Array = new Uint8Array(0);
/** A duplicate is late more often: it harms nobody's progress, and stale frames tell much. */
const LATE_DUPLICATES = 10;
/** What a frame's event says of it. */
const HANDSHAKE = 1;
const DAMAGED = 2;

/** An end that a server has accepted, in one life of its process. */
interface AcceptedEnd {
  readonly inbound: InboundLink;
  readonly server: SimServer;
  readonly life: number;
}

export class PeerLink implements Handler, Part {
  readonly #fabric: Fabric;
  readonly #from: SimServer;
  /** Whom it dials now, or did last; null where nobody listens at that place. */
  #to: SimServer | null = null;
  readonly #addresses: AddressBook<SimServer>;
  readonly link: OutboundLink;
  /** Which of the link's places is tried next: the first one, until nothing good comes of it. */
  #place = 0;
  /** The first of them as last seen. */
  #first = "";
  /** Whoever was dialled has answered, and is the server that was meant. */
  #isGood = false;
  /** Grows with each attempt and each break: what belongs to an earlier one is void. */
  #epoch = 0;
  #state: "idle" | "connecting" | "up" = "idle";
  #inbound: InboundLink | null = null;
  /** Accepted ends that are still to be told that their connection is gone, by the number of that event. */
  readonly #gone = new Map<number, AcceptedEnd>();
  #lastGone = 0;
  #backoffUs = BACKOFF_FIRST_US;
  #isDead = false;
  /** The node knows of a connection, and not of its end. */
  #isToldUp = false;
  #isHalfOpen = false;
  #reason = "";
  #isFirstFrame = true;
  #isFirstAnswer = true;
  /** It is one for forwarded commands. */
  #hasStreams = false;
  #rest: Uint8Array = EMPTY;

  #lastArrivalUs = 0;
  #handshakeArrivalUs = 0;
  #lastAnswerUs = 0;

  constructor(
    fabric: Fabric,
    from: SimServer,
    link: OutboundLink,
    addresses: AddressBook<SimServer>,
  ) {
    this.#fabric = fabric;
    this.#from = from;
    this.#addresses = addresses;
    this.link = link;
    link.onActivity = () => from.markDirty(this);
    this.look();
    this.#schedule(Kind.connect, fabric.random.between(0, 5_000));
  }

  /** The server that it is connected to, or dials; 0 where that is none. */
  get toId(): number {
    return this.#to?.id ?? 0;
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  /** Its server may be somewhere else by now: then that place is tried first. */
  look(): void {
    const { hostname, port } = this.link.addresses[0]!;
    const first = `${hostname}:${port}`;
    if (first === this.#first) return;
    this.#first = first;
    this.#place = 0;
    this.#backoffUs = BACKOFF_FIRST_US;
  }

  #dial(): SimServer | null {
    const { addresses } = this.link;
    const { hostname, port } = addresses[this.#place % addresses.length]!;
    return this.#addresses.atLog(hostname, port);
  }

  /** The sending server's process is gone: so is this object, and the other end hears of it. */
  die(): void {
    this.#isDead = true;
    this.#break("the other end's process ended");
  }

  /** The node has no use for this link any more: what it still has to say goes out. */
  leave(): void {
    this.#pumpFrames();
    this.#isDead = true;
    this.#break("the link is over");
    if (this.#isToldUp) this.link.disconnected("the link is over");
  }

  /** The other end's process is gone, and nobody says so before it is there again. */
  loseOtherEnd(): void {
    if (this.#state !== "up") return this.reset("the other end's process ended");
    if (this.#inbound !== null) this.#inbound.onActivity = null;
    this.#inbound = null;
    this.#isHalfOpen = true;
    this.#fabric.world.counters.add("half-open connections");
  }

  /** Breaks the connection, if there is one. What is under way is lost. */
  reset(reason: string): void {
    if (this.#state === "idle") return;
    this.#break(reason);
  }

  handle(event: SimEvent): void {
    if (event.kind === Kind.inboundGone) {
      const gone = this.#gone.get(event.a)!;
      if (gone.server.life === gone.life) return gone.server.deliver(event, this);
      return void this.#gone.delete(event.a);
    }
    if (event.kind === Kind.broken && !this.#isDead) return this.#from.deliver(event, this);
    if (event.life !== this.#epoch || this.#isDead) return;
    const isAtReceiver = event.kind === Kind.accept || event.kind === Kind.frame;
    if (isAtReceiver) this.#arriveAtReceiver(event);
    else this.#from.deliver(event, this);
  }

  #arriveAtReceiver(event: SimEvent): void {
    const to = this.#to!;
    const isCut = this.#fabric.isCut(this.#from.id, to.id);
    if (event.kind === Kind.accept) {
      // Nobody listens, or nothing gets through: the attempt runs into its timeout or is refused.
      if (isCut || this.#fabric.isCut(to.id, this.#from.id)) return;
      if (to.isDown) return this.#schedule(Kind.connectFailed, this.#fabric.delayUs());
    } else if (isCut) {
      if ((event.a & HANDSHAKE) !== 0) this.#break("the handshake was lost");
      return;
    } else if (this.#isHalfOpen) {
      // The next process knows nothing of this connection, and says so.
      if (!to.isDown) this.#break("reset by the other end");
      return;
    }
    to.deliver(event, this);
  }

  /** Called inside the step of the server that the event belongs to. */
  perform(event: SimEvent): void {
    switch (event.kind) {
      case Kind.connect:
        this.#state = "connecting";
        this.#to = this.#dial();
        this.#isGood = false;
        if (this.#to === null) {
          return this.#schedule(Kind.connectFailed, this.#fabric.delayUs());
        }
        this.#schedule(Kind.accept, this.#fabric.delayUs());
        return this.#schedule(Kind.connectFailed, CONNECT_TIMEOUT_US);
      case Kind.connectFailed:
        if (this.#state === "connecting") this.#break("no connection");
        return;
      case Kind.accept:
        return this.#accept();
      case Kind.connected:
        return this.#connected();
      case Kind.frame:
        if (this.#inbound === null) return;
        if ((event.a & DAMAGED) === 0) this.#to!.checks.frame(this.#from, event.bytes!);
        return this.#to!.input.readInto(this.#inbound, event.bytes!);
      case Kind.answer:
        this.#backoffUs = BACKOFF_FIRST_US;
        this.#from.input.readInto(this.link, event.bytes!);
        if (this.link.closing === null) this.#isGood = true;
        return;
      case Kind.broken:
        this.#isToldUp = false;
        return this.link.disconnected(this.#reason);
      case Kind.closed:
        return this.#break("the other server closed the connection");
      case Kind.inboundGone: {
        const { inbound } = this.#gone.get(event.a)!;
        this.#gone.delete(event.a);
        return inbound.disconnected();
      }
    }
  }

  #accept(): void {
    if (this.#inbound !== null) return;
    const to = this.#to!;
    const inbound = to.node!.openInboundLink(`server-${this.#from.id}`);
    this.#inbound = inbound;
    inbound.onActivity = () => to.markDirty(this);
    this.#schedule(Kind.connected, this.#fabric.delayUs());
  }

  #connected(): void {
    if (this.#state !== "connecting") return;
    this.#state = "up";
    this.#isFirstFrame = true;
    this.#isFirstAnswer = true;
    this.#hasStreams = false;
    this.#rest = EMPTY;

    this.#lastArrivalUs = 0;
    this.#lastAnswerUs = 0;
    this.#from.world.counters.add("peer connections");
    this.#isToldUp = true;
    this.link.connected();
    this.#from.markDirty(this);
  }

  /** Takes what either end wants to write; called at the end of a server's step. */
  pump(server: SimServer): void {
    if (server === this.#from && !this.#isDead) this.#pumpFrames();
    if (server === this.#to && this.#inbound !== null) this.#pumpAnswers(this.#inbound);
  }

  #pumpFrames(): void {
    if (this.#state !== "up") return;
    while (this.#state === "up") {
      const output = this.link.takeOutput();
      if (output === null) break;
      const bytes = join(this.#rest, output);
      this.link.outputWritten();
      this.#rest = bytes.subarray(this.#sendFrames(bytes));
    }
    if (this.#state !== "up" || this.link.closing === null) return;
    // It was refused, mostly, and so will it be the next time.
    this.#backoffUs = this.link.retriesAtOnce === true ? BACKOFF_FIRST_US : BACKOFF_MAX_US;
    this.#break(this.link.closing);
  }

  /** Cuts whole frames off the front (a u32 length, that many bytes); returns how far it came. */
  #sendFrames(bytes: Uint8Array): number {
    let at = 0;
    while (bytes.length - at >= 4 && this.#state === "up") {
      const end = at + 4 + readU32(bytes, at);
      if (end > bytes.length) break;
      this.#sendFrame(bytes.subarray(at, end));
      at = end;
    }
    return at;
  }

  #sendFrame(frame: Uint8Array): void {
    const fabric = this.#fabric;
    const type = frame[LENGTH_BYTES];
    // Where the sender is: said once a connection, as the hello and the proof are.
    // A stream, once begun, has no gaps: where a frame of one is lost, the connection is.
    if (isOfStream(type)) this.#hasStreams = true;
    const isHandshake = this.#isFirstFrame || type === FrameType.addresses ||
      type === FrameType.proof || isOfStream(type);
    this.#isFirstFrame = false;
    const counters = fabric.world.counters;
    fabric.onFrame?.(this.#from.id, this.toId, frame);
    if (fabric.isCut(this.#from.id, this.toId) || fabric.isLost()) {
      counters.add("frames lost");
      if (isHandshake) this.#break("the handshake was lost");
      return;
    }
    let at = fabric.arrivalUs(this.#from.id, this.toId);
    const { reorder, duplicate } = fabric.options;
    // What is published comes once and in order, as by TCP, or not at all: nothing tells two apart.
    const isPublished = type === FrameType.publish;
    const keepsOrder = isHandshake || isPublished;
    const overtakes = !keepsOrder && reorder > 0 && fabric.random.chance(reorder);
    at = Math.max(at, overtakes ? this.#handshakeArrivalUs : this.#lastArrivalUs);
    // A frame that is very late holds up nobody: it is overtaken.
    const lateness = keepsOrder ? 0 : fabric.latenessUs();
    if (isHandshake) this.#handshakeArrivalUs = at;
    if (at > this.#lastArrivalUs) this.#lastArrivalUs = at;
    else if (at < this.#lastArrivalUs) counters.add("frames overtaking");
    const sent = fabric.damageSome(frame);
    const flags = (isHandshake ? HANDSHAKE : 0) | (sent === frame ? 0 : DAMAGED);
    this.#schedule(Kind.frame, at + lateness - fabric.world.now, sent, flags);
    if (!keepsOrder && duplicate > 0 && fabric.random.chance(duplicate)) {
      counters.add("frames doubled");
      const again = Math.max(
        fabric.arrivalUs(this.#from.id, this.toId),
        this.#handshakeArrivalUs,
      );
      const delay = again + fabric.latenessUs(LATE_DUPLICATES) - fabric.world.now;
      this.#schedule(Kind.frame, delay, frame);
    }
  }

  #pumpAnswers(inbound: InboundLink): void {
    while (this.#inbound === inbound) {
      const output = inbound.takeOutput();
      if (output === null) break;
      const bytes = copyOf(output);
      inbound.outputWritten();
      const fabric = this.#fabric;
      const isHandshake = this.#isFirstAnswer;
      this.#isFirstAnswer = false;
      const isCut = fabric.isCut(this.toId, this.#from.id);
      if ((isHandshake || this.#hasStreams) && (isCut || fabric.isLost())) {
        return this.#break("the handshake's answer was lost");
      }
      if (isCut) {
        fabric.world.counters.add("pongs lost");
        continue;
      }
      this.#lastAnswerUs = Math.max(
        fabric.arrivalUs(this.toId, this.#from.id),
        this.#lastAnswerUs,
        fabric.world.now,
      );
      this.#schedule(Kind.answer, this.#lastAnswerUs - fabric.world.now, bytes);
    }
    if (this.#inbound !== inbound || inbound.closing === null) return;
    // Closed behind its last answer; from here on nothing is taken in any more.
    this.#tellInbound();
    if (this.#fabric.isCut(this.toId, this.#from.id)) return;
    const delay = Math.max(this.#lastAnswerUs - this.#fabric.world.now, 1_000);
    this.#schedule(Kind.closed, delay);
  }

  #break(reason: string): void {
    const wasUp = this.#state === "up";
    if (!this.#isGood && this.link.retriesAtOnce !== true) this.#place++;
    this.#epoch++;
    this.#state = "idle";
    this.#isHalfOpen = false;
    this.#tellInbound();
    if (this.#isDead) return;
    if (wasUp) {
      this.#fabric.world.counters.add("peer connections broken");
      this.#reason = reason;
      this.#schedule(Kind.broken, 0);
    }
    this.#backoffUs = Math.min(this.#backoffUs * 2, BACKOFF_MAX_US);
    this.#schedule(Kind.connect, this.#fabric.random.between(1_000, this.#backoffUs));
  }

  #tellInbound(): void {
    const inbound = this.#inbound;
    if (inbound === null) return;
    this.#inbound = null;
    inbound.onActivity = null;
    const number = ++this.#lastGone;
    this.#gone.set(number, { inbound, server: this.#to!, life: this.#to!.life });
    this.#schedule(Kind.inboundGone, this.#fabric.delayUs(), null, number);
  }

  #schedule(kind: Kind, delayUs: number, bytes: Uint8Array | null = null, a = 0): void {
    this.#fabric.world.schedule(delayUs, this, kind, this.#epoch, a, bytes);
  }

  describe(event: SimEvent): string {
    const isHello = event.kind === Kind.frame && (event.a & HANDSHAKE) !== 0;
    return `${this.#from.id} -> ${this.toId}${isHello ? " hello" : ""}`;
  }
}

function isOfStream(type: number | undefined): boolean {
  return type === FrameType.forward || type === FrameType.forwardTaken ||
    type === FrameType.forwardEnd;
}

function join(rest: Uint8Array, more: Uint8Array): Uint8Array {
  if (rest.length === 0) return copyOf(more);
  const joined = new Uint8Array(rest.length + more.length);
  joined.set(rest);
  joined.set(more, rest.length);
  return joined;
}
