/** What was told and not taken yet: a message is kept once, however many it is for. */

/** What a place in a queue takes besides the bytes of its message. */
const PLACE_BYTES = 16;
/** And a message, besides its bytes. */
const MESSAGE_BYTES = 64;

export class Message {
  readonly bytes: Uint8Array;
  /** How many queues it is in. */
  waiting = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** What it takes. */
  get heldBytes(): number {
    return this.bytes.length + MESSAGE_BYTES;
  }
}

/** What one connection has to be told, in its order. */
export class MessageQueue {
  /** What would be taken if all messages were its own. */
  bytes = 0;
  readonly #total: QueueTotal;
  #messages: Message[] = [];
  #first = 0;

  constructor(total: QueueTotal) {
    this.#total = total;
  }

  get length(): number {
    return this.#messages.length - this.#first;
  }

  push(message: Message): void {
    this.#messages.push(message);
    this.bytes += message.bytes.length + PLACE_BYTES;
    this.#total.bytes += PLACE_BYTES;
    if (message.waiting++ === 0) this.#total.bytes += message.heldBytes;
  }

  /** The next one, which leaves the queue. */
  shift(): Message {
    const message = this.#messages[this.#first++]!;
    this.bytes -= message.bytes.length + PLACE_BYTES;
    this.#total.bytes -= PLACE_BYTES;
    if (--message.waiting === 0) this.#total.bytes -= message.heldBytes;
    if (this.#first === this.#messages.length) {
      this.#messages = [];
      this.#first = 0;
    } else if (this.#first >= 1_024 && this.#first * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#first);
      this.#first = 0;
    }
    return message;
  }

  clear(): void {
    while (this.length > 0) this.shift();
  }
}

/** What all queues of a server take together. */
export interface QueueTotal {
  bytes: number;
}
