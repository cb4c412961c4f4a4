/**
 * Connections without TLS on a port that speaks it and need not: counted, so that whoever rolls TLS in sees
 * when there are none any more.
 */
import type { Connection } from "../ports.ts";

export class PlainLinks {
  count = 0;

  /** The same connection; it is counted until it is closed. */
  counted(connection: Connection): Connection {
    this.count++;
    return new CountedConnection(connection, () => this.count--);
  }
}

class CountedConnection implements Connection {
  readonly remote: string;
  readonly local: string | undefined;
  readonly #connection: Connection;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(connection: Connection, onClose: () => void) {
    this.remote = connection.remote;
    this.local = connection.local;
    this.#connection = connection;
    this.#onClose = onClose;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#connection.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#connection.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  close(): void {
    this.#connection.close();
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
  }
}
