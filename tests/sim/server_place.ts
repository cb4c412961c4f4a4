/** Where a server listens, and where its own file says that the others do. */
import { founderAddress, type SimAddress } from "./address_book.ts";
import type { Origins } from "./server_setting.ts";

export class ServerPlace {
  readonly #serverId: number;
  /** Where it listens; it may move between two starts. */
  address: SimAddress;
  #next: SimAddress | null = null;
  /** The servers of its cluster file, itself aside. */
  #listed: ReadonlyMap<number, SimAddress>;

  /** `founders`: how many the cluster began with. */
  constructor({ serverId, address, joins }: Origins, founders: number) {
    this.#serverId = serverId;
    this.address = address;
    // Who joins needs no file.
    const listed = joins === null ? founders : 0;
    const ids = Array.from({ length: listed }, (_, at) => at + 1);
    this.#listed = new Map(ids.map((founder) => [founder, founderAddress(founder)]));
  }

  /** Where it listens, or will once it has started again. */
  get next(): SimAddress {
    return this.#next ?? this.address;
  }

  /** All places that it knows of at its start, its own among them. */
  get known(): Map<number, SimAddress> {
    return new Map([...this.#listed, [this.#serverId, this.address]]);
  }

  /** The log port that its own file has for a member of its cluster. */
  listedPort(serverId: number): number | undefined {
    return serverId === this.#serverId ? this.address.logPort : this.#listed.get(serverId)?.logPort;
  }

  /**
   * From its next start on it listens elsewhere. `places`: where all members are then, for its file.
   */
  moveTo(address: SimAddress, places: ReadonlyMap<number, SimAddress>): void {
    this.#next = address;
    this.#listed = places;
  }

  /** It starts. */
  begin(): void {
    this.address = this.next;
    this.#next = null;
  }
}
