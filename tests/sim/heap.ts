/** Events, and the heap that orders them by (time, sequence): equal times keep the order of making. */

/** Who takes an event: a server's process, a link, a client, a fault. */
export interface Handler {
  handle(event: SimEvent): void;
}

/**
 * One thing that will happen. Plain fields instead of a closure: millions are made. What `life`, `a`
 * and `bytes` mean is up to the target and `kind`.
 */
export class SimEvent {
  /** Microseconds since the world began. */
  time: number;
  readonly sequence: number;
  readonly target: Handler;
  readonly kind: number;
  /** The life of a process or connection that this belongs to: later lives ignore it. */
  readonly life: number;
  readonly a: number;
  readonly bytes: Uint8Array | null;
  /** A completion to call, for the few events that carry one. */
  readonly call: (() => void) | null;

  constructor(
    time: number,
    sequence: number,
    target: Handler,
    kind: number,
    life: number,
    a: number,
    bytes: Uint8Array | null,
    call: (() => void) | null,
  ) {
    this.time = time;
    this.sequence = sequence;
    this.target = target;
    this.kind = kind;
    this.life = life;
    this.a = a;
    this.bytes = bytes;
    this.call = call;
  }
}

function before(a: SimEvent, b: SimEvent): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
}

/** A binary heap. */
export class EventHeap {
  readonly #events: SimEvent[] = [];

  get length(): number {
    return this.#events.length;
  }

  /** Looks at all of them: for the end of a run. */
  count(wanted: (event: SimEvent) => boolean): number {
    return this.#events.filter(wanted).length;
  }

  peek(): SimEvent | undefined {
    return this.#events[0];
  }

  push(event: SimEvent): void {
    const events = this.#events;
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const other = events[parent]!;
      if (!before(event, other)) break;
      events[at] = other;
      at = parent;
    }
    events[at] = event;
  }

  pop(): SimEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    const length = events.length;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && before(events[child + 1]!, events[child]!)) child++;
      if (!before(events[child]!, last)) break;
      events[at] = events[child]!;
      at = child;
    }
    events[at] = last;
    return first;
  }
}
