/**
 * Whether a listener still accepts. The runtime's server may stop accepting for good and say nothing of it
 * (node:net of Deno 2.8.3 to 2.9.6): the system goes on taking connections that nobody hears. So where none
 * came for a while, one is made.
 */
import { connect, type Socket } from "node:net";
import { addressText } from "../../util/address.ts";

/** How often it is looked, and how long one's own connection may take to be heard. */
const LOOK_MS = 2_000;
/** So many that were not heard in succession: one may come to a loop that stands still. */
const UNHEARD_MAX = 2;

/** The same machine, where it listens on all of its addresses. */
const ANY: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

export class Hearing {
  readonly #place: { readonly host: string; readonly port: number };
  readonly #onTrial: (remote: string) => void;
  readonly #onDeaf: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #hasHeard = true;
  #unheard = 0;
  #own: Socket | null = null;

  /**
   * `onTrial` is told of each connection that is made here, as the listener sees its other end; it may have
   * been accepted by then. `onDeaf` is called where none is accepted any more, and again until one is.
   */
  constructor(
    address: string,
    port: number,
    onTrial: (remote: string) => void,
    onDeaf: () => void,
  ) {
    this.#place = { host: ANY[address] ?? address, port };
    this.#onTrial = onTrial;
    this.#onDeaf = onDeaf;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** A connection was accepted. */
  heard(): void {
    this.#hasHeard = true;
    this.#unheard = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#end();
  }

  #look(): void {
    const wasTaken = this.#own !== null && !this.#own.connecting && !this.#own.destroyed;
    if (!this.#hasHeard && wasTaken && ++this.#unheard >= UNHEARD_MAX) {
      this.#unheard = 0;
      this.#end();
      return this.#onDeaf();
    }
    this.#end();
    const isBusy = this.#hasHeard;
    this.#hasHeard = false;
    if (isBusy) return;
    const own = connect(this.#place);
    this.#own = own;
    own.on("connect", () => this.#onTrial(addressText(own.localAddress!, own.localPort!)));
    // Where none can be made the next look tries again.
    own.on("error", () => {});
  }

  #end(): void {
    this.#own?.destroy();
    this.#own = null;
  }
}
