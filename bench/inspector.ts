/** A client of a process's inspector (`deno run --inspect`): the few calls that a profile needs. */
import { pauseMs } from "./find_leader.ts";

const CONNECT_TIMEOUT_MS = 20_000;
const CALL_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#received(JSON.parse(data as string) as Answer);
    socket.onclose = () => this.#ended(new Error("The inspector closed the connection"));
    socket.onerror = () => this.#ended(new Error("The connection to the inspector failed"));
  }

  /** Connects to the process that listens for inspectors on `port`, once it does. */
  static async connect(port: number): Promise<Inspector> {
    const deadlineMs = performance.now() + CONNECT_TIMEOUT_MS;
    for (;;) {
      try {
        const targets = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
        const url = (targets as { webSocketDebuggerUrl: string }[])[0]!.webSocketDebuggerUrl;
        const socket = new WebSocket(url);
        await new Promise((resolve, reject) => {
          socket.onopen = resolve;
          socket.onerror = () => reject(new Error(`Nothing answers at ${url}`));
        });
        return new Inspector(socket);
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
        await pauseMs(POLL_MS);
      }
    }
  }

  /** Calls a method of the protocol. @throws {Error} where the process refuses or is silent. */
  call(method: string, parameters: object = {}): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${method}: no answer within ${CALL_TIMEOUT_MS} ms`));
      }, CALL_TIMEOUT_MS);
      const done = <T>(then: (value: T) => void) => (value: T) => {
        clearTimeout(timer);
        then(value);
      };
      this.#waiting.set(id, { resolve: done(resolve), reject: done(reject) });
      this.#socket.send(JSON.stringify({ id, method, params: parameters }));
    });
  }

  close(): void {
    this.#socket.close();
  }

  #received({ id, result, error }: Answer): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id!);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(error.message));
  }

  #ended(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
